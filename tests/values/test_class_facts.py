"""Tests of what a class of frozen values can be made of, and of what is said of anything else."""

from collections.abc import Callable
from typing import ClassVar

import pytest
from pydantic import AliasChoices, AliasPath, ConfigDict, Field, ValidationError
from typing_extensions import override

from miniagents import Message
from miniagents.values import FreezeError, Frozen
from miniagents.values._class_facts import ClassFacts


class Note(Message):
    """A class that says nothing of further data."""

    mark: ClassVar[str] = "!"
    topic: str = ""
    size: int = Field(default=0, alias="length")
    place: str = Field(default="", validation_alias=AliasChoices("where", AliasPath("at", 0)))


class Open(Message, extra="allow"):
    """A class that takes further data."""

    topic: str = ""


class OpenToo(Message):
    """The same, as it is written in the body of the class."""

    model_config = ConfigDict(extra="allow")


class Narrower(Open):
    """What comes from it does, too."""


class Strict(Message, extra="forbid"):
    """What pydantic refuses it refuses in its own words."""


class Free(Message):
    """Its constructor says what it takes."""

    topic: str = ""

    @override
    def __init__(self, /, text: str | None = None, **fields: object) -> None:
        super().__init__(text, **fields)


def refusal(make: Callable[..., Message], **fields: object) -> str:
    with pytest.raises(ValidationError) as caught:
        make(**fields)
    (error,) = caught.value.errors()
    assert tuple(fields) == error["loc"]
    return error["msg"]


def test_names() -> None:
    """A value is made of fields by all their names, class variables with plain data, and a template."""
    facts = ClassFacts(Note, Frozen)
    fields = {"text", "topic", "size", "length", "place", "where", "at"}
    assert fields | {"mark", "role", "text_template"} == facts.names


def test_an_unknown_field_is_refused_where_a_message_is_made() -> None:
    """The error names the class, the nearest name, all fields, and who takes further data."""
    said = "Note has no field 'topik' (did you mean 'topic'?); it has: text, topic, size, place."
    assert refusal(Note, topik="x").startswith(said)
    assert refusal(Note, topik="x").endswith('taken by Message, and by a subclass that says extra="allow"')
    assert refusal(Note, zzz=1).startswith("Note has no field 'zzz'; it has: ")


def test_nothing_of_the_value_is_told() -> None:
    """What was given stands in no error."""
    with pytest.raises(ValidationError) as caught:
        untyped(Note)(api_key="sk-secret")
    assert "sk-secret" not in str(caught.value)


def untyped(make: Callable[..., Message]) -> Callable[..., Message]:
    """A class as it is at run time."""
    return make


@pytest.mark.parametrize("make", [Message, Open, OpenToo, Narrower, Free])
def test_who_takes_further_data(make: Callable[..., Message]) -> None:
    """`Message`, a class that says so and what comes from it, and one with a constructor of its own."""
    assert {"more": 1} == make("x", more=1).model_extra


def test_what_pydantic_refuses() -> None:
    """A class may forbid further data everywhere, in the words of pydantic."""
    assert "Extra inputs are not permitted" == refusal(Strict, more=1)
    with pytest.raises(ValidationError, match="Extra inputs"):
        Strict.model_validate({"more": 1})


def test_what_is_known_is_taken() -> None:
    """An alias, a class variable and a template are no unknown fields."""
    note = untyped(Note)("x", length=3, where="here", mark="?", role="judge", text_template="{topic}")
    assert isinstance(note, Note)
    assert (3, "here", "?", "judge") == (note.size, note.place, note.mark, note.role)


def test_a_method_is_no_field() -> None:
    """A keyword that is the name of a method keeps its own error."""
    with pytest.raises(FreezeError, match="has a method or attribute named 'hash_key'"):
        untyped(Note)(hash_key="x")


@pytest.mark.parametrize("data", [{"more": 1}, {"text": "x", "more": [1]}])
def test_what_is_validated_keeps_further_data(data: dict[str, object]) -> None:
    """Conversions, histories, copies and what a stream of tokens puts beside them are no construction."""
    note = Note.model_validate(data)
    assert "more" in (note.model_extra or {})
    assert note == Note.model_validate_json(note.model_dump_json())
    assert {"later": 2}.items() <= dict(note.model_copy(update={"later": 2})).items()
