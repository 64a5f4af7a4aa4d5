"""The documented forms of the dialog loop."""

import asyncio

from miniagents import InteractionContext, MiniAgents, adialog_loop, miniagent
from miniagents.ext.chat_history import InMemoryChatHistory
from miniagents.ext.history_agents import in_memory_history_agent


class Talk:
    """A user with a list of lines, and an assistant that remembers what it was given."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.heard: list[str] = []
        talk = self

        @miniagent
        async def user_agent(ctx: InteractionContext) -> None:
            await ctx.messages
            if not talk.lines:
                raise EOFError
            ctx.reply(talk.lines.pop(0))

        @miniagent
        async def assistant_agent(ctx: InteractionContext) -> None:
            heard = str(await ctx.messages).replace("\n\n", " ")
            talk.heard.append(heard)
            ctx.reply(f"re:{len(talk.heard)}")

        self.user_agent = user_agent
        self.assistant_agent = assistant_agent


async def test_dialog_positional() -> None:
    """`adialog_loop(user_agent, assistant_agent)` keeps a fresh history for this one call."""
    for _ in range(2):
        talk = Talk("one", "two")
        async with MiniAgents():
            await adialog_loop(talk.user_agent, talk.assistant_agent)
        assert talk.heard == ["one", "one re:1 two"]


async def test_two_dialogs_at_once() -> None:
    """Two dialogs in one context share no history."""
    one, two = Talk("a", "b"), Talk("x", "y")
    async with MiniAgents():
        await asyncio.gather(
            adialog_loop(one.user_agent, one.assistant_agent),
            adialog_loop(two.user_agent, two.assistant_agent),
        )
    assert one.heard == ["a", "a re:1 b"]
    assert two.heard == ["x", "x re:1 y"]


async def test_dialog_by_keyword() -> None:
    """All of it by keyword, with an explicit history agent."""
    history = InMemoryChatHistory()
    talk = Talk("one", "two")
    async with MiniAgents():
        await adialog_loop(
            user_agent=talk.user_agent, assistant_agent=talk.assistant_agent, history_agent=history.agent
        )
        kept = str(await history.load())
    assert talk.heard == ["one", "one re:1 two"]
    assert kept == "one\n\nre:1\n\ntwo\n\nre:2"


async def test_dialog_with_the_documented_history_agent() -> None:
    """`in_memory_history_agent` is a history agent, too, and shares nothing between two dialogs."""
    for _ in range(2):
        talk = Talk("one", "two")
        async with MiniAgents():
            await adialog_loop(talk.user_agent, talk.assistant_agent, in_memory_history_agent)
        assert talk.heard == ["one", "one re:1 two"]
