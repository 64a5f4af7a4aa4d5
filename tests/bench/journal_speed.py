"""How many calls a second a journal takes, 64 at once: ``python -m tests.bench.journal_speed``."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator

from miniagents import InteractionContext, MiniAgent, MiniAgents, miniagent
from miniagents.ext.journal import Journal, recorded

__all__ = ["main"]

_CALLS, _AT_ONCE = 5000, 64


@miniagent
async def judge(ctx: InteractionContext) -> None:
    """Reply as a model does that is infinitely fast."""
    ctx.reply(f"{await ctx.messages}: positive, and so on")


async def _measure(journal: Journal, version: str) -> float:
    agent: MiniAgent = recorded(judge, journal, version=version)

    async def worker(rows: Iterator[int]) -> None:
        for row in rows:
            await agent.inquire(f"row {row}")

    rows = iter(range(_CALLS))
    began = time.perf_counter()
    await asyncio.gather(*[worker(rows) for _ in range(_AT_ONCE)])
    return _CALLS / (time.perf_counter() - began)


async def _all(journal: Journal) -> None:
    for what in ("recorded", "played"):
        speeds = [await _measure(journal, str(version)) for version in range(5)]
        sys.stdout.write(f"{max(speeds):,.0f} calls a second are {what} ({min(speeds):,.0f} at the least)\n")


def main() -> None:
    """Measure, and print it."""
    with tempfile.TemporaryDirectory() as folder, Journal(f"{folder}/calls.journal") as journal:
        MiniAgents().run(_all(journal))


if __name__ == "__main__":
    main()
