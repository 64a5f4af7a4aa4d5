"""The context: it owns the tasks that were started within it, and decides when they end.

A context is entered on one event loop. It knows every task that produces a stream. At a normal end it waits
for all of them; at any other end it cancels all of them. Then it closes the resources that belong to it
(clients of models), and logs the errors that no reader saw. So no task that was started within a context goes
on after its end.

**An app-wide context is the context of its event loop**, for all code on that loop that has no other context.
So the active context is found in two places, in this order: the context variable, which every task inherits,
and the loop. If the context variable has a context that has ended, the library raises an error and never uses
the loop's context: code that outlives its block must not go on in another context unnoticed.

**A context inside another one on the same event loop is its child.** It owns its runs, and ends them at its
end. It has its parent's settings unless it was given others. The parent's handlers get its promises before
its own handlers do. Shared resources (clients of models) belong to the outermost context. Its parent is the
active context where it is entered, so in an app the app-wide one. A context has no parent if it has an event
loop of its own (a nested blocking run), or if the outer context is closing when it is entered.

A context also serialises pushes: a push that is caused by another push waits in a queue and not on the call
stack, so chains of any depth neither recurse nor interleave.
"""

import asyncio
import contextvars
import inspect
import logging
import os
import threading
import traceback
from asyncio import CancelledError, Future, get_running_loop
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from sys import modules
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Final,
    Literal,
    ParamSpec,
    Protocol,
    Self,
    TypeAlias,
    TypeVar,
    TypeVarTuple,
    cast,
    overload,
)
from weakref import WeakKeyDictionary, WeakSet

from reactivex import Observable

from miniagents.values import NoActiveContextError, SafeErrors, WrongLoopError, check_count, check_seconds

from ._notebook import watch_cells
from ._observers import Anchor, Observer, Observers
from ._protocols import Sink
from ._scheduler import LoopScheduler
from ._threads import call_from_thread, iterate_from_thread, run_in_thread, run_loop, running_loop
from ._unhandled import PassingError, UnhandledErrors

if TYPE_CHECKING:
    from ._deadlocks import DeadlockWatch
    from ._lifetime import Lifetime
    from ._promise import Promise
    from ._stops import Stop

T = TypeVar("T")

# -- tasks ----------------------------------------------------------------------------------------------

Ts = TypeVarTuple("Ts")

_CANCELLED: Final = "%s had not ended drain_timeout=%s seconds after the end of their context: cancelled."

logger = logging.getLogger("miniagents")
logger.addFilter(SafeErrors())

NAMED: Final = 5  # tasks in a warning


class OwnedTask(Protocol):
    """A running task that a context owns."""

    @property
    def name(self) -> str:
        """Its name in logs."""
        ...

    @property
    def task(self) -> "asyncio.Task[object] | None":
        """The asyncio task."""
        ...

    def cancel(self) -> None:
        """Stop it now."""
        ...

    def drain(self) -> None:
        """Let it run to its end, however far its readers are."""
        ...


class CancelScopes(Protocol):
    """The part of anyio that is used here, if the program uses anyio."""

    def CancelScope(self, *, shield: bool) -> AbstractContextManager[object]:  # noqa: N802 - anyio's name
        """Return a block in which outer scopes do not cancel."""
        ...


def _shield() -> AbstractContextManager[object]:
    """Return a block that keeps anyio's cancel scopes from cancelling in every turn of the event loop."""
    anyio = modules.get("anyio")  # a program that uses such scopes has imported it
    return nullcontext() if anyio is None else cast("CancelScopes", anyio).CancelScope(shield=True)


def _listed(names: list[str]) -> str:
    """Return the names of tasks, or the first names and how many more there are."""
    return (
        ", ".join(names)
        if len(names) <= NAMED
        else f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"
    )


# -- context --------------------------------------------------------------------------------------------


PREFETCH: Final = 1024  # pieces
SHUTDOWN_TIMEOUT: Final = 10.0  # seconds
APP_DRAIN_TIMEOUT: Final = 10.0  # seconds
PACKAGE: Final = Path(__file__).parents[1]

DrainTimeout: TypeAlias = float | Literal["auto"] | None
"""How long a normal end waits for runs, in seconds. None: for ever. "auto": 10 if app-wide, else None."""


class Closable(Protocol):
    """A resource that nested contexts share."""

    def close(self) -> Awaitable[object]:
        """Close it: the last context that shared it has ended."""
        ...


C = TypeVar("C", bound=Closable)


P = ParamSpec("P")


