"""What remote agents cost: `python -m tests.bench.ray_speed`, on a quiet machine with Ray installed.

The figures stand in docs/scale.md. Processor time is that of the driver: it is what one machine has least of.
"""

import asyncio
import os
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median, quantiles
from typing import Final, Protocol, cast

from miniagents import InteractionContext, Message, MiniAgents, miniagent
from miniagents.ext.ray import remote
from tests.ext.ray.agents import poet

ROWS: Final = 10_000
STREAMS: Final = 100
WORDS: Final = 500
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class _Ray(Protocol):
    def init(self, **options: object) -> object: ...
    def shutdown(self) -> None: ...


@miniagent
async def nothing(ctx: InteractionContext) -> None:
    """Say how much memory there is, for as little as a call can cost."""
    ctx.reply(Message(memory=memory()))


def memory() -> int:
    """The bytes that this process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE


class Clock:
    """Times of this process."""

    def __init__(self) -> None:
        self.wall = time.perf_counter()
        self.processor = time.process_time()

    def per(self, count: int) -> str:
        """What one of so many has taken."""
        wall, processor = time.perf_counter() - self.wall, time.process_time() - self.processor
        times = f"{wall / count * 1e6:,.1f} µs, {processor / count * 1e6:,.1f} µs of the driver's processor"
        return f"{times}; {count / wall:,.0f} a second"


async def rows(concurrency: int, say: Callable[[str], object]) -> None:
    """Calls that do nothing."""
    agent = remote(nothing, replicas=2, concurrency=concurrency)
    clock = Clock()
    (first,) = await agent.inquire("begin")
    say(f"the first call, which starts the workers: {time.perf_counter() - clock.wall:.2f} s")
    say(f"a worker holds {cast('int', dict(first)['memory']) / 1e6:,.0f} MB")
    await asyncio.gather(*[agent.inquire("warm") for _ in range(500)])
    clock = Clock()
    for _ in range(200):
        await agent.inquire("one after the other")
    say(f"one call after the other: {clock.per(200)}")
    before = memory()
    clock = Clock()
    waiting = [agent.inquire("row") for _ in range(ROWS)]
    await asyncio.gather(*waiting)
    say(f"{ROWS:,} rows, 2 workers of {concurrency} calls: a row {clock.per(ROWS)}")
    say(f"a call that waits holds {(memory() - before) / ROWS / 1000:,.1f} kB")


async def tokens(say: Callable[[str], object]) -> None:
    """Streams, at full speed and as a model writes them."""
    agent = remote(poet, replicas=2, concurrency=STREAMS)
    await agent.inquire("begin")
    clock = Clock()
    await asyncio.gather(*[agent.inquire("fast", words=WORDS * 10) for _ in range(STREAMS // 10)])
    say(f"{STREAMS // 10} streams at full speed: a token {clock.per(STREAMS * WORDS)}")
    late: list[float] = []

    async def read() -> None:
        began = time.perf_counter()
        async for message in agent.inquire("slow", words=50, delay=0.02):
            seen = 0
            async for _ in message:
                seen += 1
                late.append(time.perf_counter() - began - 0.02 * (seen + 1))

    clock = Clock()
    await asyncio.gather(*[read() for _ in range(STREAMS)])
    say(f"{STREAMS} streams of 50 tokens a second: a token {clock.per(STREAMS * 50)}")
    least = min(late)
    ahead = sorted(each - least for each in late)
    most = quantiles(ahead, n=100)[98]
    say(f"a token is late by {median(ahead) * 1e3:.1f} ms, 99 of 100 by {most * 1e3:.1f} ms")


async def main(say: Callable[[str], object]) -> None:
    """Measure all of it."""
    for concurrency in (16, 256):
        async with MiniAgents():
            await rows(concurrency, say)
    async with MiniAgents():
        await tokens(say)


if __name__ == "__main__":
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # 127.0.0.1
    ray = cast("_Ray", import_module("ray"))
    ray.init(num_cpus=2, object_store_memory=80 * 2**20, include_dashboard=False, log_to_driver=False)
    try:
        asyncio.run(main(print))
    finally:
        ray.shutdown()
