"""How a case of ours is timed: in a context, of which the beginning and the end are not measured."""

import asyncio
from collections.abc import Awaitable, Callable

from miniagents import MiniAgents


def in_context(work: Callable[[], Awaitable[float]]) -> float:
    """Run ``work`` in a context of agents; making and ending the context is not measured."""

    async def main() -> float:
        async with MiniAgents():
            return await work()

    return asyncio.run(main(), debug=False)
