"""W8: the ids of calls: unique in a conversation, and accepted by the server that gets them."""

import json
import re
from typing import cast

import pytest
from httpx2 import AsyncClient, MockTransport, Request, Response
from openai import AsyncOpenAI

from miniagents import (
    AssistantMessage,
    LLMStatusError,
    Message,
    MiniAgents,
    ToolCall,
    ToolMessage,
    ToolResult,
    UserMessage,
    tool,
)
from miniagents.ext.llm import Conversation
from miniagents.ext.llm._opaque import Origin
from miniagents.ext.llm._openai_sdk import OPENAI
from miniagents.ext.llm.anthropic import _PROVIDER as ANTHROPIC_PROVIDER
from miniagents.ext.llm.openai_responses import openai_responses_agent
from tests.support import anthropic_wire, chat_wire, responses_wire
from tests.support.sse_server import sse
from tests.support.wires import ANTHROPIC, CHAT, RESPONSES, Wire, asking


@tool
def look(city: str = "Oslo") -> str:
    """Look out of the window."""
    return f"Rain in {city}."


def call(wire: Wire, city: str) -> tuple[bytes, ...]:
    """An answer with a call that has no id."""
    arguments = f'{{"city": "{city}"}}'
    if wire is CHAT:
        function = {"name": "look", "arguments": arguments}
        made = {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": function}]}}]}
        return (chat_wire.event(made), chat_wire.chunk(finish="tool_calls"))
    if wire is ANTHROPIC:
        begun = anthropic_wire.begin(0, "tool_use", name="look", input={"city": city})
        return (anthropic_wire.START, begun, anthropic_wire.end("tool_use"))
    item = {"type": "function_call", "name": "look", "arguments": arguments}
    return (responses_wire.event("response.output_item.done", item=item), responses_wire.end())


@pytest.mark.parametrize("wire", [CHAT, ANTHROPIC, RESPONSES], ids=repr)
async def test_made_ids(wire: Wire) -> None:
    """Calls without ids get another one in each turn, the same for the same answer, and so do results."""
    scripts = [sse(*call(wire, "Oslo")), sse(*call(wire, "Oslo")), sse(*wire.good("It rains."))]
    seen: list[list[str]] = []
    for _ in range(2):
        async with asking(wire, *scripts) as asked:
            replies = await asked.agent.with_tools(look).inquire("Rain?")
        seen.append(
            [each.id for reply in replies if isinstance(reply, AssistantMessage) for each in reply.tool_calls]
        )
        results = [part for reply in replies if isinstance(reply, ToolMessage) for part in reply.content]
        assert seen[-1] == [part.call_id for part in results if isinstance(part, ToolResult)]
    first, again = seen
    assert first == again
    assert 2 == len(set(first))
    assert all(re.fullmatch("[a-z0-9]{9}", each) for each in first)


@pytest.mark.parametrize(
    ("url", "own"),
    [
        # https://openrouter.ai/docs/api/reference/responses/tool-calling, "Required fields": without it, 400.
        ("https://openrouter.ai/api/v1", {"id": "fc_call_1"}),
        ("https://api.openai.com/v1", {}),
        ("http://127.0.0.1:1/v1", {}),
    ],
)
async def test_ids_that_a_server_needs(url: str, own: dict[str, object]) -> None:
    """To OpenRouter, a call that another server has made gets an id of its own besides that of the call."""
    bodies: list[dict[str, object]] = []

    def refused(request: Request) -> Response:
        bodies.append(json.loads(request.content))
        return Response(400, json={"error": {"message": "Enough."}})

    client = AsyncOpenAI(api_key="k", base_url=url, http_client=AsyncClient(transport=MockTransport(refused)))
    said = [
        UserMessage("Rain?"),
        AssistantMessage(parts=[ToolCall("call_1", "look")]),
        ToolMessage(parts=[ToolResult("call_1", "Rain.")]),
    ]
    async with client, MiniAgents():
        with pytest.raises(LLMStatusError, match="Enough"):
            await openai_responses_agent.inquire(said, model="m", client=client)
    (body,) = bodies
    _, made, _ = cast("list[dict[str, object]]", body["input"])
    assert {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}", **own} == made


@pytest.mark.parametrize(
    ("provider", "url", "given", "accepted"),
    [
        # https://docs.mistral.ai/capabilities/function_calling: nine letters or digits, or status 400.
        (OPENAI, "https://api.mistral.ai/v1", "call_oNZ8z4m2pQ", "[a-zA-Z0-9]{9}"),
        (OPENAI, "https://api.mistral.ai/v1", "D681PevKs", "D681PevKs"),
        # OpenAI: at most 40 characters. Another server: any, as it may have given it.
        (OPENAI, "https://api.openai.com/v1", "c" * 41, "[a-z0-9]{9}"),
        (OPENAI, "https://api.openai.com/v1", "call_1", "call_1"),
        (OPENAI, "https://api.moonshot.ai/v1", "functions.look:0", "functions.look:0"),
        # https://platform.claude.com/docs/en/api/messages: ^[a-zA-Z0-9_-]+$
        (ANTHROPIC_PROVIDER, "https://api.anthropic.com", "functions.look:0", "[a-z0-9]{9}"),
        (ANTHROPIC_PROVIDER, "https://api.anthropic.com", "toolu_1", "toolu_1"),
    ],
)
def test_ids_that_a_server_refuses(provider: object, url: str, given: str, accepted: str) -> None:
    """The call and its result get the same id that the server accepts; an id that it accepts stays."""
    assert provider in {OPENAI, ANTHROPIC_PROVIDER}
    known = OPENAI if provider is OPENAI else ANTHROPIC_PROVIDER
    said: list[Message] = [
        UserMessage("Rain?"),
        AssistantMessage(parts=[ToolCall(given, "look"), ToolCall("other-1", "look")]),
        ToolMessage(parts=[ToolResult(given, "Rain."), ToolResult("other-1", "Sun.")]),
    ]
    _, calls, results = Conversation.of(said, origin=Origin("acme", "there", known.ids_at(url))).turns
    names = [part.id for part in calls.content if isinstance(part, ToolCall)]
    assert names == [part.call_id for part in results.content if isinstance(part, ToolResult)]
    assert re.fullmatch(accepted, names[0])
    assert 2 == len(set(names))
