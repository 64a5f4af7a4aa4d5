"""Cases of many runs: calls at once, a chain, nested messages."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

from miniagents import InteractionContext, Message, MessagePromise, MessageSequencePromise, miniagent

from .sources import Role, exhaust, live, timed
from .stream_cases import pass_on, streaming
from .timing import in_context


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


@miniagent
async def shout(ctx: InteractionContext) -> None:
    """Await each message and reply one of its own."""
    async for promise in ctx.messages:
        message = await promise
        ctx.reply(Message(str(message).upper()))


def answers_limit(count: int) -> float:
    """``asyncio.gather`` of bare coroutines that are resumed once and return a text of their own."""

    async def shout(text: str) -> str:
        await asyncio.sleep(0)
        return text.upper()

    return asyncio.run(timed(lambda: asyncio.gather(*(shout("hello") for _ in range(count)))))


def answers_ours(count: int) -> float:
    """As many agents called at once, each awaits its message and replies another one."""

    async def work() -> None:
        for replies in [shout.inquire("hello") for _ in range(count)]:
            await replies

    return in_context(lambda: timed(work))


def first_token_limit(count: int) -> float:
    """Half a millisecond per chain: what is promised, not what could be."""
    return 0.0005 * count


CHAIN = 100


def first_token_ours(count: int) -> float:
    """From the first token of a source to the reader behind ``CHAIN`` streaming agents, ``count`` times.

    The chain stands and waits, as a chain behind a model does: making it is what S4 measures.
    """

    async def first() -> float:
        call = pass_on.initiate_inquiry()
        replies = call.reply_sequence(finish_call=False)
        for _ in range(CHAIN - 1):
            replies = pass_on.inquire(replies)
        arrived = asyncio.ensure_future(arrival(replies))
        await idle()
        start = time.process_time()
        call.send_message(streaming(live, 3))
        end = await arrived
        call.finish()
        return end - start

    async def work() -> float:
        return sum([await first() for _ in range(count)])

    return in_context(work)


async def arrival(replies: MessageSequencePromise[Message]) -> float:
    """The time at which the first token comes."""
    async for message in replies:
        async for _ in message:
            return time.process_time()
    msg = "No token came."
    raise AssertionError(msg)


async def idle() -> None:
    """Let every agent of the chain come to where it waits."""
    for _ in range(2 * CHAIN):
        await asyncio.sleep(0)


Leaf: TypeAlias = Message | MessagePromise[Message]
Nested: TypeAlias = "Leaf | list[Nested]"


def nested(count: int, leaf: Callable[[], Leaf]) -> Nested:
    """``count`` leaves, nested three deep."""
    return [[[leaf() for _ in range(10)] for _ in range(10)] for _ in range(count // 100)]


def message() -> Message:
    """A message."""
    return Message("text")


def promise() -> MessagePromise[Message]:
    """The promise of a message that is there."""
    return message().as_promise


async def flat(value: Nested) -> AsyncIterator[Leaf]:
    """Flatten by recursion."""
    if isinstance(value, list):
        for part in value:
            async for leaf in flat(part):
                yield leaf
    else:
        yield value


def flatten_limit(leaf: Callable[[], Leaf]) -> Role:
    """A recursive async generator."""

    def limit(count: int) -> float:
        async def work() -> float:
            leaves = nested(count, leaf)
            return await timed(lambda: exhaust(flat(leaves)))

        return in_context(work)

    return limit


def flatten_ours(leaf: Callable[[], Leaf]) -> Role:
    """The same by giving the nested lists to a sequence."""

    def ours(count: int) -> float:
        async def work() -> float:
            leaves = nested(count, leaf)
            return await timed(lambda: exhaust(aiter(MessageSequencePromise(leaves))))

        return in_context(work)

    return ours
