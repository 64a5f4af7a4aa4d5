"""The owner of promises: a context with events, resources, and an end.

Rule of this room: **a context that has ended leaves nothing behind**: it waits for every run, or cancels
every run and waits for their cleanup; then its resources are closed, and errors that nobody saw are logged.
"""

import logging
from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from miniagents.core import CURRENT_CONTEXT, Context, current_context
from miniagents.values import NoActiveContextError

from ._events import Events

logger = logging.getLogger("miniagents")


class Context(Context):
    """What every promise needs of its context.

    Args:
        prefetch: how many pieces a source may run ahead of its fastest reader.
        shutdown_timeout: seconds that cancelled runs get for their cleanup.

    Attributes:
        events: tells handlers what came to be.
        resources: what lives as long as the context, for those who know the key (a pool of clients).

    Raises:
        ValueError: ``prefetch`` is less than 1.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.core import Context
        >>> async def close_the_pool():
        ...     print("closed")
        >>> async def main():
        ...     context = Context.current()
        ...     context.resources["pool"] = object()
        ...     context.on_close(close_the_pool)
        >>> MiniAgents().run(main())
        closed
    """

    def __init__(self, *, prefetch: int = 1024, shutdown_timeout: float = 10.0) -> None:
        super().__init__(prefetch=prefetch, shutdown_timeout=shutdown_timeout)
        self.events: Events = Events(self)
        self.resources: dict[object, object] = {}
        self._closers: list[Callable[[], Awaitable[object]]] = []
        self._outer: Context | None = None
        self._entered = False

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

    def on_close(self, callback: Callable[[], Awaitable[object]]) -> None:
        """Have something closed when the context ends, after all its runs; the last one added comes first.

        Args:
            callback: awaited once; if it raises, that is logged and the others are called all the same.
        """
        self._closers.append(callback)

    async def __aenter__(self) -> Self:
        if self._entered:
            msg = "This context is already active; make another one with MiniAgents() to nest them."
            raise RuntimeError(msg)
        self._entered = True
        self._outer = CURRENT_CONTEXT.get()
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
