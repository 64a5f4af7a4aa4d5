"""W5: tools that the provider runs: their calls and results are parts, and go back as they came.

Anthropic: https://platform.claude.com/docs/en/agents-and-tools/tool-use/server-tools (`server_tool_use`, and
`pause_turn`: send the answer back as it is) and .../web-search-tool (`encrypted_content` and
`encrypted_index` must go back). OpenAI: https://developers.openai.com/api/docs/guides/tools-web-search.
"""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
from anthropic.types import ToolUnionParam
from openai.types.responses import ToolParam
from pydantic import TypeAdapter, ValidationError

from miniagents import (
    AssistantMessage,
    Citation,
    Image,
    InteractionContext,
    Message,
    SchemaError,
    ToolSpec,
    UserMessage,
    fallback,
    model_agent,
    tool,
)
from miniagents.ext.chat_history import InMemoryChatHistory
from miniagents.ext.chat_history_md import ChatHistoryMD
from miniagents.ext.chat_history_sqlite import ChatHistorySQLite
from miniagents.ext.mcp import serve_mcp
from miniagents.parts import ServerToolCall, ServerToolResult
from miniagents.tools import code_execution, server_tool, web_search
from tests.support.opaque import plain
from tests.support.sse_server import Exchange, Script, answer, sse
from tests.support.wires import ANTHROPIC, CHAT, RESPONSES, asking

SEARCH: dict[str, object] = {
    "type": "server_tool_use",
    "id": "srvtoolu_1",
    "name": "web_search",
    "input": {"query": "rain"},
}
PAGE: dict[str, object] = {
    "type": "web_search_result",
    "url": "https://a.example",
    "title": "A",
    "encrypted_content": "E1==",
}
FOUND: dict[str, object] = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [PAGE]}
CITED: dict[str, object] = {
    "type": "web_search_result_location",
    "url": "https://a.example",
    "title": "A",
    "encrypted_index": "I1==",
    "cited_text": "Rain.",
}
SAID: dict[str, object] = {"type": "text", "text": "It rains.", "citations": [CITED]}
BLOCKS: list[dict[str, object]] = [{"type": "text", "text": "Let me look."}, SEARCH, FOUND, SAID]
SHOWN = [
    "Let me look.",
    ServerToolCall("srvtoolu_1", "web_search", '{"query": "rain"}'),
    ServerToolResult(
        "srvtoolu_1",
        '[{"type": "web_search_result", "url": "https://a.example", "title": "A"}]',
        "web_search_tool_result",
    ),
    "It rains.",
    Citation("https://a.example", "A", "Rain."),
]


@tool
def look() -> str:
    """Look out of the window."""
    return "Rain."


