"""A picture of a run: who called whom, when each token came, where it waited, how it ended.

With a name behind it (`python examples/timeline.py run.html`) the picture is written to that file, too.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, MutableMapping

from miniagents import InteractionContext, Message, MiniAgents, miniagent
from miniagents.ext.timeline import Timeline
from miniagents.testing import virtual_time


@miniagent
async def speaking_agent(ctx: InteractionContext, name: str, wait: float) -> None:
    """Thinks, and then speaks word by word."""

    async def tokens(_: MutableMapping[str, object]) -> AsyncIterator[str]:
        await asyncio.sleep(wait)
        for word in f"{name} has thought about it, and would rather not say".split():
            yield f"{word} "
            await asyncio.sleep(0.1)
        if name == "Bob":
            msg = "Bob has lost his voice"
            raise RuntimeError(msg)

    await ctx.messages
    ctx.reply(Message.promise(tokens))


@miniagent(alias="PANEL")
async def panel_agent(ctx: InteractionContext) -> None:
    """Asks three at once."""
    for name, wait in (("Ada", 0.3), ("Bob", 0.8), ("Cem", 3.0)):
        ctx.reply(speaking_agent.inquire(ctx.messages, name=name, wait=wait))


async def main() -> None:
    """Listen until somebody fails; nobody waits for the others then."""
    try:
        async with panel_agent.inquire("What do you think?") as replies:
            async for reply in replies:
                print(await reply)
    except RuntimeError as error:
        print(f"({error})")


if __name__ == "__main__":
    timeline = Timeline()
    with virtual_time():  # so that nobody waits, and the picture is the same each time
        MiniAgents(observers=[timeline]).run(main())
    print(f"\n{timeline}")
    if sys.argv[1:]:
        timeline.save(sys.argv[1])
