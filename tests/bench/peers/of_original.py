"""The earlier miniagents (0.0.35), which has our name, so in an interpreter of its own."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import reduce
from importlib import import_module
from types import MappingProxyType
from typing import Protocol, cast

from tests.bench.sources import Role, Source, bulk, exhaust, live, timed

CHAIN = READERS = 100
lib = import_module("miniagents")


class Context(Protocol):
    """What its agents are given."""

    message_promises: AsyncIterator[AsyncIterator[object]]

    def reply(self, messages: object) -> None:
        """Reply."""


async def reply_all(ctx: Context) -> None:
    """Reply what came."""
    ctx.reply(ctx.message_promises)


pass_on = lib.miniagent(reply_all)


def in_context(work: Callable[[], Awaitable[float]]) -> float:
    """Run in a context of agents."""

    async def main() -> float:
        async with lib.MiniAgents():
            return await work()

    return asyncio.run(main(), debug=False)


def streaming(source: Callable[[], AsyncIterator[str]]) -> object:
    """A message that is being written."""

    async def tokens(*_: object, **__: object) -> AsyncIterator[str]:
        async for token in source():
            yield token

    return cast("object", lib.TextMessage.promise(message_token_streamer=tokens))


async def read_tokens(replies: AsyncIterator[AsyncIterator[object]]) -> None:
    """Read every token of every message."""
    async for message in replies:
        await exhaust(message)


def passing(source: Source) -> Role:
    """One agent that passes on."""

    def role(count: int) -> float:
        return in_context(
            lambda: timed(lambda: read_tokens(pass_on.trigger(streaming(lambda: source(count)))))
        )

    return role


def replay(count: int) -> float:
    """A kept message, to many readers."""

    async def work() -> float:
        message = cast("AsyncIterator[object]", streaming(lambda: bulk(count)))
        await exhaust(message)

        async def again() -> None:
            for _ in range(READERS):
                await exhaust(message)

        return await timed(again)

    return in_context(work)


def calls(count: int) -> float:
    """As many agents called at once, one message in and out."""

    async def work() -> None:
        for replies in [pass_on.trigger("hello") for _ in range(count)]:
            await replies

    return in_context(lambda: timed(work))


def first_token(count: int) -> float:
    """From the first token of a source to the reader behind a chain."""

    async def first() -> float:
        begun: list[float] = []

        async def source() -> AsyncIterator[str]:
            for _ in range(20 * CHAIN):  # until the chain stands
                await asyncio.sleep(0)
            begun.append(time.process_time())
            yield "token"

        replies = reduce(lambda messages, _: pass_on.trigger(messages), range(CHAIN), streaming(source))
        await read_tokens(cast("AsyncIterator[AsyncIterator[object]]", replies))
        return time.process_time() - begun[0]

    async def work() -> float:
        return sum([await first() for _ in range(count)])

    return in_context(work)


ROLES = MappingProxyType(
    {"S1": passing(bulk), "S1L": passing(live), "S3": replay, "S4": calls, "S5": first_token}
)
