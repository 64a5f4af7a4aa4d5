"""``PromisingContext``: the context that owns promises."""

import asyncio
import concurrent.futures
import contextvars
import inspect
import signal
import threading
from asyncio import Task
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import partial
from typing import Final, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from reactivex import Observable
from typing_extensions import override

from miniagents.values import InquiryCancelledError, NoActiveContextError, WrongLoopError

from ._adapters import to_async_iter
from ._context import CURRENT_CONTEXT, Context, DrainTimeout, app_wide_contexts, running_loop
from ._promise import Promise, on_resolved

# -- thread calls ---------------------------------------------------------------------------------------
#
# Calls from other threads: a synchronous handler or a worker thread calls something in a context, and waits.
#
# The call becomes a task of the context: the end of the context waits for it or cancels it, as it does
# with runs. A thread never waits for ever: if the context cannot begin the call any more, the call raises an
# error.

T = TypeVar("T")

INTERVAL: Final = 1.0  # seconds between two checks whether the loop was closed without an end of the context


def call_from_thread(context: Context, function: Callable[[], Awaitable[T] | T]) -> T:
    """Call ``function`` on the event loop of ``context``, and return its result, awaited if it is awaitable.

    Args:
        context: a context of another thread.
        function: called on that loop, with the context variables of this thread.

    Raises:
        InquiryCancelledError: the context ended before the call did.
        NoActiveContextError: the context ended before the call began.
        RuntimeError: an event loop runs on this thread; the call would block it.
    """
    if running_loop() is not None:
        msg = (
            "from_thread would block the event loop that runs on this thread. Await the function itself; "
            "from another event loop: `await asyncio.to_thread(MiniAgents.from_thread, ...)`."
        )
        raise RuntimeError(msg)
    call = ThreadCall(context, function)
    call.send()
    try:
        while not concurrent.futures.wait((call.outcome,), INTERVAL).done:
            call.look()
        return call.outcome.result()
    except BaseException:
        context.call_soon(call.cancel)  # needed if this thread was interrupted, else without effect
        raise
    finally:
        del call  # the call holds the error, and its traceback holds this frame


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
        msg = (
            f"{len(found)} event loops have an app-wide context: {names}. from_thread does not know to "
            "which one this thread belongs; use `asyncio.run_coroutine_threadsafe(coroutine, loop).result()`."
        )
        raise NoActiveContextError(msg)
    return found[0]


class ThreadCall(Generic[T]):
    """One call, for a thread that waits for its outcome.

    Args:
        context: the owner of the task of the call.
        function: called on the event loop; its result is awaited if it is awaitable.

    Attributes:
        outcome: the Future that the thread waits for.
        task: the task of the call; None before it has begun.
    """

    def __init__(self, context: Context, function: Callable[[], Awaitable[T] | T]) -> None:
        self.outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
        self.task: Task[T] | None = None
        self._context = context
        self._loop = None if context.ended else context.loop
        self._function = function
        self._variables = copy_context()

    @property
    def name(self) -> str:
        """How it is called in logs."""
        return "a call from a thread"

    def send(self) -> None:
        """Schedule the call on the event loop of the context."""
        self._context.calls_from_threads.add(self)
        with suppress(RuntimeError):  # the event loop is being closed
            self._context.call_soon(self._begin)
        # A context that ends refuses the calls that it finds. A call that came later refuses itself.
        self.look()

    def look(self) -> None:
        """Refuse the call if the event loop can no longer begin it."""
        over = self._loop is None or self._loop.is_closed()
        if over or (self.task is None and self._context.ended):
            self._context.calls_from_threads.discard(self)
            self.refuse()

    def refuse(self) -> None:
        """Refuse the call: the context has ended before it could begin; idempotent."""
        why = "The MiniAgents context has ended; nothing more can be called in it."
        self._fail(NoActiveContextError(why))

    def _fail(self, error: BaseException) -> None:
        with suppress(concurrent.futures.InvalidStateError):  # the call was refused before, and ends late
            self.outcome.set_exception(error)

    def _begin(self) -> None:
        self._context.calls_from_threads.discard(self)
        if self._context.refuses_calls:
            self.refuse()
        elif self.outcome.set_running_or_notify_cancel():
            body = _called(self._function)
            self.task = Task(body, loop=self._context.loop, name=self.name, context=self._variables)
            # Not in the task itself, which may be cancelled before its first step.
            self.task.add_done_callback(self._ended)
            self._context.add(self)

    def _ended(self, task: "Task[T]") -> None:
        self._context.discard(self)
        if task.cancelled():
            why = "The call was cancelled before its end, as calls are when their MiniAgents context ends."
            self._fail(InquiryCancelledError(why))
        elif (error := task.exception()) is not None:
            self._fail(error)
        else:
            with suppress(concurrent.futures.InvalidStateError):
                self.outcome.set_result(task.result())

    def cancel(self) -> None:
        """Stop it now."""
        if self.task is not None:
            self.task.cancel()
        else:
            self.outcome.cancel()

    def drain(self) -> None:
        """Do nothing: a call produces no stream that could be paused."""


