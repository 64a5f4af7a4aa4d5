"""The context: owns the tasks that were started within it, and decides when they end.

A context is entered on one event loop. It knows every task that produces a stream, waits for all of them at
a normal end, and cancels all of them at any other end; then it closes what lives as long as it does, and logs
the errors that no reader saw. So nothing that was started within it outlives it.

**A context inside another on the same event loop is its child.** It owns its own runs, and ends them at its
end. It has its parent's settings unless it was given others, its promises are told to the parent's handlers
before its own, and what is shared (clients of models) is that of the outermost one. A context on an event
loop of its own (a nested blocking run), or one that is entered when the outer one is closing, has no parent.

It also serialises pushes: a push that is caused by another push waits in a queue instead of on the call
stack, so chains of any depth neither recurse nor interleave.
"""

import asyncio
import logging
from asyncio import CancelledError
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from contextvars import ContextVar
from sys import modules
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar, cast
from weakref import WeakSet

from typing_extensions import override

from miniagents.values import NoActiveContextError

from ._loop_bound import LoopBound
from ._observers import Anchor, Observer, Observers
from ._unhandled import UnhandledErrors

logger = logging.getLogger("miniagents")

PREFETCH: Final = 1024  # pieces
SHUTDOWN_TIMEOUT: Final = 10.0  # seconds


class OwnedTask(Protocol):
    """A running task that a context owns."""

    @property
    def name(self) -> str:
        """How it is called in logs."""
        ...

    @property
    def task(self) -> "asyncio.Task[None] | None":
        """The task itself."""
        ...

    def cancel(self) -> None:
        """Stop it now."""
        ...

    def drain(self) -> None:
        """Let it run on without regard to how far its readers are."""
        ...


class Finishable(Protocol):
    """Something that is still being fed."""

    def finish(self) -> None:
        """Nothing more will come; idempotent."""
        ...


class Closable(Protocol):
    """Something that contexts share."""

    def close(self) -> Awaitable[object]:
        """The last context that shared it has ended."""
        ...


C = TypeVar("C", bound=Closable)


class Watch(Protocol):
    """What looks for deadlocks among the tasks of a context."""

    def stop(self) -> None:
        """The context has ended."""
        ...


class CancelScopes(Protocol):
    """What is used of anyio, if the program uses it."""

    def CancelScope(self, *, shield: bool) -> AbstractContextManager[object]:  # noqa: N802 - its name
        """A block in which no scope further out cancels."""
        ...


def _shield() -> AbstractContextManager[object]:
    """What keeps a cancel scope of anyio from cancelling in every turn of the event loop."""
    anyio = modules.get("anyio")  # imported by whoever has such a scope, or by nobody
    return nullcontext() if anyio is None else cast("CancelScopes", anyio).CancelScope(shield=True)


