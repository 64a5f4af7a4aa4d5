"""`openai_agent`: what is sent, what is understood, and how it is set up."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import cast

import httpx2
import pytest
from openai import AsyncOpenAI
from pydantic import SecretStr

from miniagents import (
    AssistantMessage,
    LLMConfigError,
    LLMStatusError,
    LLMTruncatedError,
    Message,
    MiniAgent,
    MiniAgents,
    SystemMessage,
    tool,
)
from miniagents.ext.llm import Conversation, ModelOptions
from miniagents.ext.llm._conversation import Turn
from miniagents.ext.llm.openai import (
    _encode,
    create_openai_agent,
    openai_agent,
)
from miniagents.values import ToolCall, ToolResult, Usage
from tests.support.asked import question
from tests.support.chat_wire import DONE, chat, chunk, event
from tests.support.sse_server import answer, serve, sse
from tests.support.wires import CHAT, KEY, asking, reply_to

TALK = Conversation(
    "Be brief.", (Turn("user", ("Hi",)), Turn("user", ("there",)), Turn("assistant", ("Hello",)))
)


def test_encode() -> None:
    """The system text comes first, the turns stay as they are; nothing is sent that was not asked for."""
    request = _encode(question(TALK, ModelOptions(), seed=7))
    assert request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "user", "content": "there"},
        {"role": "assistant", "content": "Hello"},
    ]
    rest = {"stream_options": {"include_usage": True}, "seed": 7}
    assert request == {"messages": request["messages"], **rest}


def test_encode_calls_in_a_row() -> None:
    """Calls that stand in messages of their own are one message: their results must follow it at once."""
    turns = (
        Turn("assistant", ("Well.",)),
        Turn("assistant", (ToolCall("a", "look", "{}"),)),
        Turn("assistant", (ToolCall("b", "look", "{}"), "And then?")),
        Turn("tool", (ToolResult("a", "1"), ToolResult("b", "2"))),
        Turn("assistant", (ToolCall("c", "look", "{}"),)),
    )
    request = _encode(question(Conversation("", turns)))
    told = [
        (
            each["role"],
            each["content"],
            [call["id"] for call in cast("list[dict[str, str]]", each.get("tool_calls", []))],
        )
        for each in cast("list[dict[str, object]]", request["messages"])
    ]
    assert told == [
        ("assistant", "Well.", []),
        ("assistant", "And then?", ["a", "b"]),
        ("tool", "1", []),
        ("tool", "2", []),
        ("assistant", None, ["c"]),
    ]


def test_encode_arguments() -> None:
    """Arguments go back as the model wrote them; what is no object, which no server takes, inside of one."""
    calls = (ToolCall("a", "look", '{"n":1}'), ToolCall("b", "look", "{'n'"), ToolCall("c", "look", ""))
    talk = Conversation("", (Turn("assistant", calls),))
    request = _encode(question(talk))
    (turn,) = cast("list[dict[str, object]]", request["messages"])
    told = cast("list[dict[str, dict[str, str]]]", turn["tool_calls"])
    assert ['{"n":1}', '{"no object": "{\'n\'"}', "{}"] == [call["function"]["arguments"] for call in told]


@pytest.mark.parametrize(
    ("base_url", "name"),
    [("https://eu.api.openai.com/v1", "max_completion_tokens"), ("http://localhost:8000", "max_tokens")],
)
def test_encode_limits(base_url: str, name: str) -> None:
    """The limit has the name of today for OpenAI, and the one that all know for others."""
    options = ModelOptions(max_tokens=9, temperature=0.0)
    request = _encode(question(TALK, options, base_url=base_url, stream_options=None))
    assert request == {"messages": request["messages"], name: 9, "temperature": 0.0}
    whole = _encode(question(TALK, ModelOptions(stream=False, max_tokens=9), base_url=base_url))
    assert {"messages", name} == whole.keys()


async def test_request() -> None:
    """What the server gets is what was asked for, and the key in its header."""
    async with asking(CHAT, sse(*chat("Hello"))) as asked:
        extra = {"seed": 7, "unknown_field": {"a": [1]}, "extra_headers": {"X-Team": "blue"}}
        messages = [SystemMessage("Be brief."), Message("Hi"), AssistantMessage("Hello"), Message("Bye")]
        await asked.agent.inquire(messages, system="You are Bo.", max_tokens=9, temperature=0.5, extra=extra)
    (request,) = asked.server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["x-team"] == "blue"
    assert request.json == {
        "model": "model-of-test",
        "messages": [
            {"role": "system", "content": "You are Bo.\n\nBe brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "Bye"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 9,
        "temperature": 0.5,
        "seed": 7,
        "unknown_field": {"a": [1]},
    }


async def test_usage_comes_last() -> None:
    """The count of tokens that follows the end is on the message."""
    message = await reply_to(CHAT, sse(*chat("Hel", "lo")))
    assert message.usage == Usage(7, 3)


@pytest.mark.parametrize("error", [{"object": "error", "type": "BadRequestError", "message": "It is."}])
async def test_flat_error(error: object) -> None:
    """An error in vLLM's flat form is a status error."""
    with pytest.raises(LLMStatusError, match="BadRequestError: It is") as caught:
        await reply_to(CHAT, sse(chunk("Hel"), event(error), DONE))
    assert caught.value.partial_text == "Hel"


