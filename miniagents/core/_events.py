"""Calls of handlers: one at a time, in the order of the events.

Without handlers this costs nothing, and an error of a handler affects no run. Events go into a queue of the
context, and one task of the context calls the handlers for them. So a handler that stores messages gets
nested ones before those that contain them.
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
    """Add ``handler``: it is awaited for every promise of ``context`` and its children that resolves."""
    context.resolved_handlers.append(handler)
    context.announce_all()


def post_event(context: Context, event: Event) -> None:
    """Queue ``event``: it is called and awaited after the queued ones, before the context ends."""
    context.event_queue.append(event)
    if not context.handling_events:
        context.handling_events = True
        buffer: ReplayBuffer[object] = ReplayBuffer(context)
        task = ProducerTask("event handlers", context, buffer, buffer, part=True, orphan=True)
        task.start(partial(_handle_events, context))


async def _handle_events(context: Context) -> None:
    WITHIN_HANDLER.set(True)  # with the context variables of this task
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
        logger.exception("A handler raised; the run that it was called for is not affected.")


async def tell_resolved(context: Context, promise: object, result: object) -> None:
    """Call the handlers of ``context``, those of its parents first, with ``promise`` and its value."""
    for each in context.told():
        await call_handlers(each.resolved_handlers, promise, result)


async def call_handlers(handlers: Sequence[Handler[P, R]], promise: P, result: R) -> None:
    """Await every handler with ``promise`` and ``result``; one that raises does not stop the others."""
    for handler in tuple(handlers):
        await _guarded(partial(handler, promise, result))
