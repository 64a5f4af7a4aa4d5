"""Tests of how the types of a model come in pieces."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

import pytest
from pydantic import AliasChoices, BaseModel, Field, ValidationError

from miniagents import Message
from miniagents.models._plans import MISSING, Items, Object, Plan, Text, item_type, plan_of


class Part(BaseModel):
    name: str
    size: Annotated[int, Field(gt=0)] = 1


class Whole(BaseModel):
    title: str
    note: str | None
    tags: list[str]
    parts: tuple[Part, ...] = ()
    first: Part
    day: date | None = None
    pair: tuple[int, str] = (1, "")
    again: "Whole | None" = None
    key: str = Field(default="", alias="Key")


def test_plans() -> None:
    """Texts, lists and models have a beginning; everything else must be whole."""
    plan = plan_of(Whole)
    assert isinstance(plan, Object)
    assert {key: type(field.plan) for key, field in plan.fields.items()} == {
        "title": Text,
        "note": Text,
        "tags": Items,
        "parts": Items,
        "first": Object,
        "day": Plan,
        "pair": Plan,
        "again": Object,
        "Key": Text,
    }
    assert plan.fields["again"].plan is plan
    assert plan.fields["Key"].name == "key"


def test_beginnings() -> None:
    """What has not begun is empty; what has no beginning must be there."""
    plan = plan_of(Whole)
    assert plan.empty() == Whole.model_construct(
        None, title="", note="", tags=[], first=Part.model_construct(None, name="")
    )

    class Needy(BaseModel):
        name: str
        size: int

    assert plan_of(Needy).empty() is MISSING
    needy = plan_of(Needy)
    assert isinstance(needy, Object)
    assert needy.beginning({"size": 1}) == Needy(name="", size=1)


def test_messages_are_frozen() -> None:
    """A message of which only the beginning has come is frozen like any other."""

    class Note(Message):
        tags: list[str]

    plan = plan_of(Note)
    assert isinstance(plan, Object)
    assert plan.beginning({"tags": ["a"]}) == Note(tags=["a"])


def test_limits_hold_for_what_is_complete() -> None:
    """A complete value is validated with the limits of its field."""
    plan = plan_of(Part)
    assert isinstance(plan, Object)
    size = plan.fields["size"].plan
    assert size.validated(3) == 3
    with pytest.raises(ValidationError):
        size.validated(0)


def test_fields_under_several_keys() -> None:
    """A model whose keys are not known beforehand must be whole."""

    class Odd(BaseModel):
        name: str = Field(validation_alias=AliasChoices("name", "title"))

    assert type(plan_of(Odd)) is Plan


@pytest.mark.parametrize(
    ("annotation", "item"),
    [
        (list[int], int),
        (Sequence[str], str),
        (tuple[date, ...], date),
        (list[int] | None, int),
        (tuple[int, str], MISSING),
        (set[int], MISSING),
        (str, MISSING),
    ],
)
def test_types_of_items(annotation: object, item: object) -> None:
    """A list has items of one type."""
    assert item_type(annotation) is item
