"""Crosses modules: three turns with a tool and with thoughts, in the documented form of each provider.

W2: what a provider needs back goes back, to it and to no other. The server refuses a request that does not
have it exactly, as the providers do.
"""

import json
from pathlib import Path
from typing import cast

import pytest

from miniagents import AssistantMessage, Message, MiniAgents, Reasoning, UserMessage, tool
from miniagents.ext.chat_history import InMemoryChatHistory
from miniagents.ext.chat_history_md import ChatHistoryMD
from miniagents.ext.chat_history_sqlite import ChatHistorySQLite
from miniagents.ext.llm import Conversation
from miniagents.ext.llm.anthropic import _encode
from tests.support.asked import question
from tests.support.dialects import DIALECTS, Dialect, Turn
from tests.support.sse_server import Exchange, ScriptedServer, answer, serve, sse
from tests.support.wires import KEY, WIRES, Wire


@tool
def look(city: str) -> str:
    """Look out of a window."""
    return f"Rain in {city}."


class Provider:
    """Says the turns of a dialect, one for each request, if the request has what it needs back."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    async def __call__(self, exchange: Exchange) -> None:
        """Answer."""
        said = items(exchange.request.json)
        results = [each for each in said if is_result(each)]
        turns = self._dialect.turns
        number = next(
            n for n in range(len(turns) + 1) if sum(len(turn.calls) for turn in turns[:n]) >= count(results)
        )
        wanted = [each for turn in turns[:number] for each in self._dialect.back(turn)]
        sent = [self._known(each) for each in said if each.get("role") != "user" and not is_result(each)]
        if [self._known(each) for each in wanted] != sent:
            told = f"expected {json.dumps(wanted)}, got {json.dumps(sent)}"
            await answer(400, {"error": {"type": "invalid_request_error", "code": told}})(exchange)
            return
        turn = turns[number]
        made = self._dialect.answer(turn)
        await (sse(*made) if isinstance(made, list) else answer(200, made))(exchange)

    def _known(self, item: dict[str, object]) -> dict[str, object]:
        """An item without ids that the server did not give."""
        if self._dialect.ids(1) is not None:
            return item
        if not isinstance(item.get("tool_calls"), list):
            return item
        calls = cast("list[dict[str, object]]", item["tool_calls"])
        return {**item, "tool_calls": [{k: v for k, v in call.items() if k != "id"} for call in calls]}


def items(body: dict[str, object]) -> list[dict[str, object]]:
    """The conversation in a request, without the system text."""
    said = body.get("messages", body.get("input"))
    assert isinstance(said, list)
    return [each for each in cast("list[dict[str, object]]", said) if each.get("role") != "system"]


def is_result(item: dict[str, object]) -> bool:
    """Whether it is the result of a call, or of several."""
    content = item.get("content")
    blocks = cast("list[dict[str, object]]", content) if isinstance(content, list) else [item]
    kinds = {"tool_result", "function_call_output"}
    return item.get("role") == "tool" or any(each.get("type") in kinds for each in blocks)


def count(results: list[dict[str, object]]) -> int:
    """How many calls were answered."""
    contents = [each.get("content") for each in results]
    return sum(len(cast("list[object]", each)) if isinstance(each, list) else 1 for each in contents)


def agent_of(dialect: Dialect, server: ScriptedServer) -> dict[str, object]:
    """What the agent is told."""
    url = server.url + dialect.wire.path
    asked = {"model": "m", "api_key": KEY, "base_url": url, "max_retries": 0, "stream": dialect.stream}
    return {**asked, **dialect.options}


def heard(message: AssistantMessage) -> tuple[object, ...]:
    """What came of a turn: its text, calls, thought, usage and reason."""
    calls = [json.loads(call.arguments) for call in message.tool_calls]
    return (message.text, calls, message.reasoning or "", message.usage, message.finish_reason)


def expected(dialect: Dialect, turn: Turn) -> tuple[object, ...]:
    """What must come of it."""
    thought = dialect.thought.shown(turn.number)
    return (turn.text, list(turn.calls), thought, dialect.counted, dialect.ends[not turn.calls])


async def told_elsewhere(wire: Wire, messages: list[Message]) -> bytes:
    """What another server of a wire is told of a conversation."""
    async with serve(answer(200, wire.whole("Hi"))) as server:
        url = server.url + wire.path
        await wire.agent.inquire(messages, model="m", api_key=KEY, base_url=url, stream=False)
    return server.requests[0].body


def test_who_is_there() -> None:
    """Each of the providers is there with a text, calls and a thought, streamed and whole."""
    providers = {each.name.split("-")[0] for each in DIALECTS} - {"litellm", "openai", "anthropic"}
    assert 19 == len(providers)
    thinking = {(each.name.split("-")[0], each.stream) for each in DIALECTS if each.thought.shown(1)}
    assert thinking >= {(name, stream) for name in providers for stream in (True, False)}
    assert {2, 3} == {sum(len(turn.calls) for turn in each.turns) for each in DIALECTS}
    assert {"It rains in both."} == {each.turns[-1].text for each in DIALECTS}


@pytest.mark.gate("160 conversations over sockets")
@pytest.mark.loop(debug=False, timeout=60)
@pytest.mark.parametrize("dialect", DIALECTS, ids=repr)
async def test_three_turns(dialect: Dialect) -> None:
    """W2, W3: what comes and what goes back is right in each turn; another server gets none of it."""
    async with serve(Provider(dialect)) as server, MiniAgents():
        agent = dialect.wire.agent.fork(**agent_of(dialect, server)).with_tools(look)
        messages = list(await agent.inquire("Where does it rain?"))
        answers = [each for each in messages if isinstance(each, AssistantMessage)]
        assert [expected(dialect, turn) for turn in dialect.turns] == [heard(each) for each in answers]
        ids = [call.id for each in answers for call in each.tool_calls]
        assert len(set(ids)) == len(ids)
        for wire in WIRES:
            told = await told_elsewhere(wire, [UserMessage("Where does it rain?"), *messages])
            secrets = (b"sign ", b"secret ", b"Hm, ", b"phase", b'"fc_', b"caller", b"reasoning_content")
            assert [] == [each for each in secrets if each in told]


QUICK = frozenset({"openrouter", "gemini", "mistral", "openai-responses", "anthropic"})


@pytest.mark.parametrize(
    "dialect",
    [
        pytest.param(each, id=repr(each), marks=[] if at else pytest.mark.gate("the other dialects"))
        for each in DIALECTS
        for at in [each.name in QUICK and each.stream]
    ],
)
async def test_every_history_keeps_it(dialect: Dialect, tmp_path: Path) -> None:
    """W2: what a history has kept goes back byte for byte as what has just come."""
    async with serve(Provider(dialect)) as server, MiniAgents():
        agent = dialect.wire.agent.fork(**agent_of(dialect, server)).with_tools(look)
        messages = await agent.inquire("Where does it rain?")
        bodies = [request.body for request in server.requests]
        for history in (
            InMemoryChatHistory(),
            ChatHistoryMD(tmp_path / "TALK.md"),
            ChatHistorySQLite(tmp_path / "TALK.db", "talk"),
        ):
            await history.append([UserMessage("Where does it rain?"), *messages[:-1]])
            kept = await history.load()
            model = dialect.wire.agent.fork(**agent_of(dialect, server), tools=[look.spec])
            await model.inquire(kept)
            assert bodies[2] == server.requests[-1].body


async def test_a_thought_of_a_cut_answer_is_not_sent_to_anthropic() -> None:
    """W2: Anthropic refuses a thought without a signature, so one that was cut does not go back to it."""
    cut = AssistantMessage(parts=[Reasoning("Hm", opaque='{"from": "anthropic api.anthropic.com"}'), "So"])
    talk = Conversation.of([UserMessage("Hi"), cut, UserMessage("Go on.")])
    sent = _encode(question(talk, base_url="https://api.anthropic.com"))
    assert "Hm" not in str(sent)
    assert "Hm" in str(_encode(question(talk)))
