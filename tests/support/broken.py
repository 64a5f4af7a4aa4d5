"""Agents that fail, and what must be told of their errors where something is made of their replies."""

from collections.abc import Awaitable, Callable

import pytest

from miniagents import InteractionContext, MiniAgents, miniagent
from miniagents.messages import Message, MessageSequencePromise
from tests.support.sources import Source

__all__ = ["errors_name_their_agents"]

Made = Callable[[MessageSequencePromise[Message]], Awaitable[object]]


@miniagent
async def broken(ctx: InteractionContext) -> None:
    """Fails at once."""
    raise ValueError("broken")


@miniagent
async def half_broken(ctx: InteractionContext) -> None:
    """Fails in the middle of a message."""
    ctx.reply(Message.promise(Source(["a"], error=ValueError("broken"))))


async def errors_name_their_agents(made: Made, made_of_flat: Made) -> None:
    """An error that comes through what is made of messages still knows all agents that it went through.

    Args:
        made: makes something of anything that is messages.
        made_of_flat: makes it of a flat sequence.
    """

    @miniagent
    async def maker(ctx: InteractionContext) -> None:
        await made(ctx.messages)

    @miniagent
    async def asking_maker(ctx: InteractionContext) -> None:
        await made_of_flat(broken.inquire())

    async with MiniAgents():
        for agent, chain in ((broken, "BROKEN"), (half_broken, "HALF_BROKEN")):
            with pytest.raises(ValueError, match="broken") as caught:
                await maker.inquire(agent.inquire())
            assert [f"agents: {chain} → MAKER"] == caught.value.__notes__
        with pytest.raises(ValueError, match="broken") as caught:
            await asking_maker.inquire()
        assert ["agents: BROKEN → ASKING_MAKER"] == caught.value.__notes__
