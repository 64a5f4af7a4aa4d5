"""Messages as OpenAI's and Anthropic's libraries write them, wherever messages are taken."""

import base64
import json
from collections.abc import Mapping
from typing import cast

import pytest
from pydantic import BaseModel

from miniagents import (
    AssistantMessage,
    File,
    Image,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MessageType,
    MiniAgents,
    Reasoning,
    SystemMessage,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
    miniagent,
)
from miniagents.messages._message import message_of
from miniagents.messages._role_dicts import RoleDictError, message_of_role, refuse_pair
from miniagents.parts import Refusal, ToolResult

_PNG = b"\x89PNG\r\n\x1a\n"
_BASE64 = base64.b64encode(_PNG).decode()
_CALL = ToolCall("call-1", "weather", '{"city": "Oslo"}')
_CAT = "https://example.org/cat.png"

# What is written, and what it is.
UNDERSTOOD: tuple[tuple[dict[str, object], Message], ...] = (
    ({"role": "system", "content": "be brief"}, SystemMessage("be brief")),
    ({"role": "developer", "content": "be brief"}, SystemMessage("be brief")),
    (
        {"role": "system", "content": [{"type": "text", "text": "one", "cache_control": {}}, "two"]},
        SystemMessage("one\n\ntwo"),
    ),
    ({"role": "user", "content": "hi"}, UserMessage("hi")),
    ({"role": "user", "content": ""}, UserMessage("")),
    ({"role": "user", "content": "hi", "ticket": 7}, message_of(UserMessage, "hi", {"ticket": 7})),
    ({"role": "user", "content": [{"type": "text", "text": "hi"}]}, UserMessage("hi")),
    ({"role": "user", "text": "hi", "ticket": 7}, message_of(UserMessage, "hi", {"ticket": 7})),
    ({"role": "user", "content": None, "text": "hi"}, UserMessage("hi")),
    (
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Who?"},
                {"type": "image_url", "image_url": {"url": _CAT, "detail": "low"}},
                {"type": "image_url", "image_url": f"data:image/png;base64,{_BASE64}"},
                {
                    "type": "file",
                    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,YQ=="},
                },
            ],
        },
        UserMessage(
            parts=[
                "Who?",
                Image(url=_CAT, detail="low"),
                Image(data=_PNG, media_type="image/png"),
                File(data=b"a", media_type="application/pdf", name="a.pdf"),
            ]
        ),
    ),
    (
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Who?"},
                {"type": "input_image", "image_url": _CAT, "detail": "auto"},
                {"type": "input_file", "file_url": "https://example.org/a.pdf"},
                {"type": "input_file", "filename": "b.txt", "file_data": "YQ=="},
            ],
        },
        UserMessage(
            parts=[
                "Who?",
                Image(url=_CAT, detail="auto"),
                File(url="https://example.org/a.pdf"),
                File(data=b"a", name="b.txt"),
            ]
        ),
    ),
    (
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": _BASE64}},
                {"type": "image", "source": {"type": "url", "url": _CAT}},
                {"type": "document", "title": "a", "source": {"type": "text", "data": "ä"}},
                {"type": "text", "text": "Who?"},
            ],
        },
        UserMessage(
            parts=[
                Image(data=_PNG, media_type="image/png"),
                Image(url=_CAT),
                File(data="ä".encode(), media_type="text/plain", name="a"),
                "Who?",
            ]
        ),
    ),
    ({"role": "assistant", "content": "Hello!"}, AssistantMessage("Hello!")),
    (
        {
            "role": "assistant",
            "content": None,
            "refusal": None,
            "annotations": [],
            "tool_calls": [
                {
                    "id": "call-1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
                }
            ],
        },
        AssistantMessage(parts=[_CALL]),
    ),
    (
        {
            "role": "assistant",
            "content": "Let me look.",
            "reasoning_content": "Far north.",
            "tool_calls": [{"id": "call-1", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}],
        },
        AssistantMessage(parts=[Reasoning("Far north."), "Let me look.", _CALL]),
    ),
    ({"role": "assistant", "content": None, "refusal": "No."}, AssistantMessage(parts=[Refusal("No.")])),
    (
        {
            "id": "msg-1",
            "type": "message",
            "role": "assistant",
            "model": "m-1",
            "stop_reason": "tool_use",
            "stop_sequence": None,
            "usage": {"input_tokens": 1},
            "content": [
                {"type": "thinking", "thinking": "Far north.", "signature": "s"},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "text", "text": "Let me look.", "citations": None},
                {"type": "tool_use", "id": "call-1", "name": "weather", "input": {"city": "Oslo"}},
            ],
        },
        AssistantMessage(
            parts=[
                Reasoning("Far north.", "s"),
                Reasoning(signature="x", redacted=True),
                "Let me look.",
                _CALL,
            ],
            model="m-1",
            response_id="msg-1",
            finish_reason="tool_use",
        ),
    ),
    (
        {"role": "tool", "tool_call_id": "call-1", "content": "12 °C"},
        ToolMessage(parts=[ToolResult("call-1", "12 °C")]),
    ),
    (
        {
            "role": "tool",
            "tool_call_id": "call-1",
            "name": "weather",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        },
        ToolMessage(parts=[ToolResult("call-1", "a\n\nb", name="weather")]),
    ),
    (
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "call-1", "content": "no", "is_error": True}],
        },
        ToolMessage(parts=[ToolResult("call-1", "no", is_error=True)]),
    ),
    (
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "call-1",
                    "content": [{"type": "text", "text": "yes"}],
                },
                {"type": "tool_result", "tool_use_id": "call-2"},
                {"type": "text", "text": "And now?"},
            ],
        },
        UserMessage(parts=[ToolResult("call-1", "yes"), ToolResult("call-2", ""), "And now?"]),
    ),
    (
        {"type": "function_call", "call_id": "call-1", "name": "weather", "arguments": '{"city": "Oslo"}'},
        AssistantMessage(parts=[_CALL]),
    ),
    (
        {"type": "function_call_output", "call_id": "call-1", "output": "12 °C"},
        ToolMessage(parts=[ToolResult("call-1", "12 °C")]),
    ),
    (
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "call-1",
                    "content": [
                        {"type": "text", "text": "a cat"},
                        {"type": "image", "source": {"type": "url", "url": _CAT}},
                    ],
                }
            ],
        },
        ToolMessage(parts=[ToolResult("call-1", ("a cat", Image(url=_CAT)))]),
    ),
    (
        {
            "type": "function_call_output",
            "call_id": "call-1",
            "output": [{"type": "input_image", "image_url": _CAT}],
        },
        ToolMessage(parts=[ToolResult("call-1", (Image(url=_CAT),))]),
    ),
    (
        {
            "type": "reasoning",
            "id": "rs-1",
            "encrypted_content": "x",
            "summary": [{"type": "summary_text", "text": "Far."}],
        },
        AssistantMessage(parts=[Reasoning("Far.", "x", "rs-1")]),
    ),
)

