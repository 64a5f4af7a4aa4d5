"""Crosses modules: answers of a type, over each wire and through its real SDK."""

import asyncio
from dataclasses import replace

import pytest
from pydantic import BaseModel

from miniagents import ParsedMessage, Restart, ToolResult, tool
from tests.support.opaque import plain
from tests.support.spoken import SPOKEN, Asked, ContentMessage, Json, Said
from tests.support.sse_server import sse, wait
from tests.support.wires import asking


class City(BaseModel):
    """A city."""

    name: str
    people: int


class Scores(BaseModel):
    by_name: dict[str, int]


OSLO = City(name="Oslo", people=717710)
BAD, GOOD = ('{"name": "Os', 'lo", "people": "many"}'), ('{"name": "Os', 'lo", "people": 717710}')
REASON = "people: Input should be a valid integer, unable to parse string as an integer"
ids = pytest.mark.parametrize("spoken", SPOKEN, ids=lambda each: repr(each.wire))


def said(*text: str, calls: tuple[Asked, ...] = ()) -> Said:
    """What the model says."""
    return Said(1, ("Hm.",), "signed", text, calls)


def turns(body: Json) -> list[Json]:
    """The conversation in a request, without the system text."""
    found = body.get("messages", body.get("input"))
    assert isinstance(found, list)
    return [turn for turn in found if turn.get("role") != "system"]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def schema_of(body: Json) -> str:
    """Whatever a request says about the form of the answer."""
    return str([body.get(name) for name in ("response_format", "text", "output_config")])


@ids
async def test_it_streams(spoken: ContentMessage) -> None:
    """What has come of an answer can be read while the server still writes it."""
    go = asyncio.Event()
    events = list(spoken.events(said(*GOOD)))
    events.insert(next(at for at, event in enumerate(events) if b"717710" in event), b"")
    steps = [event or wait(go) for event in events]
    async with asking(spoken.wire, sse(*steps)) as asked:
        replies = asked.agent.as_type(City).inquire("Which city?")
        tokens = aiter(replies.field(lambda answer: answer.name))
        assert await anext(tokens) == "Os"
        go.set()
        assert await anext(tokens) == "lo"
        assert [token async for token in tokens] == []
        assert await replies.parsed == OSLO


@ids
async def test_native(spoken: ContentMessage) -> None:
    """The provider is asked in its own schema mode, and told what does not fit."""
    first, second = said(*BAD), said(*GOOD)
    scripts = sse(*spoken.events(first)), sse(*spoken.events(second))
    async with asking(spoken.wire, *scripts) as asked:
        replies = asked.agent.as_type(City, repairs=1).inquire("Which city?")
        (message,) = await replies
        parts = [part async for part in replies.parts]
    assert isinstance(message, ParsedMessage)
    assert (message.parsed, str(message), message.reasoning) == (OSLO, "".join(GOOD), "Hm.")
    assert message.usage == second.usage
    assert plain(parts) == [*spoken.parts(first), Restart(REASON), *spoken.parts(second)]
    bodies = [request.json for request in asked.server.requests]
    assert [schema_of(body).count("additionalProperties") for body in bodies] == [1, 1]
    complaint = f"This is no City: {REASON}. Give the whole answer again, corrected."
    *before, asked_again = turns(bodies[1])
    assert asked_again == {"role": "user", "content": complaint}
    assert [turn["role"] for turn in before if "role" in turn] == ["user", "assistant"]
    assert "many" in str(before[-1])


@ids
async def test_as_a_tool(spoken: ContentMessage) -> None:
    """With `mode="tool"` the answer is a call, which the model must make; a repair answers the call."""
    call = Asked("call-1", "answer", ('{"by_name": ', '{"Ada": "x"}}'), "", is_error=True)
    first = said(calls=(call,))
    second = said(calls=(Asked("call-2", "answer", ('{"by_name": {"Ada"', ": 1}}"), ""),))
    scripts = sse(*spoken.events(first)), sse(*spoken.events(second))
    async with asking(spoken.wire, *scripts) as asked:
        answer = await asked.agent.as_type(Scores, mode="tool").inquire("Scores?").parsed
    assert answer == Scores(by_name={"Ada": 1})
    bodies = [request.json for request in asked.server.requests]
    assert all("answer" in str(body["tool_choice"]) for body in bodies)
    assert [schema_of(body) for body in bodies] == [schema_of({})] * 2
    reason = "by_name.Ada: Input should be a valid integer, unable to parse string as an integer"
    complaint = f"This is no Scores: {reason}. Give the whole answer again, corrected."
    repaired = replace(first, calls=(replace(call, result=complaint),))
    assert turns(bodies[1])[1:] == spoken.history(repaired)


@ids
async def test_after_tools(spoken: ContentMessage) -> None:
    """A model with tools calls them first, and then answers in the type."""

    @tool
    def census(city: str) -> int:
        """Count the people of a city."""
        return 717710

    call = Asked("call-1", "census", ('{"city": ', '"Oslo"}'), "717710")
    first, second = said("Let me ", "look.", calls=(call,)), said(*GOOD)
    scripts = sse(*spoken.events(first)), sse(*spoken.events(second))
    async with asking(spoken.wire, *scripts) as asked:
        replies = asked.agent.with_tools(census).as_type(City).inquire("Oslo?")
        assert await replies.parsed == OSLO
        assert plain([part async for part in replies.parts]) == [
            *spoken.parts(first),
            Restart(),
            ToolResult("call-1", "717710", name="census"),
            Restart(),
            *spoken.parts(second),
        ]
    bodies = [request.json for request in asked.server.requests]
    assert turns(bodies[1])[1:] == spoken.history(first)
    assert [schema_of(body).count("additionalProperties") for body in bodies] == [1, 1]
