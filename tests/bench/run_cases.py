"""Cases of many runs: calls at once, a chain, nested messages."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeAlias

from miniagents import InteractionContext, Message, MessageSequencePromise, miniagent

from .stream_cases import live, pass_on, streaming
from .timing import in_context, timed

Nested: TypeAlias = "str | list[Nested]"


def calls_limit(count: int) -> float:
    """``asyncio.gather`` of bare coroutines, each a task that is resumed once."""

    async def echo(text: str) -> str:
        await asyncio.sleep(0)
        return text

    return asyncio.run(timed(lambda: asyncio.gather(*(echo("hello") for _ in range(count)))))


@miniagent
async def echo(ctx: InteractionContext) -> None:
    """Reply each message as it comes."""
    async for message in ctx.messages:
        ctx.reply(message)


def calls_ours(count: int) -> float:
    """As many agents called at once, one message in and out."""

    async def work() -> None:
        for replies in [echo.inquire("hello") for _ in range(count)]:
            await replies

    return in_context(lambda: timed(work))


def first_token_limit(count: int) -> float:
    """Half a millisecond per chain: what is promised, not what could be."""
    return 0.0005 * count


CHAIN = 100


def first_token_ours(count: int) -> float:
    """The first token through a chain of ``CHAIN`` streaming agents, ``count`` times."""

    async def first() -> None:
        replies: MessageSequencePromise[Message] = pass_on.inquire(streaming(live, 3))
        for _ in range(CHAIN - 1):
            replies = pass_on.inquire(replies)
        async for message in replies:
            async for _ in message:
                return

    async def work() -> None:
        for _ in range(count):
            await first()

    return in_context(lambda: timed(work))


def nested(count: int) -> Nested:
    """``count`` texts, nested three deep."""
    return [[["text" for _ in range(10)] for _ in range(10)] for _ in range(count // 100)]


async def flat(value: Nested) -> AsyncIterator[str]:
    """Flatten by recursion."""
    if isinstance(value, list):
        for part in value:
            async for leaf in flat(part):
                yield leaf
    else:
        yield value


def flatten_limit(count: int) -> float:
    """A recursive async generator that makes a message of each text."""
    texts = nested(count)

    async def work() -> None:
        async for leaf in flat(texts):
            Message(str(leaf))

    return asyncio.run(timed(work))


def flatten_ours(count: int) -> float:
    """The same by giving the nested lists to a sequence."""
    texts = nested(count)

    async def work() -> None:
        await MessageSequencePromise(texts)

    return in_context(lambda: timed(work))
