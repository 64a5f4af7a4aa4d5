"""A task that produces one stream, and what its end means for that.

The task holds what it fills (the sink), never the promise that shows it. So the promise can be dropped by its
readers, which is how the task learns that it can stop. How it is stopped, and what it has started, is decided
in ``_lifetime``; what it waits for is noted by ``_deadlocks``.
"""

import asyncio
from asyncio import CancelledError, Future, Task
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Final, TypeAlias, TypeVar, cast

from typing_extensions import override

from ._ancestry import Ancestry, extend_chain
from ._buffer import ReplayBuffer
from ._context import Context
from ._deadlocks import current_producer
from ._lifetime import TaskLife
from ._protocols import Sink

T = TypeVar("T")

Body: TypeAlias = Callable[[], Coroutine[object, object, None]]


_begin_life: Final = TaskLife.__init__  # once per run: `super()` makes an object for the call


class ProducerTask(TaskLife):
    """The task that produces a stream.

    Args:
        name: how it is called in errors: the alias of an agent, or what is being pumped.
        context: who owns the task.
        buffer: the stream that readers see.
        sink: what takes the results; often the buffer itself.
        part: it is a part of the run that started it (a message being written), not a run of its own.
        orphan: it does not belong to the run that happens to start it.

    Attributes:
        received: the last error that it was given by a stream it read, and the agents that went through.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.core import ProducerTask, ReplayBuffer, current_context, until_closed
        >>> async def main():
        ...     buffer = ReplayBuffer(current_context())
        ...     async def body():
        ...         buffer.append("one")
        ...     ProducerTask("writer", buffer.context, buffer, buffer).start(body)
        ...     await until_closed(buffer)
        ...     print(buffer.items)
        >>> MiniAgents().run(main())
        ['one']
    """

    __slots__ = ("_awaitables", "_body", "_name", "received", "sink")

    buffer: ReplayBuffer[object]  # pyright: ignore[reportIncompatibleVariableOverride] - written once

    def __init__(
        self,
        name: str,
        context: Context,
        buffer: ReplayBuffer[T],
        sink: Sink,
        *,
        part: bool = False,
        orphan: bool = False,
    ) -> None:
        del context  # that of the buffer
        parent: TaskLife | None = None if orphan else current_producer()  # type: ignore[assignment]  # all are
        _begin_life(self, buffer, parent, part=part)
        self._name = name
        self.sink: Sink = sink
        self.received: tuple[Exception, tuple[str, ...]] | None = None
        self._body: Body | None = None
        self._awaitables: list[Future[object]] | None = None

    @property
    @override
    def name(self) -> str:
        return self._name

    def start(self, body: Body | None = None) -> None:
        """Become a task of the context; its end is the end of the sink.

        Args:
            body: called in the task; what it raises ends the sink with that error. A subclass may do without
                and say in :meth:`work` what the task does.
        """
        self._body = body
        self.begins()
        drive = self._drive()
        drive.send(None)  # up to `_BEGUN`: whatever ends the task from now on is told in `_drive`
        # Not `loop.create_task`: a factory of eager tasks would run it here, on the stack of who starts it.
        self.runs_as(Task(drive, loop=self.context.loop, name=self._name, context=self.variables))

    async def _drive(self) -> None:
        try:
            await _BEGUN
            self.mark_as_current()
            try:
                returned = await self.work()
                if returned is not None:
                    self.refuse_result(returned)
                if self._awaitables:
                    await self._settle()
            finally:
                if self._awaitables:
                    await self._release()
        except (CancelledError, GeneratorExit):
            self.end_aborted(self.cancellation())
            self.was_cancelled()
        except Exception as error:  # noqa: BLE001 - it is the terminal of this stream
            self._fail(error)
        except (KeyboardInterrupt, SystemExit):
            # asyncio takes it out of the loop; no caller asks the task for it.
            self.end_aborted(self.cancellation())
            if self.task is not None:
                self.task.add_done_callback(_retrieve)
            raise
        except BaseException as error:  # noqa: BLE001 - it leaves through the block of the context
            self._interrupt(error)
        else:
            self.work_ended()
            self.finished()
        finally:
            self.received = None
            self.forget_waits()
            self._awaitables = None
            self._body = None
            self.has_ended()

    def _fail(self, error: Exception) -> None:
        """End what it writes with ``error``."""
        self.failed(error, self._chain_of(error))
        self.has_failed()

    def _interrupt(self, error: BaseException) -> None:
        """End what it writes, and end the block of the context with ``error``."""
        cancellation = self.cancellation()
        cancellation.__cause__ = error
        self.end_aborted(cancellation)
        self.was_cancelled()
        self.context.interrupt(error)

    def keep_open_for(self, awaitable: Awaitable[object]) -> None:
        """End only when ``awaitable`` has; an error of it is an error of this.

        Args:
            awaitable: waited for when the work is done; cancelled if the work does not come to its end.

        Raises:
            WrongLoopError: the call comes from another event loop, thread or process.
        """
        self.context.check_place()
        if self._awaitables is None:
            self._awaitables = []
        self._awaitables.append(asyncio.ensure_future(awaitable))

    async def _settle(self) -> None:
        """Wait for all that is pending, in order, what is added meanwhile too."""
        while self._awaitables:
            await self._awaitables[0]
            del self._awaitables[0]

    async def _release(self) -> None:
        """Stop all that is pending, and wait until it has stopped."""
        pending, self._awaitables = self._awaitables or [], None
        for each in pending:
            each.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    def refuse_result(self, returned: object) -> None:
        """The work of the task returned a value, which no reader gets; a subclass may raise.

        Args:
            returned: the value, which is not None.
        """

    def work(self) -> Awaitable[object]:
        """What the task does.

        Raises:
            TypeError: it was started without a body and is no subclass that has one.
        """
        body, self._body = self._body, None  # what made the coroutine is not kept while it waits
        if body is None:
            msg = f"The task {self.name} was started without a body."
            raise TypeError(msg)
        return body()

    def finished(self) -> None:
        """Tell the sink that the task came to its end."""
        self.sink.finish()

    def failed(self, error: Exception, chain: tuple[str, ...]) -> None:
        """Tell the sink that the task failed.

        Args:
            error: what it raised.
            chain: the aliases of the agents that it went through.
        """
        self.sink.fail(error, chain)

    @override
    def end_aborted(self, error: Exception) -> None:
        """Tell the sink that the task was stopped.

        Args:
            error: what its readers get.
        """
        self.sink.abort(error)

    def _chain_of(self, error: Exception) -> tuple[str, ...]:
        """The agents that ``error`` went through, this one last; they are written on it, too."""
        chain = self.received[1] if self.received is not None and self.received[0] is error else ()
        return extend_chain(error, chain, self.run_name())

    def run_name(self) -> str | None:
        """The name of the run that this is, or is a part of; None if no run has started it."""
        task: TaskLife | None = self
        while task is not None and task.part:
            task = task.parent
        return None if task is None else task.name

    @override
    def drain(self) -> None:
        """Run on without regard to how far the readers are."""
        self.buffer.run_on()


class _Begun:
    """Where a task stands before its first step.

    A task that is cancelled before its first step never runs a coroutine that has not begun: no reader would
    be told. What stands here has begun. A `range` is no object for the garbage collector.
    """

    def __await__(self) -> Iterator[int]:
        return iter(_ONE_STEP)


_ONE_STEP: Final = range(1)
_BEGUN: Final = cast("Awaitable[object]", _Begun())  # any iterator will do for `await`


def _retrieve(task: "Task[None]") -> None:
    if not task.cancelled():
        task.exception()


def current_ancestry() -> Ancestry | None:
    """The run that is running, None outside of every run.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> from miniagents.core import current_ancestry
        >>> @miniagent
        ... async def asks_itself(ctx):
        ...     ctx.reply(f"within a run: {current_ancestry() is not None}")
        >>> async def main():
        ...     print(await asks_itself.inquire(), current_ancestry())
        >>> MiniAgents().run(main())
        within a run: True None
    """
    producer = cast("ProducerTask | None", current_producer())
    return None if producer is None else producer.ancestry
