"""Messages become records and come back, and a file can name no class but the listed ones."""

import enum
import logging
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import BaseModel

from miniagents.ext._history._markdown_format import write_record
from miniagents.ext._history._record import Record
from miniagents.ext._history._registry import Registry
from miniagents.ext._history._scan import scan
from miniagents.messages import AssistantMessage, ErrorMessage, Message, SystemMessage, UserMessage


class Colour(enum.Enum):
    """A value that JSON has no word for."""

    RED = "red"


class Point(BaseModel):
    """A model that is no message."""

    x: int


class Custom(AssistantMessage):
    """A message class of a user."""

    custom_field: str
    due: date = date(2024, 2, 29)
    colour: Colour = Colour.RED
    point: Point = Point(x=1)
    tags: tuple[str, ...] = ()
    inner: Message | None = None


class Template(Message):
    """A message without text."""

    text_template: ClassVar[str] = "Hello {name}"
    name: str


def _made(cls: type[Message], text: str | None = None, **data: object) -> Message:
    return cls(text, **data)


def _through_file(message: Message, *classes: type[Message]) -> Message:
    registry = Registry(classes)
    (record,) = scan(write_record(registry.record_of(message))).records
    return Registry(classes).message_of(record)


@pytest.mark.parametrize(
    "message",
    [
        Message("Hello"),
        Message(),
        Message(""),
        Message("Hello", role="tool", model="m", finish_reason="stop", usage={"in": 1, "out": [2, 3]}),
        _made(
            UserMessage,
            "Hi",
            cost=Decimal("1.10"),
            day=date(2024, 2, 29),
            path=Path("a"),
            raw=b"\x00",
            some={1, 2},
        ),
        _made(SystemMessage, "Be nice.", nothing=None, yes=True, ratio=0.1, pairs={1: "a", "$x": "b"}),
        _made(AssistantMessage, "\ud800 \x07", odd="\ud83d\udca9"),
        ErrorMessage("oops", error_type="ValueError", error_text="x", agent_alias="A"),
        Message(
            "outer",
            inner=_made(UserMessage, "inner", deep=(Message(None, n=1), {"k": _made(SystemMessage, "s")})),
        ),
        Message("a set", some={Message("in a set")}),
        _made(
            Custom,
            "Hello",
            custom_field="x",
            tags=["a"],
            inner=_made(Custom, "in", custom_field="y"),
            more=Decimal(1),
        ),
        Template(name="you"),
    ],
    ids=repr,
)
def test_a_message_comes_back(message: Message) -> None:
    """Its class, its text, its fields and any other data, also in nested messages, are the same."""
    back = _through_file(message, Custom, Template)
    assert message == back
    assert (type(message), message.role, message.hash_key) == (type(back), back.role, back.hash_key)


def test_what_has_no_text_is_shown() -> None:
    """A message of data only stands in the file as it reads, and comes back without text."""
    registry = Registry([Template])
    assert b"\n\nHello you\n\n" in write_record(registry.record_of(Template(name="you")))
    assert _through_file(Template(name="you"), Template).text is None


def test_an_unknown_class_is_a_message_of_its_role() -> None:
    """A class that is not in the list is never looked for; its data is kept."""
    back = _through_file(Custom("Hello", custom_field="x"))
    assert (Message, "assistant", "Hello", "x", "red") == (
        type(back),
        back.role,
        back.text,
        back.custom_field,  # type: ignore[attr-defined]  # data
        back.colour,  # type: ignore[attr-defined]  # data
    )
    named = Record("user", "os.system", "rm", data={"x": 1})
    assert Message("rm", x=1) == Registry().message_of(named)


def test_a_foreign_class_of_a_known_name_is_not_mistaken() -> None:
    """A user's own class with the name of another one is written under its full name."""
    own = type("UserMessage", (Message,), {"__module__": "somewhere"})
    back = _through_file(own("Hi"))
    assert (Message, "Hi") == (type(back), back.text)
    assert "somewhere.UserMessage" == Registry().record_of(own("Hi")).class_name


def test_data_that_does_not_fit_its_class(caplog: pytest.LogCaptureFixture) -> None:
    """A file that was edited by hand, or a class that has changed, gives a plain message, and a warning."""
    registry = Registry([Custom])
    with caplog.at_level(logging.WARNING):
        back = registry.message_of(Record("assistant", "Custom", "Hi", data={"due": "never", "text": "no"}))
        bare = registry.message_of(Record("user", "Message", "Hi", data={"hash_key": "no"}))
    assert Message("Hi", role="assistant", due="never") == back
    assert Message("Hi", role="user") == bare
    assert 3 == len(caplog.records)


def test_a_nested_message_that_makes_no_sense_is_data() -> None:
    """What only looks like a nested message stays a mapping."""
    back = Registry().message_of(Record("user", data={"a": {"$message": {"role": 1}}}))
    assert {"$message": {"role": 1}} == back.a  # type: ignore[attr-defined]  # data


def test_what_the_list_takes() -> None:
    """Subclasses of `Message`, no two of one name; the same one twice is one."""
    with pytest.raises(TypeError, match="takes subclasses of Message; <class 'int'> is none"):
        Registry([int])  # type: ignore[list-item]  # what is tested
    with pytest.raises(ValueError, match="two message classes are called Custom"):
        Registry([Custom, type("Custom", (Message,), {})])
    Registry([Custom, Custom, Message])
