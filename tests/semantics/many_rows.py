"""How much memory `map_agent` needs for many rows: `python -m tests.semantics.many_rows` (1,000,000 of them).

Prints the resident memory after each tenth of the rows, the growth since the first tenth, and the speed.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from miniagents import InteractionContext, MiniAgents, miniagent
from miniagents.operators import map_agent

__all__ = ["TENTHS", "resident", "sizes"]

TENTHS = 10
PAGE = 4096


def resident() -> int:
    """Resident memory of this process now, in bytes; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE
    except OSError:
        return 0


@miniagent
async def counting_agent(ctx: InteractionContext) -> None:
    """Reply how long the row is."""
    ctx.reply(str(len(str(await ctx.messages))))


def rows(count: int) -> Iterator[str]:
    """Rows that are made when they are asked for."""
    for number in range(count):
        yield f"row {number}, " * 20


async def sizes(count: int) -> list[int]:
    """Read the replies to `count` rows; the resident memory after each tenth, in bytes."""
    found: list[int] = []
    read = 0
    async with MiniAgents():
        async for replies in map_agent(counting_agent, concurrency=8)(rows(count)):
            read += len(await replies)
            if read % (count // TENTHS) == 0:
                gc.collect()
                found.append(resident())
    assert count == read
    return found


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    begun = time.perf_counter()
    found = asyncio.run(sizes(count), debug=False)
    seconds = time.perf_counter() - begun
    each = enumerate(found, 1)
    lines = [f"{tenth * count // TENTHS:>12,} rows  {size / 1e6:8.2f} MB" for tenth, size in each]
    lines.append(f"growth after the first tenth: {(found[-1] - found[0]) / 1e6:.2f} MB")
    lines.append(f"{seconds:.1f} s, {count / seconds:,.0f} rows a second")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
