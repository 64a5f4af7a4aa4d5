"""`openai_responses_agent`: what is sent, what is understood, and how it is set up."""

from collections.abc import Mapping

import pytest

from miniagents import (
    AssistantMessage,
    File,
    Image,
    LLMConfigError,
    LLMStatusError,
    Message,
    Reasoning,
    SystemMessage,
    ToolCall,
    ToolMessage,
    ToolResult,
    Usage,
    UserMessage,
)
from miniagents.models import ToolSpec
from tests.support.opaque import plain
from tests.support.responses_wire import CREATED, begin, delta, done, end
from tests.support.sse_server import answer, sse
from tests.support.wires import KEY, RESPONSES, asking, error_of, reply_to

ARGUMENTS = "response.function_call_arguments.delta"
SUMMARY = "response.reasoning_summary_text.delta"


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
            {"type": "message", "role": "assistant", "content": "It is dark."},
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
    assert plain(message.parts) == [
        Reasoning("Hm.", "secret", "item-0"),
        "Let me look.",
        ToolCall("c-1", "look", '{"at":"sky"}', "item-2"),
    ]
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
