"""How many items sources make beyond what a reader has read, through the operators of reactivex."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final

import reactivex as rx
from reactivex import Observable, operators as ops

from miniagents import InteractionContext, MiniAgents, miniagent
from miniagents.operators import chunk, map_async
from miniagents.streams import from_async, to_async_iter

READ: Final = 200
ALL: Final = 200_000


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Reply each message as a text."""
    async for message in ctx.messages:
        ctx.reply(str(await message))


@dataclass
class Sources:
    """Sources of many items.

    Attributes:
        pause: seconds before each item; 0: they never wait.
        made: how many items each one has made.
    """

    pause: float
    made: list[int] = field(default_factory=list[int])

    def __call__(self) -> Observable[int]:
        """Return one more source."""
        place = len(self.made)
        self.made.append(0)
        return from_async(self.items(place))

    async def items(self, place: int) -> AsyncIterator[int]:
        """Make the items of a source."""
        for number in range(ALL):
            self.made[place] += 1
            if self.pause:
                await asyncio.sleep(self.pause)
            yield number

    async def texts(self) -> AsyncIterator[str]:
        """Make texts, without an Observable."""
        self.made.append(0)
        async for number in self.items(0):
            yield str(number)


async def _slow(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0.002)
        yield number


async def _itself(item: object) -> object:
    return item


PIPES: Final[Mapping[str, Callable[[Sources], Observable[Any]]]] = {
    "map": lambda s: s().pipe(ops.map(str)),
    "filter": lambda s: s().pipe(ops.filter(lambda n: n >= 0)),
    "scan": lambda s: s().pipe(ops.scan(lambda _, n: n, 0)),
    "merge": lambda s: rx.merge(s(), s()),
    "zip, same pace": lambda s: rx.zip(s(), s()),
    "zip with a slow one": lambda s: rx.zip(s(), from_async(_slow(ALL))),
    "concat": lambda s: rx.concat(s(), s()),
    "switch_latest": lambda s: rx.of(1).pipe(ops.map(lambda _: s()), ops.switch_latest()),
    "group_by": lambda s: s().pipe(ops.group_by(lambda n: n % 3), ops.flat_map(lambda group: group)),
    "combine_latest": lambda s: rx.combine_latest(s(), s()),
    "with_latest_from": lambda s: s().pipe(ops.with_latest_from(s())),
    "retry": lambda s: s().pipe(ops.retry(2)),
    "catch": lambda s: s().pipe(ops.catch(rx.empty())),
    "timeout": lambda s: s().pipe(ops.timeout(60.0)),
    "amb": lambda s: rx.amb(s(), rx.never()),
    "defer": lambda s: rx.defer(lambda _: s().pipe()),
    "expand": lambda s: s().pipe(ops.expand(lambda _: rx.empty())),
    "flat_map": lambda s: s().pipe(ops.flat_map(rx.of)),
    "concat_map": lambda s: s().pipe(ops.concat_map(lambda _: from_async(_slow(1)))),
    "merge(max_concurrent=2)": lambda s: s().pipe(
        ops.map(lambda _: from_async(_slow(1))), ops.merge(max_concurrent=2)
    ),
    "an agent": lambda s: s().pipe(ops.map(str), echo_agent),
    "two agents": lambda s: s().pipe(ops.map(str), echo_agent).pipe(echo_agent),
    "inquire(async generator)": lambda s: echo_agent.inquire(s.texts()).messages,
    "map_async": lambda s: s().pipe(map_async(_itself, 1)),
    "chunk": lambda s: s().pipe(chunk(size=TOGETHER["chunk"], seconds=60)),
    "share": lambda s: s().pipe(ops.share()),
}

TOGETHER: Final[Mapping[str, int]] = {"chunk": 5}
"""Of how many items a pipe makes one."""

UNLIMITED: Final = frozenset({"share"})
"""Pipes whose sources never wait for a reader."""


async def beyond(name: str, prefetch: int, source_pause: float, reader_pause: float) -> int:
    """Return how many items the busiest source has made beyond those that were needed for what was read.

    If a pipe makes one of several items, it counts those.
    """
    sources = Sources(source_pause)
    read = 0
    async with MiniAgents(prefetch=prefetch):
        items = to_async_iter(PIPES[name](sources))
        async for _ in items:
            read += 1
            if read == READ:
                break
            if reader_pause:
                await asyncio.sleep(reader_pause)
        for _ in range(50):
            await asyncio.sleep(0)
        made = max(sources.made)
        await items.aclose()
    return max(0, ceil(made / TOGETHER.get(name, 1)) - READ)
