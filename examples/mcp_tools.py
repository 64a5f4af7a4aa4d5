"""Tools of an MCP server for a model, and an agent as such a server: this file is both, as two processes.

In place of this server there can be any: an address, or the command of a program.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, MutableMapping

from mcp import StdioServerParameters

from miniagents import AssistantMessage, InteractionContext, Message, MiniAgents, ToolCall, miniagent
from miniagents.ext.default_model import default_model
from miniagents.ext.mcp import mcp_tools, serve_mcp
from miniagents.parts import AgentPart, ToolResult
from miniagents.testing import scripted_model
from miniagents.types import ModelAgent


@miniagent(alias="librarian")
async def librarian_agent(ctx: InteractionContext) -> None:
    """Knows where books stand; ask it in a sentence."""

    async def tokens(_: MutableMapping[str, object]) -> AsyncIterator[str]:
        for token in ("Second floor, ", "third shelf."):
            yield token

    await ctx.messages
    ctx.reply(Message.promise(tokens))


async def main(model: ModelAgent) -> None:
    """Ask a model that can ask the librarian."""
    server = StdioServerParameters(
        command=sys.executable, args=[__file__, "serve"], env=dict(os.environ)
    )  # as `miniagents mcp mcp_tools:librarian_agent` does
    async with mcp_tools(server, prefix="library_") as tools:
        print("The server has:", *(tool.spec.name for tool in tools))
        replies = model.with_tools(*tools, timeout=30).inquire("Where are the books on bees?")
        async for part in replies.parts:
            match part:
                case str(token):
                    print(token, end="", flush=True)
                case AgentPart(agents=agents, part=str(token)):
                    print(f"\n   {agents[-1]} says {token!r}", end="")
                case ToolResult(content=content):
                    print(f"\n<- {content}")
                case _:  # calls, reasoning, usage, the end of an answer
                    pass
        print()


if __name__ == "__main__":
    if "serve" in sys.argv:
        asyncio.run(serve_mcp(librarian_agent))
    else:
        call = ToolCall("1", "library_librarian", '{"text": "Where are the books on bees?"}')
        scripted = scripted_model(
            AssistantMessage(parts=["I will ask.", call]), "They are on the second floor."
        )
        MiniAgents().run(main(default_model(otherwise=scripted)))
