"""Crosses modules: a conversation of fifty turns with tools, over each wire and through its real SDK.

Every request body and every part is compared whole with what `tests.support.spoken` says that it must be.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from miniagents import AssistantMessage, Part, ToolMessage, ToolResult, Usage, tool
from tests.support.opaque import plain
from tests.support.spoken import SPOKEN, Asked, ContentMessage, Json, Said, Told
from tests.support.sse_server import Exchange, sse
from tests.support.wires import asking, reply_to

TURNS = 50


@tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def explain(words: list[str]) -> Mapping[str, object]:
    """Explain words."""
    return {"of": words}


@tool
async def fail(reason: str) -> str:
    """Fail."""
    raise LookupError(reason)


def _calls(number: int) -> Iterator[Asked]:
    name = f"call-{number}"
    yield Asked(f"{name}-a", "add", (f'{{"a": {number}', ', "b"', ": 1}"), str(number + 1))
    if number % 2:
        words = f'["naïve", "🐍{number}"]'
        yield Asked(f"{name}-b", "explain", ('{"words": ', words, "}"), json_text({"of": json.loads(words)}))
    if number % 5 == 0:
        told = f"LookupError: nothing in {number}"
        yield Asked(f"{name}-c", "fail", (f'{{"reason": "nothing in {number}"}}',), told, is_error=True)
    if number % 7 == 0:
        told = "ToolArgumentsError: a: Field required"
        yield Asked(f"{name}-d", "add", ('{"b": ', "2}"), told, is_error=True)
    if number % 11 == 0:
        told = "There is no tool called 'guess'; there are: add, explain, fail."
        yield Asked(f"{name}-e", "guess", (), told, is_error=True)


def json_text(value: object) -> str:
    """Data as the model is told it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def said_in(number: int) -> Said:
    """What the model says in a turn; in the last one it has its answer."""
    text = () if number % 3 == 2 else (f"Step {number}: ", "let me ", "löok. ")
    if number == TURNS:
        return Said(number, ("Enough.",), "s-last", ("It is ", "done."), ())
    return Said(number, (f"Thought {number}, ", "é…"), f"s-{number}+/=", text, tuple(_calls(number)))


SAID = tuple(map(said_in, range(TURNS + 1)))


def _tools() -> Iterator[Told]:
    number, words = {"type": "integer"}, {"type": "array", "items": {"type": "string"}}
    known: tuple[tuple[str, str, Json], ...] = (
        ("add", "Add two numbers.", {"a": number, "b": number}),
        ("explain", "Explain words.", {"words": words}),
        ("fail", "Fail.", {"reason": {"type": "string"}}),
    )
    for name, description, properties in known:
        yield (
            name,
            description,
            {
                "type": "object",
                "properties": properties,
                "required": list(properties),
                "additionalProperties": False,
            },
        )


def _without_opaque(part: Part) -> Part:
    """A part as it is shown: what its server needs back is compared where it goes back, in the requests."""
    return part if isinstance(part, str) or not hasattr(part, "opaque") else replace(part, opaque=None)  # type: ignore[arg-type]  # those that have the field


@pytest.mark.gate("fifty turns over a socket")
@pytest.mark.parametrize("spoken", SPOKEN, ids=lambda each: repr(each.wire))
async def test_fifty_turns(spoken: ContentMessage) -> None:
    """Every request has all of the conversation as the provider wants it back; every part comes, in order."""
    turns = iter(SAID)

    async def script(exchange: Exchange) -> None:
        await sse(*spoken.events(next(turns)))(exchange)

    async with asking(spoken.wire, script, system="You are Bo.") as asked:
        model = asked.agent.with_tools(add, explain, fail, max_turns=TURNS + 1)
        replies = model.inquire("Go on.")
        parts = [part async for part in replies.parts]
        messages = await replies
        final = await replies.final

    expected: list[Part] = []
    for said in SAID:
        expected += spoken.parts(said)
        expected += [ToolResult(call.id, call.result, call.is_error, call.name) for call in said.calls]
    assert expected == [_without_opaque(part) for part in parts]

    history: list[Json] = []
    for at, said in enumerate(SAID):
        assert asked.server.requests[at].json == spoken.request(history, _tools())
        history += spoken.history(said)
    assert len(asked.server.requests) == TURNS + 1

    answers = [message for message in messages if isinstance(message, AssistantMessage)]
    assert [plain(answer.parts) for answer in answers] == [list(spoken.content(said)) for said in SAID]
    results = [message for message in messages if isinstance(message, ToolMessage)]
    assert [(str(result), result.model_dump()["call_id"]) for result in results] == [
        (call.result, call.id) for said in SAID for call in said.calls
    ]
    assert final == answers[-1]
    assert str(final) == "It is done."


@pytest.mark.parametrize(
    ("spoken", "reason", "answer_id"),
    [
        (SPOKEN[0], "tool_calls", "chat-1"),
        (SPOKEN[1], "tool_use", "msg-7"),
        (SPOKEN[2], "completed", "resp-1"),
    ],
    ids=lambda each: repr(each.wire) if isinstance(each, ContentMessage) else "",
)
async def test_the_message_knows_everything(spoken: ContentMessage, reason: str, answer_id: str) -> None:
    """The message of an answer says why it ended, its cost, what was thought and called, and by whom."""
    said = SAID[7]
    message = await reply_to(spoken.wire, sse(*spoken.events(said)))
    assert message.text == "Step 7: let me löok. "
    assert (message.finish_reason, message.usage) == (reason, Usage(112, 17, 12, 8))
    assert message.reasoning == "Thought 7, é…"
    assert [(call.id, call.name, call.arguments) for call in message.tool_calls] == [
        (call.id, call.name, call.arguments) for call in said.calls
    ]
    assert (message.model, message.response_id) == ("model-of-server", answer_id)
    assert message.model_dump()["agent_alias"] == spoken.wire.agent.alias