class Context(LoopBound):
    """Owns the tasks that were started within it.

    Args:
        prefetch: pieces that a source may run ahead of its fastest reader. None: as its parent, or 1024.
        shutdown_timeout: seconds that cancelled tasks get for their cleanup. None: as its parent, or 10.

    Attributes:
        announcing: somebody wants to be told of the promises that resolve: a handler of it or of its parents.
        draining: it waits for its tasks to end, so that no source is paused any more.
        event_queue: what handlers are going to be told.
        handling_events: a task is telling handlers.
        observers: who is told of its runs, those of its parents first; None if nobody is.
        parent: the context of the same event loop that it was entered in, None if there is none.
        passing: the error that an Observable is handing over right now, and the agents it went through.
        pushing: a push is running, so that the next one waits for its end.
        resolved_handlers: what is awaited for each promise that resolves.
        tasks: every task that it owns.
        unhandled: the errors that no reader has been given yet.
        watch: looks for deadlocks as long as tasks wait; None while none does.

    Raises:
        ValueError: ``prefetch`` is less than 1.

    Example:
        >>> import asyncio
        >>> from miniagents.core import Context, ProducerTask, ReplayBuffer
        >>> async def main():
        ...     async with Context(shutdown_timeout=1) as context:
        ...         buffer = ReplayBuffer(context)
        ...         async def body():
        ...             buffer.append("one")
        ...         ProducerTask("writer", context, buffer, buffer).start(body)
        ...     print(buffer.items)
        >>> asyncio.run(main())
        ['one']
    """

    def __init__(self, *, prefetch: int | None = None, shutdown_timeout: float | None = None) -> None:
        if prefetch is not None and prefetch < 1:
            msg = f"prefetch is {prefetch}: a source must be allowed at least 1 piece ahead of its reader."
            raise ValueError(msg)
        super().__init__()
        self._given_prefetch = prefetch
        self._given_shutdown_timeout = shutdown_timeout
        self.prefetch: int = PREFETCH if prefetch is None else prefetch
        self.shutdown_timeout: float = SHUTDOWN_TIMEOUT if shutdown_timeout is None else shutdown_timeout
        self.parent: Context | None = None
        self.observers: Observers | None = None
        self._own_observers: list[Observer] = []
        self._anchor: Anchor | None = None  # of the outermost context, as long as that is entered
        self.draining: bool = False
        self.announcing: bool = False
        self.pushing: bool = False
        self.passing: tuple[Exception, tuple[str, ...]] | None = None
        self.unhandled: UnhandledErrors = UnhandledErrors()
        self.watch: Watch | None = None
        self.event_queue: deque[Callable[[], Awaitable[None]]] = deque()
        self.handling_events: bool = False
        self._handlers_turn: asyncio.Lock = asyncio.Lock()
        self._within_handler = False
        # Their first parameter is a Promise, which stands on this module and so cannot be named in it.
        self.resolved_handlers: list[Callable[..., Awaitable[None]]] = []
        self.tasks: set[OwnedTask] = set()
        self._idle: asyncio.Future[None] | None = None
        self._pushes: deque[Callable[[], None]] = deque()
        self._open: WeakSet[Finishable] = WeakSet()
        self._children: set[Context] = set()
        self._closing = False
        self._shared: dict[object, object] = {}
        self._closers: list[Callable[[], Awaitable[object]]] = []
        self._outer: Context | None = None
        self._entered = False
        self._block: asyncio.Task[object] | None = None  # whose `async with` it is
        self._interrupt: BaseException | None = None
        self._finished_early: dict[object, OwnedTask] = {}  # runs that go on, by replies that are closed
        self._closed_replies: dict[OwnedTask, list[object]] = {}

    @classmethod
    def current(cls) -> Self:
        """The active context.

        Raises:
            NoActiveContextError: there is none, or none of this class.
            WrongLoopError: it belongs to another event loop or thread.
        """
        context = current_context()
        if isinstance(context, cls):
            return context
        raise NoActiveContextError

    @override
    def open(self) -> None:
        super().open()
        self.draining = False

    def close(self) -> None:
        """The context has ended: nothing can be started in it any more."""
        if self.watch is not None:
            self.watch.stop()
        self.unbind()

    # -- its parents -------------------------------------------------------------------------------------

    def become_child_of(self, parent: "Context | None") -> None:
        """Take what was not given to this one from ``parent``; from the defaults if there is none.

        Args:
            parent: the context of the running event loop that this one is being entered in.
        """
        self.parent = parent
        if self._given_prefetch is None:
            self.prefetch = PREFETCH if parent is None else parent.prefetch
        if self._given_shutdown_timeout is None:
            self.shutdown_timeout = SHUTDOWN_TIMEOUT if parent is None else parent.shutdown_timeout
        self._within_handler = WITHIN_HANDLER.get()
        self._handlers_turn = asyncio.Lock()
        self.announcing = bool(self.resolved_handlers)
        self._anchor = None  # it may be another event loop than the last time
        self._gather_observers()
        if parent is not None:
            parent._children.add(self)  # noqa: SLF001 - same class
            if not self._within_handler:
                self.announcing = self.announcing or parent.announcing

    def observe(self, observer: Observer) -> None:
        """Tell ``observer`` of every run that begins from now on, here or in a context within.

        Args:
            observer: is told after those that were there before.
        """
        self._own_observers.append(observer)
        self._gather_observers()

    def stop_observing(self, observer: Observer) -> None:
        """Tell ``observer`` of no run that begins from now on.

        Args:
            observer: one that was given to :meth:`observe`.
        """
        self._own_observers.remove(observer)
        self._gather_observers()

    def _gather_observers(self) -> None:
        outer = None if self.parent is None else self.parent.observers
        if outer is None and not self._own_observers:
            self.observers = None
        elif self._loop is not None:  # else they are gathered when it is entered
            outermost = self.path()[0]
            if outermost._anchor is None:  # noqa: SLF001 - same class
                outermost._anchor = Anchor(self._loop.time())  # noqa: SLF001 - same class
            self.observers = Observers(outer, self._own_observers, outermost._anchor)  # noqa: SLF001 - same class
        for child in self._children:
            child._gather_observers()  # noqa: SLF001 - same class

    def path(self) -> "list[Context]":
        """The contexts that it is nested in, the outermost first, and itself."""
        path: list[Context] = [self]
        while (parent := path[-1].parent) is not None:
            path.append(parent)
        return path[::-1]

    def told(self) -> "list[Context]":
        """Those of :meth:`path` whose handlers are told of its promises, in this order.

        What a handler does in a context of its own is not told to the handlers further out: they would be
        told of what they do themselves, for ever.
        """
        path = self.path()
        within = [at for at, each in enumerate(path) if each._within_handler]  # noqa: SLF001 - same class
        return path[within[-1] :] if within else path

    def announce_all(self) -> None:
        """A handler was added: from now on it is to be told of all promises, also of the contexts within."""
        self.announcing = True
        for child in self._children:
            if not child._within_handler:  # noqa: SLF001 - same class
                child.announce_all()

    def handlers_turn(self) -> asyncio.Lock:
        """What is held while handlers are called: one call at a time, of whatever context they are told."""
        return self.told()[0]._handlers_turn  # noqa: SLF001 - same class

    def shared(self, kind: Callable[[], C]) -> C:
        """What ``kind`` makes, one for this context and all that it is nested in.

        It is closed when the outermost of them ends, after all its runs.

        Args:
            kind: a class of what is shared (a pool of clients); called at the first use.
        """
        owner = self.path()[0]
        held = owner._shared  # noqa: SLF001 - same class
        if kind not in held:
            made = held[kind] = kind()
            owner.on_close(made.close)
        return cast("C", held[kind])

    # -- the tasks that it owns --------------------------------------------------------------------------

    def add(self, task: OwnedTask) -> None:
        """Own a task until :meth:`discard`.

        Args:
            task: one that is about to begin.
        """
        self.tasks.add(task)

    def discard(self, task: OwnedTask) -> None:
        """Own a task no more.

        Args:
            task: one that has ended.
        """
        self.tasks.discard(task)
        for replies in self._closed_replies.pop(task, ()):
            self._finished_early.pop(replies, None)
        if not self.tasks and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def note_finished_early(self, run: OwnedTask, replies: object) -> None:
        """Note, until its end, that a run has closed its replies, and goes on.

        Args:
            run: which one.
            replies: their buffer.
        """
        self._finished_early[replies] = run
        self._closed_replies.setdefault(run, []).append(replies)

    def cancel_finished_early(self, replies: object) -> None:
        """Stop the run that has closed these replies and may still go on, if there is such a run.

        Args:
            replies: their buffer.

        Raises:
            WrongLoopError: there is one, and this call comes from another event loop or thread.
        """
        if replies in self._finished_early:
            self.check_place()
            self._finished_early.pop(replies).cancel()

    def finish_at_end(self, sink: Finishable) -> None:
        """Finish ``sink`` when the context drains, at the latest.

        Args:
            sink: what is fed from outside of every task, so that no end of a task ends it; held weakly.
        """
        self._open.add(sink)

    async def drain(self) -> None:
        """Wait until every task of this context has ended by itself, those started meanwhile included."""
        self.draining = True
        self._release_all()
        while self.tasks:
            self._idle = self.loop.create_future()
            try:
                await self._idle
            finally:
                self._idle = None

    def _release_all(self) -> None:
        # Not where it is waited for: the last sink and the last task would be held while others end, and what
        # they hold would never be abandoned.
        for sink in tuple(self._open):
            sink.finish()
        for task in tuple(self.tasks):
            task.drain()

    async def cancel_all(self) -> None:
        """Cancel every task and wait for the cleanup of all, ``shutdown_timeout`` seconds at most.

        A cancellation of the caller that comes meanwhile waits until that is done, and is raised then: a
        cancel scope of anyio cancels again and again, in every turn of the event loop. It would leave tasks
        behind, and keep the loop busy until they have ended.

        Raises:
            CancelledError: the caller was cancelled meanwhile.
        """
        deadline = self.loop.time() + self.shutdown_timeout
        cancelled: CancelledError | None = None
        with ExitStack() as shield:
            while stopping := tuple(self.tasks):  # once more for those that a clean-up has started
                for each in stopping:
                    each.cancel()
                tasks = [each.task for each in stopping if each.task is not None]
                if tasks:
                    try:
                        await asyncio.wait(tasks, timeout=max(0, deadline - self.loop.time()))
                    except CancelledError as error:
                        if cancelled is None:
                            shield.enter_context(_shield())
                        cancelled = error
                if self.loop.time() >= deadline:
                    break
        self._report_stuck(self.tasks)
        if cancelled is not None:
            raise cancelled

    def _report_stuck(self, tasks: Iterable[OwnedTask]) -> None:
        for task in tasks:
            logger.error(
                "%s did not end within shutdown_timeout=%s seconds after it was cancelled; "
                "it is left behind. Look for a `finally` or `except CancelledError` in it that waits.",
                task.name,
                self.shutdown_timeout,
            )

    def interrupt(self, error: BaseException) -> None:
        """End the context by an exception of a task that is no ``Exception``, such as one of a test runner.

        The block of the context is cancelled, and the exception leaves it in the place of the cancellation.

        Args:
            error: what the task raised.
        """
        if self._interrupt is None and self._block is not None and not self._block.done():
            self._interrupt = error
            self._block.cancel()

    def on_close(self, callback: Callable[[], Awaitable[object]]) -> None:
        """Have something closed when the context ends, after all its runs; the last one added comes first.

        Args:
            callback: awaited once; if it raises, that is logged and the others are called all the same.
        """
        self._closers.append(callback)

    # -- entering and ending -----------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._entered:
            msg = "This context is already active; make another one with MiniAgents() to nest them."
            raise RuntimeError(msg)
        self._entered = True
        self._outer = outer = CURRENT_CONTEXT.get()
        self._block = asyncio.current_task()
        self.open()
        nested = outer is not None and outer._loop is self._loop and not outer._closing  # noqa: SLF001 - same class
        self.become_child_of(outer if nested else None)
        CURRENT_CONTEXT.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self._finish()
            else:
                await self.cancel_all()
        except CancelledError:
            if self._interrupt is None:
                raise
        finally:
            await self._close()
        interrupt, self._interrupt, block, self._block = self._interrupt, None, self._block, None
        if interrupt is not None:
            if block is not None:
                block.uncancel()
            raise interrupt

    async def _finish(self) -> None:
        try:
            await self.drain()
        except BaseException:
            await self.cancel_all()
            raise

    async def _close(self) -> None:
        # No token is kept: the block may be left in another contextvars.Context than it was entered in.
        CURRENT_CONTEXT.set(self._outer)
        self._outer = None
        self._closing = True
        for child in self._children:  # they go on in other tasks, and share nothing with this one any more
            child.parent = None
        self._children.clear()
        cancelled: CancelledError | None = None
        try:
            while self._closers:
                try:
                    await self._call_closer(self._closers.pop())
                except CancelledError as error:  # the others are to close what they hold all the same
                    cancelled = error
            if cancelled is not None:
                raise cancelled
        finally:
            self._shared.clear()
            self.unhandled.report()
            self.close()
            if self.parent is not None:
                self.parent._children.discard(self)  # noqa: SLF001 - same class
                self.parent = None
            self._entered = self._closing = False

    async def _call_closer(self, closer: Callable[[], Awaitable[object]]) -> None:
        try:
            await closer()
        except Exception:
            logger.exception("%r failed while its context was being closed.", closer)

    # -- pushes ------------------------------------------------------------------------------------------

    def dispatch(self, push: Callable[[], None]) -> None:
        """Run ``push`` now, or after the push that is running: never nested in it.

        Args:
            push: lets subscribers take what is new.
        """
        if self.pushing:
            self._pushes.append(push)
            return
        self.pushing = True
        try:
            while self._pushes:  # left over by a push that was interrupted
                self._pushes.popleft()()
            push()
            del push  # what only it holds goes when it has run, as with all others, and not when all have
            while self._pushes:
                self._pushes.popleft()()
        finally:
            self.pushing = False


WITHIN_HANDLER: ContextVar[bool] = ContextVar("miniagents_within_handler", default=False)
"""Whether a handler of a context is being called, or something that it has started."""

CURRENT_CONTEXT: ContextVar[Context | None] = ContextVar("miniagents_context", default=None)
"""The context that was entered last, whether it may be used here or not; see :func:`current_context`."""


def current_context() -> Context:
    """The context that owns what is started here: the one that was entered last.

    Raises:
        NoActiveContextError: there is none.
        WrongLoopError: there is one, but of another event loop or thread.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.core import current_context
        >>> async def main():
        ...     async with MiniAgents() as context:
        ...         print(current_context() is context)
        >>> MiniAgents().run(main())
        True
    """
    context = CURRENT_CONTEXT.get()
    if context is None:
        raise NoActiveContextError
    context.check()
    return context
