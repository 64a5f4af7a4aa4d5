"""Events for handlers: one at a time, in the order in which things came to be.

A handler costs nothing when there is none, and harms no run when it fails. Events are put in a queue of the
context that one task of the context works off, so a handler that stores children sees them before their
parents.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

from ._buffer import ReplayBuffer
from ._context import WITHIN_HANDLER, Context
from ._producer_task import ProducerTask

logger = logging.getLogger("miniagents")

P = TypeVar("P")
R = TypeVar("R")

Event: TypeAlias = Callable[[], Awaitable[None]]
Handler: TypeAlias = Callable[[P, R], Awaitable[None]]


def on_resolved(context: Context, handler: Callable[..., Awaitable[None]]) -> None:
    """Have ``handler`` awaited for every promise of ``context``, or of one within it, that resolves."""
    context.resolved_handlers.append(handler)
    context.announce_all()


def post_event(context: Context, event: Event) -> None:
    """Have ``event`` called and awaited after the ones that are there, before the context ends."""
    context.event_queue.append(event)
    if not context.handling_events:
        context.handling_events = True
        buffer: ReplayBuffer[object] = ReplayBuffer(context)
        task = ProducerTask("event handlers", context, buffer, buffer, part=True, orphan=True)
        task.start(partial(_handle_events, context))


async def _handle_events(context: Context) -> None:
    WITHIN_HANDLER.set(True)  # in the variables of this task
    try:
        while context.event_queue:
            async with context.handlers_turn():
                await _guarded(context.event_queue.popleft())
    finally:
        context.handling_events = False


async def _guarded(event: Event) -> None:
    try:
        await event()
    except Exception:
        logger.exception("A handler raised; the run it was told about is not affected.")


async def tell_resolved(context: Context, promise: object, result: object) -> None:
    """Tell the handlers of ``context``, those of its parents first, what ``promise`` resolved to."""
    for each in context.told():
        await call_handlers(each.resolved_handlers, promise, result)


async def call_handlers(handlers: Sequence[Handler[P, R]], promise: P, result: R) -> None:
    """Await every handler with ``promise`` and ``result``; one that raises does not stop the others."""
    for handler in tuple(handlers):
        await _guarded(partial(handler, promise, result))
