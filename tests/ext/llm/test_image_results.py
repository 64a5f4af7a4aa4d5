"""Crosses modules: images and files as results of tools, on three wires and through each history.

The server refuses what the providers refuse. What they take is in the types of their SDKs, and in
https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls (text, image and document
blocks, before everything else), https://developers.openai.com/api/docs/guides/function-calling (a text, or
input_text, input_image and input_file) and the reference of Chat Completions (only texts, right after the
message with the calls).
"""

import base64
import json
from itertools import pairwise
from pathlib import Path
from typing import Final, cast

import pytest
from anthropic.types import MessageParam
from openai.types.chat import ChatCompletionMessageParam
from openai.types.responses.response_input_item_param import FunctionCallOutput
from pydantic import TypeAdapter, ValidationError

from miniagents import (
    AssistantMessage,
    File,
    Image,
    MiniAgents,
    ToolCall,
    ToolMessage,
    ToolResult,
    UserMessage,
    tool,
)
from miniagents.ext.chat_history import InMemoryChatHistory
from miniagents.ext.chat_history_md import ChatHistoryMD
from miniagents.ext.chat_history_sqlite import ChatHistorySQLite
from miniagents.testing import scripted_model
from tests.support.sse_server import Exchange, answer, serve, sse
from tests.support.wires import ANTHROPIC, CHAT, KEY, RESPONSES, WIRES, Wire

PNG: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF: Final = b"%PDF-1.7 a page"


@tool
def look(where: str) -> list[str | Image | File]:
    """Look somewhere."""
    return [f"This is {where}.", Image(data=PNG), File(data=PDF, name="page.pdf")]


@tool
def picture() -> Image:
    """Draw."""
    return Image(url="https://a.example/b.png")


CALLS: Final = AssistantMessage(
    parts=[ToolCall("call-1", "look", '{"where": "Oslo"}'), ToolCall("call-2", "picture")]
)
Turn = dict[str, object]


def check_chat(turns: list[Turn]) -> None:
    """Refuse what OpenAI refuses: anything but texts in results, anything before all calls have theirs."""
    TypeAdapter(list[ChatCompletionMessageParam]).dump_python(
        TypeAdapter(list[ChatCompletionMessageParam]).validate_python(turns)
    )
    open_calls: set[object] = set()
    for turn in turns:
        if turn["role"] == "tool":
            assert isinstance(turn["content"], str)
            open_calls.remove(turn["tool_call_id"])
        else:
            assert not open_calls, "a message came before the results of all calls"
        open_calls |= {call["id"] for call in cast("list[Turn]", turn.get("tool_calls", []))}


def check_anthropic(turns: list[Turn]) -> None:
    """Refuse what Anthropic refuses: blocks before results, and results of other blocks."""
    TypeAdapter(list[MessageParam]).dump_python(TypeAdapter(list[MessageParam]).validate_python(turns))
    for before, turn in pairwise(turns):
        assert before["role"] != turn["role"]
        blocks = cast("list[Turn]", turn["content"]) if isinstance(turn["content"], list) else []
        kinds = [block["type"] for block in blocks]
        assert kinds == sorted(kinds, key=lambda kind: kind != "tool_result")
        for block in blocks:
            if block["type"] == "tool_result" and isinstance(block["content"], list):
                inner = {each["type"] for each in cast("list[Turn]", block["content"])}
                assert inner <= {"text", "image", "document"}


def check_responses(items: list[Turn]) -> None:
    """Refuse what OpenAI refuses: other parts than three."""
    outputs = [item for item in items if item.get("type") == "function_call_output"]
    TypeAdapter(list[FunctionCallOutput]).dump_python(
        TypeAdapter(list[FunctionCallOutput]).validate_python(outputs)
    )


CHECKS: Final = {id(CHAT): check_chat, id(ANTHROPIC): check_anthropic, id(RESPONSES): check_responses}


class Provider:
    """Answers a request that its provider takes."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def __call__(self, exchange: Exchange) -> None:
        """Answer."""
        body = exchange.request.json
        try:
            CHECKS[id(self._wire)](cast("list[Turn]", body.get("messages", body.get("input"))))
        except (AssertionError, ValidationError, KeyError) as error:
            await answer(400, {"error": {"type": "invalid_request_error", "message": str(error)}})(exchange)
        else:
            await sse(*self._wire.good("Nice."))(exchange)


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(each, marks=pytest.mark.gate("the same on another wire") if at else ())
        for at, each in enumerate(WIRES)
    ],
    ids=repr,
)
async def test_results(wire: Wire, tmp_path: Path) -> None:
    """Images and files of results reach the model as the provider takes them, also out of each history."""
    async with serve(Provider(wire)) as server, MiniAgents():
        results = await scripted_model(CALLS, "Done.").with_tools(look, picture).inquire("Look.")
        talk = [UserMessage("Look."), *results[:3]]
        model = wire.agent.fork(model="m", api_key=KEY, base_url=server.url + wire.path, max_retries=0)
        assert "Nice." == str(await model.inquire(talk))
        sent = server.requests[0].body
        for history in (
            InMemoryChatHistory(),
            ChatHistoryMD(tmp_path / "TALK.md"),
            ChatHistorySQLite(tmp_path / "TALK.db", "talk"),
        ):
            await history.append(talk)
            assert "Nice." == str(await model.inquire(await history.load()))
            assert json.loads(sent) == server.requests[-1].json
    for each in (base64.b64encode(PNG), base64.b64encode(PDF), b"https://a.example/b.png", b"This is Oslo."):
        assert 1 == sent.count(each)
    assert wire is not CHAT or b"Result of the call call-1 of look:" in sent


async def test_a_path_is_read(tmp_path: Path) -> None:
    """The file of a result is read before the request, as that of any message."""
    path = tmp_path / "dot.png"
    path.write_bytes(PNG)
    talk = [UserMessage("Look."), CALLS, ToolMessage(parts=[ToolResult("call-1", (Image(path=path),))])]
    async with serve(sse(*ANTHROPIC.good("Nice."))) as server, MiniAgents():
        await ANTHROPIC.agent.inquire(talk, model="m", api_key=KEY, base_url=server.url)
    assert base64.b64encode(PNG) in server.requests[0].body


async def test_sounds_in_chat_completions() -> None:
    """A WAV or MP3 file is an `input_audio` there."""
    async with serve(sse(*CHAT.good("La."))) as server, MiniAgents():
        song = UserMessage("Sing it.", parts=[File(data=b"RIFF", media_type="audio/wav")])
        await CHAT.agent.inquire(song, model="m", api_key=KEY, base_url=server.url + "/v1")
    (turn,) = cast("list[dict[str, list[Turn]]]", server.requests[0].json["messages"])
    assert {"data": "UklGRg==", "format": "wav"} == turn["content"][1]["input_audio"]
