"""What a run is asked goes through a store, and comes back as it was."""

import json
from datetime import date
from decimal import Decimal

import pytest

from miniagents import AssistantMessage, Image, Message, ToolCall, ToolMessage, ToolResult, UserMessage
from miniagents.runs import RunRequest, UnfinishedRun


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
    """Messages with all they have, keywords, owner and topic come back equal."""
    keywords = {"lines": 4, "price": Decimal("1.10"), "like": ASKED[0]}
    request = RunRequest("poet", "2", ASKED, keywords, owner="ada", topic="chat 1")
    assert request == RunRequest.from_json(request.to_json())


def test_classes_of_users() -> None:
    """A message of a class that the library does not know comes back as a plain one with its data."""
    (message,) = RunRequest.from_json(RunRequest("a", "1", (Order(number=7),)).to_json()).messages
    assert (Message, 7) == (type(message), message.model_dump()["number"])


def test_what_cannot_be_kept() -> None:
    """A client or a function among the keywords is refused, with what can be kept."""
    with pytest.raises(TypeError, match="cannot keep a value of type object; make it text"):
        RunRequest("a", "1", (), {"client": object()}).to_json()


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "[]",
        "{}",
        '{"agent": 1}',
        json.dumps({**json.loads(RunRequest("a", "1", ()).to_json()), "messages": ["Hi"]}),
        json.dumps({**json.loads(RunRequest("a", "1", ()).to_json()), "keywords": []}),
    ],
)
def test_what_is_no_request(wrong: str) -> None:
    """What is none is refused, and never a half of one."""
    with pytest.raises(ValueError, match=r"Expecting value|not the request"):
        RunRequest.from_json(UnfinishedRun("r", wrong, 1).request)
