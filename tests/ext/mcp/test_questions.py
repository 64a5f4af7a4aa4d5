"""Questions to people over MCP: of the official server to a run, and of an agent that is served to a client.

Crosses modules: runs, tools, both sides of the protocol.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

import pytest
from mcp.client import Client
from mcp.client.session import ClientRequestContext
from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.resolve import Elicit, Resolve
from mcp_types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult
from pydantic import BaseModel

from miniagents import AssistantMessage, MiniAgents, ToolCall, tool
from miniagents.ext.journal import MemoryJournal, Question
from miniagents.ext.mcp import mcp_tools
from miniagents.ext.web import MessagePart, RequestError, Runs
from miniagents.parts import ToolResult
from miniagents.testing import scripted_model
from miniagents.tools import QuestionError, approval, ask
from tests.ext.mcp.test_serve import served, text_of
from tests.support.web import served as web_served


class Seats(BaseModel):
    """What is asked."""

    number: int
    window: bool = False


class Route(BaseModel):
    """A question for which clients have no form."""

    stops: list[str]


def booking_server() -> MCPServer:
    """A server whose tool asks the person who uses it."""
    server = MCPServer("bookings")

    def how_many() -> Elicit[Seats]:
        return Elicit("How many seats?", Seats)

    @server.tool()
    async def book(found: Annotated[ElicitationResult[Seats], Resolve(how_many)]) -> str:
        return str(found.data) if isinstance(found, AcceptedElicitation) else found.action

    return server


@tool
async def fly() -> str:
    """Ask three things."""
    seats, route = await ask("How many seats?", Seats), await ask("Where?", Route)
    return f"{seats.number} seats to {', '.join(route.stops)} {await ask('When?', expires=60)}"


async def asked(runs: Runs, *, times: int = 1000) -> Question:
    """The open question, when there is one."""
    for _ in range(times):
        if found := await runs.questions():
            return found[0]
        await asyncio.sleep(0.005)
    raise AssertionError("no question is open")


async def results(runs: Runs, run: str) -> list[str]:
    """The results of the tools of a run."""
    parts = [frame.part async for _, frame in runs.frames(run) if isinstance(frame, MessagePart)]
    return [part.text for part in parts if isinstance(part, ToolResult)]


@asynccontextmanager
async def served_server() -> AsyncGenerator[str]:
    """The address of the server."""
    async with web_served(booking_server().streamable_http_app()) as url:
        yield f"{url}/mcp"


async def test_of_a_server() -> None:
    """What a server asks is a question of the run, with its schema; the call waits, and is not made again."""
    call = AssistantMessage(parts=[ToolCall("1", "book", "{}")])
    async with MiniAgents(), served_server() as url, mcp_tools(url) as tools:
        model = scripted_model(call, "Done.").with_tools(*tools).bind()
        runs = Runs(MemoryJournal(), agents={"model": model})
        run = await runs.begin("model", "Book.")
        question = await asked(runs)
        assert ("question", "How many seats?") == (question.kind, question.shown["text"])
        assert "bookings" in str(question.shown["server"])
        with pytest.raises(RequestError, match="number: 'many' is not of type 'integer'"):
            await runs.answer(run, question.id, {"number": "many"})
        await runs.answer(run, question.id, {"number": 2})
        assert ["number=2 window=False"] == await results(runs, run)


async def test_of_a_server_to_nobody() -> None:
    """Where nothing carries questions, a server learns that it gets no answer."""
    async with MiniAgents(), served_server() as url, mcp_tools(url) as (book,):
        assert "cancel" == await book.invoke("{}")


@pytest.mark.gate("half a second for each form of the protocol")
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_of_an_agent(mode: str) -> None:
    """The person at a client answers the questions of the agents that it calls, and allows their calls."""
    paid: list[int] = []

    @tool
    async def pay(amount: int) -> str:
        """Pay."""
        paid.append(amount)
        return f"{amount} paid"

    call = AssistantMessage(parts=[ToolCall("1", "pay", '{"amount": 7}')])
    model = scripted_model(call, "Yes.", call, lambda seen: str(seen[-1]), call, lambda seen: str(seen[-1]))
    payer = model.with_tools(pay, approve=approval()).described(alias="payer", description="Pays.")
    told: list[ElicitRequestFormParams] = []
    answers: list[ElicitResult] = []

    async def answer(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context
        assert isinstance(params, ElicitRequestFormParams)
        told.append(params)
        return answers.pop(0)

    async with served(fly, payer) as url, Client(url, mode=mode, elicitation_callback=answer) as client:
        answers += [
            ElicitResult(action="accept", content={"number": 2}),
            ElicitResult(action="accept", content={"value": '{"stops": ["Oslo"]}'}),
            ElicitResult(action="accept", content={"value": "today"}),
        ]
        assert "2 seats to Oslo today" == text_of(await client.call_tool("fly", {}))
        assert {"number", "window"} == {*told[0].requested_schema["properties"]}
        answers += [ElicitResult(action="decline")]
        assert "the person declines to answer 'How many seats?'" in text_of(await client.call_tool("fly", {}))
        answers += [ElicitResult(action="accept", content={"number": "many"})]
        assert "the answer does not fit: number:" in text_of(await client.call_tool("fly", {}))
        answers += [ElicitResult(action="accept", content={"allow": True})]
        assert "Yes." == text_of(await client.call_tool("payer", {"text": "Pay."}))
        assert 'May it call pay {"amount": 7}?' == told[-1].message
        answers += [ElicitResult(action="accept", content={"allow": False, "reason": "Too much."})]
        assert "Too much." == text_of(await client.call_tool("payer", {"text": "Pay."}))
        answers += [ElicitResult(action="cancel")]
        assert "does not allow" in text_of(await client.call_tool("payer", {"text": "Pay."}))
    async with served(fly) as url, Client(url, mode=mode) as client:
        assert "the MCP client cannot ask a person" in text_of(await client.call_tool("fly", {}))
    assert [7] == paid


async def test_of_an_agent_that_waits_no_more() -> None:
    """An answer that comes too late does not end the call: the client gets what the agent returns."""
    expired = asyncio.Event()

    @tool
    async def book() -> str:
        """Ask two things, the first one in vain."""
        try:
            return await ask("When?", expires=0.01)
        except QuestionError as error:
            expired.set()
            return f"{error.reason}, {await ask('And now?')}"

    async def answer(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context
        await expired.wait()
        assert isinstance(params, ElicitRequestFormParams)
        return ElicitResult(action="accept", content={"value": params.message})

    async with served(book) as url, Client(url, elicitation_callback=answer) as client:
        assert "expired, And now?" == text_of(await client.call_tool("book", {}))
