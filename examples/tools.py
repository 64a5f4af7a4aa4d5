"""A model that calls functions and an agent; its stream shows everything, also what the agent says meanwhile.

A call that you do not approve does not happen, and the model is told why.
"""

from collections.abc import AsyncIterator, MutableMapping

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    MiniAgents,
    SystemMessage,
    ToolCall,
    UserMessage,
    miniagent,
    tool,
)
from miniagents.ext.default_model import default_model
from miniagents.parts import AgentPart, ToolCallDelta, ToolResult
from miniagents.testing import scripted_model
from miniagents.types import ModelAgent

STOCK = {"lamp": 3, "desk": 0}


@tool
def stock(product: str) -> int:
    """Say how many pieces of a product are there.

    Args:
        product: its name, in the singular.
    """
    return STOCK[product]


@tool(timeout=10)
async def order(product: str, pieces: int = 1) -> str:
    """Order more of a product from the supplier."""
    return f"{pieces} x {product} ordered"


@miniagent(alias="SUPPLIER")
async def supplier_agent(ctx: InteractionContext) -> None:
    """Knows when a product could be delivered; ask it in a sentence."""

    async def tokens(_: MutableMapping[str, object]) -> AsyncIterator[str]:
        for token in ("Desks? ", "In three ", "days."):
            yield token

    await ctx.messages
    ctx.reply(Message.promise(tokens))


async def approve(call: ToolCall) -> bool | str:
    """Let everything happen but orders."""
    return call.name != "order" or "Only the manager may order."


async def main(model: ModelAgent) -> None:
    """Ask the clerk of a shop."""
    clerk = model.with_tools(stock, order, supplier_agent, approve=approve)
    replies = clerk.inquire(
        [SystemMessage("You are the clerk of a shop."), UserMessage("A desk and a lamp, please.")]
    )
    async for part in replies.parts:
        match part:
            case str(token):
                print(token, end="", flush=True)
            case ToolCallDelta(name=str(name)):
                print(f"\n-> {name}", end="")
            case AgentPart(agents=agents, part=str(token)):
                print(f"\n   {'/'.join(agents)} says {token!r}", end="")
            case ToolResult(content=content, name=name, is_error=is_error):
                print(f"\n<- {name}{' failed' if is_error else ''}: {content}")
            case _:  # reasoning, usage, the end of an answer
                pass
    print(f"\nThe answer: {await replies.final}")


if __name__ == "__main__":
    looks = [ToolCall("1", "stock", '{"product": "desk"}'), ToolCall("2", "stock", '{"product": "carpet"}')]
    acts = [
        ToolCall("3", "order", '{"product": "desk"}'),
        ToolCall("4", "SUPPLIER", '{"text": "When could you deliver a desk?"}'),
    ]
    scripted = scripted_model(
        AssistantMessage(parts=["Let me look.", *looks]),
        AssistantMessage(parts=["There is no desk.", *acts]),
        "A lamp you can have now, a desk in three days.",
    )
    MiniAgents().run(main(default_model(otherwise=scripted)))
