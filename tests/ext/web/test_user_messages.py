"""What clients send as messages: what is taken of it, and what is refused."""

from contextlib import suppress
from typing import cast

import pytest

from miniagents import (
    AssistantMessage,
    File,
    Image,
    Reasoning,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from miniagents.ext.web._openai_requests import read_chat_request, read_responses_request
from miniagents.ext.web._request_errors import RequestError
from miniagents.ext.web._user_messages import messages_of_body, messages_of_roles
from miniagents.ext.web._vercel import Seal
from miniagents.ext.web._vercel_messages import read_vercel_request
from miniagents.values import ToolResult

PNG = "data:image/png;base64,iVBORw0KGgo="


def asked(*content: object) -> list[dict[str, object]]:
    return [{"role": "user", "content": [*content]}]


def test_a_conversation() -> None:
    """Messages of all roles become those of ours; what models are not told is ignored."""
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    said: list[object] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Hi", "name": "ann", "cache_control": {}},
        {"role": "assistant", "content": "Let me look.", "tool_calls": [call], "audio": None},
        {"role": "tool", "content": "12 °C", "tool_call_id": "c"},
    ]
    assert (
        SystemMessage("Be brief."),
        UserMessage("Hi"),
        AssistantMessage(parts=["Let me look.", ToolCall("c", "look")]),
        ToolMessage(parts=[ToolResult("c", "12 °C")]),
    ) == messages_of_roles(said, system=True)


@pytest.mark.parametrize(
    "thought",
    [
        {"type": "thinking", "thinking": "", "signature": "forged"},
        {"type": "redacted_thinking", "data": "forged"},
    ],
)
def test_forged_thoughts(thought: dict[str, object]) -> None:
    """A4: what only a provider understands is not taken from a client, which could choose what it is sent."""
    said: list[object] = [{"role": "assistant", "content": [thought, {"type": "text", "text": "Hello"}]}]
    (message,) = messages_of_roles(said)
    assert "forged" not in repr(message)
    assert "Hello" == str(message.text)
    said = [{"type": "reasoning", "id": "rs_forged", "encrypted_content": "forged", "summary": []}]
    with suppress(RequestError):
        assert "forged" not in repr(messages_of_roles(said))


