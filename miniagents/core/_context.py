"""The context: owns the tasks that were started within it, and decides when they end.

A context is entered on one event loop. It knows every task that produces a stream, waits for all of them at
a normal end, and cancels all of them at any other end; then it closes what lives as long as it does, and logs
the errors that no reader saw. So nothing that was started within it outlives it.

**An app-wide context is that of its event loop**, for whatever runs on that loop and has no context of its
own. So there are two ways to a context, in this order: the context variable, which all that is started
inherits, and the loop. A context variable with a context that has ended leads to an error, and never to the
loop's context: what outlives the block that it was started in is not to go on in another one unnoticed.

**A context inside another on the same event loop is its child.** It owns its own runs, and ends them at its
end. It has its parent's settings unless it was given others, its promises are told to the parent's handlers
before its own, and what is shared (clients of models) is that of the outermost one. Its parent is the context
that would have been used where it is entered, so in an app the app-wide one. A context on an event loop of
its own (a nested blocking run), or one that is entered when the outer one is closing, has no parent.

It also serialises pushes: a push that is caused by another push waits in a queue instead of on the call
stack, so chains of any depth neither recurse nor interleave.
"""

import asyncio
import logging
import traceback
from asyncio import CancelledError, get_running_loop
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Protocol, Self, TypeAlias, TypeVar, cast
from weakref import WeakKeyDictionary

from miniagents.values import NoActiveContextError

from ._observers import Anchor, Observer, Observers
from ._task_owner import TaskOwner
from ._unhandled import UnhandledErrors

logger = logging.getLogger("miniagents")

PREFETCH: Final = 1024  # pieces
SHUTDOWN_TIMEOUT: Final = 10.0  # seconds
APP_DRAIN_TIMEOUT: Final = 10.0  # seconds
PACKAGE: Final = Path(__file__).parents[1]

DrainTimeout: TypeAlias = float | Literal["auto"] | None
"""How long a normal end waits for runs, in seconds. None: for ever. "auto": 10 if app-wide, else None."""


class Closable(Protocol):
    """Something that contexts share."""

    def close(self) -> Awaitable[object]:
        """The last context that shared it has ended."""
        ...


C = TypeVar("C", bound=Closable)


class CallFromThread(Protocol):
    """A call that another thread waits for."""

    def refuse(self) -> None:
        """The context has ended before the call could begin; idempotent."""
        ...


class Watch(Protocol):
    """What looks for deadlocks among the tasks of a context."""

    def stop(self) -> None:
        """The context has ended."""
        ...


