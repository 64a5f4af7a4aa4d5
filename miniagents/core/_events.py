"""Events for handlers: one at a time, in the order in which things came to be.

Rule of this room: **a handler costs nothing when there is none, and harms nobody when it fails.** Events are
put in a queue that one task of the context works off, so a handler that stores children sees them before
their parents.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeAlias, TypeVar
from weakref import ref

from miniagents.core import Context, ProducerTask, ReplayBuffer
from miniagents.values import NoActiveContextError

logger = logging.getLogger("miniagents")

P = TypeVar("P")
R = TypeVar("R")

Event: TypeAlias = Callable[[], Awaitable[None]]
Handler: TypeAlias = Callable[[P, R], Awaitable[None]]


class Events:
    """The queue of events of one context.

    Args:
        context: whose task works the queue off; the context does not end before the queue is empty.
    """

    def __init__(self, context: Context) -> None:
        self._of = ref(context)  # which has these events: no circle
        self._queue: deque[Event] = deque()
        self._working = False
        # Their first parameter is a Promise, which stands on this room and so cannot be named in it.
        self.resolved_handlers: list[Callable[..., Awaitable[None]]] = []

    def _scope(self) -> Context:
        context = self._of()
        if context is None:
            raise NoActiveContextError
        return context

    def on_resolved(self, handler: Callable[..., Awaitable[None]]) -> None:
        """Have ``handler`` awaited for every promise that resolves."""
        self.resolved_handlers.append(handler)
        self._scope().announcing = True

    def post(self, event: Event) -> None:
        """Have ``event`` called and awaited after the ones that are there."""
        self._queue.append(event)
        if not self._working:
            self._working = True
            context = self._scope()
            buffer: ReplayBuffer[object] = ReplayBuffer(context)
            ProducerTask("event handlers", context, buffer, buffer, part=True, orphan=True).start(self._work)

    async def _work(self) -> None:
        try:
            while self._queue:
                await self._guarded(self._queue.popleft())
        finally:
            self._working = False

    async def _guarded(self, event: Event) -> None:
        try:
            await event()
        except Exception:
            logger.exception("A handler raised; the run it was told about is not affected.")

    async def call(self, handlers: Sequence[Handler[P, R]], promise: P, result: R) -> None:
        """Await every handler, each guarded against the others."""
        for handler in tuple(handlers):
            await self._guarded(partial(handler, promise, result))