async def test_error_as_a_field() -> None:
    """An error in llama.cpp's form, which the SDK does not see, is a status error."""
    with pytest.raises(LLMStatusError, match="broken"):
        await reply_to(CHAT, sse(chunk("Hel"), b'error: {"message": "broken"}\n\n', DONE))


async def test_no_finish_reason() -> None:
    """For a server that never sends a finish_reason the count of tokens marks the end, if one says so."""
    *pieces, _, usage, done = chat("Hello")
    with pytest.raises(LLMTruncatedError):
        await reply_to(CHAT, sse(*pieces, usage, done))
    message = await reply_to(CHAT, sse(*pieces, usage, done), needs_finish_reason=False)
    assert message.text == "Hello"
    with pytest.raises(LLMTruncatedError):
        await reply_to(CHAT, sse(*pieces), needs_finish_reason=False)


async def test_other_finish_reasons() -> None:
    """An answer that was cut short or filtered completes, and says so."""
    for reason in ("length", "content_filter", "tool_calls"):
        message = await reply_to(CHAT, sse(*chat("Hel", finish=reason)))
        assert message.finish_reason == reason


async def test_own_client() -> None:
    """A client of one's own is used, with its settings, and is not closed."""
    async with serve(sse(*chat("Hello"))) as server:
        async with AsyncOpenAI(api_key="own-key", base_url=f"{server.url}/own") as client:
            async with MiniAgents():
                assert str(await openai_agent.inquire("Hi", model="m", client=client)) == "Hello"
            assert not client.is_closed()
        assert server.requests[0].path == "/own/chat/completions"
        assert server.requests[0].headers["authorization"] == "Bearer own-key"


async def test_one_client() -> None:
    """Inquiries in one context share a client, and so a connection; their keys keep them apart."""
    async with asking(CHAT, sse(*chat("Hello"))) as asked:
        for key in ("one", "one", SecretStr("one"), "two"):
            await asked.inquire(api_key=key)
        keys = [request.headers["authorization"] for request in asked.server.requests]
        assert keys == ["Bearer one", "Bearer one", "Bearer one", "Bearer two"]
        assert len(asked.server.connections) == 2


async def test_one_client_of_nested_contexts() -> None:
    """Inquiries in contexts of their own inside a common one share its connection."""
    async with asking(CHAT, sse(*chat("Hello"))) as asked:
        for _ in range(4):
            async with MiniAgents():
                await asked.inquire()
        assert len(asked.server.requests) == 4
        assert len(asked.server.connections) == 1