class PromiseResolvedHandler(Protocol):
    """The type of a handler for ``on_promise_resolved``: awaited with each promise and its value.

    Example:
        >>> from miniagents.streams import Promise, PromisingContext
        >>> async def show(promise, result):
        ...     print(type(promise).__name__, result)
        >>> async def main():
        ...     Promise(prefill_result=42)
        >>> PromisingContext(on_promise_resolved=show).run(main())
        Promise 42
    """

    async def __call__(self, promise: "Promise[object]", result: object, /) -> None:
        """Handle one resolved promise."""
        ...


HandlerT = TypeVar("HandlerT", bound=PromiseResolvedHandler)


class PromisingContext:
    """The owner of every promise that is made inside its ``async with`` block, or inside :meth:`run`.

    A normal end waits for all runs; any other end cancels them. Inside another one on the same event loop it
    is its child, with its settings. `MiniAgents` is the one for agents.

    Args:
        on_promise_resolved: awaited with every promise that resolved and its value.
        prefetch: how many pieces a source may run ahead of its fastest reader; 1024.
        shutdown_timeout, drain_timeout: seconds for the cleanup; for a normal end.
        app_wide: whether it serves all code on its event loop.

    Attributes:
        announcing, handling_events, event_queue, resolved_handlers, app_wide, parent, calls_from_threads,
        cancelling, draining, left, observers, passing, pushing, stopped, tasks, unhandled, watch: for this
            library.

    Raises:
        ValueError, TypeError: ``prefetch`` is below 1, or a timeout is no time.

    Example:
        >>> from miniagents.streams import Promise, PromisingContext
        >>> async def main() -> int:
        ...     return await Promise(lambda: asyncio.sleep(0, 42))
        >>> PromisingContext().run(main())
        42
    """

    def __init__(
        self,
        *,
        on_promise_resolved: PromiseResolvedHandler | None = None,
        prefetch: int | None = None,
        shutdown_timeout: float | None = None,
        drain_timeout: DrainTimeout = "auto",
        app_wide: bool = False,
    ) -> None:
        check_count(type(self).__name__, "prefetch", prefetch)
        if prefetch is not None and prefetch < 1:
            raise ValueError(
                f"prefetch is {prefetch}: a source must be allowed at least 1 piece ahead of its reader."
            )
        if drain_timeout == "auto":
            drain_timeout = APP_DRAIN_TIMEOUT if app_wide else None
        check_seconds(type(self).__name__, "drain_timeout", drain_timeout)
        check_seconds(type(self).__name__, "shutdown_timeout", shutdown_timeout)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = self._process = 0
        self.shutdown_timeout: float = SHUTDOWN_TIMEOUT if shutdown_timeout is None else shutdown_timeout
        self.drain_timeout: float | None = drain_timeout
        self.draining: bool = False  # it waits for its tasks; then no source is paused any more
        self.cancelling: bool = False  # it cancels all its tasks
        self.left: bool = False  # it goes on later, from a log: then readers get errors that none has got
        self.tasks: dict[OwnedTask, None] = {}  # in the order in which they began
        self._idle: asyncio.Future[None] | None = None
        self._open: WeakSet[Sink] = WeakSet()
        self._from_observables: WeakSet[Lifetime[object]] = WeakSet()
        self._finished_early: dict[object, OwnedTask] = {}  # runs by their closed replies
        self._closed_replies: dict[OwnedTask, list[object]] = {}
        self.app_wide: bool = app_wide
        self._given_prefetch = prefetch
        self._given_shutdown_timeout = shutdown_timeout
        self.prefetch: int = PREFETCH if prefetch is None else prefetch
        self.parent: PromisingContext | None = None
        self.observers: Observers | None = None
        self._anchor: Anchor | None = None  # those of the outermost context, while that is entered
        self._own_observers: list[Observer] = []
        self.announcing: bool = False  # there are handlers of promises
        self.pushing: bool = False  # a push is running; what it causes waits
        self.stopped: WeakKeyDictionary[object, Stop] = WeakKeyDictionary()  # streams, and what ended them
        self.passing: PassingError | None = None  # what an Observable passes on, and its agents
        self.unhandled: UnhandledErrors = UnhandledErrors()
        self.watch: DeadlockWatch | None = None
        self.event_queue: deque[Callable[[], Awaitable[None]]] = deque()
        self.handling_events: bool = False  # the handlers of `event_queue` are called
        self._handlers_turn: asyncio.Lock = asyncio.Lock()
        self._within_handler = False
        self.resolved_handlers: list[PromiseResolvedHandler] = (
            [] if on_promise_resolved is None else [on_promise_resolved]
        )
        self._pushes: deque[Callable[[], None]] = deque()
        self._children: set[PromisingContext] = set()
        self._shared: dict[object, object] = {}
        self._closers: list[Callable[[], Awaitable[object]]] = []
        self.calls_from_threads: set[Callable[[], None]] = set()  # each refuses a call of a thread
        self._outer: PromisingContext | None = None
        self._made_at = _caller() if app_wide else ""  # for errors
        self._entered = self._closing = self._started = False  # the last one: by `start`, not as a block
        self._stopping: asyncio.Future[None] | None = None
        self._block: asyncio.Task[object] | None = None  # the task of its `async with` block
        self._interrupt: BaseException | None = None

    @classmethod
    def current(cls) -> Self:
        """Return the active context.

        Raises:
            NoActiveContextError: no context is active, or none of this class.
            WrongLoopError: it belongs to another event loop or thread.
        """
        context = current_context()
        if isinstance(context, cls):
            return context
        raise NoActiveContextError

    def on_promise_resolved(self, handler: HandlerT) -> HandlerT:
        """Add a handler; usable as a decorator. An error of a handler is logged and affects nothing else.

        Args:
            handler: awaited with every promise that resolves from now on, and its value; one call at a time.

        Returns:
            The handler itself.
        """
        self.resolved_handlers.append(handler)
        self.announce_all()
        return handler

    @overload
    def run(self, main: Observable[T]) -> list[T]: ...
    @overload
    def run(self, main: Awaitable[T]) -> T: ...
    def run(self, main: Observable[T] | Awaitable[T]) -> list[T] | T:
        """Run a coroutine, or an Observable, in this context and block until everything has ended.

        If an event loop is running already, it blocks that loop, and runs on a thread and an event loop of
        its own.

        Args:
            main: awaited; an Observable is subscribed to and its items are collected.

        Returns:
            The value of ``main``; for an Observable, the list of its items.

        Raises:
            RuntimeError: this context is active already.
            TypeError: ``main`` is neither; call an async function first.
        """
        _check_runnable(main)
        if running_loop() is None:
            return run_loop(lambda: self._run(main))
        return run_in_thread(lambda: self._run(main))

    @overload
    @classmethod
    def from_thread(cls, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    @classmethod
    def from_thread(cls, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @classmethod
    def from_thread(cls, function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> object:
        """Call ``function`` on the event loop of a context, from another thread, and wait for the result.

        The context is that of the block in which the thread was started with its context variables, as by
        `asyncio.to_thread`; else the app-wide one. It treats the call like a run.

        Args:
            function: ``agent.inquire``, or an async function of yours.
            *args: its arguments.
            **kwargs: the same by name.

        Raises:
            InquiryCancelledError: the context ended before the call did.
            NoActiveContextError: there is none, or several are app-wide.
            RuntimeError: an event loop runs on this thread.
            WrongLoopError: the context belongs to another process.

        Example:
            >>> import asyncio
            >>> from miniagents import MiniAgents
            >>> from miniagents.testing import scripted_model
            >>> def handler():
            ...     return str(MiniAgents.from_thread(scripted_model("Hello").inquire))
            >>> async def main():
            ...     async with MiniAgents(app_wide=True):
            ...         print(await asyncio.to_thread(handler))
            >>> asyncio.run(main())
            Hello
        """
        return call_from_thread(cls._for_thread(), partial(function, *args, **kwargs))

    @classmethod
    def iterate_from_thread(
        cls, function: Callable[P, AsyncIterable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Iterator[T]:
        """Call ``function`` as :meth:`from_thread` does, and iterate over its stream while it is written.

        * When does it start? At once; the items wait until this thread takes them.
        * How often? Once.
        * What is kept? What the stream keeps.
        * What does ``break`` do? The reader leaves, as in ``async for``.
        * When does an error come? After the items before it.

        Args:
            function: returns the stream: ``lambda: agent.inquire("Hi").tokens``.
            *args: its arguments.
            **kwargs: the same by name.

        Raises:
            InquiryCancelledError: the context ended before the stream did.
            NoActiveContextError: no such context exists (any more), or several are app-wide.
            RuntimeError: an event loop runs on this thread.

        Example:
            >>> import asyncio
            >>> from miniagents import MiniAgents
            >>> from miniagents.testing import scripted_model
            >>> model = scripted_model("Hello there")
            >>> def handler():
            ...     for token in MiniAgents.iterate_from_thread(lambda: model.inquire("Hi").tokens):
            ...         print(repr(token))
            >>> async def main():
            ...     async with MiniAgents(app_wide=True):
            ...         await asyncio.to_thread(handler)
            >>> asyncio.run(main())
            'Hello '
            'there'
        """
        return iterate_from_thread(cls._for_thread(), partial(function, *args, **kwargs))

    @classmethod
    def _for_thread(cls) -> Self:
        context = context_for_thread()
        if not isinstance(context, cls):
            raise NoActiveContextError
        return context

    async def _run(self, main: Observable[T] | Awaitable[T]) -> list[T] | T:
        async with self:
            return await (self._items_of(main) if isinstance(main, Observable) else main)

    async def _items_of(self, source: Observable[T]) -> list[T]:
        """Subscribe to an Observable, which may push from any thread, and return all its items."""
        items: list[T] = []
        errors: list[Exception] = []  # not in the Future, which cannot have a `StopIteration`
        end = self.future()

        def ended(*error: Exception) -> None:
            if not end.done():
                errors.extend(error)
                end.set_result(None)

        on = self.on_loop_thread
        subscription = source.subscribe(on(items.append), on(ended), on(ended), scheduler=LoopScheduler())
        try:
            await end
        finally:
            subscription.dispose()
        if errors:
            raise errors[0]
        return items

    def close(self) -> None:
        """End the context: nothing can be started in it any more."""
        if self.watch is not None:
            self.watch.stop()
        self._loop = None

    # -- its event loop ----------------------------------------------------------------------------------

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
        """Bind it to the running event loop and this thread."""
        self.draining = self.cancelling = False
        self._loop = get_running_loop()
        self._thread = threading.get_ident()
        self._process = os.getpid()

    def check(self) -> None:
        """Raise an error if the caller is on a thread or event loop other than that of the entry.

        Raises:
            NoActiveContextError: it has ended.
            WrongLoopError: this call comes from elsewhere.
        """
        if self._loop is None:
            raise NoActiveContextError(
                "This MiniAgents context has ended; use `async with MiniAgents():` around this call."
            )
        self.check_place()

    def check_place(self) -> None:
        """Raise an error if the caller is on another thread, event loop or process, even if it has ended.

        Raises:
            WrongLoopError: this call comes from elsewhere.
        """
        if self._loop is not None and running_loop() is not self._loop:
            raise WrongLoopError

    def future(self) -> "asyncio.Future[None]":
        """Return a new Future of this context's event loop.

        Raises:
            NoActiveContextError: the context has ended.
            WrongLoopError: this call comes from elsewhere.
        """
        loop = self._loop
        try:
            here = get_running_loop()  # once per token of a live source, so without calls that are not needed
        except RuntimeError:
            here = None
        if loop is None or here is not loop:
            self.check()
            loop = self.loop
        return Future(loop=loop)  # as `create_future` of asyncio and uvloop, without a call per token

    def in_loop_thread(self) -> bool:
        """Whether the caller runs on the thread of this context's event loop."""
        return threading.get_ident() == self._thread

    def in_process(self) -> bool:
        """Whether this is the process of its event loop, not a fork of it."""
        return os.getpid() == self._process

    def on_loop_thread(self, function: Callable[[*Ts], object]) -> Callable[[*Ts], None]:
        """Return a function that runs ``function`` on the thread of this context, from any thread.

        A call from another thread runs soon, in the order of the calls, with the present contextvars.

        Args:
            function: the function to run; its result is dropped.
        """
        variables = contextvars.copy_context()

        def call(*args: *Ts) -> None:
            if self.in_loop_thread():
                function(*args)
            elif self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(partial(function, *args), context=variables)

        return call

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` on this context's event loop, from any thread; if the loop is closed, do nothing.

        Args:
            callback: the function to run.
        """
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback)

    def call_soon_here(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` in the next turn of the running event loop, if there is one.

        Args:
            callback: the function to run.
        """
        loop = running_loop()
        if loop is not None:
            loop.call_soon(callback, context=contextvars.Context())

    # -- its tasks ---------------------------------------------------------------------------------------

    def add(self, task: OwnedTask) -> None:
        """Own a task until :meth:`discard`.

        Args:
            task: one that is about to begin.
        """
        self.tasks[task] = None

    def discard(self, task: OwnedTask) -> None:
        """Stop owning a task.

        Args:
            task: one that has ended.
        """
        self.tasks.pop(task, None)
        for replies in self._closed_replies.pop(task, ()):
            self._finished_early.pop(replies, None)
        if not self.tasks and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def note_finished_early(self, run: OwnedTask, replies: object) -> None:
        """Note that a run has closed its replies and goes on; the note is kept until the run ends.

        Args:
            run: the run.
            replies: their buffer.
        """
        self._finished_early[replies] = run
        self._closed_replies.setdefault(run, []).append(replies)

    def cancel_finished_early(self, replies: object) -> None:
        """Stop the run that has closed these replies, if it still goes on.

        Args:
            replies: their buffer.

        Raises:
            WrongLoopError: such a run exists, and this call comes from another event loop or thread.
        """
        if replies in self._finished_early:
            self.check_place()
            self._finished_early.pop(replies).cancel()

    def finish_at_end(self, sink: Sink) -> None:
        """Finish ``sink`` when the context drains, if it is still open then.

        Args:
            sink: a sink that no task writes, so that no end of a task ends it; held weakly.
        """
        self._open.add(sink)

    def cancel_at_end(self, stream: "Lifetime[object]") -> None:
        """Let ``stream`` take all that comes when the context drains, and stop it when the context ends.

        Args:
            stream: one that an Observable writes, so that no task of the context does; held weakly.
        """
        self._from_observables.add(stream)

    async def drain(self) -> None:
        """Wait until every task of this context has ended by itself, including those that start meanwhile.

        It waits ``drain_timeout`` seconds at most; :meth:`cancel_all` must stop what still runs then.
        """
        self.draining = True
        self._release_all()
        limit = self.drain_timeout
        deadline = None if limit is None else self.loop.time() + limit
        while self.tasks:
            left = None if deadline is None else deadline - self.loop.time()
            if left is not None and left <= 0:
                if limit:  # with 0 seconds, the caller has asked for just that
                    logger.warning(_CANCELLED, _listed(sorted(task.name for task in self.tasks)), limit)
                return
            self._idle = self.loop.create_future()
            try:
                await asyncio.wait((self._idle,), timeout=left)
            finally:
                self._idle = None

    def _release_all(self) -> None:
        # A function of its own: in the waiting function, local names would hold the last sink and the last
        # task while others end, and streams that these hold would never be abandoned.
        for sink in tuple(self._open):
            sink.finish()
        for task in tuple(self.tasks):
            task.drain()
        for stream in tuple(self._from_observables):
            stream.run_on()

    async def cancel_all(self) -> None:
        """Cancel every task and wait for their cleanup, ``shutdown_timeout`` seconds at most.

        If the caller is cancelled meanwhile, this method first finishes and then raises the cancellation. A
        cancel scope of anyio cancels again and again, in every turn of the event loop; it would leave tasks
        behind, and keep the loop busy until they have ended.

        Raises:
            CancelledError: the caller was cancelled meanwhile.
        """
        self.cancelling = True
        deadline = self.loop.time() + self.shutdown_timeout
        cancelled: CancelledError | None = None
        with ExitStack() as shield:
            while stopping := tuple(self.tasks):  # a second time for tasks that a clean-up has started
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

    def _leave_observables(self) -> None:
        self.cancelling = True  # what reads these streams ends with them, at once
        for stream in tuple(self._from_observables):
            stream.cancel()

    def _report_stuck(self, tasks: Iterable[OwnedTask]) -> None:
        for task in tasks:
            logger.error(
                "%s did not end within shutdown_timeout=%s seconds after it was cancelled; "
                "the context ends without it. Look for a `finally` or `except CancelledError` that waits.",
                task.name,
                self.shutdown_timeout,
            )

    # -- its parents -------------------------------------------------------------------------------------

    def become_child_of(self, parent: "PromisingContext | None") -> None:
        """Take the settings that were not given from ``parent``; from the defaults if there is no parent.

        Args:
            parent: the context of the running event loop in which this one is entered.
        """
        self.parent = parent
        self.unhandled = UnhandledErrors() if parent is None else parent.unhandled
        if self._given_prefetch is None:
            self.prefetch = PREFETCH if parent is None else parent.prefetch
        if self._given_shutdown_timeout is None:
            self.shutdown_timeout = SHUTDOWN_TIMEOUT if parent is None else parent.shutdown_timeout
        self._within_handler = WITHIN_HANDLER.get()
        self._handlers_turn = asyncio.Lock()
        self.announcing = bool(self.resolved_handlers)
        self._anchor = None  # the event loop may differ from that of the last time
        self._gather_observers()
        if parent is not None:
            parent._children.add(self)  # noqa: SLF001 - same class
            if not self._within_handler:
                self.announcing = self.announcing or parent.announcing

    def observe(self, observer: Observer) -> None:
        """Let ``observer`` observe every run that begins from now on, here or in a child context.

        Args:
            observer: gets events after the observers that were added before.

        Raises:
            TypeError: it is not an `Observer`, but for example a function or a class of observers.
        """
        if not isinstance(cast("object", observer), Observer):
            raise TypeError(
                f"{observer!r} is no observer; give an object of a class that is derived from Observer."
            )
        self._own_observers.append(observer)
        self._gather_observers()

    def stop_observing(self, observer: Observer) -> None:
        """Do not let ``observer`` observe the runs that begin from now on.

        Args:
            observer: an observer that was given to :meth:`observe`.
        """
        self._own_observers.remove(observer)
        self._gather_observers()

    def _gather_observers(self) -> None:
        outer = None if self.parent is None else self.parent.observers
        if outer is None and not self._own_observers:
            self.observers = None
        elif self._loop is not None:  # else they are collected when it is entered
            outermost = self.path()[0]
            if outermost._anchor is None:  # noqa: SLF001 - same class
                outermost._anchor = Anchor(self._loop.time())  # noqa: SLF001 - same class
            self.observers = Observers(outer, self._own_observers, outermost._anchor)  # noqa: SLF001 - same class
        for child in self._children:
            child._gather_observers()  # noqa: SLF001 - same class

    def path(self) -> "list[PromisingContext]":
        """The contexts in which it is nested, the outermost first, then itself."""
        path: list[PromisingContext] = [self]
        while (parent := path[-1].parent) is not None:
            path.append(parent)
        return path[::-1]

    def notified(self) -> "list[PromisingContext]":
        """The contexts of :meth:`path` whose handlers get its promises, in this order.

        If a handler itself opens a context, outer handlers do not get that context's promises: otherwise a
        handler would be called for its own promises, for ever.
        """
        path = self.path()
        within = [at for at, each in enumerate(path) if each._within_handler]  # noqa: SLF001 - same class
        return path[within[-1] :] if within else path

    def announce_all(self) -> None:
        """Call handlers for all promises from now on, also of child contexts: a handler was added."""
        self.announcing = True
        for child in self._children:
            if not child._within_handler:  # noqa: SLF001 - same class
                child.announce_all()

    def handlers_turn(self) -> asyncio.Lock:
        """The lock that is held while handlers are called: one call at a time, for all nested contexts."""
        return self.notified()[0]._handlers_turn  # noqa: SLF001 - same class

    def shared(self, kind: Callable[[], C]) -> C:
        """Return the one instance of ``kind`` for this context and all contexts in which it is nested.

        It is closed when the outermost of them ends, after all its runs.

        Args:
            kind: the class of the shared resource (a pool of clients); called at the first use.
        """
        owner = self.path()[0]
        held = owner._shared  # noqa: SLF001 - same class
        if kind not in held:
            made = held[kind] = kind()
            owner.on_close(made.close)
        return cast("C", held[kind])

    def interrupt(self, error: BaseException) -> None:
        """End the context by an error of a task that is not an ``Exception``, such as one of a test runner.

        The block of the context is cancelled, and raises the error in place of the cancellation. If no task
        is in the block (the context was started with ``start``, or is a fixture), the error is logged.

        Args:
            error: the error of the task.
        """
        if self._block is None or self._block.done():
            logger.error("%r ended a run; no block of its context can raise it.", error, exc_info=error)
        elif self._interrupt is None:
            self._interrupt = error
            self.cancelling = True
            self._block.cancel()

    def on_close(self, callback: Callable[[], Awaitable[object]]) -> None:
        """Add a callback for the end of the context, after all its runs; the last one added comes first.

        Args:
            callback: awaited once; an error of it is logged, and the other callbacks are still called.
        """
        self._closers.append(callback)

    def forget_close(self, callback: Callable[[], Awaitable[object]]) -> None:
        """Remove a callback that was given to :meth:`on_close`, if it is still registered.

        Args:
            callback: the callback.
        """
        with suppress(ValueError):
            self._closers.remove(callback)

    def make_current(self) -> None:
        """Make it the active context of the calling `contextvars.Context`.

        For code that starts runs with context variables of its own: ``variables.run(context.make_current)``.
        """
        CURRENT_CONTEXT.set(self)

    # -- entering and ending -----------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._enter()
        self._block = asyncio.current_task()
        self._outer = CURRENT_CONTEXT.get()
        CURRENT_CONTEXT.set(self)
        return self

    def _enter(self) -> None:
        if self._entered:
            raise RuntimeError(
                "This context is already active; make another one with MiniAgents() to nest them."
            )
        try:
            loop = get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "MiniAgents runs on asyncio, and no event loop of asyncio is running here. Start the program "
                "with asyncio.run(...) or MiniAgents().run(...); under anyio, with backend='asyncio'. Trio "
                "is not supported."
            ) from None
        if self.app_wide:
            first = _APP_WIDE.get(loop)
            if first is not None:
                raise RuntimeError(
                    f"This event loop has an app-wide context already, {first.app_wide_name}: end that one "
                    "first, or use `await MiniAgents(app_wide=True).start(replace=True)`."
                )
        self._entered = True
        outer = _context_on(loop)
        self.open()
        nested = outer is not None and outer._loop is loop and not outer._closing  # noqa: SLF001 - same class
        self.become_child_of(outer if nested else None)
        if self.app_wide:
            for other in app_wide_contexts():  # they hold their loops, and nothing else may hold these
                if other.loop.is_closed():
                    _APP_WIDE.pop(other.loop, None)
            _APP_WIDE[loop] = self

    async def start(self, *, replace: bool = False) -> Self:
        """Make this app-wide context that of the running event loop, until :meth:`stop`.

        For notebooks, and for frameworks that have functions for start and shutdown but no block around both.
        The context variable is not changed: a task that has another context keeps it.

        Args:
            replace: stop the app-wide context that this loop has already, if there is one, as :meth:`stop`
                does; for a cell of a notebook that is run again.

        Returns:
            The context itself.

        Raises:
            RuntimeError: it is not app-wide or is active already; or the loop has another app-wide context,
                and ``replace`` is False or that context is an ``async with`` block.

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
            raise RuntimeError(
                "start() is for MiniAgents(app_wide=True); others are blocks: `async with MiniAgents():`."
            )
        former = _APP_WIDE.get(get_running_loop()) if replace else None
        if former is not None:
            await former.stop()
        self._enter()
        self._started = True
        watch_cells(self)
        return self

    async def stop(self) -> None:
        """End the context that :meth:`start` began, as the normal end of a block; nothing if it has ended.

        It waits for the runs, ``drain_timeout`` seconds at most, and then cancels them.

        Raises:
            RuntimeError: it is an ``async with`` block, which ends by itself; or the caller is a run of this
                context, so the call would wait for itself.
            WrongLoopError: the call comes from another event loop or thread.
        """
        self.check_place()
        if self._stopping is not None:
            await asyncio.wait((self._stopping,))
            return
        if not self._entered:
            return
        if not self._started:
            raise RuntimeError(
                f"{self.app_wide_name} is an `async with` block; stop() ends what start() began."
            )
        here = asyncio.current_task()
        if any(each.task is here for each in self.tasks):
            raise RuntimeError(
                "stop() was called in a run of the context and would wait for it; call it outside of runs."
            )
        self._stopping = self.loop.create_future()
        try:
            await self.__aexit__(None, None, None)
        finally:
            self._stopping.set_result(None)
            self._stopping = None

    @property
    def app_wide_name(self) -> str:
        """The name of an app-wide context in errors."""
        return f"{type(self).__name__}(app_wide=True) of {self._made_at}"

    @property
    def refuses_calls(self) -> bool:
        """Whether it has ended its runs, so that nothing can begin in it any more."""
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
            # No token is kept: the block may be left in a contextvars.Context other than that of its entry.
            CURRENT_CONTEXT.set(self._outer)
        self._outer = None
        self._closing = True
        self._leave_observables()
        if self.app_wide:
            _APP_WIDE.pop(self.loop, None)
        for child in self._children:  # they go on in other tasks, and share nothing with this one any more
            child.parent = None
        self._children.clear()
        cancelled: CancelledError | None = None
        try:
            while self._closers:
                closer = self._closers.pop()
                try:
                    await closer()
                except CancelledError as error:  # the other callbacks must still run
                    cancelled = error
                except Exception:
                    logger.exception("%r failed while its context was being closed.", closer)
            if cancelled is not None:
                raise cancelled
        finally:
            self._shared.clear()
            self.unhandled.report(lambda each: each.context is not self and each.context._entered)  # noqa: SLF001
            self.close()
            if self.parent is not None:
                self.parent._children.discard(self)  # noqa: SLF001 - same class
                self.parent = None
            self._entered = self._closing = self._started = False
            while self.calls_from_threads:
                self.calls_from_threads.pop()()

    # -- pushes ------------------------------------------------------------------------------------------

    def dispatch(self, push: Callable[[], None]) -> None:
        """Run ``push`` now, or after the push that is running; never nested in it.

        Args:
            push: a function that lets subscribers take new pieces.
        """
        if self.pushing:
            self._pushes.append(push)
            return
        self.pushing = True
        try:
            while self._pushes:  # still queued, because an earlier push was interrupted
                self._pushes.popleft()()
            push()
            del push  # what only this push holds is released when it has run, not after all of them
            while self._pushes:
                self._pushes.popleft()()
        finally:
            self.pushing = False
            if self._pushes:  # a push has raised: the others come a turn later
                self.call_soon_here(partial(self.dispatch, _nothing))


def _nothing() -> None: ...


Context: TypeAlias = PromisingContext
"""Its short name within the package."""

WITHIN_HANDLER: ContextVar[bool] = ContextVar("miniagents_within_handler", default=False)
"""Whether the running code is a handler of a context, or was started by one."""

CURRENT_CONTEXT: ContextVar[Context | None] = ContextVar("miniagents_context", default=None)
"""The context that was entered last, even if it cannot be used here; see :func:`current_context`."""


# The app-wide context of each loop. Not an attribute of the loop: some loop classes allow none.
_APP_WIDE: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Context]] = WeakKeyDictionary()


def app_wide_contexts() -> list[Context]:
    """Return the app-wide contexts of all event loops of this process, without those of a parent process."""
    loops = [reference() for reference in _APP_WIDE.keyrefs()]  # a copy: threads may add some
    found = [None if loop is None else _APP_WIDE.get(loop) for loop in loops]
    return [context for context in found if context is not None and context.in_process()]


def _context_on(loop: asyncio.AbstractEventLoop) -> Context | None:
    """Return the context for code on this loop; it may have ended, or belong to another loop."""
    own = CURRENT_CONTEXT.get()
    if own is not None and (own.ended or own.loop is loop):
        return own
    return _APP_WIDE.get(loop, own)


def _caller() -> str:
    """Return the file and line of the calling code outside of this package."""
    for frame, line in traceback.walk_stack(inspect.currentframe()):
        if PACKAGE not in Path(frame.f_code.co_filename).parents:
            return f"{frame.f_code.co_filename}:{line} ({frame.f_code.co_name})"
    return "this package"


def current_context() -> Context:
    """Return the owner of what is started here: the context of the block, or the loop's app-wide one.

    Raises:
        NoActiveContextError: no context is active, or the one that was entered last has ended.
        WrongLoopError: the context belongs to another event loop or thread.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.streams._context import current_context
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
        loop = None
    if loop is None:
        return _checked(context)
    if context is None:
        context = _APP_WIDE.get(loop)
    # This runs once per inquiry and per message: the usual case is checked without a call.
    if context is not None and context._loop is loop:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - of this module
        return context
    return _checked(_context_on(loop))


def context_here() -> Context:
    """Return the owner of what is started here: the active context, or a new one that owns only that.

    Raises:
        NoActiveContextError: the context that was entered last has ended, or no event loop is running.
        WrongLoopError: the context belongs to another event loop or thread.
    """
    loop = running_loop()
    if loop is None or _context_on(loop) is not None:
        return current_context()
    return plain_context()


def plain_context() -> Context:
    """Return a context of the running loop in which nothing is started unless a caller does."""
    loop = get_running_loop()
    around = _context_on(loop)
    context = Context() if around is None else Context(prefetch=around.prefetch)
    if around is not None:  # an error of a run may come through it
        context.unhandled.raised = around.unhandled.raised
    context.open()
    return context


def _checked(context: Context | None) -> Context:
    if context is None:
        raise NoActiveContextError
    context.check()
    return context


def context_for_thread() -> Context:
    """Return the context of another thread that a call from this thread goes to.

    It is the context that this thread inherited with its context variables (``asyncio.to_thread`` and anyio
    copy them); else the app-wide one, if the process has exactly one.

    Raises:
        NoActiveContextError: no context exists, it has ended, or several are app-wide.
        WrongLoopError: it belongs to the process from which this one was forked.
    """
    own = CURRENT_CONTEXT.get()
    if own is not None:
        if not own.in_process():
            raise WrongLoopError
        return own
    found = [context for context in app_wide_contexts() if not context.loop.is_closed()]
    if not found:
        raise NoActiveContextError
    if len(found) > 1:
        names = ", ".join(context.app_wide_name for context in found)
        raise NoActiveContextError(
            f"{len(found)} event loops have an app-wide context: {names}. from_thread does not know to "
            "which one this thread belongs; use `asyncio.run_coroutine_threadsafe(coroutine, loop).result()`."
        )
    return found[0]


def _check_runnable(main: object) -> None:
    if isinstance(main, Observable | Awaitable):
        return
    name = getattr(main, "__name__", "main")
    call = f"; call it: run({name}())" if inspect.iscoroutinefunction(main) else ""
    kind = type(main).__name__
    raise TypeError(
        f"run takes a coroutine, another awaitable or an Observable, and {name} is of type {kind}{call}."
    )
