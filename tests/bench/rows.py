"""`python -m tests.bench.rows [1000000]`: that many rows through `map_agent`, and how much memory that takes.

Prints a line at each power of ten: the rows so far, seconds, µs a row, and the resident memory of the process
in MB. It is flat where the figure does not grow with the rows.
"""

import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from miniagents import InteractionContext, MiniAgents, miniagent
from miniagents.operators import map_agent

__all__ = ["memory_mb", "run"]


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Reply what came."""
    ctx.reply(await ctx.messages)


def memory_mb() -> float:
    """Return the resident memory of this process now, in MB; its peak where the system does not tell."""
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text(encoding="ascii").split()[1]) * resource.getpagesize() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def texts(count: int) -> Iterator[str]:
    """Give rows that are made when they are asked for."""
    return (f"row {number}" for number in range(count))


async def run(count: int) -> list[tuple[int, float, float]]:
    """Map the agent over `count` rows; rows, seconds and MB at each power of ten."""
    found: list[tuple[int, float, float]] = []
    began = time.perf_counter()
    mark = 1_000
    async for replies in map_agent(echo_agent)(texts(count)):
        await replies
        if replies.index + 1 == mark:
            found.append((mark, time.perf_counter() - began, memory_mb()))
            mark *= 10
    return found


if __name__ == "__main__":
    print("| rows | seconds | µs a row | MB |\n|---|---|---|---|")  # noqa: T201
    for rows, seconds, megabytes in MiniAgents().run(run(int(sys.argv[1]) if sys.argv[1:] else 1_000_000)):
        print(f"| {rows:,} | {seconds:.1f} | {seconds / rows * 1e6:.0f} | {megabytes:.1f} |")  # noqa: T201
