"""`anthropic_agent`: what is sent, what is understood, and how it is set up."""

import subprocess
import sys
from collections.abc import Mapping
from typing import cast

import pytest
from anthropic import AsyncAnthropic

from miniagents import (
    AssistantMessage,
    LLMConfigError,
    LLMStatusError,
    Message,
    MiniAgent,
    MiniAgents,
    SystemMessage,
    UserMessage,
)
from miniagents.ext.llm import Conversation, ModelOptions
from miniagents.ext.llm._conversation import Turn
from miniagents.ext.llm.anthropic import (
    _encode,
    anthropic_agent,
    create_anthropic_agent,
)
from miniagents.values import ToolCall, Usage
from tests.support.anthropic_wire import START, STOP, answered, begin, delta, end, event, message
from tests.support.asked import question
from tests.support.sse_server import answer, serve, sse
from tests.support.wires import ANTHROPIC, KEY, asking, reply_to


def test_encode() -> None:
    """Neighbours of one role are joined, the system text stands apart, and what is None is not sent."""
    turns = (
        Turn("user", ("Hi",)),
        Turn("user", ("there",)),
        Turn("assistant", ("Hello",)),
        Turn("user", ("Bye",)),
    )
    warm = ModelOptions(temperature=0.5)
    request = _encode(question(Conversation("Be brief.", turns), warm, top_k=5, top_p=None))
    assert request["messages"] == [
        {"role": "user", "content": "Hi\n\nthere"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Bye"},
    ]
    rest = {"max_tokens": 8192, "system": "Be brief.", "temperature": 0.5, "top_k": 5}
    assert request == {"messages": request["messages"], **rest}
    assert _encode(question(Conversation("", turns))).keys() == {"messages", "max_tokens"}


def test_encode_assistant_at_both_ends() -> None:
    """A user speaks first, and a text to go on from does not end in white space."""
    request = _encode(question(Conversation("", (Turn("assistant", ("Welcome! \n",)),))))
    turns = cast("list[dict[str, object]]", request["messages"])
    assert [turn["role"] for turn in turns] == ["user", "assistant"]
    assert turns[1]["content"] == "Welcome!"


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ('{"a": 1}', {"a": 1}),
        (" ", {}),
        ('{"a": ', {"no object": '{"a": '}),
        ("[1]", {"no object": "[1]"}),
    ],
)
def test_arguments_go_back_as_an_object(arguments: str, given: object) -> None:
    """Whatever a model wrote as arguments, its next turn can be asked for."""
    turn = Turn("assistant", (ToolCall("1", "look", arguments),))
    user = Turn("user", ("Look.",))
    request = _encode(question(Conversation("", (user, turn))))
    sent = cast("list[dict[str, object]]", request["messages"])
    assert sent[1]["content"] == [{"type": "tool_use", "id": "1", "name": "look", "input": given}]


async def test_request() -> None:
    """What the server gets is what was asked for, also what the SDK has no parameter for."""
    async with asking(ANTHROPIC, sse(*answered("Hello"))) as asked:
        messages = [
            SystemMessage("Be brief."),
            Message("Hi"),
            UserMessage("there"),
            AssistantMessage("Hello"),
            Message("?"),
        ]
        await asked.agent.inquire(
            messages, system="You are Bo.", temperature=0.5, extra={"top_k": 5, "news": 1}
        )
    (request,) = asked.server.requests
    assert request.path == "/v1/messages"
    assert KEY in request.headers.get("x-api-key", "") + request.headers.get("authorization", "")
    assert request.headers["accept-encoding"] == "identity"
    assert request.json == {
        "model": "model-of-test",
        "max_tokens": 8192,
        "messages": [
            {"role": "user", "content": "Hi\n\nthere"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "?"},
        ],
        "system": "You are Bo.\n\nBe brief.",
        "stream": True,
        "temperature": 0.5,
        "top_k": 5,
        "news": 1,
    }


