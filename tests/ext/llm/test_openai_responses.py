"""`openai_responses_agent`: what is sent, what is understood, and how it is set up."""

import json
from collections.abc import Mapping

import pytest

from miniagents import (
    AssistantMessage,
    Citation,
    File,
    Finish,
    Image,
    LLMConfigError,
    LLMStatusError,
    Message,
    MiniAgent,
    Reasoning,
    Refusal,
    SystemMessage,
    ToolCall,
    ToolCallDelta,
    ToolMessage,
    ToolResult,
    Usage,
    UserMessage,
)
from miniagents.ext.llm import Count, Decoded, Identity, Progress, ServerEvent, WireError
from miniagents.ext.llm.openai_responses import (
    _decode_response,
    _EventDecoder,
    create_openai_responses_agent,
)
from miniagents.models import ToolSpec
from tests.support.responses_wire import CREATED, begin, delta, done, end, event, response
from tests.support.sse_server import answer, sse
from tests.support.wires import KEY, RESPONSES, asking, error_of, reply_to

ARGUMENTS = "response.function_call_arguments.delta"
SUMMARY = "response.reasoning_summary_text.delta"


def as_event(data: object) -> ServerEvent:
    """An event with this JSON."""
    return ServerEvent("", json.dumps(data).encode())


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        ({"type": "response.created", "response": {"id": "a", "model": "b"}}, [Identity("a", "b")]),
        ({"type": "response.output_text.delta", "output_index": 0, "delta": "x"}, ["x"]),
        ({"type": "response.refusal.delta", "output_index": 0, "delta": "x"}, [Refusal("x")]),
        (
            {"type": SUMMARY, "output_index": 0, "item_id": "r", "delta": "x"},
            [Reasoning("x", id="r")],
        ),
        (
            {"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 1},
            [Reasoning("\n\n")],
        ),
        ({"type": ARGUMENTS, "output_index": 0, "delta": "{"}, [ToolCallDelta(0, arguments="{")]),
        (
            {
                "type": "response.output_item.added",
                "output_index": 2,
                "item": {"type": "function_call", "id": "i", "call_id": "c", "name": "n"},
            },
            [ToolCallDelta(2, "c", "n", item_id="i")],
        ),
        ({"type": "response.output_item.added", "output_index": 2, "item": {"type": "news"}}, [Progress()]),
        (
            {
                "type": "response.output_item.done",
                "output_index": 0,
                "item": {"type": "reasoning", "id": "r", "encrypted_content": "s"},
            },
            [Reasoning("", "s", "r")],
        ),
        (
            {
                "type": "response.output_text.annotation.added",
                "annotation": {
                    "type": "url_citation",
                    "url": "u",
                    "title": "t",
                    "start_index": 1,
                    "end_index": 2,
                },
            },
            [Citation("u", "t", start=1, end=2)],
        ),
        (
            {
                "type": "response.incomplete",
                "response": {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            },
            [Finish("max_output_tokens")],
        ),
        (
            {"type": "response.completed", "response": {"status": "completed", "usage": {"input_tokens": 7}}},
            [Count(Usage(7)), Finish("completed")],
        ),
        ({"type": "response.news.delta", "delta": {"a": 1}, "output_index": "x"}, []),
        ({"type": "response.audio.delta", "delta": "x"}, []),
        ({"type": "response.queued"}, []),
    ],
)
def test_decode(data: Mapping[str, object], parts: list[Decoded]) -> None:
    """An event becomes its parts, and an unknown one becomes none."""
    decode = _EventDecoder()
    decode(as_event({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message"}}))
    assert decode(as_event(data)) == parts


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"type": 5},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "x"},
        {"type": "response.output_text.delta", "delta": "x"},
        {"type": "response.output_text.delta", "output_index": 0, "delta": 5},
        {"type": "response.output_item.added", "output_index": 0},
        {"type": "response.completed"},
    ],
)
def test_decode_refuses(data: object) -> None:
    """What is no event of the protocol, or belongs to no item, breaks it."""
    with pytest.raises(WireError):
        _EventDecoder()(as_event(data))


def test_decode_whole() -> None:
    """A whole answer becomes the same parts."""
    said = {"type": "output_text", "text": "Hi", "annotations": [{"url": "u"}]}
    output = [
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "message", "content": [said, {"type": "refusal", "refusal": "No."}]},
        {"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"},
    ]
    whole = {**response(""), "output": output, "usage": None}
    assert _decode_response(as_event(whole)) == [
        Identity("resp-1", "model-of-server"),
        Progress(),
        Reasoning("Hm.", None, "r"),
        "Hi",
        Refusal("No."),
        Citation("u"),
        ToolCallDelta(2, "c", "n"),
        ToolCallDelta(2, arguments="{}"),
        Finish("completed"),
    ]


