"""The context: whose the running promises are, and how their end is waited for.

Rule of this room: **a context that has ended leaves nothing behind**: it waits for every run, or cancels
every run and waits for their cleanup; then its resources are closed, and errors that nobody saw are logged.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Protocol, Self, TypeVar, overload

from reactivex import Observable

from miniagents.streams import CURRENT_SCOPE, Scope, current_scope, to_async_iter
from miniagents.values import NoActiveContextError

from ._events import Events
from ._nested_run import run_in_thread

T = TypeVar("T")

logger = logging.getLogger("miniagents")


class PromiseResolvedHandler(Protocol):
    """What ``on_promise_resolved`` takes: awaited with each promise and what it resolved to."""

    async def __call__(self, promise: object, result: object, /) -> None:
        """Handle one resolved promise."""
        ...


HandlerT = TypeVar("HandlerT", bound=PromiseResolvedHandler)


class PromisingContext(Scope):
    """The owner of every promise that is made inside its ``async with`` block, or inside :meth:`run`.

    A normal end waits for all runs. An end by an exception, Ctrl-C or cancellation cancels all runs, waits
    for their cleanup and re-raises. An inner context has runs of its own.

    Args:
        on_promise_resolved: awaited with every promise that resolved and its value, one call at a time.
        prefetch: how many pieces a source may run ahead of its fastest reader, in pieces.
        shutdown_timeout: seconds that cancelled runs get for their cleanup.

    Example:
        >>> from miniagents.promising import Promise, PromisingContext
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
        prefetch: int = 1024,
        shutdown_timeout: float = 10.0,
    ) -> None:
        super().__init__(prefetch=prefetch, shutdown_timeout=shutdown_timeout)
        self.events = Events(self)
        self.resources: dict[object, object] = {}
        self._closers: list[Callable[[], Awaitable[object]]] = []
        self._outer: Scope | None = None
        self._entered = False
        if on_promise_resolved is not None:
            self.on_promise_resolved(on_promise_resolved)

    @classmethod
    def current(cls) -> Self:
        """The active context.

        Raises:
            NoActiveContextError: there is none, or none of this class.
            WrongLoopError: it belongs to another event loop or thread.
        """
        scope = current_scope()
        if isinstance(scope, cls):
            return scope
        raise NoActiveContextError

    def on_promise_resolved(self, handler: HandlerT) -> HandlerT:
        """Add a handler; usable as a decorator. One that raises is logged and harms nobody."""
        self.events.resolved_handlers.append(handler)
        return handler

    def on_close(self, callback: Callable[[], Awaitable[object]]) -> None:
        """Await ``callback`` when the context ends, after all its runs; the last one added comes first."""
        self._closers.append(callback)

    async def __aenter__(self) -> Self:
        if self._entered:
            msg = "This context is already active; make another one with MiniAgents() to nest them."
            raise RuntimeError(msg)
        self._entered = True
        self._outer = CURRENT_SCOPE.get()
        self.open()
        CURRENT_SCOPE.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self._finish()
            else:
                await self.cancel_all()
        finally:
            await self._close()

    async def _finish(self) -> None:
        try:
            await self.drain()
        except BaseException:
            await self.cancel_all()
            raise

    async def _close(self) -> None:
        # No token is kept: the block may be left in another contextvars.Context than it was entered in.
        CURRENT_SCOPE.set(self._outer)
        self._outer = None
        try:
            while self._closers:
                await self._call_closer(self._closers.pop())
        finally:
            self.resources.clear()
            self.report_errors()
            self.close()
            self._entered = False

    async def _call_closer(self, closer: Callable[[], Awaitable[object]]) -> None:
        try:
            await closer()
        except Exception:
            logger.exception("%r failed while its context was being closed.", closer)

    @overload
    def run(self, main: Observable[T]) -> list[T]: ...
    @overload
    def run(self, main: Awaitable[T]) -> T: ...
    def run(self, main: Observable[T] | Awaitable[T]) -> list[T] | T:
        """Run a coroutine, or an Observable, in this context and block until everything has ended.

        Args:
            main: what is awaited; an Observable is subscribed to and its items are collected.

        Returns:
            What ``main`` returns; of an Observable the list of its items.

        Inside a running event loop it blocks that loop and works on a thread and an event loop of its own.
        """
        if asyncio._get_running_loop() is None:  # noqa: SLF001 - unlike the public one it never raises
            return asyncio.run(self._run(main))
        return run_in_thread(lambda: self._run(main))

    async def _run(self, main: Observable[T] | Awaitable[T]) -> list[T] | T:
        async with self:
            if isinstance(main, Observable):
                return [item async for item in to_async_iter(main)]
            return await main
