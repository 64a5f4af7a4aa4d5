"""A driver: one task that produces one stream, and what must happen when it ends.

Rule of this room: **whoever starts a driver is told about its end, and whoever it started ends with it**
unless somebody else reads that. The driver holds what it fills (the sink), never the promise that shows it:
so the promise can be dropped by its readers, and that is how abandonment is noticed.

Why so long: how a task begins, ends, and waits is decided by what its run and its children are.
"""

import asyncio
from asyncio import CancelledError, Future, Task
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextvars import ContextVar
from typing import Final, TypeAlias, TypeVar, cast
from weakref import WeakKeyDictionary

from miniagents.values import DeadlockError, InquiryCancelledError

from ._ancestry import Ancestry, extend_chain
from ._buffer import UNBOUNDED, ReplayBuffer
from ._context import Context
from ._pending import release, settle
from ._protocols import Producer, Sink
from ._side_wait import TaskWait, deadlock
from ._waits import Junction, chain_to, follow_loose

T = TypeVar("T")

Body: TypeAlias = Callable[[], Coroutine[object, object, None]]


class ProducerTask:
    """The task that produces a stream.

    Args:
        name: how it is called in errors: the alias of an agent, or what is being pumped.
        context: who owns the task.
        buffer: the stream that readers see.
        sink: what takes the results; often the buffer itself.
        part: it is a part of the run that started it (a message being written), not a run of its own.
        orphan: it does not belong to the run that happens to start it.

    Attributes:
        calls: it has opened a call that it sends to, so others may wait for it than those who read its buffer.

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

    __slots__ = (
        "_abandoned",
        "_aside",
        "_begun_by",
        "_body",
        "_children",
        "_lineage",
        "_owed",
        "_parent",
        "_stopping",
        "_waiting",
        "_waiting_for",
        "buffer",
        "calls",
        "context",
        "name",
        "part",
        "received",
        "sink",
        "task",
    )

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
        self.name: str = name
        self.context: Context = context
        self.buffer: ReplayBuffer[object] = buffer  # type: ignore[assignment]  # it is only read here
        self.sink: Sink = sink
        self.part: bool = part
        self.calls: bool = False
        self.task: Task[None] | None = None
        self.received: tuple[Exception, tuple[str, ...]] | None = None
        self._stopping = False
        self._abandoned = False
        self._parent = None if orphan else CURRENT_PRODUCER.get()
        self._body: Body | None = None
        self._begun_by: Ancestry | None = None if self._parent is None else self._parent.ancestry
        self._lineage: Ancestry | None = None
        self._children: set[ProducerTask] | None = None
        self._owed: list[Future[object]] | None = None
        self._waiting: Future[None] | None = None
        self._waiting_for: ReplayBuffer[object] | None = None
        self._aside: WeakKeyDictionary[Task[object], TaskWait] | None = None

    def start(self, body: Body | None = None) -> None:
        """Become a task of the context; its end is the end of the sink.

        Args:
            body: called in the task; what it raises ends the sink with that error. A subclass may do without
                and say in :meth:`work` what the task does.
        """
        self._body = body
        if self.buffer.producer is None:
            self.buffer.producer = self
        if self.part:
            self.buffer.ancestry = self._begun_by
        self.context.add(self)
        parent = self._parent
        if parent is not None:
            if parent._children is None:  # noqa: SLF001 - same class
                parent._children = {self}  # noqa: SLF001
            else:
                parent._children.add(self)  # noqa: SLF001
        loop = self.context.loop
        drive = self._drive()
        drive.send(None)  # up to `_BEGUN`: whatever ends the task from now on is told in `_drive`
        self.task = loop.create_task(drive, name=self.name)

    async def _drive(self) -> None:
        try:
            await _BEGUN
            CURRENT_PRODUCER.set(self)
            try:
                returned = await self.work()
                if returned is not None:
                    self.refuse_result(returned)
                if self._owed:
                    await settle(self._owed)
            finally:
                if self._owed:
                    await release(self._owed)
        except CancelledError:
            self.aborted(self._cancelled())
            self._end_children(keep=self._abandoned_but_reachable)
        except Exception as error:  # noqa: BLE001 - it is the terminal of this stream
            self._note_chain(error)
            self.failed(error)
            self._end_children(keep=_given_away)
        except BaseException as error:
            # KeyboardInterrupt, SystemExit: asyncio takes it out of the loop; here nobody will ask the task
            # for it. Any other one (what pytest.fail raises) leaves through the context.
            cancelled = self._cancelled()
            cancelled.__cause__ = error
            self.aborted(cancelled)
            if not isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
                self.context.end_by(error)
            if self.task is not None:
                self.task.add_done_callback(_retrieve)
            raise
        else:
            self.finished()
        finally:
            self._leave()

    def keep_open_for(self, awaitable: Awaitable[object]) -> None:
        """End only when ``awaitable`` has; an error of it is an error of this.

        Args:
            awaitable: waited for when the work is done; cancelled if the work does not come to its end.

        Raises:
            WrongLoopError: the call comes from another event loop, thread or process.
        """
        self.context.check_place()
        if self._owed is None:
            self._owed = []
        self._owed.append(asyncio.ensure_future(awaitable))

    def refuse_result(self, returned: object) -> None:
        """What the task does returned something; a subclass may raise, for nobody gets it.

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
            msg = f"The driver {self.name} was started without a body."
            raise TypeError(msg)
        return body()

    @property
    def replies(self) -> ReplayBuffer[object]:
        """The stream that its readers see: ``buffer``, unless that is shown through a copy."""
        return self.buffer

    @property
    def ancestry(self) -> Ancestry | None:
        """The run that this is or is a part of, for what it begins; made when it begins something."""
        if self.part:
            return self._begun_by
        if self._lineage is None:
            self._lineage = self.buffer.ancestry = Ancestry(self._begun_by, self.name)
        return self._lineage

    def finished(self) -> None:
        """Tell the sink that the task came to its end."""
        self.sink.finish()

    def failed(self, error: Exception) -> None:
        """Tell the sink that the task failed.

        Args:
            error: what it raised.
        """
        self.sink.fail(error)

    def aborted(self, error: Exception) -> None:
        """Tell the sink that the task was stopped.

        Args:
            error: what its readers get.
        """
        self.sink.abort(error)

    def _note_chain(self, error: Exception) -> None:
        """Write on ``error`` through which agents it went, this one last."""
        chain = self.received[1] if self.received is not None and self.received[0] is error else ()
        self.buffer.chain = extend_chain(error, chain, self.run_name())

    def run_name(self) -> str | None:
        """The name of the run that this is, or is a part of; None if no run has started it."""
        driver: ProducerTask | None = self
        while driver is not None and driver.part:
            driver = driver._parent  # noqa: SLF001 - same class
        return None if driver is None else driver.name

    def _leave(self) -> None:
        self._waiting = self._waiting_for = self._aside = self._owed = None
        self._body = None
        self.task = None  # its context knows this driver: what has ended should need no garbage collector
        # What goes on and belongs to its replies (a message that is being written) can be stopped through it.
        if self._children:
            self._children = {child for child in self._children if child.part or child.replies.kept} or None
        if self._children is None or not self._children:
            self._leave_parent()
        self.context.discard(self)

    def _leave_parent(self) -> None:
        self._children = None
        parent, self._parent = self._parent, None
        if parent is None or parent._children is None:  # noqa: SLF001 - same class
            return
        parent._children.discard(self)  # noqa: SLF001
        if parent.task is None and not parent._children:  # noqa: SLF001 - it has ended, and so has all of it
            parent._leave_parent()  # noqa: SLF001

    def _cancelled(self) -> InquiryCancelledError:
        return InquiryCancelledError(f"{self.name} was cancelled before it had ended.")

    def cancel(self) -> None:
        """Stop now, with every message that is being written: readers get ``InquiryCancelledError``."""
        for child in tuple(self._children or ()):
            if child.part:
                child.cancel()
        self._stop()

    def abandon(self) -> None:
        """Stop because nobody can read the rest; what somebody still holds a part of goes on for them."""
        self._abandoned = True
        children = tuple(self._children or ())
        for child in children:
            child.replies.was_read = True  # from now on dropping it ends it
        self.aborted(self._cancelled())
        self.buffer.forget()
        for child in children:
            if not child.replies.reachable and child.replies.readers == 0:
                child.abandon()
        self._stop()

    def _stop(self) -> None:
        self.aborted(self._cancelled())
        if self.task is None or self._stopping:
            return  # a second cancellation would hit the clean-up that the first one began
        self._stopping = True
        self.task.cancel()

    def _end_children(self, keep: "Callable[[ProducerTask], bool]") -> None:
        for child in tuple(self._children or ()):
            if child.task is None and self._abandoned:
                continue  # what it has left behind ends when nobody holds it any more
            if child.replies.readers == 0 and not keep(child):
                child._stop_unread(self)  # noqa: SLF001 - same class

    def _stop_unread(self, starter: "ProducerTask") -> None:
        """Stop this; if it has ended, what it has left behind, but for what ``starter`` passed on."""
        copier = None if self.replies is self.buffer else self.replies.producer
        if self.task is not None:
            self.cancel()
        else:
            passed_on = {id(getattr(item, "buffer", None)) for item in starter.buffer.items}
            held = {id(each) for each in (self.replies, *_buffers_of(self.replies)) if each.readers > 0}
            if copier is not None and held:
                return  # somebody reads the copy
            if copier is not None:
                copier.cancel()
            for child in tuple(self._children or ()):
                if child.replies.readers == 0 and id(child.replies) not in passed_on:
                    child._stop_unread(starter)  # noqa: SLF001 - same class

    def _abandoned_but_reachable(self, child: "ProducerTask") -> bool:
        return self._abandoned and child.replies.reachable

    def drain(self) -> None:
        """Run on without regard to how far the readers are."""
        self.buffer.grant(UNBOUNDED)

    # -- who waits for whom ------------------------------------------------------------------------------

    def blocked_by(self) -> Producer | None:
        """The producer of what this driver's own task is waiting for, if it is still waiting.

        While that waits for something else, a junction of what the tasks that it has made wait for.
        """
        if self._waiting is not None and self._waiting_for is not None and not self._waiting.done():
            return self._waiting_for.producer
        if self._aside is None:
            return None
        return Junction([wait for wait in self._aside.values() if not wait.over])

    def wait_for(self, buffer: ReplayBuffer[object], future: "Future[None]") -> None:
        """This driver's own task is about to wait for ``buffer`` through ``future``.

        Args:
            buffer: what has to grow or to end.
            future: what the task is going to await; cancelled if it must not.

        Raises:
            DeadlockError: ``buffer`` cannot grow before this driver goes on.
        """
        junctions: list[Junction] = []
        # No circle closes at whom nobody waits for: of a chain of agents that begin to wait, one after the
        # other, not the whole is walked for each.
        awaited = self.buffer.readers > 0 or self.calls
        chain = chain_to(self, buffer.producer, junctions) if awaited else None
        if chain is not None:
            future.cancel()
            raise deadlock(self, chain)
        self._waiting = future
        self._waiting_for = buffer
        if junctions:
            follow_loose(self, junctions)

    def wait_aside(self, task: "Task[object]", buffer: ReplayBuffer[object], future: "Future[None]") -> None:
        """A task that this driver's own task has made is about to wait for ``buffer`` through ``future``.

        Args:
            task: the one that waits.
            buffer: what has to grow or to end.
            future: what the task is going to await; cancelled if it must not.

        Raises:
            DeadlockError: this driver waits for the task, and ``buffer`` cannot grow before this driver goes on.
        """
        if self._aside is None:
            self._aside = WeakKeyDictionary()
        wait = self._aside[task] = TaskWait(self, task, buffer, future)
        try:
            wait.check()
        except DeadlockError:
            future.cancel()
            raise