# What is written, and what is said of it.
REFUSED: tuple[tuple[dict[str, object], str], ...] = (
    ({"role": "wizard", "content": "hi"}, "the role 'wizard', .* the roles are system, developer, user"),
    ({"role": "human", "content": "hi"}, "the role 'human', .* write \"user\""),
    ({"role": 1, "content": "hi"}, "the role 1, which is not known"),
    ({"role": "user"}, 'role "user" has no content'),
    ({"role": "user", "content": None}, 'role "user" has no content'),
    ({"role": "assistant", "content": None}, "neither content nor tool_calls"),
    ({"role": "tool", "content": "hi"}, "has no tool_call_id"),
    ({"role": "user", "content": 5}, "of type int; give a text or a list"),
    ({"role": "user", "content": {"type": "text", "text": "hi"}}, "of type dict; give a text or a list"),
    ({"role": "user", "content": [5]}, "a part of the content of a message is of type int"),
    ({"role": "user", "content": [{"text": "hi"}]}, "has no type"),
    ({"role": "user", "content": [{"type": "text"}]}, "the text of a part is missing; give a str"),
    (
        {"role": "user", "content": [{"type": "input_audio"}]},
        "the type 'input_audio', .* the types are text,",
    ),
    ({"role": "user", "content": [{"type": "tool_use"}]}, "the type 'tool_use'"),
    ({"role": "assistant", "content": [{"type": "image_url"}]}, "the type 'image_url'"),
    ({"role": "system", "content": [{"type": "image", "source": {}}]}, "the type 'image'"),
    ({"role": "system", "content": [Image(url=_CAT)]}, "a value of type Image; give texts only"),
    (
        {"role": "tool", "tool_call_id": "call-1", "content": [_CALL]},
        "the content of a message of role 'tool' holds more than texts, images and files",
    ),
    ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, "the url of an image is missing"),
    ({"role": "user", "content": [{"type": "image_url", "image_url": "data:image/png"}]}, "has no comma"),
    (
        {"role": "user", "content": [{"type": "image_url", "image_url": "data:;base64,?"}]},
        "is not valid base64",
    ),
    ({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}, "give its data or its url"),
    ({"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}, "give its data or its url"),
    ({"role": "user", "content": [{"type": "image", "source": {"type": "file"}}]}, "give base64 or url"),
    (
        {"role": "user", "content": [{"type": "document", "context": "c", "source": {}}]},
        "write it as a text before",
    ),
    ({"role": "user", "name": "Ada", "content": "hi"}, "leave out name, or write it into the content"),
    ({"role": "user", "content": "hi", "text": "ho"}, "has a content and text; give one of them"),
    ({"role": "assistant", "content": "a", "function_call": {"name": "f"}}, "write calls as tool_calls"),
    ({"role": "assistant", "tool_calls": {}, "content": None}, "neither content nor tool_calls"),
    ({"role": "assistant", "tool_calls": [{"id": "1"}]}, "a call of a tool has no function"),
    ({"role": "assistant", "tool_calls": {"id": "1"}}, "of type dict; give a list"),
    (
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"arguments": "{}"}}]},
        "the name of a called tool is missing",
    ),
    (
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {"a": {1}}}]},
        "the arguments of a call are not JSON",
    ),
    ({"content": "hi"}, 'no role; write {"role": "user"'),
    ({"type": "human", "content": "hi"}, 'no role; write {"role": "user"'),
    ({"type": "function_call", "name": "f", "arguments": "{}"}, "the id of a call is missing"),
    ({"role": "user", "text": 5}, "the text of a message is of type int"),
)

