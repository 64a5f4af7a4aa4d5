"""`miniagents.ext.chat_history_md` as documented."""

from collections.abc import Iterator
from pathlib import Path

from miniagents import MiniAgents, miniagent
from miniagents.agents import InteractionContext
from miniagents.ext.chat_history import ChatHistory
from miniagents.ext.chat_history_md import ChatHistoryMD
from miniagents.messages import UserMessage
from miniagents.utils import adialog_loop


async def test_a_restarted_dialog_goes_on(tmp_path: Path) -> None:
    """A dialog with the same file has what was said before in front of it, with who said it."""
    heard = list[list[tuple[str, str]]]()

    @miniagent
    async def assistant_agent(ctx: InteractionContext) -> None:
        heard.append([(message.role, str(message)) for message in await ctx.messages])
        ctx.reply("Hello.")

    for said in ("Hi!", "Again."):
        lines = iter([said])

        @miniagent
        async def user_agent(ctx: InteractionContext, lines: Iterator[str] = lines) -> None:
            await ctx.messages
            for line in lines:
                ctx.reply(UserMessage(line))
                return
            raise EOFError

        async with MiniAgents():
            history: ChatHistory = ChatHistoryMD(tmp_path / "CHAT.md")
            await adialog_loop(user_agent, assistant_agent, history.agent)
    first = [("user", "Hi!")]
    assert [first, [*first, ("assistant", "Hello."), ("user", "Again.")]] == heard