async def _called(function: Callable[[], Awaitable[T] | T]) -> T:
    """Return the result of a function, awaited if it is awaitable."""
    returned: object = function()
    try:
        if isinstance(returned, Awaitable):
            return await cast("Awaitable[T]", returned)
        return cast("T", returned)
    finally:
        returned = None  # a promise, whose error has this frame in its traceback


# -- blocking run ---------------------------------------------------------------------------------------
#
# Blocking runs: on an event loop of their own, which is always closed properly.
#
# Inside a running event loop a blocking run also needs a thread of its own: ``asyncio.run`` refuses to nest,
# because a loop cannot wait for itself. The outer loop is blocked while that thread runs.


def run_loop(main: Callable[[], Coroutine[object, object, T]]) -> T:
    """Run ``main()`` as ``asyncio.run`` does.

    ``SystemExit`` and ``KeyboardInterrupt`` that a task raises end the loop, but not through ``main``. This
    function then cancels ``main`` first and waits for its end. ``asyncio.run`` would cancel all tasks at the
    same time, and the context would cancel its tasks again, in the middle of their clean-up.
    """
    begun: list[asyncio.Task[object]] = []

    async def noted() -> T:
        task = asyncio.current_task()
        if task is not None:
            begun.append(task)
        return await main()

    with asyncio.Runner() as runner:
        try:
            return runner.run(noted())
        except BaseException:
            for task in begun:
                if not task.done():
                    task.cancel()
                    runner.get_loop().run_until_complete(asyncio.wait([task]))
            raise


def run_in_thread(main: Callable[[], Coroutine[object, object, T]]) -> T:
    """Run ``main()`` on a new thread with a new event loop, and block until it has ended.

    The thread has a copy of the caller's contextvars. If the caller is interrupted (Ctrl-C), this function
    cancels ``main``, waits for its clean-up, and then raises the interruption.
    """
    run = _NestedRun(main)
    outer = threading.current_thread()
    if not isinstance(outer, _NestedRun):
        run.start_and_wait()
        return run.outcome.result()
    outer.cancel_inner = run.cancel
    try:
        run.start_and_wait()
    finally:
        outer.cancel_inner = None
    result = run.outcome.result()
    if outer.cancelled:  # if this run had just ended
        raise asyncio.CancelledError
    return result


class _NestedRun(threading.Thread, Generic[T]):
    """The thread of a run whose caller is an event loop.

    Attributes:
        cancel_inner: cancels the nested run for which this run's event loop is blocked; None if there is
            none.
        cancelled: whether the run was cancelled.
        outcome: a Future of the run's result or error.
    """

    def __init__(self, main: Callable[[], Coroutine[object, object, T]]) -> None:
        super().__init__(name="miniagents-nested-run")
        self.cancelled = False
        self.cancel_inner: Callable[[], None] | None = None
        self.outcome: Future[T] = Future()
        self._main = main
        self._variables = contextvars.copy_context()
        self._begun = threading.Event()
        self._cancel_main: Callable[[], object] | None = None

    @override
    def run(self) -> None:
        """Run the event loop."""
        self._variables.run(self._run_loop)

    def _run_loop(self) -> None:
        try:
            self.outcome.set_result(run_loop(self._begin))
        except BaseException as error:  # noqa: BLE001 - the caller raises it
            self.outcome.set_exception(error)
            self._begun.set()

    async def _begin(self) -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None:
            cancel = task.cancel
            self._cancel_main = lambda: loop.call_soon_threadsafe(cancel)
        self._begun.set()
        return await self._main()

    def start_and_wait(self) -> None:
        """Block until the run has ended; an interruption cancels the run first.

        Raises:
            BaseException: what interrupted this thread.
        """
        try:
            with _interruptible():
                self.start()
                # Not `join`: up to Python 3.12, after an interrupted `join` the next one does not wait any
                # more.
                wait((self.outcome,))
        except BaseException:
            if self.ident is not None:  # else the thread was never started
                self.cancel()
                wait((self.outcome,))
            raise
        self.join()

    def cancel(self) -> None:
        """Cancel the run, from another thread; if it is blocked by another nested run, cancel that one."""
        self.cancelled = True
        self._begun.wait()
        cancel_inner = self.cancel_inner
        if cancel_inner is not None:
            cancel_inner()  # its cancellation also ends this one
        elif self._cancel_main is not None:
            with suppress(RuntimeError):  # its event loop is closed: the run has just ended by itself
                self._cancel_main()


