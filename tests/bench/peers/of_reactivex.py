"""reactivex as it is: a ReplaySubject that keeps the tokens, and a queue to read them from async code."""

import asyncio
from collections.abc import AsyncIterator
from importlib import import_module
from types import MappingProxyType

from tests.bench.sources import Role, Source, bulk, exhaust, expect, live, seconds, timed

rx, ops, subject = (import_module(f"reactivex{part}") for part in ("", ".operators", ".subject"))
READERS = 100


async def read(observable: object) -> AsyncIterator[object]:
    """An Observable as an async iterator."""
    queue: asyncio.Queue[object] = asyncio.Queue()
    rx.pipe(observable).subscribe(queue.put_nowait, on_completed=lambda: queue.put_nowait(queue))
    while (item := await queue.get()) is not queue:
        yield item


async def feed(target: object, source: AsyncIterator[str]) -> None:
    """Push a source into a subject."""
    to = rx.pipe(target)
    async for token in source:
        to.on_next(token)
    to.on_completed()


def passing(source: Source) -> Role:
    """A kept stream, read while it comes."""

    def role(count: int) -> float:
        async def work() -> None:
            kept = subject.ReplaySubject()
            feeding = asyncio.ensure_future(feed(kept, source(count)))
            await expect(read(kept), count)
            await feeding

        return seconds(work)

    return role


def operators(depth: int) -> Role:
    """As many maps between a subject and a queue."""

    def role(count: int) -> float:
        async def work() -> None:
            source = subject.Subject()
            upper = source.pipe(*[ops.map(str.upper) for _ in range(depth)])
            reading = asyncio.ensure_future(expect(read(upper), count))
            await asyncio.sleep(0)
            await feed(source, bulk(count))
            await reading

        return seconds(work)

    return role


def replay(count: int) -> float:
    """Kept tokens, to many readers."""

    async def work() -> float:
        kept = subject.ReplaySubject()
        await feed(kept, bulk(count))

        async def again() -> None:
            for _ in range(READERS):
                await exhaust(read(kept))

        return await timed(again)

    return asyncio.run(work(), debug=False)


ROLES = MappingProxyType(
    {
        "S1": passing(bulk),
        "S1L": passing(live),
        "S2-4": operators(4),
        "S2-16": operators(16),
        "S3": replay,
    }
)
