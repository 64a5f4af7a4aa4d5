"""The documented forms of the chain loop."""

import pytest

from miniagents import (
    AWAIT,
    CLEAR,
    InteractionContext,
    MiniAgents,
    StopLoop,
    achain_loop,
    miniagent,
)


@miniagent
async def plus_agent(ctx: InteractionContext, mark: str = "+") -> None:
    """Add a mark to what it is told."""
    ctx.reply(f"{await ctx.messages}{mark}")


@miniagent
async def once_agent(ctx: InteractionContext) -> None:
    """Pass it on, and stop at three marks."""
    if str(await ctx.messages).count("+") >= 3:
        raise StopLoop
    ctx.reply(ctx.messages)


async def test_chain_ends_at_max_turns() -> None:
    """`achain_loop(agents, initial=..., max_turns=...)` goes round and returns the last messages."""
    async with MiniAgents():
        assert str(await achain_loop([plus_agent, AWAIT], initial="a", max_turns=3)) == "a+++"


async def test_chain_ends_at_stop_loop() -> None:
    """It ends when an agent raises `StopLoop`, and returns what came last."""
    async with MiniAgents():
        assert str(await achain_loop([once_agent, plus_agent, AWAIT], initial="a")) == "a+++"


async def test_chain_items() -> None:
    """`None` is skipped, `AWAIT` resolves, `CLEAR` forgets."""
    async with MiniAgents():
        last = await achain_loop([None, plus_agent, AWAIT, CLEAR, plus_agent], initial="a", max_turns=1)
        assert str(last) == "+"


async def test_chain_of_inquiries() -> None:
    """Inquiries already made are gone through once; one without messages takes the replies before it."""
    async with MiniAgents():
        assert str(await achain_loop([plus_agent.inquire("a"), plus_agent.inquire()])) == "a++"


async def test_chain_needs_an_await() -> None:
    """A list with agents and no `AWAIT` is refused: it would schedule turns for ever."""
    async with MiniAgents():
        with pytest.raises(ValueError, match="AWAIT"):
            await achain_loop([plus_agent], initial="a")


async def test_chain_ends_at_end_of_input() -> None:
    """It ends when an agent raises `EOFError`."""

    @miniagent
    async def reading_agent(ctx: InteractionContext) -> None:
        raise EOFError

    async with MiniAgents():
        assert await achain_loop([reading_agent, AWAIT]) == ()


def test_chain_lets_an_interrupt_through() -> None:
    """`KeyboardInterrupt` goes through to the caller."""

    @miniagent
    async def interrupted_agent(ctx: InteractionContext) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        MiniAgents().run(achain_loop([interrupted_agent, AWAIT]))