@pytest.mark.parametrize(
    ("keywords", "hint"),
    [
        ({"model": None}, "OPENAI_MODEL"),
        ({"api_key": None, "base_url": None}, "OPENAI_API_KEY"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stall_timeout": 0}, "stall_timeout"),
        ({"extra": {"n": 2}}, "'n' cannot be given through extra"),
        ({"client": object()}, "client"),
        (
            {"client": object(), "api_key": None, "base_url": None},
            "client is of type object; give openai.AsyncOpenAI",
        ),
    ],
)
async def test_bad_settings(keywords: Mapping[str, object], hint: str) -> None:
    """A setting that cannot be used is an error that names it, and nothing was sent."""
    async with asking(CHAT, answer(500, {})) as asked:
        with pytest.raises(LLMConfigError, match=hint):
            await asked.inquire(**keywords)
        with pytest.raises(LLMConfigError, match="nothing to answer"):
            await asked.inquire("")
        assert asked.server.requests == []


async def test_settings_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Model, key and address can come from the environment."""
    async with serve(sse(*chat("Hello"))) as server, MiniAgents():
        monkeypatch.setenv("OPENAI_MODEL", "model-of-environment")
        monkeypatch.setenv("OPENAI_API_KEY", "key-of-environment")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        await openai_agent.inquire("Hi")
        assert server.requests[0].json["model"] == "model-of-environment"
        assert server.requests[0].headers["authorization"] == "Bearer key-of-environment"


def test_create() -> None:
    """`create_openai_agent` is `openai_agent.fork`, for type checkers too."""
    agent: MiniAgent[Message, AssistantMessage] = create_openai_agent(model="m", temperature=0.0).bind()
    assert agent.defaults["model"] == "m"
    assert agent.defaults["temperature"] == 0.0
    with pytest.raises(TypeError, match="takes no keyword 'modle'"):
        create_openai_agent(modle="m")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_no_key_in_defaults() -> None:
    """A key that is given to `fork` as text is kept as a secret: nothing that shows an agent shows it."""
    agent = openai_agent.fork(model="m", api_key=KEY).bind()
    assert agent.defaults["api_key"] == SecretStr(KEY)
    assert KEY not in f"{agent!r} {agent.defaults!r}"


async def test_no_key_in_records() -> None:
    """Neither messages nor the records of a run hold the key, also of a run that failed."""
    stored: list[Message] = []

    async def store(_: object, message: Message, /) -> None:
        stored.append(message)

    scripts = (sse(*chat("Hello")), answer(401, {"error": {"message": KEY}}))
    async with serve(*scripts) as server, MiniAgents(on_persist_message=store):
        agent = openai_agent.fork(model="m", api_key=KEY, base_url=f"{server.url}/v1")
        await agent.inquire("Hi")
        with pytest.raises(LLMStatusError):
            await agent.inquire("Hi")
    assert len(stored) > 4
    assert KEY not in "".join(f"{message!r}{message.model_dump_json()}" for message in stored)


async def test_many_at_once() -> None:
    """Many inquiries at once are all answered, over one client."""
    async with asking(CHAT, sse(*chat("Hel", "lo"))) as asked:
        replies = await asyncio.gather(*(asked.inquire(f"Hi {number}") for number in range(50)))
    assert [str(reply) for reply in replies] == ["Hello"] * 50


@pytest.mark.gate("starts an interpreter")
def test_without_the_sdk() -> None:
    """Without the SDK the import fails, and says what to install."""
    script = "import sys; sys.modules['openai'] = None; import miniagents.ext.llm.openai"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)  # noqa: S603
    assert run.returncode == 1
    last = run.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert last.endswith("pip install 'miniagents[openai]'")


async def test_tools() -> None:
    """It can be given tools: it is told of them, calls one, is told the result, and answers."""
    asked: list[Mapping[str, object]] = []

    def server(request: httpx2.Request) -> httpx2.Response:
        asked.append(json.loads(request.content))
        call = {"id": "1", "type": "function", "function": {"name": "double", "arguments": '{"number": 2}'}}
        messages: list[dict[str, object]] = [{"content": None, "tool_calls": [call]}, {"content": "It is 4."}]
        choice = {"message": {"role": "assistant", **messages[len(asked) - 1]}, "finish_reason": "stop"}
        return httpx2.Response(200, json={"id": "1", "model": "m-1", "choices": [choice]})

    @tool
    def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    transport = httpx2.AsyncClient(transport=httpx2.MockTransport(server))
    async with MiniAgents(), AsyncOpenAI(api_key=KEY, http_client=transport) as client:
        model = openai_agent.fork(model="m-1", stream=False, client=client).with_tools(double)
        replies = model.inquire("What is 2 times 2?")
        assert "It is 4." == str(await replies.final)
        assert ["assistant", "tool", "assistant"] == [message.role for message in await replies]
    first, second = asked
    assert "double" in str(first["tools"])
    assert {"role": "tool", "tool_call_id": "1", "content": "4"} in cast("list[object]", second["messages"])
