"""``map_concurrently``: many inquiries at once, but only so many, and nothing kept."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import TypeVar, cast

from miniagents.core import raise_error, started, until_more

from ._message import Message
from ._sequence import MessageSequencePromise
from ._window import BoundedConcurrentMap, ConcurrencyLimits

T = TypeVar("T")
R = TypeVar("R", bound=MessageSequencePromise[Message])


def map_concurrently(
    source: AsyncIterable[T], begin: Callable[[T, int], R], limits: ConcurrencyLimits, name: str
) -> AsyncGenerator[R]:
    """One inquiry for each item of ``source``, shown to one reader.

    * When does it start? When the first result is asked for; ``source`` is asked for more as there is room.
    * How often? Once.
    * What is kept? What is under way, and at most ``prefetch`` results that nobody has taken yet.
    * What does ``break`` do? It closes the source and stops what is under way, but for what somebody holds.
    * When does an error come? That of ``source`` when all that was begun before it has ended.

    Args:
        source: iterated once, in a task of the active context.
        begin: starts the inquiry of an item, given with its index; an error of it ends the window.
        limits: how many at once, in which order, and what a failing one does.
        name: of the task that reads the source, for errors and buffers.

    Raises:
        NoActiveContextError: on iterating, when no context is active.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> from miniagents.core import ConcurrencyLimits, map_concurrently
        >>> @miniagent
        ... async def echo(ctx):
        ...     ctx.reply(ctx.messages)
        >>> async def rows():
        ...     for row in ["one", "two", "three"]:
        ...         yield row
        >>> async def main():
        ...     limits = ConcurrencyLimits(concurrency=2, ordered=True, stop=False)
        ...     async for replies in map_concurrently(rows(), lambda row, index: echo.inquire(row), limits, "echoes"):
        ...         print(await replies)
        >>> MiniAgents().run(main())
        one
        two
        three
    """
    return started(_read(source, begin, limits, name))


async def _read(
    source: AsyncIterable[T], begin: Callable[[T, int], R], limits: ConcurrencyLimits, name: str
) -> AsyncGenerator[R]:
    yield cast("R", None)  # taken by `started`; never seen by a reader
    window = BoundedConcurrentMap(begin, limits)
    window.start(source, name)
    try:
        while True:
            while window.ready:
                yield window.take()
            if window.buffer.closed:
                break
            await until_more(window.buffer)
    finally:
        window.leave()
    raise_error(window.buffer)
