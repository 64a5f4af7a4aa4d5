"""Agents to be asked over HTTP, and an app that serves them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, MutableMapping
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    Messages,
    MiniAgents,
    ToolCall,
    ToolMessage,
    Usage,
    miniagent,
    tool,
)
from miniagents.agents import MiniAgent
from miniagents.ext.web import Runs, chat_routes
from miniagents.testing import scripted_model
from miniagents.tools import approval, ask
from miniagents.values import Finish, Part, Reasoning

from .web import served

__all__ = ["SECRET", "Gate", "chatting", "failing", "forecaster", "payer", "poet"]

SECRET = "sk-1234567890abcdefghijklmnop"  # noqa: S105 - nobody's


@miniagent(alias="poet")
async def poet(ctx: InteractionContext) -> None:
    """Says what it was told, after a thought."""
    said = str(await ctx.messages)

    async def parts(_: MutableMapping[str, object]) -> AsyncIterator[Part]:
        yield Reasoning("Let me think.")
        for word in said.split():
            await asyncio.sleep(0)
            yield f"{word} "
        yield Usage(7, 3)
        yield Finish("stop")

    ctx.reply(AssistantMessage.promise_of_parts(parts))


@miniagent(alias="failing")
async def failing(ctx: InteractionContext) -> None:
    """Fails in the middle of its answer."""

    async def words(_: MutableMapping[str, object]) -> AsyncIterator[str]:
        yield "Half of "
        raise ValueError(SECRET)

    ctx.reply(Message.promise(words))


@tool
def weather(city: str) -> dict[str, object]:
    """Tell the weather."""
    return {"city": city, "degrees": 12}


def forecaster() -> MiniAgent[Message, Message]:
    """An agent that calls a tool of its own."""
    call = AssistantMessage(parts=["Let me look.", ToolCall("call-1", "weather", '{"city": "Oslo"}')])
    return (
        scripted_model(call, "It is 12 °C.", alias="model").with_tools(weather).described(alias="forecaster")
    )


def payer(paid: list[int], *, ask_why: bool = True) -> MiniAgent[Message, Message]:
    """An agent that looks up a price, and pays 100 and 5 if it may; it asks what the 100 are for.

    Args:
        paid: gets the amounts.
        ask_why: whether it asks.
    """

    @tool
    def price() -> int:
        """Look it up."""
        return 105

    @tool
    async def pay(amount: int) -> str:
        """Pay an amount."""
        why = await ask("For what?") if ask_why and amount > 50 else "tip"
        paid.append(amount)
        return f"{amount} for {why}"

    calls = AssistantMessage(
        parts=[
            "Let me pay.",
            ToolCall("c0", "price", "{}"),
            *(ToolCall(f"c{amount}", "pay", f'{{"amount": {amount}}}') for amount in (100, 5)),
        ]
    )

    def reply(seen: Messages) -> AssistantMessage | str:
        results = [str(each) for each in seen if isinstance(each, ToolMessage)]
        return "; ".join(results) if results else calls

    approve = approval(needs=lambda call: call.name == "pay")
    model = scripted_model(then=reply, alias="model")
    return model.with_tools(price, pay, approve=approve).described(alias="payer")


class Gate:
    """An agent that says "Begun " and sets `begun`, waits for `go`, says "done.", and sets `left`.

    Attributes:
        asked: the texts of the messages of each run.
    """

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.left = asyncio.Event()

    def agent(self) -> MiniAgent[Message, Message]:
        """Make it."""

        @miniagent(alias="gate")
        async def gate(ctx: InteractionContext) -> None:
            self.asked.append([str(each) for each in await ctx.messages])

            async def words(_: MutableMapping[str, object]) -> AsyncIterator[str]:
                try:
                    yield "Begun "
                    self.begun.set()
                    await self.go.wait()
                    yield "done."
                finally:
                    self.left.set()

            ctx.reply(AssistantMessage.promise(words))

        return gate


@asynccontextmanager
async def chatting(*agents: MiniAgent[Message, Message], runs: Runs | None = None) -> AsyncGenerator[str]:
    """The address under which agents are served in the protocols of chat libraries."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with MiniAgents(app_wide=True):
            yield

    routes = chat_routes(
        {agent.alias: agent for agent in agents},
        runs=runs,
        prefix="/chat",
        protocols=["vercel", "openai"],
        owner="anyone",
        system_messages=True,
    )
    async with served(Starlette(routes=routes, lifespan=lifespan)) as url:
        yield f"{url}/chat"
