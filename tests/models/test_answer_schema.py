"""Tests of types of answers as JSON schemas."""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Literal, cast

import pytest
from pydantic import BaseModel, Field, RootModel

from miniagents import AnswerSchema, Message, SchemaError


class Place(BaseModel):
    """A place on earth."""

    city: str


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


class Trip(BaseModel):
    """A plan of a trip."""

    title: str = Field(min_length=3, description="short")
    start: Place = Field(description="where it begins")
    stops: list[Place] = []
    days: int | None = Field(default=None, ge=1)
    mood: Mood = Mood.GOOD
    kind: Literal["car", "train"] = "car"


class Tree(BaseModel):
    name: str
    branches: list["Tree"] = []


class Branch(BaseModel):
    twigs: "list[Twig]"


class Twig(BaseModel):
    branch: Branch | None


class Forest(BaseModel):
    branches: list[Branch]


class Scores(BaseModel):
    by_name: dict[str, int]


class Pair(BaseModel):
    both: tuple[int, str]


class Anything(BaseModel):
    value: Any


class Steps(BaseModel):
    all: Iterable[str]


class Ratio(BaseModel):
    call: Callable[[int], float]


class Words(RootModel[list[str]]):
    pass


def plain(value: object) -> object:
    """Frozen data as JSON would be read."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in cast("Mapping[str, object]", value).items()}
    return [plain(item) for item in cast("tuple[object, ...]", value)] if isinstance(value, tuple) else value


def test_strict_schema() -> None:
    """Every object is closed and needs all its fields; limits are told in words; references stand alone."""
    schema = AnswerSchema.of(Trip)
    assert (schema.name, schema.description, schema.strict) == ("Trip", "A plan of a trip.", True)
    place = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
        "description": "A place on earth.",
    }
    assert plain(schema.schema) == {
        "type": "object",
        "properties": {
            "title": {"type": "string", "description": "short (minLength: 3)"},
            "start": {**place, "description": "where it begins"},
            "stops": {"type": "array", "items": {"$ref": "#/$defs/Place"}},
            "days": {"anyOf": [{"type": "integer", "description": "(minimum: 1)"}, {"type": "null"}]},
            "mood": {"$ref": "#/$defs/Mood"},
            "kind": {"type": "string", "enum": ["car", "train"]},
        },
        "required": ["title", "start", "stops", "days", "mood", "kind"],
        "additionalProperties": False,
        "$defs": {"Place": place, "Mood": {"type": "string", "enum": ["good", "bad"]}},
    }


class Verdict(Message):
    """A message is a type of answers, too."""

    good: bool


def test_a_class_that_takes_further_data() -> None:
    """The model may give the declared fields only, as those of a class of messages."""
    verdict = {"type": "boolean"}
    text = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert plain(AnswerSchema.of(Verdict).schema) == {
        "type": "object",
        "properties": {"text": text, "good": verdict},
        "required": ["text", "good"],
        "additionalProperties": False,
    }


def test_types_that_contain_themselves() -> None:
    """The root is written out, and the type still refers to itself."""
    schema = plain(AnswerSchema.of(Tree).schema)
    assert isinstance(schema, dict)
    assert schema["type"] == "object"
    assert schema["properties"]["branches"] == {"type": "array", "items": {"$ref": "#/$defs/Tree"}}
    assert AnswerSchema.of(Tree).recursive
    assert AnswerSchema.of(Forest).recursive
    assert not AnswerSchema.of(Trip).recursive


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (
            Scores,
            r"Scores.by_name has keys of any name, .* use a list of pairs, or as_type\(..., mode='tool'\)",
        ),
        (Pair, "Pair.both has values of a type for each place"),
        (Anything, "Anything.value may be anything"),
        (BaseModel, "BaseModel has no fields for an answer"),
        (Words, "Words is not an object with fields"),
        (Ratio, "Ratio has no JSON schema"),
        (Steps, r"Steps has no JSON schema \(an Iterable can be read only once: declare a list\)"),
        (int, "<class 'int'> is not a pydantic model"),
        (list[Place], r"list\[.*Place\] is not a pydantic model"),
    ],
)
def test_types_that_are_refused(model: type[BaseModel], sentence: str) -> None:
    """What a provider would refuse is an error before anything is sent, and says what to do."""
    with pytest.raises(SchemaError, match=sentence):
        AnswerSchema.of(model)


def test_any_schema_goes_as_a_tool() -> None:
    """For a tool the schema is as pydantic makes it."""
    schema = AnswerSchema.of(Scores, strict=False)
    assert plain(schema.schema) == {
        "type": "object",
        "properties": {"by_name": {"type": "object", "additionalProperties": {"type": "integer"}}},
        "required": ["by_name"],
    }


def test_the_root_of_a_tool() -> None:
    """The arguments of a tool are an object: so is the root of a type that contains itself, and no list."""
    tree = plain(AnswerSchema.of(Tree, strict=False).schema)
    assert isinstance(tree, dict)
    assert "object" == tree["type"]
    assert "$ref" not in tree
    with pytest.raises(SchemaError, match="Words is not an object with fields"):
        AnswerSchema.of(Words, strict=False)


def test_too_deep() -> None:
    """A type that is nested too deep is refused, with the place."""
    with pytest.raises(SchemaError, match="nested more than 10 levels deep"):
        AnswerSchema.of(_deep(12))


def _deep(levels: int) -> type[BaseModel]:
    annotation: object = str
    for _ in range(levels):
        annotation = list[annotation]  # type: ignore[valid-type]
    return cast("type[BaseModel]", type("Deep", (BaseModel,), {"__annotations__": {"inner": annotation}}))