async def test_blocks() -> None:
    """The text of all blocks is the answer; what is thought is not."""
    thought = event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"})
    script = sse(
        START, begin(0, "thinking"), thought, begin(1), delta("Hel", 1), begin(2), delta("lo", 2), end(), STOP
    )
    assert (await reply_to(ANTHROPIC, script)).text == "Hello"


async def test_usage() -> None:
    """The numbers of the first and the last event are put together."""
    answer_message = await reply_to(ANTHROPIC, sse(*answered("Hello")))
    assert answer_message.usage == Usage(9, 3, 2)


async def test_other_stop_reasons() -> None:
    """An answer that was cut short or refused completes, and says so."""
    for reason in ("max_tokens", "refusal", "tool_use", "stop_sequence"):
        got = await reply_to(ANTHROPIC, sse(*answered("Hel", reason=reason)))
        assert got.finish_reason == reason


async def test_long_answer_without_streaming() -> None:
    """A long answer that does not stream is asked for, with a client of one's own too."""
    async with serve(answer(200, message("Hello"))) as server:
        async with AsyncAnthropic(api_key="own-key", base_url=server.url) as client, MiniAgents():
            reply = await anthropic_agent.inquire(
                "Hi", model="m", client=client, stream=False, max_tokens=500_000
            )
            assert str(reply) == "Hello"
            assert not client.is_closed()
        assert server.requests[0].json["max_tokens"] == 500_000


@pytest.mark.parametrize(
    ("keywords", "hint"),
    [
        ({"model": None}, "ANTHROPIC_MODEL"),
        ({"api_key": None, "base_url": None}, "ANTHROPIC_API_KEY"),
        ({"temperature": 3.0}, "temperature"),
        ({"total_timeout": -1}, "total_timeout"),
        ({"extra": {"system": "x"}}, "'system' cannot be given through extra"),
        ({"client": object()}, "client"),
        (
            {"client": object(), "api_key": None, "base_url": None},
            "client is of type object; give anthropic.AsyncAnthropic",
        ),
    ],
)
async def test_bad_settings(keywords: Mapping[str, object], hint: str) -> None:
    """A setting that cannot be used is an error that names it, and nothing was sent."""
    async with asking(ANTHROPIC, answer(500, {})) as asked:
        with pytest.raises(LLMConfigError, match=hint):
            await asked.inquire(**keywords)
        assert asked.server.requests == []


def test_create() -> None:
    """`create_anthropic_agent` is `anthropic_agent.fork`, for type checkers too."""
    agent: MiniAgent[Message, AssistantMessage] = create_anthropic_agent(model="m", max_tokens=9).bind()
    assert agent.defaults["model"] == "m"
    assert agent.defaults["max_tokens"] == 9
    with pytest.raises(TypeError, match="takes no keyword 'top_k'"):
        create_anthropic_agent(top_k=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def test_no_key_in_records() -> None:
    """Neither messages nor the records of a run hold the key, also of a run that failed."""
    stored: list[Message] = []

    async def store(_: object, stored_message: Message, /) -> None:
        stored.append(stored_message)

    scripts = (sse(*answered("Hello")), answer(401, {"error": {"message": KEY}}))
    async with serve(*scripts) as server, MiniAgents(on_persist_message=store):
        agent = anthropic_agent.fork(model="m", api_key=KEY, base_url=server.url)
        await agent.inquire("Hi")
        with pytest.raises(LLMStatusError):
            await agent.inquire("Hi")
    assert len(stored) > 4
    assert KEY not in "".join(f"{each!r}{each.model_dump_json()}" for each in stored)


@pytest.mark.gate("a process that imports everything but the SDK")
def test_without_the_sdk() -> None:
    """Without the SDK the import fails, and says what to install."""
    script = "import sys; sys.modules['anthropic'] = None; import miniagents.ext.llm.anthropic"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)  # noqa: S603
    assert run.returncode == 1
    last = run.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert last.endswith("pip install 'miniagents[anthropic]'")
