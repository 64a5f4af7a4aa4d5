"""What a run is asked goes through a journal, and comes back as it was."""

import json
from datetime import date
from decimal import Decimal

import pytest

from miniagents import AssistantMessage, Image, Message, ToolCall, ToolMessage, ToolResult, UserMessage
from miniagents.runs import Json, RunRequest


class Order(Message):
    """A message of a class of somebody's own."""

    number: int


ASKED = (
    UserMessage(parts=["Half a pair: \ud800", Image(data=b"\x00\xff", media_type="image/png")]),
    AssistantMessage(parts=["I look.", ToolCall("c", "look", '{"a": 1}')], model="m"),
    ToolMessage(parts=[ToolResult("c", "12", name="look")]),
    Message("Hi", seen=date(2026, 11, 22)),
)


def test_there_and_back() -> None:
    """Messages with all they have, and keywords, come back equal."""
    keywords = {"lines": 4, "price": Decimal("1.10"), "like": ASKED[0]}
    request = RunRequest("poet", ASKED, keywords)
    assert request == RunRequest.of_data(json.loads(json.dumps(request.as_data())))


def test_classes_of_users() -> None:
    """A message of a class that the library does not know comes back as a plain one with its data."""
    (message,) = RunRequest.of_data(RunRequest("a", (Order(number=7),)).as_data()).messages
    assert (Message, 7) == (type(message), message.model_dump()["number"])


def test_what_cannot_be_kept() -> None:
    """A client or a function among the keywords is refused, with what can be kept."""
    with pytest.raises(TypeError, match="cannot keep a value of type object; make it text"):
        RunRequest("a", (), {"client": object()}).as_data()
    with pytest.raises(TypeError, match="api_key= would be written"):
        RunRequest("a", (), {"api_key": "x"}).as_data()


def test_what_is_no_request() -> None:
    """What is none is refused, and never a half of one."""
    right = RunRequest("a", ()).as_data()
    assert isinstance(right, dict)
    wrong: list[Json] = [None, [], {}, {"agent": 1}, {**right, "messages": ["Hi"]}, {**right, "keywords": []}]
    for data in wrong:
        with pytest.raises(ValueError, match="not the request"):
            RunRequest.of_data(data)
