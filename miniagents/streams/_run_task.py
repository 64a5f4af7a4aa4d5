"""`ProducerTask`: a task that produces one stream, and ends it when the task ends.

The task holds what it fills (the sink), never the promise that shows it. So readers can drop the promise, and
then the task is stopped. ``_lifetime`` decides when the task and what it started are stopped; ``_deadlocks``
notes what it waits for.
"""

import asyncio
import sys
from asyncio import CancelledError, Future, Task
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from opcode import opmap
from types import FrameType
from typing import Final, TypeAlias, TypeVar, cast

from typing_extensions import override

from ._buffer import ReplayBuffer
from ._context import Context
from ._lifetime import Ancestry, Lifetime, TaskLife, current_producer, extend_chain
from ._protocols import Sink

T = TypeVar("T")

Body: TypeAlias = Callable[[], Coroutine[object, object, None]]


class ReceivedError:
    """An error that a stream raised to a task, which handles it or fails with it.

    Attributes:
        error: the error.
        chain: the agents that it had gone through.
        stream: the stream.
        context: of the task.
        error_handled: whether a reader has got the error elsewhere, or it was logged.
    """

    __slots__ = ("chain", "context", "error", "error_handled", "stream")

    def __init__(self, error: Exception, stream: Lifetime[object], context: Context) -> None:
        self.error: Exception = error
        self.chain: tuple[str, ...] = stream.chain
        self.stream: Lifetime[object] = stream
        self.context: Context = context
        self.error_handled: bool = False


_begin_life: Final = TaskLife.__init__  # called once per run; `super()` would make an object