# What has another meaning of its own.
DATA: tuple[dict[str, object], ...] = (
    {"text": "hi"},
    {"city": "Oslo"},
    {"role": "engineer", "name": "Ada"},
    {"title": "Fjords", "content": "They are long."},
    {"type": "text", "text": "hi"},
    {},
)


@pytest.mark.parametrize(("given", "message"), UNDERSTOOD, ids=str)
async def test_a_role_and_a_content_are_a_message(given: dict[str, object], message: Message) -> None:
    """Each form of OpenAI and Anthropic becomes the message that says the same."""
    async with MiniAgents():
        assert (message,) == await MessageSequencePromise(given)
        assert (message, message) == await MessageSequencePromise([[given], given])


@pytest.mark.parametrize(("given", "told"), REFUSED, ids=str)
def test_what_is_not_understood_is_refused(given: dict[str, object], told: str) -> None:
    """Nothing that looks like a message of a role becomes a prompt that says something else."""
    with pytest.raises(RoleDictError, match=told):
        message_of_role(given)


@pytest.mark.parametrize("given", DATA, ids=str)
async def test_a_mapping_without_a_role_is_data(given: dict[str, object]) -> None:
    """What is no message of a role is `Message(**it)`, as ever."""
    assert message_of_role(given) is None
    async with MiniAgents():
        (message,) = await MessageSequencePromise(given)
    assert Message(**given) == message  # type: ignore[arg-type]  # its text is a str


def test_messages_as_json() -> None:
    """A message that was written as JSON with its role is read as the same message."""
    written = (
        SystemMessage("Be brief."),
        UserMessage("Look.", parts=[Image(data=_PNG), Image(url=_CAT)]),
        AssistantMessage("Hm.", parts=[Reasoning("A cat?"), _CALL], usage=Usage(1, 2)),
        ToolMessage(parts=[ToolResult("call-1", "rain")]),
    )
    for message in written:
        text = json.dumps({"role": message.role, **message.model_dump(mode="json")})
        assert message_of_role(json.loads(text)) == message


async def test_an_error_names_the_place() -> None:
    """The error is a `TypeError` that tells where the wrong message stands; nothing is taken then."""
    wrong = ["hi", [{"role": "user", "content": "hi"}, {"role": "wizard", "content": "x"}]]
    async with MiniAgents():
        with pytest.raises(TypeError, match=r"'wizard'.* \(at \[1\]\[1\] of what was given\)$") as caught:
            MessageSequencePromise(cast("MessageType", wrong))
    assert TypeError is type(caught.value)


async def test_pairs_are_no_messages() -> None:
    """A role and a text as a pair, as LangChain has them, are refused with the words to write."""
    async with MiniAgents():
        for pairs in ([("system", "be brief"), ("human", "hi")], ("system", "be brief"), [["ai", "hi"]]):
            with pytest.raises(TypeError, match=r'write \{"role": "\w+", "content": \.\.\.\}'):
                MessageSequencePromise(pairs)
        for texts in (["user", "hi"], ("Hello,", "world"), [("a", "b"), "c"], ("user", "hi", "you")):
            await MessageSequencePromise(texts)
    refuse_pair("user", UserMessage("hi"))


async def test_objects_of_other_libraries() -> None:
    """A pydantic model with a role and a content is read as the dict of its fields is, its parts too."""

    class Block(BaseModel):
        type: str = "text"
        text: str

    class Answer(BaseModel):
        role: str = "assistant"
        content: list[Block]
        tool_calls: None = None

    async with MiniAgents():
        assert (AssistantMessage("Hello!"),) == await MessageSequencePromise(
            Answer(content=[Block(text="Hello!")])
        )


async def test_wherever_messages_are_taken() -> None:
    """`inquire`, `reply`, an open call and a sequence understand them alike."""
    asked: Mapping[str, object] = {"role": "user", "content": "hi"}
    told: Mapping[str, object] = {"role": "assistant", "content": "hello"}

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        assert (UserMessage("hi"),) == await ctx.messages
        ctx.reply(told)

    async with MiniAgents():
        assert (AssistantMessage("hello"),) == await agent.inquire(asked)
        assert (AssistantMessage("hello"),) == await agent.inquire([asked])
        assert (AssistantMessage("hello"),) == await agent.initiate_inquiry().send_message(
            asked
        ).reply_sequence()
