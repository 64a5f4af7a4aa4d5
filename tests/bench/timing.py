"""How a case is timed: in CPU seconds of its process, which a busy neighbour does not change."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeAlias

from miniagents import MiniAgents

Role: TypeAlias = Callable[[int], float]


def timed(work: Callable[[], Awaitable[object]]) -> Coroutine[object, object, float]:
    """The CPU seconds that ``work`` takes, inside of a running loop."""

    async def run() -> float:
        start = time.process_time()
        await work()
        return time.process_time() - start

    return run()


def in_context(work: Callable[[], Awaitable[float]]) -> float:
    """Run ``work`` in a context of agents; making and ending the context is not measured."""

    async def main() -> float:
        async with MiniAgents():
            return await work()

    return asyncio.run(main())