async def test_request() -> None:
    """What the server gets is what was asked for, thoughts and calls of earlier turns included."""
    talk = [
        SystemMessage("Be brief."),
        UserMessage("Hi", parts=[Image(data=b"GIF89a"), File(data=b"%PDF-", name="a.pdf"), File(url="u")]),
        AssistantMessage(
            parts=[Reasoning("Hm.", "secret", "r-1"), Reasoning("unsigned"), ToolCall("c-1", "look", "")]
        ),
        ToolMessage(parts=[ToolResult("c-1", "dark")]),
        AssistantMessage("It is dark."),
        Message("Why?"),
    ]
    tool = ToolSpec("look", "Looks.", {"type": "object", "properties": {}})
    async with asking(RESPONSES, sse(*RESPONSES.good("Hello"))) as asked:
        extra = {"reasoning": {"effort": "high"}}
        await asked.agent.inquire(talk, system="You are Bo.", max_tokens=9, tools=[tool], extra=extra)
    (request,) = asked.server.requests
    assert request.path == "/v1/responses"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.json == {
        "model": "model-of-test",
        "instructions": "You are Bo.\n\nBe brief.",
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Hi"},
                    {"type": "input_image", "image_url": "data:image/gif;base64,R0lGODlh", "detail": "auto"},
                    {
                        "type": "input_file",
                        "filename": "a.pdf",
                        "file_data": "data:application/pdf;base64,JVBERi0=",
                    },
                    {"type": "input_file", "file_url": "u"},
                ],
            },
            {
                "type": "reasoning",
                "id": "r-1",
                "summary": [{"type": "summary_text", "text": "Hm."}],
                "encrypted_content": "secret",
            },
            {"type": "function_call", "call_id": "c-1", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c-1", "output": "dark"},
            {"role": "assistant", "content": "It is dark."},
            {"role": "user", "content": "Why?"},
        ],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": 9,
        "tools": [
            {
                "type": "function",
                "name": "look",
                "description": "Looks.",
                "parameters": {"type": "object", "properties": {}},
                "strict": False,
            }
        ],
        "reasoning": {"effort": "high"},
    }


async def test_parts() -> None:
    """A thought, a call and a text come as parts, and stand in the message with what a later turn needs."""
    script = sse(
        CREATED,
        begin(0, "reasoning"),
        delta("Hm.", 0, SUMMARY),
        done(0, "reasoning", encrypted_content="secret"),
        begin(1),
        delta("Let me ", 1),
        delta("look.", 1),
        begin(2, "function_call", call_id="c-1", name="look"),
        delta('{"at":', 2, ARGUMENTS),
        delta('"sky"}', 2, ARGUMENTS),
        end(),
    )
    message = await reply_to(RESPONSES, script)
    assert message.parts == (
        Reasoning("Hm.", "secret", "item-0"),
        "Let me look.",
        ToolCall("c-1", "look", '{"at":"sky"}', "item-2"),
    )
    assert (message.finish_reason, message.usage) == ("completed", Usage(7, 3, 2, 1))


async def test_items_without_pieces() -> None:
    """A server that sends whole items only is understood."""
    content = [{"type": "output_text", "text": "Hello"}]
    message = await reply_to(RESPONSES, sse(CREATED, begin(), done(content=content), end()))
    assert message.text == "Hello"


async def test_failed() -> None:
    """An answer that fails at its end is a status error with the provider's code."""
    failed = end("failed", error={"code": "server_error", "message": "It broke."})
    error = await error_of(RESPONSES, sse(*RESPONSES.begun("Hel"), failed))
    assert isinstance(error, LLMStatusError)
    assert "server_error: It broke." in str(error)
    assert error.partial_text == "Hel"


async def test_cut_arguments() -> None:
    """Arguments that are cut although the answer has its end are the model's doing: they stay as they are."""
    pieces = (begin(0, "function_call", call_id="c", name="look"), delta('{"a', 0, ARGUMENTS))
    message = await reply_to(RESPONSES, sse(CREATED, *pieces, end()))
    assert [("look", '{"a')] == [(call.name, call.arguments) for call in message.tool_calls]


@pytest.mark.parametrize(
    ("keywords", "hint"),
    [
        ({"model": None}, "OPENAI_MODEL"),
        ({"api_key": None, "base_url": None}, "OPENAI_API_KEY"),
        ({"extra": {"input": "x"}}, "'input' cannot be given through extra"),
        ({"client": object()}, "client"),
    ],
)
async def test_bad_settings(keywords: Mapping[str, object], hint: str) -> None:
    """A setting that cannot be used is an error that names it, and nothing was sent."""
    async with asking(RESPONSES, answer(500, {})) as asked:
        with pytest.raises(LLMConfigError, match=hint):
            await asked.inquire(**keywords)
        assert asked.server.requests == []


def test_create() -> None:
    """`create_openai_responses_agent` is `openai_responses_agent.fork`, for type checkers too."""
    agent: MiniAgent[Message, AssistantMessage] = create_openai_responses_agent(model="m").bind()
    assert agent.defaults["model"] == "m"
    assert event("x").startswith(b"event: x\n")
