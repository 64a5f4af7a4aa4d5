"""genai-processors: async generators of parts, each an object."""

import asyncio
import time
from collections.abc import AsyncIterator
from importlib import import_module
from types import MappingProxyType

from tests.bench.sources import Role, Source, bulk, expect, live, seconds

processor, content = (import_module(f"genai_processors.{part}") for part in ("processor", "content_api"))
CHAIN = 100


async def each(parts: AsyncIterator[object]) -> AsyncIterator[object]:
    """Pass on."""
    async for part in parts:
        yield part


pass_on = processor.processor_function(each)


async def as_parts(source: AsyncIterator[str]) -> AsyncIterator[object]:
    """Tokens as what it streams."""
    async for token in source:
        yield content.ProcessorPart(token)


def passing(source: Source) -> Role:
    """One processor that passes on."""

    def role(count: int) -> float:
        return seconds(lambda: expect(pass_on(as_parts(source(count))), count))

    return role


def calls(count: int) -> float:
    """As many at once, one part in and out."""

    async def one() -> None:
        await expect(pass_on(processor.stream_content(["hello"])), 1)

    return seconds(lambda: asyncio.gather(*(one() for _ in range(count))))


def first_token(count: int) -> float:
    """From the first part of a source to the reader behind a chain."""

    async def first() -> float:
        begun: list[float] = []

        async def source() -> AsyncIterator[object]:
            for _ in range(3 * CHAIN):  # until the chain stands
                await asyncio.sleep(0)
            begun.append(time.process_time())
            yield content.ProcessorPart("token")

        async for _ in processor.chain([pass_on] * CHAIN)(source()):
            break
        return time.process_time() - begun[0]

    async def work() -> float:
        return sum([await first() for _ in range(count)])

    return asyncio.run(work(), debug=False)


ROLES = MappingProxyType({"S1": passing(bulk), "S1L": passing(live), "S4": calls, "S5": first_token})
