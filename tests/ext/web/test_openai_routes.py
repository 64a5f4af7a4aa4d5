"""The routes for clients of OpenAI, with the official client and our own agents over a socket.

Crosses modules: routes, encoders, sources of frames.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from openai import (
    APIError,
    AsyncOpenAI,
    BadRequestError,
    ConflictError,
    InternalServerError,
    NotFoundError,
)
from openai.types.chat import ChatCompletionMessageParam
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFailedEvent,
    ResponseInputItemParam,
)
from openai.types.responses.response_output_item import McpApprovalRequest
from starlette.applications import Starlette

from miniagents import AssistantMessage, LLMError, MiniAgents, ToolCall
from miniagents.ext.journal import MemoryJournal
from miniagents.ext.llm.openai import openai_agent
from miniagents.ext.llm.openai_responses import openai_responses_agent
from miniagents.ext.web import Runs
from miniagents.testing import ScriptedModel
from tests.support.web import served
from tests.support.web_agents import SECRET, Gate, chatting, failing, forecaster, payer, poet


@asynccontextmanager
async def asking(url: str) -> AsyncGenerator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="a key", base_url=f"{url}/v1", max_retries=2) as client:
        yield client


def user(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


async def heard(client: AsyncOpenAI, came: list[str]) -> None:
    """Put what a failing agent streams into a list."""
    stream = await client.chat.completions.create(model="failing", messages=user("Hi"), stream=True)
    async for chunk in stream:
        came += [choice.delta.content or "" for choice in chunk.choices]


async def test_models() -> None:
    """Agents are models."""
    async with chatting(poet, failing) as url, asking(url) as client:
        assert ["poet", "failing"] == [model.id async for model in client.models.list()]
        assert "poet" == (await client.models.retrieve("poet")).id
        with pytest.raises(NotFoundError, match="There is no model 'x/y' here") as raised:
            await client.models.retrieve("x/y")
    assert "model_not_found" == raised.value.code


async def test_chat() -> None:
    """A chat is answered, whole and streamed; parameters without a meaning are ignored."""
    async with chatting(poet) as url, asking(url) as client:
        whole = await client.chat.completions.create(
            model="poet",
            messages=user("Far north"),
            temperature=0.3,
            seed=7,
            extra_body={"x": [1]},
        )
        stream = await client.chat.completions.create(
            model="poet",
            messages=user("Far north"),
            stream=True,
            stream_options={"include_usage": True},
        )
        told = [chunk async for chunk in stream]
    assert "Far north " == whole.choices[0].message.content
    assert whole.usage is not None
    assert 10 == whole.usage.total_tokens
    assert "Far north " == "".join(choice.delta.content or "" for each in told for choice in each.choices)
    assert [] == told[-1].choices
    assert "poet" == told[0].model == whole.model


async def test_responses() -> None:
    """So are responses."""
    async with chatting(poet) as url, asking(url) as client:
        whole = await client.responses.create(model="poet", input="Far north", temperature=0.3)
        stream = await client.responses.create(model="poet", input="Far north", stream=True)
        last = [event async for event in stream][-1]
    assert "Far north " == whole.output_text
    assert isinstance(last, ResponseCompletedEvent)
    assert "Far north " == last.response.output_text


@pytest.mark.parametrize("parks", [False, True])
@pytest.mark.parametrize("stream", [True, False])
async def test_approvals(stream: bool, parks: bool) -> None:
    """A response has the approvals that it needs; their answers in the next request go on with the run."""
    paid: list[int] = []
    asked: list[ResponseInputItemParam] = [{"role": "user", "content": "Pay."}]

    async def respond(client: AsyncOpenAI, *more: ResponseInputItemParam) -> Response:
        given = [*asked, *more]
        if not stream:
            return await client.responses.create(model="payer", input=given)
        events = await client.responses.create(model="payer", input=given, stream=True)
        last = [event async for event in events][-1]
        assert isinstance(last, ResponseCompletedEvent)
        return last.response

    def answer(request: McpApprovalRequest, *, approve: bool, reason: str = "") -> ResponseInputItemParam:
        told: ResponseInputItemParam = {
            "type": "mcp_approval_response",
            "approval_request_id": request.id,
            "approve": approve,
            "reason": reason,
        }
        return told

    runs = Runs(MemoryJournal()) if parks else Runs()
    async with chatting(payer(paid, ask_why=False), runs=runs) as url, asking(url) as client:
        first = await respond(client)
        assert "Let me pay." == first.output_text
        big, small = (each for each in first.output if isinstance(each, McpApprovalRequest))
        assert ("pay", {"amount": 100}, "payer") == (big.name, json.loads(big.arguments), big.server_label)
        assert [] == (await respond(client, answer(big, approve=False, reason="No."))).output
        last = await respond(client, answer(small, approve=True))
        with pytest.raises(ConflictError, match="answered already"):
            await respond(client.with_options(max_retries=0), answer(small, approve=False))
        with pytest.raises(NotFoundError, match="This run does not exist"):
            await respond(client, answer(small.model_copy(update={"id": "x"}), approve=True))
    assert ("105; No.; 5 for tip", [5]) == (last.output_text, paid)


async def test_approvals_of_an_agent_that_is_a_tool() -> None:
    """A response ends there too; it goes on with each answer, and the call of the agent has its result."""
    paid: list[int] = []
    order = AssistantMessage(parts=["I order it. ", ToolCall("o1", "buyer", '{"text": "Pay."}')])
    buyer = payer(paid, ask_why=False).described(alias="buyer", description="Buys things.")
    agent = ScriptedModel(order, "Bought.").agent.with_tools(buyer).described(alias="payer")
    async with chatting(agent, runs=Runs(MemoryJournal())) as url, asking(url) as client:
        response = await client.responses.create(model="payer", input="Buy it.")
        requests = [each.id for each in response.output if isinstance(each, McpApprovalRequest)]
        assert 2 == len(requests)
        said: list[ResponseInputItemParam] = [{"role": "user", "content": "Buy it."}]
        for request in requests:
            said.append({"type": "mcp_approval_response", "approval_request_id": request, "approve": True})
            response = await client.responses.create(model="payer", input=said)
    assert ("Bought.", [5, 100]) == (response.output_text, sorted(paid))


@pytest.mark.logs("A run failed", "No reader ever saw this error")
async def test_no_approvals() -> None:
    """Chat Completions cannot ask: the run fails with a sentence, and nothing is called."""
    paid: list[int] = []
    async with chatting(payer(paid)) as url, asking(url) as client:
        with pytest.raises(InternalServerError, match="a client of this protocol cannot answer"):
            await client.chat.completions.create(model="payer", messages=user("Pay."))
    assert [] == paid


async def test_tools_of_the_server() -> None:
    """The tools of an agent work, and no client sees a call."""
    async with chatting(forecaster()) as url, asking(url) as client:
        told = await client.chat.completions.create(model="forecaster", messages=user("Oslo?"))
    assert "Let me look.\n\nIt is 12 °C." == told.choices[0].message.content
    assert (None, "stop") == (told.choices[0].message.tool_calls, told.choices[0].finish_reason)


@pytest.mark.logs("A run failed")
async def test_errors() -> None:
    """A run that fails is an error, whole and in the middle of a stream, without its text; it is run once."""
    async with chatting(failing) as url, asking(url) as client:
        with pytest.raises(InternalServerError) as whole:
            await client.chat.completions.create(model="failing", messages=user("Hi"))
        came: list[str] = []
        with pytest.raises(APIError) as streamed:
            await heard(client, came)
        events = await client.responses.create(model="failing", input="Hi", stream=True)
        last = [event async for event in events][-1]
    assert "Half of " == "".join(came)
    assert isinstance(last, ResponseFailedEvent)
    assert last.response.error is not None
    for told in (str(whole.value), str(streamed.value), last.response.error.message):
        assert "The agent failed" in told
        assert SECRET not in told
    assert "false" == whole.value.response.headers["x-should-retry"]


async def test_refusals() -> None:
    """A request that makes no sense is refused in the words of the protocol."""
    async with chatting(poet, failing) as url, asking(url) as client:
        with pytest.raises(NotFoundError) as unknown:
            await client.chat.completions.create(model="gpt", messages=user("Hi"))
        with pytest.raises(BadRequestError, match="messages must be a list") as empty:
            await client.chat.completions.create(model="poet", messages=[])
        with pytest.raises(BadRequestError, match="no responses are kept here"):
            await client.responses.create(model="poet", input="Hi", previous_response_id="resp_1")
    assert ("model_not_found", "model") == (unknown.value.code, unknown.value.param)
    assert ("invalid_request_error", "messages") == (empty.value.type, empty.value.param)


async def test_no_json() -> None:
    """A body that is no JSON object is refused in the words of the protocol, too."""
    async with chatting(poet) as url, httpx2.AsyncClient() as http:
        for content, kind in ((b"{", "application/json"), (b"[]", "application/json"), (b"{}", "text/plain")):
            told = await http.post(
                f"{url}/v1/chat/completions", content=content, headers={"content-type": kind}
            )
            assert told.status_code in {400, 415}
            assert "invalid_request_error" == told.json()["error"]["type"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("where", ["chat/completions", "responses"])
async def test_a_client_that_leaves_stops_its_run(where: str, stream: bool) -> None:
    """A client that leaves stops the agent, whether it streams or not."""
    gate = Gate()
    body = {"model": "gate", "messages": user("Hi"), "input": "Hi", "stream": stream}
    async with chatting(gate.agent()) as url, httpx2.AsyncClient() as http:
        asked = asyncio.create_task(http.post(f"{url}/v1/{where}", json=body))
        async with asyncio.timeout(5):
            await gate.begun.wait()
            asked.cancel()
            await gate.left.wait()
        with pytest.raises(asyncio.CancelledError):
            await asked


class TestOurAgents:
    """Our own agents, as clients of our own server."""

    async def test_chat(self) -> None:
        """`openai_agent` asks an agent as it asks any model."""
        async with chatting(poet) as url, MiniAgents():
            (answer,) = await openai_agent.inquire(
                "Far north", model="poet", base_url=f"{url}/v1", api_key="a key"
            )
        assert ("Far north ", "Let me think.", "stop") == (
            str(answer),
            answer.reasoning,
            answer.finish_reason,
        )

    async def test_responses(self) -> None:
        """So does `openai_responses_agent`."""
        async with chatting(poet) as url, MiniAgents():
            (answer,) = await openai_responses_agent.inquire(
                "Far north", model="poet", base_url=f"{url}/v1", api_key="a key"
            )
        assert ("Far north ", "Let me think.") == (str(answer), answer.reasoning)

    @pytest.mark.logs("A run failed")
    async def test_errors(self) -> None:
        """A run that fails is an error there, which has no text of the agent's own."""
        async with chatting(failing) as url, MiniAgents():
            for agent in (openai_agent, openai_responses_agent):
                with pytest.raises(LLMError, match="The agent failed") as raised:
                    await agent.inquire("Hi", model="failing", base_url=f"{url}/v1", api_key="a key")
                assert SECRET not in str(raised.value)


PAGE = (Path(__file__).parents[3] / "docs" / "web.md").read_text(encoding="utf-8")


async def test_the_app_of_the_page() -> None:
    """The app of the page `docs/web.md` answers in both protocols."""
    (program,) = re.findall(r"```python chat-libraries\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(program, "docs/web.md", "exec"), names)  # noqa: S102 - our own page
    app = names["app"]
    assert isinstance(app, Starlette)
    said = {"id": "u", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
    async with served(app) as url, asking(f"{url}/chat") as client, httpx2.AsyncClient() as http:
        told = await client.responses.create(model="poet", input="A poem, please.")
        body = {"id": "c", "messages": [said], "agent": "poet"}
        assert (await http.post(f"{url}/chat/vercel", json=body)).status_code == 403
        page = await http.post(f"{url}/chat/vercel", json=body, headers={"cookie": "user=ada"})
    assert "Roses are red." == told.output_text
    assert "Roses" in page.text
