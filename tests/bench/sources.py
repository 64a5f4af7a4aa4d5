"""What is streamed, and how long it takes: nothing here knows any library."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import TypeAlias

Role: TypeAlias = Callable[[int], float]
Source: TypeAlias = Callable[[int], AsyncIterator[str]]


async def bulk(count: int) -> AsyncIterator[str]:
    """A source that never suspends."""
    for _ in range(count):
        yield "token"


async def live(count: int) -> AsyncIterator[str]:
    """A source that suspends at every token."""
    for _ in range(count):
        await asyncio.sleep(0)
        yield "token"


async def exhaust(source: AsyncIterator[object]) -> None:
    """Read everything."""
    async for _ in source:
        pass


async def expect(source: AsyncIterator[object], count: int) -> None:
    """Read everything, and be sure that it was all.

    Raises:
        AssertionError: there was more, or less.
    """
    seen = 0
    async for _ in source:
        seen += 1
    if seen != count:
        msg = f"{seen} tokens came, and {count} were sent."
        raise AssertionError(msg)


def timed(work: Callable[[], Awaitable[object]]) -> Coroutine[object, object, float]:
    """The CPU seconds that ``work`` takes in a running loop; a busy neighbour does not change them."""

    async def run() -> float:
        start = time.process_time()
        await work()
        return time.process_time() - start

    return run()


def seconds(work: Callable[[], Awaitable[object]]) -> float:
    """The same in an event loop of its own."""
    return asyncio.run(timed(work), debug=False)