def event(kind: str, **fields: object) -> bytes:
    """An event of Anthropic."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def streamed(blocks: Sequence[dict[str, object]], reason: str) -> Script:
    """An answer of these blocks."""
    events = [event("message_start", message={"id": "m", "content": [], "usage": {"input_tokens": 1}})]
    for at, block in enumerate(blocks):
        empty: dict[str, object] = {"text": "", "citations": []} if block["type"] == "text" else {}
        if "input" in block:
            empty["input"] = {}
        events.append(event("content_block_start", index=at, content_block={**block, **empty}))
        deltas: list[dict[str, object]] = []
        if "input" in block:
            written = json.dumps(block["input"])
            pieces = "", written[:5], written[5:]
            deltas.extend({"type": "input_json_delta", "partial_json": each} for each in pieces)
        if "text" in block:
            deltas.append({"type": "text_delta", "text": block["text"]})
        cited = block.get("citations")
        if isinstance(cited, list):
            deltas += [{"type": "citations_delta", "citation": each} for each in cast("list[object]", cited)]
        events += [event("content_block_delta", index=at, delta=delta) for delta in deltas]
        events.append(event("content_block_stop", index=at))
    end = event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 3})
    return sse(*events, end, event("message_stop"))


def whole(blocks: Sequence[dict[str, object]], reason: str) -> Script:
    """The same as one JSON."""
    return answer(200, {"id": "m", "content": blocks, "stop_reason": reason, "usage": {"input_tokens": 1}})


@pytest.mark.parametrize("stream", [True, False])
async def test_a_pause_goes_on(*, stream: bool) -> None:
    """A turn that the provider pauses goes on with all that it has sent, byte for byte."""
    made = streamed if stream else whole
    scripts = made(BLOCKS, "pause_turn"), made([SAID], "end_turn")
    async with asking(ANTHROPIC, *scripts, stream=stream) as asked:
        replies = await asked.agent.with_tools(look).inquire("Rain?")
        first = replies[0]
        assert isinstance(first, AssistantMessage)
        assert SHOWN == plain(first.parts)
        assert ["Let me look.It rains.", "It rains."] == [reply.text for reply in replies]
        sent = asked.server.requests[1].json["messages"]
    assert [{"role": "user", "content": "Rain?"}, {"role": "assistant", "content": BLOCKS}] == sent


async def test_another_server_gets_none_of_it() -> None:
    """What only Anthropic can read is not sent to another server, nor to another provider."""
    async with asking(ANTHROPIC, streamed(BLOCKS, "end_turn")) as asked:
        replies = await asked.inquire("Rain?")
    for wire in (ANTHROPIC, CHAT, RESPONSES):
        async with asking(wire, sse(*wire.good("Hi"))) as asked:
            await asked.agent.inquire([UserMessage("Rain?"), *replies, UserMessage("Sure?")])
            sent = asked.server.requests[0].body
        assert b"It rains." in sent
        assert [] == [each for each in (b"E1==", b"I1==", b"srvtoolu", b"encrypted_index") if each in sent]


async def test_items_of_responses() -> None:
    """The Responses API: a search is a part and goes back as its item; a generated image is an `Image`."""
    searched = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"query": "rain"}}
    drawn = {
        "id": "ig_1",
        "type": "image_generation_call",
        "status": "completed",
        "result": base64.b64encode(b"\x89PNG\r\n\x1a\n").decode(),
    }
    said = {"id": "msg_1", "type": "message", "content": [{"type": "output_text", "text": "It rains."}]}
    body = {"id": "r", "status": "completed", "output": [searched, drawn, said]}
    async with asking(RESPONSES, answer(200, body), stream=False) as asked:
        (reply,) = await asked.inquire("Rain?")
        assert plain(reply.parts) == [
            ServerToolCall("ws_1", "web_search", '{"action": {"query": "rain"}}'),
            ServerToolCall("ig_1", "image_generation"),
            Image(data=b"\x89PNG\r\n\x1a\n"),
            "It rains.",
        ]
        await asked.agent.inquire([UserMessage("Rain?"), reply, UserMessage("Sure?")])
        sent = asked.server.requests[1].json["input"]
    assert isinstance(sent, list)
    assert searched == sent[1]


def pages(exchange: Exchange) -> Script:
    """Answer with a search that pauses, and then go on; refuse what Anthropic refuses."""
    body = exchange.request.json
    tools = TypeAdapter(list[ToolUnionParam]).validate_python(body["tools"])
    assert tools == [
        {"name": "look", "description": "Look out of the window.", "input_schema": look.spec.parameters},
        {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["a.example"]},
        {"type": "code_execution_20250825", "name": "code_execution"},
    ]
    turns = cast("list[dict[str, object]]", body["messages"])
    if len(turns) == 1:
        return streamed(BLOCKS, "pause_turn")
    # What a server tool has found goes back byte for byte, or Anthropic refuses it.
    assert BLOCKS == turns[1]["content"]
    return streamed([SAID], "end_turn")


@pytest.mark.gate("half a second of processor time")
async def test_tools_of_anthropic_through_histories(tmp_path: Path) -> None:
    """With a tool of ours: the forms of Anthropic, the pause, and the answer out of each history."""

    async def script(exchange: Exchange) -> None:
        try:
            found = pages(exchange)
        except (AssertionError, ValidationError) as error:
            found = answer(400, {"error": {"type": "invalid_request_error", "message": str(error)}})
        await found(exchange)

    async with asking(ANTHROPIC, script) as asked:
        agent = asked.agent.with_tools(look, web_search(domains=["a.example"]), code_execution())
        replies = await agent.inquire("Rain?")
        assert ["Let me look.It rains.", "It rains."] == [reply.text for reply in replies]
        first = asked.server.requests[1].json["messages"]
        for history in (
            InMemoryChatHistory(),
            ChatHistoryMD(tmp_path / "TALK.md"),
            ChatHistorySQLite(tmp_path / "TALK.db", "talk"),
        ):
            await history.append([UserMessage("Rain?"), replies[0]])
            assert "It rains." == str(await agent.inquire(await history.load()).final)
            assert first == asked.server.requests[-1].json["messages"]


async def test_tools_of_responses() -> None:
    """The forms of OpenAI, and with them what they found, which OpenAI sends only if it is asked for."""
    async with asking(RESPONSES, sse(*RESPONSES.good("Hi"))) as asked:
        other = server_tool({"type": "file_search", "vector_store_ids": ["vs-1"]})
        await asked.agent.with_tools(web_search(domains=["a.example"]), code_execution(), other).inquire(
            "Rain?"
        )
        body = asked.server.requests[0].json
    sent = TypeAdapter(list[ToolParam]).validate_python(body["tools"])
    assert sent == [
        {"type": "web_search", "filters": {"allowed_domains": ["a.example"]}},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "file_search", "vector_store_ids": ["vs-1"]},
    ]
    more = ["web_search_call.action.sources", "code_interpreter_call.outputs"]
    assert ["reasoning.encrypted_content", *more] == body["include"]


async def test_a_provider_without_them() -> None:
    """Where no server runs it, the tool is refused when the agent is made; a form of one's own is sent."""

    @model_agent
    async def parrot(
        ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[ToolSpec, ...] = ()
    ) -> None:
        ctx.reply(AssistantMessage("Hi"))

    for model, given in (
        (CHAT.agent, web_search()),
        (CHAT.agent.timeout(total=5), code_execution()),
        (fallback(ANTHROPIC.agent, RESPONSES.agent, CHAT.agent).retry(), web_search()),
        (parrot, web_search()),
        (parrot, server_tool({"type": "x"})),
    ):
        with pytest.raises(SchemaError, match=f"has no tool '{given.name}' that its provider runs"):
            model.with_tools(look, given)
    fallback(ANTHROPIC.agent, RESPONSES.agent).with_tools(web_search())
    with pytest.raises(SchemaError, match='without a "type"'):
        server_tool({})
    with pytest.raises(SchemaError, match="Two tools are called 'web_search'"):
        ANTHROPIC.agent.with_tools(web_search(), web_search())
    with pytest.raises(SchemaError, match="The provider of a model runs web_search"):
        await serve_mcp(web_search())
    async with asking(CHAT, sse(*CHAT.good("Hi"))) as asked:
        await asked.agent.with_tools(server_tool({"type": "openrouter:web_search"})).inquire("Rain?")
        assert [{"type": "openrouter:web_search"}] == asked.server.requests[0].json["tools"]
