"""aiostream: operators on async iterables; nothing is replayed."""

from functools import reduce
from importlib import import_module
from types import MappingProxyType

from tests.bench.sources import Role, Source, bulk, expect, live, seconds

stream, pipe = import_module("aiostream.stream"), import_module("aiostream.pipe")


def same(token: str, *_: object) -> str:
    """Pass on."""
    return token


def upper(token: str, *_: object) -> str:
    """What the operators of the bench do."""
    return token.upper()


def passing(source: Source) -> Role:
    """One operator that passes on."""

    def role(count: int) -> float:
        async def work() -> None:
            async with (stream.iterate(source(count)) | pipe.map(same)).stream() as tokens:
                await expect(tokens, count)

        return seconds(work)

    return role


def operators(depth: int) -> Role:
    """As many maps."""

    def role(count: int) -> float:
        async def work() -> None:
            chain = reduce(lambda xs, _: xs | pipe.map(upper), range(depth), stream.iterate(bulk(count)))
            async with chain.stream() as tokens:
                await expect(tokens, count)

        return seconds(work)

    return role


ROLES = MappingProxyType(
    {"S1": passing(bulk), "S1L": passing(live), "S2-4": operators(4), "S2-16": operators(16)}
)