class ProducerTask(TaskLife):
    """The task that produces a stream.

    Args:
        name: its name in errors: the alias of an agent, or a name of the source.
        buffer: the stream that readers read; its context owns the task.
        sink: takes the results; often the buffer itself.
        part: whether it is a part of the run that started it (a message that the run writes), not a run of
            its own.
        orphan: whether it has no parent, although a run starts it.

    Attributes:
        received: the last error that a stream raised to it. While it runs it may still fail with the error,
            so the error is not handled yet.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import current_context
        >>> from miniagents.streams._readers import until_closed
        >>> from miniagents.streams._run_task import ProducerTask
        >>> async def main():
        ...     buffer = ReplayBuffer(current_context())
        ...     async def body():
        ...         buffer.append("one")
        ...     ProducerTask("writer", buffer, buffer).start(body)
        ...     await until_closed(buffer)
        ...     print(buffer.items)
        >>> MiniAgents().run(main())
        ['one']
    """

    __slots__ = ("_awaitables", "_body", "_name", "received", "sink")

    buffer: ReplayBuffer[object]  # pyright: ignore[reportIncompatibleVariableOverride] - written once

    def __init__(
        self, name: str, buffer: ReplayBuffer[T], sink: Sink, *, part: bool = False, orphan: bool = False
    ) -> None:
        parent = None if orphan else current_producer()
        _begin_life(self, buffer, parent, part=part)
        self._name = name
        self.sink: Sink = sink
        self.received: ReceivedError | None = None
        self._body: Body | None = None
        self._awaitables: list[Future[object]] | None = None

    @property
    @override
    def name(self) -> str:
        return self._name

    def start(self, body: Body | None = None) -> None:
        """Start the task in the context; the end of the task ends the sink.

        Args:
            body: called in the task; an error of it ends the sink with that error. A subclass that overrides
                :meth:`work` needs no body.
        """
        self._body = body
        self.begins()
        drive = self._drive()
        drive.send(None)  # run it up to `_BEGUN`: from there on `_drive` handles every end of the task
        # Not `loop.create_task`: an eager task factory would run it here, on the stack of the caller.
        self.task: Task[None] | None = Task(
            drive, loop=self.context.loop, name=self._name, context=self.variables
        )

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
            self.stops()  # if it was not stopped by us, what it stops belongs together all the same
            self.end_aborted(self.cancellation())
            self.was_cancelled()
        except Exception as error:  # noqa: BLE001 - the error ends this stream
            self._fail(error)
        except (KeyboardInterrupt, SystemExit):
            # asyncio raises it out of the event loop; no caller reads it from the task.
            self.end_aborted(self.cancellation())
            if self.task is not None:
                self.task.add_done_callback(_retrieve)
            raise
        except BaseException as error:  # noqa: BLE001 - the block of the context raises it
            self._interrupt(error)
        else:
            self._succeed()
        finally:
            self.handle_received()
            self.forget_waits()
            self._awaitables = None
            self._body = None
            self.has_ended()
            # From Python 3.12 on, an error refers to this frame: `f_back` of the frames in its traceback.
            del self

    def _succeed(self) -> None:
        """End what it writes normally."""
        self.work_ended()
        self.finished()
        if self.stop is not None:  # it ended before the cancellation came to it, or in spite of that
            self.was_cancelled()

    def _fail(self, error: Exception) -> None:
        """End what it writes with ``error``."""
        self._drop_frames_of(error)
        replied = {id(stream) for stream in self.replied()}
        received = self.received_as(error)
        if received is not None:
            self.buffer.takes_error_of(received.stream, received)
        self.failed(error, self._chain_of(error))
        self.pass_error_on(error)
        self.has_failed(replied)

    def receive(self, stream: Lifetime[T], error: Exception) -> None:
        """Event *stream raised its error to this task*, which handles it, or fails with it.

        Args:
            stream: the stream.
            error: its error.
        """
        self.handle_received()
        self.received = ReceivedError(error, cast("Lifetime[object]", stream), self.context)
        stream.context.unhandled.watch(self.received, error)

    def received_as(self, error: BaseException) -> ReceivedError | None:
        """What it has received, if that is ``error``."""
        return self.received if self.received is not None and self.received.error is error else None

    def pass_error_on(self, error: Exception) -> None:
        """Note that it has not handled an error, if a stream has raised that to it.

        Args:
            error: what it fails with, or what it cannot fail with any more.
        """
        received = self.received_as(error)
        if received is not None:
            self.received = None
            received.stream.pass_error_on()
            received.stream.context.unhandled.drop(received, error)

    def handle_received(self) -> None:
        """Note that the last error that a stream raised to it was handled."""
        received, self.received = self.received, None
        if received is not None:
            received.stream.mark_error_handled()
            received.stream.context.unhandled.forget(received.error)

    def _interrupt(self, error: BaseException) -> None:
        """End what it writes, and end the block of the context with ``error``."""
        cancellation = self.cancellation()
        cancellation.__cause__ = error
        self.end_aborted(cancellation)
        self.was_cancelled()
        self.context.interrupt(error)

    def keep_open_for(self, awaitable: Awaitable[object]) -> None:
        """Keep the stream open until ``awaitable`` has ended too; the stream fails if it fails.

        Args:
            awaitable: awaited when the work is done; cancelled if the work fails or is cancelled.

        Raises:
            WrongLoopError: the call comes from another event loop, thread or process.
        """
        self.context.check_place()
        if self._awaitables is None:
            self._awaitables = []
        self._awaitables.append(asyncio.ensure_future(awaitable))

    async def _settle(self) -> None:
        """Await everything that is pending, in order, also what is added meanwhile."""
        while self._awaitables:
            await self._awaitables[0]
            del self._awaitables[0]

    async def _release(self) -> None:
        """Cancel everything that is pending, and wait until it has stopped."""
        pending, self._awaitables = self._awaitables or [], None
        error = sys.exception()
        traceback = None if error is None else error.__traceback__
        for each in pending:
            each.cancel()
        try:
            await asyncio.gather(*pending, return_exceptions=True)
        except CancelledError:
            if isinstance(error, Exception):  # stopped while it was failing
                self._drop_frames_of(error)
                self._lose(error)
            raise
        if error is not None:
            error.with_traceback(traceback)  # a reader of another stream with this error could have raised it

    def _drop_frames_of(self, error: Exception) -> None:
        """Drop the local variables of this run that ``error`` keeps, but not those of another reader."""
        raised = self.context.unhandled.raised
        if id(error) in raised and raised[id(error)][0] is not self:  # its frames are those of another reader
            error.with_traceback(raised[id(error)][1])
            return
        drop_frames(error, self.received)
        raised.pop(id(error), None)

    def _lose(self, error: Exception) -> None:
        """Log an error that no reader can get any more, because what it writes has ended before."""
        if self.received_as(error) is not None:
            self.pass_error_on(error)
        else:
            self.context.unhandled.watch(self.buffer, error)
            self.context.unhandled.drop(self.buffer, error)

    def refuse_result(self, returned: object) -> None:
        """Handle a value that the work returned, although no reader can get it; a subclass may raise.

        Args:
            returned: the value, which is not None.
        """

    def work(self) -> Awaitable[object]:
        """Return the work of the task.

        Raises:
            TypeError: it was started without a body, and its class does not override this method.
        """
        body, self._body = self._body, None  # so that the body is freed while the coroutine waits
        if body is None:
            raise TypeError(f"The task {self.name} was started without a body.")
        return body()

    def finished(self) -> None:
        """Tell the sink that the task has ended normally."""
        self.sink.finish()

    def failed(self, error: Exception, chain: tuple[str, ...]) -> None:
        """Tell the sink that the task failed; an error in the clean-up of a source that was left is logged.

        Args:
            error: what it raised.
            chain: the aliases of the agents that the error went through.
        """
        if self.buffer.closed:
            self._lose(error)
        else:
            self.sink.fail(error, chain)

    @override
    def end_aborted(self, error: Exception) -> None:
        """Tell the sink that the task was stopped.

        Args:
            error: the error that readers get.
        """
        self.sink.abort(error)

    def _chain_of(self, error: Exception) -> tuple[str, ...]:
        """Return the agents that ``error`` went through, this one last; also add them to its note."""
        received = self.received_as(error)
        return extend_chain(error, () if received is None else received.chain, self.run_name())

    def run_name(self) -> str | None:
        """The name of this run, or of the run that it is a part of; None if no run has started it."""
        ancestry = self.ancestry
        return None if ancestry is None else ancestry.name

    @override
    def drain(self) -> None:
        """Run to the end, however far the readers are."""
        self.buffer.run_on()