class _Begun:
    """Where a driver stands before the first step of its task.

    A task that is cancelled before its first step never runs a coroutine that has not begun: nobody would
    tell the readers. What stands here has begun. A `range` is no object for the garbage collector.
    """

    def __await__(self) -> Iterator[int]:
        return iter(_ONE_STEP)


_ONE_STEP: Final = range(1)
_BEGUN: Final = cast("Awaitable[object]", _Begun())  # any iterator will do for `await`


def _given_away(child: ProducerTask) -> bool:
    """What was replied before its run failed stands in somebody's sequence."""
    return child.replies.kept


def _buffers_of(replies: ReplayBuffer[object]) -> "list[ReplayBuffer[object]]":
    """The buffers of the messages in a sequence; nothing for a message itself."""
    promised = (getattr(item, "buffer", None) for item in replies.items)
    return [buffer for buffer in promised if isinstance(buffer, ReplayBuffer)]


def _retrieve(task: "Task[None]") -> None:
    if not task.cancelled():
        task.exception()


CURRENT_PRODUCER: ContextVar[ProducerTask | None] = ContextVar("miniagents_driver", default=None)
"""The driver whose task, or a task that was started in it, is running; None outside of every run."""


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
    driver = CURRENT_PRODUCER.get()
    return None if driver is None else driver.ancestry


def record_wait(buffer: ReplayBuffer[object], future: "Future[None]") -> None:
    """Note that the running driver, in its own task or in one that it has made, waits for ``buffer``.

    Raises:
        DeadlockError: it would wait for itself.
    """
    driver = CURRENT_PRODUCER.get()
    if driver is None or driver.task is None:
        return
    task = asyncio.current_task()
    if driver.task is task:
        driver.wait_for(buffer, future)
    elif task is not None:
        driver.wait_aside(task, buffer, future)
