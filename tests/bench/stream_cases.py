"""Cases of one stream: tokens through an agent, through operators, and replayed."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from functools import reduce

import reactivex as rx
from reactivex import operators as ops

from miniagents import InteractionContext, Message, MessagePromise, MessageSequencePromise, miniagent
from miniagents.operators import map_tokens
from miniagents.streams import from_async, to_async_iter

from .sources import Role, Source, bulk, exhaust, timed
from .timing import in_context


@miniagent
async def pass_on(ctx: InteractionContext) -> None:
    """Reply what came."""
    ctx.reply(ctx.messages)


def streaming(source: Source, count: int) -> MessagePromise[Message]:
    """A message of ``count`` tokens."""

    def tokens(metadata: MutableMapping[str, object]) -> AsyncIterator[str]:
        del metadata
        return source(count)

    return Message.promise(tokens)


async def read_tokens(replies: MessageSequencePromise[Message]) -> None:
    """Read every token of every message."""
    async for message in replies:
        async for _ in message:
            pass


def stream_limit(source: Source) -> Role:
    """A bare ``async for`` over the source."""
    return lambda count: asyncio.run(timed(lambda: exhaust(source(count))))


def stream_ours(source: Source) -> Role:
    """The source through one agent that passes on, to ``async for``."""
    return lambda count: in_context(
        lambda: timed(lambda: read_tokens(pass_on.inquire(streaming(source, count))))
    )


async def through(source: AsyncIterator[str]) -> AsyncIterator[str]:
    """One more async generator."""
    async for token in source:
        yield token.upper()


def operators_limit(depth: int) -> Role:
    """A source with ``depth`` async generators on top of it."""

    def limit(count: int) -> float:
        chain: AsyncIterator[str] = reduce(lambda source, _: through(source), range(depth), bulk(count))
        return asyncio.run(timed(lambda: exhaust(chain)))

    return limit


def operators_ours(depth: int) -> Role:
    """A source with ``depth`` pure operators on top of it; the agent and the promise are counted too."""

    def ours(count: int) -> float:
        async def work() -> float:
            replies = pass_on.inquire(streaming(bulk, count))
            pipeline = replies.messages.pipe(*[map_tokens(str.upper) for _ in range(depth)])
            return await timed(lambda: read_tokens(MessageSequencePromise(pipeline)))

        return in_context(work)

    return ours


def piped_limit(count: int) -> float:
    """A source with one async generator on top of it."""
    return operators_limit(1)(count)


def piped_ours(count: int) -> float:
    """A source as an Observable, `map` of reactivex, and back."""
    return in_context(
        lambda: timed(lambda: exhaust(to_async_iter(from_async(bulk(count)).pipe(ops.map(str.upper)))))
    )


def range_limit(count: int) -> float:
    """`rx.range` of plain reactivex, into a list."""

    async def work() -> None:
        items: list[int] = []
        rx.range(count).subscribe(items.append)

    return asyncio.run(timed(work))


def range_ours(count: int) -> float:
    """`rx.range`, iterated."""
    return in_context(lambda: timed(lambda: exhaust(to_async_iter(rx.range(count)))))


READERS = 100


def replay_limit(count: int) -> float:
    """A list read ``READERS`` times through an async generator."""
    kept = ["token"] * count

    async def tokens() -> AsyncIterator[str]:
        for token in kept:
            yield token

    async def work() -> None:
        for _ in range(READERS):
            await exhaust(tokens())

    return asyncio.run(timed(work))


def replay_ours(count: int) -> float:
    """A finished stream read ``READERS`` times."""

    async def work() -> float:
        message = streaming(bulk, count)
        await message

        async def replay() -> None:
            for _ in range(READERS):
                await exhaust(aiter(message))

        return await timed(replay)

    return in_context(work)