@contextmanager
def _interruptible() -> Generator[None]:
    """Let Ctrl-C raise ``KeyboardInterrupt`` here.

    The handler of ``asyncio.Runner`` cancels its main task, which cannot run while its event loop is blocked.
    A handler of the program itself is not replaced.
    """
    handler = signal.getsignal(signal.SIGINT)
    runner: object = getattr(getattr(handler, "func", None), "__self__", None)  # `partial` of a method
    if threading.current_thread() is not threading.main_thread() or not isinstance(runner, asyncio.Runner):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


# -- promising context ----------------------------------------------------------------------------------

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

    async def __call__(self, promise: Promise[object], result: object, /) -> None:
        """Handle one resolved promise."""
        ...


HandlerT = TypeVar("HandlerT", bound=PromiseResolvedHandler)


class PromisingContext(Context):
    """The owner of every promise that is made inside its ``async with`` block, or inside :meth:`run`.

    A normal end waits for all runs. An end by an exception, Ctrl-C or cancellation cancels all runs, waits
    for their cleanup and re-raises.

    A context inside another one on the same event loop is its child: it owns its runs and ends them at its
    end, and shares the clients of models with its parent. Handlers of the parent get its promises first. A
    keyword that is not given has the value of the parent.

    Args:
        on_promise_resolved: a handler, awaited with every promise that resolved and its value, one call at a
            time.
        prefetch: how many pieces a source may run ahead of its fastest reader, in pieces; 1024 by default.
        shutdown_timeout: seconds that cancelled runs get for their cleanup; 10 by default.
        drain_timeout: seconds that a normal end waits for runs before it cancels them; None, for ever, by
            default, and 10 if it is app-wide.
        app_wide: whether it is the context for all code on its event loop that has none of its own.

    Example:
        >>> from miniagents.streams import Promise, PromisingContext
        >>> async def answer() -> int:
        ...     return 42
        >>> async def main() -> int:
        ...     return await Promise(answer)
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
        super().__init__(
            prefetch=prefetch,
            shutdown_timeout=shutdown_timeout,
            drain_timeout=drain_timeout,
            app_wide=app_wide,
        )
        if on_promise_resolved is not None:
            self.on_promise_resolved(on_promise_resolved)

    def on_promise_resolved(self, handler: HandlerT) -> HandlerT:
        """Add a handler; usable as a decorator. An error of a handler is logged and affects nothing else.

        Args:
            handler: awaited with every promise that resolves from now on, and its value; one call at a time.

        Returns:
            The handler itself.
        """
        on_resolved(self, handler)
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

        For synchronous handlers of web frameworks and for worker threads. The context is that of the block in
        which the thread was started with its context variables (``asyncio.to_thread``, anyio and web
        frameworks do so); else the app-wide one. The context treats the call like a run: at its end it waits
        for the call, or cancels it.

        Args:
            function: ``agent.inquire``, or an async function of yours.
            *args: its arguments.
            **kwargs: its arguments by name.

        Returns:
            The function's result; if it is awaitable, its value: for an inquiry, the replies.

        Raises:
            InquiryCancelledError: the context ended before the call did.
            NoActiveContextError: no such context exists (any more), or several are app-wide.
            RuntimeError: an event loop runs on this thread.
            WrongLoopError: the context belongs to the process from which this one was forked.

        Example:
            >>> import asyncio
            >>> from miniagents import MiniAgents
            >>> from miniagents.testing import scripted_model
            >>> model = scripted_model("Hello")
            >>> def handler():
            ...     return str(MiniAgents.from_thread(model.inquire, "Hi"))
            >>> async def main():
            ...     async with MiniAgents(app_wide=True):
            ...         print(await asyncio.to_thread(handler))
            >>> asyncio.run(main())
            Hello
        """
        context = context_for_thread()
        if not isinstance(context, cls):
            raise NoActiveContextError
        return call_from_thread(context, partial(function, *args, **kwargs))

    async def _run(self, main: Observable[T] | Awaitable[T]) -> list[T] | T:
        async with self:
            if isinstance(main, Observable):
                return [item async for item in to_async_iter(main)]
            return await main


def _check_runnable(main: object) -> None:
    if isinstance(main, Observable | Awaitable):
        return
    name = getattr(main, "__name__", "main")
    call = f"; call it: run({name}())" if inspect.iscoroutinefunction(main) else ""
    kind = type(main).__name__
    msg = f"run takes a coroutine, another awaitable or an Observable, and {name} is of type {kind}{call}."
    raise TypeError(msg)
