"""What the tests have served in a process of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator, MutableMapping

from miniagents import InteractionContext, Message, miniagent, tool

print("printed while it is imported")  # noqa: T201 - it must not get into the protocol


@miniagent(alias="talker")
async def talker(ctx: InteractionContext) -> None:
    """Says what it is told, word by word."""
    said = str(await ctx.messages)

    async def words(_: MutableMapping[str, object]) -> AsyncIterator[str]:
        for word in said.split():
            print("printed while it talks")  # noqa: T201 - the same
            yield f"{word} "

    ctx.reply(Message.promise(words))


@miniagent(alias="waiter")
async def waiter(ctx: InteractionContext) -> None:
    """Waits for ever."""
    try:
        ctx.reply("I wait.")
        await asyncio.sleep(3600)
    finally:
        sys.stderr.write("the waiter was stopped\n")
        sys.stderr.flush()


@tool
def double(number: int) -> int:
    """Double a number."""
    return 2 * number


no_agent = 7
