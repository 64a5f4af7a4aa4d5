"""Cases of a chain that rewrites: each agent makes every token anew with an async generator of its own.

One token at a time is on its way: the next one leaves when the one before has passed the whole chain. So
everything in the chain waits for every token. What is counted is a token at a hop; the chain stands and one
token has passed it before the time is taken.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from itertools import pairwise
from typing import Protocol

from miniagents import InteractionContext, Message, MessageSequencePromise, miniagent

from .sources import Role, timed
from .timing import in_context

HOPS = (10, 50, 200, 400)
"""How long the chains are."""


@miniagent
async def rewrite(ctx: InteractionContext) -> None:
    """Reply what came, in capitals."""

    async def tokens(metadata: MutableMapping[str, object]) -> AsyncIterator[str]:
        del metadata
        async for message in ctx.messages:
            async for token in message:
                yield token.upper()

    ctx.reply(Message.promise(tokens))


class Source(Protocol):
    """Sends a token into a chain."""

    def put_nowait(self, token: str | None, /) -> None:
        """Send a token; None is the end."""
        ...


async def one_by_one(source: Source, receive: Callable[[], Awaitable[object]], tokens: int) -> float:
    """The seconds that ``tokens`` take, each of them sent when the one before has been received."""

    async def pass_tokens() -> None:
        for _ in range(tokens):
            source.put_nowait("token")
            await receive()

    source.put_nowait("token")
    await receive()  # now all of the chain waits
    return await timed(pass_tokens)


def rewriting_limit(hops: int) -> Role:
    """A task and an `asyncio.Queue` for each hop."""

    def limit(count: int) -> float:
        async def hop(source: asyncio.Queue[str | None], target: asyncio.Queue[str | None]) -> None:
            while (token := await source.get()) is not None:
                target.put_nowait(token.upper())
            target.put_nowait(None)

        async def work() -> float:
            queues = [asyncio.Queue[str | None]() for _ in range(hops + 1)]
            tasks = [asyncio.create_task(hop(*ends)) for ends in pairwise(queues)]
            taken = await one_by_one(queues[0], queues[-1].get, count // hops)
            queues[0].put_nowait(None)
            await asyncio.gather(*tasks)
            return taken

        return asyncio.run(work(), debug=False)

    return limit


def rewriting_ours(hops: int) -> Role:
    """As many agents, each inquired with the replies of the one before."""

    def ours(count: int) -> float:
        async def work() -> float:
            queue: asyncio.Queue[str | None] = asyncio.Queue()

            async def source(metadata: MutableMapping[str, object]) -> AsyncIterator[str]:
                del metadata
                while (token := await queue.get()) is not None:
                    yield token

            replies: MessageSequencePromise[Message] = rewrite.inquire(Message.promise(source))
            for _ in range(hops - 1):
                replies = rewrite.inquire(replies)
            message = await anext(aiter(replies))
            tokens = aiter(message)
            taken = await one_by_one(queue, tokens.__anext__, count // hops)
            queue.put_nowait(None)
            await message
            return taken

        return in_context(work)

    return ours


TOKENS = 20_000
"""How many tokens are counted at all hops together, where the cost is looked at as the chain grows."""


def growing(hops: int) -> float:
    """The seconds that one token takes at all hops of a chain."""
    tokens = max(1, TOKENS // hops)
    return rewriting_ours(hops)(tokens * hops) / tokens