class TasklessPart(TaskLife):
    """A message that a run writes without a task: it is stopped with the run, as a message with a task is.

    Args:
        buffer: the stream of the message, whose producer writes it.
        part: whether it is a message; False for the replies of an inquiry, which may have other readers.
    """

    __slots__ = ()

    def __init__(self, buffer: Lifetime[T], *, part: bool) -> None:
        parent = current_producer()
        super().__init__(buffer, parent, part=part)
        self.forget_waits()  # it never waits, and must hold no variables of the run
        if parent is not None:
            parent.adopt(self)

    @override
    def cancel(self) -> None:
        self.buffer.cancel()

    @override
    def abandon(self) -> None:
        self.buffer.abandon()


def handle_error() -> None:
    """Note that the running task has handled the last error that a stream raised to it."""
    producer = current_producer()
    if isinstance(producer, ProducerTask):
        producer.handle_received()


def drop_frames(error: BaseException, received: ReceivedError | None = None) -> None:
    """Drop the local variables of the functions that ``error`` has left; its traceback keeps their lines.

    Otherwise an error that a stream stores would keep alive what the failed run was reading, and the run
    itself: a circle that only a garbage collection frees. What a stream raised with ``received`` was dropped
    by the run that wrote the stream, so that an error through a long chain of agents is not walked each time.
    The function that calls this has caught the error, and goes on, so it is left out of the traceback.
    """
    caught = error.__traceback__
    # Not by its attribute, here and elsewhere: an exception that is a frozen dataclass refuses to set that.
    error.with_traceback(None if caught is None else caught.tb_next)
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        was_received = received is not None and received.error is each
        until = received.stream.traceback if received is not None and was_received else None
        entry = each.__traceback__
        while entry is not None and entry is not until:
            if not _is_suspended(entry.tb_frame):
                with suppress(RuntimeError):  # it still runs
                    entry.tb_frame.clear()
            entry = entry.tb_next
        each = None if was_received else each.__context__


_YIELD: Final = opmap["YIELD_VALUE"]


def _is_suspended(frame: FrameType) -> bool:
    """Whether a coroutine or generator has caught the error and goes on, if it is raised a second time.

    From Python 3.13 on, `frame.clear` refuses such a frame; before, it closes the coroutine.
    """
    code = frame.f_code
    return bool(code.co_flags & _GENERATORS) and code.co_code[frame.f_lasti] == _YIELD


_GENERATORS: Final = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR


class _Begun:
    """An awaitable on which a new task waits before its first step.

    asyncio never runs a coroutine that is cancelled before it has begun, so readers would never get an end. A
    coroutine that waits here has begun. A `range` is not tracked by the garbage collector.
    """

    def __await__(self) -> Iterator[int]:
        return iter(_ONE_STEP)


_ONE_STEP: Final = range(1)
_BEGUN: Final = cast("Awaitable[object]", _Begun())  # any iterator will do for `await`


def _retrieve(task: "Task[None]") -> None:
    if not task.cancelled():
        task.exception()


def current_ancestry() -> Ancestry | None:
    """Return the ancestry of the current run; None outside of every run.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> from miniagents.streams._run_task import current_ancestry
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


def pass_error_on(error: Exception) -> None:
    """Note that the running run got an error and does not handle it: what reads its replies may get it.

    Args:
        error: what a stream has raised to it.
    """
    run = current_producer()
    if isinstance(run, ProducerTask):
        run.pass_error_on(error)
