"""``PromisingContext``: the context that owns promises."""

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import ParamSpec, Protocol, TypeVar, overload

from reactivex import Observable

from miniagents.values import NoActiveContextError

from ._async_adapters import to_async_iter
from ._blocking_run import run_in_thread, run_loop
from ._context import Context, DrainTimeout
from ._events import on_resolved
from ._loop_bound import running_loop
from ._promise import Promise
from ._thread_calls import call_from_thread, context_for_thread

T = TypeVar("T")
P = ParamSpec("P")


class PromiseResolvedHandler(Protocol):
    """The type of a handler for ``on_promise_resolved``: awaited with each promise and its value.

    Example:
        >>> from miniagents.core import Promise, PromisingContext
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
        >>> from miniagents.core import Promise, PromisingContext
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