class Context(TaskOwner):
    """Owns the tasks that were started within it.

    Args:
        prefetch: pieces that a source may run ahead of its fastest reader. None: as its parent, or 1024.
        shutdown_timeout: seconds that cancelled tasks get for their cleanup. None: as its parent, or 10.
        drain_timeout: seconds that a normal end waits for its tasks before it cancels them. None: for ever,
            which is what it does unless it is app-wide; then it waits for 10.
        app_wide: it is the context of its event loop, for all that has none of its own.

    Attributes:
        announcing: somebody wants to be told of the promises that resolve: a handler of it or of its parents.
        app_wide: it is the context of its event loop.
        calls_from_threads: what other threads have asked it to call, and wait for.
        event_queue: what handlers are going to be told.
        handling_events: a task is telling handlers.
        observers: who is told of its runs, those of its parents first; None if nobody is.
        parent: the context of the same event loop that it was entered in, None if there is none.
        passing: the error that an Observable is handing over right now, and the agents it went through.
        pushing: a push is running, so that the next one waits for its end.
        resolved_handlers: what is awaited for each promise that resolves.
        unhandled: the errors that no reader has been given yet.
        watch: looks for deadlocks as long as tasks wait; None while none does.

    Raises:
        ValueError: ``prefetch`` is less than 1, or ``drain_timeout`` less than 0.

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

    def __init__(
        self,
        *,
        prefetch: int | None = None,
        shutdown_timeout: float | None = None,
        drain_timeout: DrainTimeout = "auto",
        app_wide: bool = False,
    ) -> None:
        if prefetch is not None and prefetch < 1:
            msg = f"prefetch is {prefetch}: a source must be allowed at least 1 piece ahead of its reader."
            raise ValueError(msg)
        if drain_timeout == "auto":
            drain_timeout = APP_DRAIN_TIMEOUT if app_wide else None
        if drain_timeout is not None and not drain_timeout >= 0:
            msg = f"drain_timeout is {drain_timeout}: give seconds, 0 or more, or None to wait for ever."
            raise ValueError(msg)
        super().__init__(
            shutdown_timeout=SHUTDOWN_TIMEOUT if shutdown_timeout is None else shutdown_timeout,
            drain_timeout=drain_timeout,
        )
        self.app_wide: bool = app_wide
        self._given_prefetch = prefetch
        self._given_shutdown_timeout = shutdown_timeout
        self.prefetch: int = PREFETCH if prefetch is None else prefetch
        self.parent: Context | None = None
        self.observers: Observers | None = None
        self._anchor: Anchor | None = None  # of the outermost context, as long as that is entered
        self._own_observers: list[Observer] = []
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
        self._pushes: deque[Callable[[], None]] = deque()
        self._children: set[Context] = set()
        self._closing = False
        self._shared: dict[object, object] = {}
        self._closers: list[Callable[[], Awaitable[object]]] = []
        self.calls_from_threads: set[CallFromThread] = set()
        self._outer: Context | None = None
        self._entered = False
        self._made_at = _caller() if app_wide else ""  # for errors
        self._started = False  # by `start`, and not as a block
        self._stopping: asyncio.Future[None] | None = None
        self._block: asyncio.Task[object] | None = None  # whose `async with` it is
        self._interrupt: BaseException | None = None

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
            self.shutdown_timeout: float = SHUTDOWN_TIMEOUT if parent is None else parent.shutdown_timeout
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

    def interrupt(self, error: BaseException) -> None:
        """End the context by an exception of a task that is no ``Exception``, such as one of a test runner.

        The block of the context is cancelled, and the exception leaves it in the place of the cancellation.
        If nobody is in the block (the context was started, or is a fixture), the exception is logged.

        Args:
            error: what the task raised.
        """
        if self._block is None or self._block.done():
            logger.error("%r ended a run whose context is nobody's block.", error, exc_info=error)
        elif self._interrupt is None:
            self._interrupt = error
            self._block.cancel()

    def on_close(self, callback: Callable[[], Awaitable[object]]) -> None:
        """Have something closed when the context ends, after all its runs; the last one added comes first.

        Args:
            callback: awaited once; if it raises, that is logged and the others are called all the same.
        """
        self._closers.append(callback)

    def forget_close(self, callback: Callable[[], Awaitable[object]]) -> None:
        """Do not close something any more that was given to :meth:`on_close`; nothing if it is not there.

        Args:
            callback: which one.
        """
        with suppress(ValueError):
            self._closers.remove(callback)

    # -- entering and ending -----------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._enter()
        self._block = asyncio.current_task()
        self._outer = CURRENT_CONTEXT.get()
        CURRENT_CONTEXT.set(self)
        return self

    def _enter(self) -> None:
        if self._entered:
            msg = "This context is already active; make another one with MiniAgents() to nest them."
            raise RuntimeError(msg)
        loop = get_running_loop()
        if self.app_wide:
            first = _APP_WIDE.get(loop)
            if first is not None:
                msg = (
                    f"This event loop has an app-wide context already, {first.app_wide_name}: end that one "
                    "first, or use `await MiniAgents(app_wide=True).start(replace=True)`."
                )
                raise RuntimeError(msg)
        self._entered = True
        outer = _context_on(loop)
        self.open()
        nested = outer is not None and outer._loop is loop and not outer._closing  # noqa: SLF001 - same class
        self.become_child_of(outer if nested else None)
        if self.app_wide:
            for other in app_wide_contexts():  # they hold their loops, which nobody else may do any more
                if other.loop.is_closed():
                    _APP_WIDE.pop(other.loop, None)
            _APP_WIDE[loop] = self

    async def start(self, *, replace: bool = False) -> Self:
        """Be the context of the running event loop until :meth:`stop`; for an app-wide context.

        For notebooks, and for frameworks that have functions for their begin and their end and no block
        around both. The context variable is left as it is: a task that has a context of its own keeps that.

        Args:
            replace: stop the app-wide context that this loop has already, if there is one, as :meth:`stop`
                does; for a cell of a notebook that is run again.

        Returns:
            The context itself.

        Raises:
            RuntimeError: it is not app-wide, is active already, or the loop has another app-wide context and
                that is not to be replaced, or is somebody's ``async with`` block.

        Example:
            >>> import asyncio
            >>> from miniagents import MiniAgents
            >>> from miniagents.testing import scripted_model
            >>> async def main():
            ...     app = await MiniAgents(app_wide=True).start()
            ...     print(await scripted_model("Hello").inquire("Hi"))
            ...     await app.stop()
            >>> asyncio.run(main())
            Hello
        """
        if not self.app_wide:
            msg = "start() is for MiniAgents(app_wide=True); others are blocks: `async with MiniAgents():`."
            raise RuntimeError(msg)
        former = _APP_WIDE.get(get_running_loop()) if replace else None
        if former is not None:
            await former.stop()
        self._enter()
        self._started = True
        return self

    async def stop(self) -> None:
        """End what :meth:`start` began, as the normal end of a block; nothing if it has ended already.

        It waits for the runs, ``drain_timeout`` seconds at most, and cancels them then.

        Raises:
            RuntimeError: it is an ``async with`` block, which ends by itself; or the call comes from a run of
                it, for which it would wait.
            WrongLoopError: the call comes from another event loop or thread.
        """
        self.check_place()
        if self._stopping is not None:
            await asyncio.wait((self._stopping,))
            return
        if not self._entered:
            return
        if not self._started:
            msg = f"{self.app_wide_name} is an `async with` block; stop() ends what start() began."
            raise RuntimeError(msg)
        here = asyncio.current_task()
        if any(each.task is here for each in self.tasks):
            msg = (
                "stop() was called in a run of the context, for which it would wait; call it outside of runs."
            )
            raise RuntimeError(msg)
        self._stopping = self.loop.create_future()
        try:
            await self.__aexit__(None, None, None)
        finally:
            self._stopping.set_result(None)
            self._stopping = None

    @property
    def app_wide_name(self) -> str:
        """How an app-wide context is called in errors."""
        return f"{type(self).__name__}(app_wide=True) of {self._made_at}"

    @property
    def refuses_calls(self) -> bool:
        """Whether it is too late to begin anything in it: its runs have ended."""
        return self._closing or self.ended

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
        if self.tasks:
            await self.cancel_all()

    async def _close(self) -> None:
        if not self._started:
            # No token is kept: the block may be left in another contextvars.Context than it was entered in.
            CURRENT_CONTEXT.set(self._outer)
        self._outer = None
        self._closing = True
        if self.app_wide:
            _APP_WIDE.pop(self.loop, None)
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
            self._entered = self._closing = self._started = False
            while self.calls_from_threads:
                self.calls_from_threads.pop().refuse()

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


# The context of a loop, for all that has none of its own. Not every class of loops could hold it itself.
_APP_WIDE: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Context]] = WeakKeyDictionary()


def app_wide_contexts() -> list[Context]:
    """The app-wide contexts of all event loops of this process; not of the one that it was forked from."""
    loops = [reference() for reference in _APP_WIDE.keyrefs()]  # a copy: other threads may enter theirs
    found = [None if loop is None else _APP_WIDE.get(loop) for loop in loops]
    return [context for context in found if context is not None and context.in_process()]


def _context_on(loop: asyncio.AbstractEventLoop) -> Context | None:
    """The context for what is called here, on this loop; it may have ended, or be one of another loop."""
    own = CURRENT_CONTEXT.get()
    if own is not None and (own.ended or own.loop is loop):
        return own
    return _APP_WIDE.get(loop, own)


def _caller() -> str:
    """Where the code outside of this package is that called it."""
    for frame, line in traceback.walk_stack(None):
        if PACKAGE not in Path(frame.f_code.co_filename).parents:
            return f"{frame.f_code.co_filename}:{line} ({frame.f_code.co_name})"
    return "this package"


def current_context() -> Context:
    """The context that owns what is started here: the one that was entered last, or the loop's app-wide one.

    Raises:
        NoActiveContextError: there is none, or the one that was entered last has ended.
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
    try:
        loop = get_running_loop()
    except RuntimeError:
        return _checked(context)
    if context is None:
        context = _APP_WIDE.get(loop)
    # Once per inquiry and per message: what is nearly always so is asked without a call.
    if context is not None and context._loop is loop:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - of this module
        return context
    return _checked(_context_on(loop))


def _checked(context: Context | None) -> Context:
    if context is None:
        raise NoActiveContextError
    context.check()
    return context
