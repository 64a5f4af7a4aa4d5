"""The context: owns the tasks that were started within it, and decides when they end.

A context is entered on one event loop. It knows every task that produces a stream, waits for all of them at a
normal end, and cancels all of them at any other end; then it closes what lives as long as it does, and logs the
errors that no reader saw. So nothing that was started within it outlives it.

It also serialises pushes: a push that is caused by another push waits in a queue instead of on the call stack,
so chains of any depth neither recurse nor interleave.
"""

import asyncio
import contextvars
import logging
import threading
from asyncio import CancelledError, Future, get_running_loop
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from functools import partial
from types import TracebackType
from typing import Protocol, Self, TypeVarTuple
from weakref import WeakKeyDictionary, WeakSet

from miniagents.values import NoActiveContextError, WrongLoopError

from ._unhandled import UnhandledErrors

logger = logging.getLogger("miniagents")

Ts = TypeVarTuple("Ts")


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


class Watch(Protocol):
    """What looks for deadlocks among the tasks of a context."""

    def stop(self) -> None:
        """The context has ended."""
        ...


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that is running on this thread, None if none is."""
    try:
        return get_running_loop()
    except RuntimeError:
        return None


class Context:
    """Owns the tasks that were started within it.

    Args:
        prefetch: how many pieces a source may run ahead of its fastest reader.
        shutdown_timeout: seconds that cancelled tasks get for their cleanup.

    Attributes:
        announcing: somebody wants to be told of the promises that resolve.
        draining: it waits for its tasks to end, so that no source is paused any more.
        event_queue: what handlers are going to be told.
        handling_events: a task is telling handlers.
        passing: the error that an Observable is handing over right now, and the agents it went through.
        pushing: a push is running, so that the next one waits for its end.
        resolved_handlers: what is awaited for each promise that resolves.
        resources: what lives as long as the context, for those who know the key (a pool of clients).
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

    def __init__(self, *, prefetch: int = 1024, shutdown_timeout: float = 10.0) -> None:
        if prefetch < 1:
            msg = f"prefetch is {prefetch}: a source must be allowed at least 1 piece ahead of its reader."
            raise ValueError(msg)
        self.prefetch = prefetch
        self.shutdown_timeout = shutdown_timeout
        self.draining: bool = False
        self.announcing = False
        self.pushing: bool = False
        self.passing: tuple[Exception, tuple[str, ...]] | None = None
        self.unhandled: UnhandledErrors = UnhandledErrors()
        self.watch: Watch | None = None
        self.resources: dict[object, object] = {}
        self.event_queue: deque[Callable[[], Awaitable[None]]] = deque()
        self.handling_events: bool = False
        # Their first parameter is a Promise, which stands on this module and so cannot be named in it.
        self.resolved_handlers: list[Callable[..., Awaitable[None]]] = []
        self.tasks: set[OwnedTask] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._idle: asyncio.Future[None] | None = None
        self._pushes: deque[Callable[[], None]] = deque()
        self._open: WeakSet[Finishable] = WeakSet()
        self._closers: list[Callable[[], Awaitable[object]]] = []
        self._outer: Context | None = None
        self._entered = False
        self._block: asyncio.Task[object] | None = None  # whose `async with` it is
        self._interrupt: BaseException | None = None
        # Runs that have closed their replies and go on: nobody but this knows them by their replies.
        self.finished_early: WeakKeyDictionary[object, OwnedTask] = WeakKeyDictionary()

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

    # -- where it is -------------------------------------------------------------------------------------

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of this context.

        Raises:
            NoActiveContextError: it has not been entered yet, or has ended.
        """
        if self._loop is None:
            raise NoActiveContextError
        return self._loop

    @property
    def ended(self) -> bool:
        """Whether it has ended, or has not been entered yet."""
        return self._loop is None

    def open(self) -> None:
        """Bind the context to the running event loop and this thread."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self.draining = False

    def close(self) -> None:
        """The context has ended: nothing can be started in it any more."""
        if self.watch is not None:
            self.watch.stop()
        self._loop = None

    def check(self) -> None:
        """Refuse to be used from another thread or event loop than the one it was entered on.

        Raises:
            NoActiveContextError: it has ended.
            WrongLoopError: this call comes from elsewhere.
        """
        if self._loop is None:
            msg = "This MiniAgents context has ended; use `async with MiniAgents():` around this call."
            raise NoActiveContextError(msg)
        try:
            if get_running_loop() is self._loop:
                return
        except RuntimeError:
            pass
        raise WrongLoopError

    def check_place(self) -> None:
        """Refuse a call from another thread, event loop or process; that it has ended does not matter.

        Raises:
            WrongLoopError: this call comes from elsewhere.
        """
        if self._loop is None:
            return
        try:
            if get_running_loop() is self._loop:
                return
        except RuntimeError:
            pass
        raise WrongLoopError

    def future(self) -> "asyncio.Future[None]":
        """A new Future of this context's event loop, for somebody who is going to wait on it.

        Raises:
            NoActiveContextError: the context has ended.
            WrongLoopError: this call comes from elsewhere.
        """
        loop = self._loop
        try:
            here = get_running_loop()  # once per token of a live source: no call that is not needed
        except RuntimeError:
            here = None
        if loop is None or here is not loop:
            self.check()
            loop = self.loop
        return Future(loop=loop)  # what `create_future` of asyncio and of uvloop does, without a call a token

    def in_loop_thread(self) -> bool:
        """Whether the caller runs on the thread of this context's event loop."""
        return threading.get_ident() == self._thread

    def on_loop_thread(self, function: Callable[[*Ts], object]) -> Callable[[*Ts], None]:
        """``function``, run on the thread of this context from whatever thread it is called.

        A call from another thread runs in the contextvars of now, soon, in the order of the calls.

        Args:
            function: what is run; its result is dropped.
        """
        variables = contextvars.copy_context()

        def call(*args: *Ts) -> None:
            if self.in_loop_thread():
                function(*args)
            elif self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(partial(function, *args), context=variables)

        return call

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` on this context's event loop, from whatever thread; not at all once it is closed.

        Args:
            callback: what is run.
        """
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback)

    def call_soon_here(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` in the next turn of the event loop that is running, if one is.

        Args:
            callback: what is run.
        """
        loop = running_loop()
        if loop is not None:
            loop.call_soon(callback, context=contextvars.Context())

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
        if not self.tasks and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

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
        cancel scope of anyio cancels again and again, and would leave tasks behind.

        Raises:
            CancelledError: the caller was cancelled meanwhile.
        """
        deadline = self.loop.time() + self.shutdown_timeout
        cancelled: CancelledError | None = None
        while stopping := tuple(self.tasks):  # once more for those that a clean-up has started
            for each in stopping:
                each.cancel()
            tasks = [each.task for each in stopping if each.task is not None]
            if tasks:
                try:
                    await asyncio.wait(tasks, timeout=max(0, deadline - self.loop.time()))
                except CancelledError as error:
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
        self._outer = CURRENT_CONTEXT.get()
        self._block = asyncio.current_task()
        self.open()
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
            self.resources.clear()
            self.unhandled.report()
            self.close()
            self._entered = False

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
        self._pushes.append(push)
        if self.pushing:
            return
        self.pushing = True
        del push  # what only it holds goes when it has run, as with all others, and not when all have
        try:
            while self._pushes:
                self._pushes.popleft()()
        finally:
            self.pushing = False


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