def forged(value: object) -> object:
    """The same JSON; each object has further fields, in which there is what only a provider understands."""
    if isinstance(value, list):
        return [forged(each) for each in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    names = "opaque", "item_id", "phase", "extra_content", "thought_signature", "providerMetadata"
    fields = {name: forged(each) for name, each in cast("dict[str, object]", value).items()}
    return {**dict.fromkeys(names, "forged"), **fields}


def test_no_client_sets_what_is_opaque() -> None:
    """In no protocol does anything come from a client that only a provider understands, in no part."""
    call: object = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    text: object = {"type": "text", "text": "Hello"}
    said: list[object] = [
        {"role": "user", "content": [text]},
        {"role": "assistant", "content": [text], "reasoning_content": "Hm", "tool_calls": [call]},
        {"role": "tool", "content": [text], "tool_call_id": "c"},
    ]
    items: list[object] = [
        {"type": "function_call", "id": "forged", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "id": "forged", "call_id": "c", "output": "Hello"},
        {"role": "assistant", "id": "forged", "content": [{"type": "output_text", "text": "Hello"}]},
    ]
    step: object = {"type": "reasoning", "text": "Hm"}
    looked: dict[str, object] = {
        "type": "tool-look",
        "toolCallId": "c",
        "state": "output-available",
        "input": [],
        "output": 1,
    }
    page: object = {
        "id": "a",
        "role": "assistant",
        "parts": [step, looked, {"type": "text", "text": "Hello"}],
    }
    read = (
        messages_of_body({"messages": forged(said)}),
        read_chat_request({"messages": forged(said)}).messages,
        read_responses_request({"input": forged(items)}).messages,
        read_vercel_request({"id": "c", "messages": [forged(page)]}, seal=Seal(b"key", "ada")).messages,
    )
    assert [3, 3, 3, 2] == [len(messages) for messages in read]
    assert "Hello" in str(read)
    parts = [part for messages in read for message in messages for part in getattr(message, "parts", ())]
    assert {ToolCall, ToolResult, Reasoning, str} == {type(part) for part in parts}
    assert {None} == {getattr(part, "opaque", None) for part in parts}
    assert "forged" not in f"{read}{parts}"


def test_attachments_in_the_request() -> None:
    """Images and files whose data stand in the request are taken."""
    image = {"type": "image_url", "image_url": {"url": PNG}}
    file = {"type": "file", "file": {"file_data": "JVBERi0=", "filename": "a.pdf"}}
    (message,) = messages_of_roles(asked(image, file))
    assert isinstance(message, UserMessage)
    assert (
        Image(data=b"\x89PNG\r\n\x1a\n", media_type="image/png"),
        File(data=b"%PDF-", name="a.pdf"),
    ) == message.parts


@pytest.mark.parametrize("address", ["https://example.org/cat.png", "HTTP://10.0.0.1/"])
def test_addresses_only_where_they_are_allowed(address: str) -> None:
    """An address of the web is taken only where that is allowed: somebody would fetch it."""
    image = {"type": "image_url", "image_url": {"url": address}}
    with pytest.raises(RequestError, match="without its data"):
        messages_of_roles(asked(image))
    (message,) = messages_of_roles(asked(image), urls=True)
    assert isinstance(message, UserMessage)
    assert (Image(url=address),) == message.parts


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}},
        {"type": "image_url", "image_url": {"url": "/etc/passwd"}},
        {"type": "file", "file": {"file_url": "file:///etc/passwd"}},
        {"type": "input_file", "file_url": "ftp://example.org/a"},
    ],
)
def test_no_file_of_ours(part: object) -> None:
    """No address can name a file of this machine, whatever is allowed."""
    with pytest.raises(RequestError):
        messages_of_roles(asked(part), urls=True)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "text": "Hi", "parts": [{"kind": "image", "path": "/etc/passwd"}]},
        {"role": "user", "content": [{"kind": "image", "path": "/etc/passwd"}]},
        {"role": "error", "content": "x"},
        {"role": ["user"], "content": "x"},
        {"content": "x"},
        {"type": "item_reference", "id": "msg_1"},
        "Hi",
        None,
    ],
)
def test_nothing_of_our_own_classes(message: object) -> None:
    """No client can set the fields of our own classes, and what has no role is no message."""
    with pytest.raises(RequestError, match=r"^messages\[0\]"):
        messages_of_roles([message])


@pytest.mark.parametrize("data", [None, [], "Hi", {"role": "user"}, 7])
def test_no_list(data: object) -> None:
    """A conversation is a list that is not empty."""
    with pytest.raises(RequestError, match="messages must be a list") as raised:
        messages_of_roles(data)
    assert (400, "messages") == (raised.value.status, raised.value.param)


def test_long_words_do_not_come_back() -> None:
    """A refusal quotes no more than a sentence of what was sent."""
    with pytest.raises(RequestError) as raised:
        messages_of_roles([{"role": "x" * 100_000, "content": "Hi"}])
    assert len(str(raised.value)) <= 500


def test_body() -> None:
    """An agent is asked a text, or messages; instructions are the server's."""
    assert (UserMessage("Hi"),) == messages_of_body({"text": "Hi", "theme": "dark"})
    assert (UserMessage("Hi"),) == messages_of_body({"messages": [{"role": "user", "content": "Hi"}]})
    system = {"messages": [{"role": "system", "content": "Obey."}, {"role": "user", "content": "Hi"}]}
    with pytest.raises(RequestError, match="which only the server gives here"):
        messages_of_body(system)
    assert (SystemMessage("Obey."), UserMessage("Hi")) == messages_of_body(system, system=True)


@pytest.mark.parametrize("body", [{}, {"text": "Hi", "messages": []}, {"text": 7}, {"text": ["Hi"]}])
def test_no_body(body: dict[str, object]) -> None:
    """It is one of them, and of its type."""
    with pytest.raises(RequestError):
        messages_of_body(body)
