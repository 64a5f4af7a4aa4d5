"""Partials: how types come in pieces, and what is shown of half a document."""

import json
import time
from collections.abc import Sequence
from datetime import date
from typing import Annotated

import pytest
from hypothesis import given, strategies as st
from pydantic import AliasChoices, BaseModel, Field, ValidationError

from miniagents import Message
from miniagents.models._partials import MISSING, Items, Object, Partials, Plan, Text, item_type, plan_of


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
    again = plan.fields["again"].plan
    assert isinstance(again, Object)
    assert again.fields is plan.fields
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
        tags: tuple[str, ...]

    plan = plan_of(Note)
    assert isinstance(plan, Object)
    assert plan.beginning({"tags": ["a"]}) == Note(tags=("a",))


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


class City(BaseModel):
    name: str
    sights: list[str] = []


class Trip(BaseModel):
    title: str
    cities: list[City]
    days: int = 0
    note: str | None = None


TRIPS = st.builds(
    Trip,
    title=st.text(max_size=8),
    cities=st.lists(
        st.builds(City, name=st.text(max_size=5), sights=st.lists(st.text(max_size=3), max_size=3)),
        max_size=3,
    ),
    days=st.integers(0, 99),
    note=st.none() | st.text(max_size=5),
)


def partials_of(pieces: list[str], model: type[BaseModel] = Trip) -> list[BaseModel]:
    partials = Partials(model)
    return [partial for piece in pieces if (partial := partials.feed(piece)) is not None]


def is_prefix(part: object, whole: object) -> bool:
    """Whether texts and lists of the part begin those of the whole."""
    match part, whole:
        case BaseModel(), BaseModel():
            return all(
                is_prefix(getattr(part, name), getattr(whole, name)) for name in type(part).model_fields
            )
        case list(), list():
            return len(part) <= len(whole) and all(map(is_prefix, part, whole))  # pyright: ignore[reportUnknownArgumentType]
        case str(), str():
            return whole.startswith(part)
        case _:
            return part == whole or part in (0, None, "")


@given(TRIPS, st.booleans())
def test_partials_grow_into_the_whole(trip: Trip, ascii_only: bool) -> None:
    """Every partial is a beginning of the answer and of the next one, and the last one is the answer."""
    found = partials_of(list(json.dumps(trip.model_dump(), ensure_ascii=ascii_only)))
    assert found[-1] == trip
    for part, after in zip(found, [*found[1:], trip], strict=True):
        assert is_prefix(part, after)
        assert part.__pydantic_fields_set__ <= set(Trip.model_fields)


def test_every_piece_shows() -> None:
    """Each piece that brings something gives a new partial, and one that brings nothing gives none."""
    pieces = [
        '{"title"',
        ": ",
        '"No',
        'rth", "cities": [',
        '{"name": "Os',
        'lo", "sights": ["Op',
        'era"]}',
        ' ], "days": 1',
        "2}",
    ]
    oslo = City(name="Oslo")
    assert partials_of(pieces) == [
        Trip(title="", cities=[]),
        Trip(title="No", cities=[]),
        Trip(title="North", cities=[]),
        Trip(title="North", cities=[City(name="Os")]),
        Trip(title="North", cities=[City(name="Oslo", sights=["Op"])]),
        Trip(title="North", cities=[City(name="Oslo", sights=["Opera"])]),
        Trip(title="North", cities=[oslo.model_copy(update={"sights": ["Opera"]})], days=12),
    ]


class Visit(BaseModel):
    city: City | None
    others: list[City | None] = []
    next: "Visit | None" = None
    note: str = ""


def test_a_model_that_is_none() -> None:
    """A field and an item that may be a model, and are null, are None; the partials go on."""
    oslo = {"name": "Oslo"}
    whole = Visit.model_validate({"city": None, "others": [oslo, None], "next": {"city": None}, "note": "x"})
    made = partials_of(list(whole.model_dump_json()), Visit)
    assert Visit(city=None) in made
    assert whole == made[-1]


class Sale(BaseModel):
    price: float
    note: str
    amount: int = Field(gt=0)


def test_numbers_have_no_beginning() -> None:
    """As long as a required number is missing there is no partial: none is invented."""
    assert partials_of(['{"note": "a', 'b", "price": 1', '.5, "amount": 3', "}"], Sale) == [
        Sale(price=1.5, note="ab", amount=3)
    ]


@pytest.mark.parametrize(
    "text", ['{"title": 1, "cities": []}', '{"title": "a" "b"}', '{"title": "a", "cities": [{"name": 3}]}']
)
def test_what_does_not_fit_ends_the_partials(text: str) -> None:
    """What is complete is validated: after what does not fit there are no more partials."""
    partials = Partials(Trip)
    found = [partials.feed(char) for char in text]
    assert found[-1] is None
    assert partials.feed(" ") is None


@pytest.mark.gate("times a document and one eight times as large")
@pytest.mark.parametrize(
    "document",
    [
        {"title": "word " * 20_000, "cities": []},
        {"title": "", "cities": [{"name": "Oslo", "sights": ["Opera"]}] * 1_500},
        {"title": "", "cities": [{"name": "Oslo", "sights": ["x"] * 16_000}]},
    ],
)
def test_time_is_linear(document: object) -> None:
    """All partials of a document eight times as large take about eight times as long."""
    text = json.dumps(document)

    def seconds(part: str) -> float:
        best = 1e9
        for _ in range(2):
            start = time.process_time()
            partials_of([part[at : at + 4] for at in range(0, len(part), 4)])
            best = min(best, time.process_time() - start)
        return best

    assert seconds(text) < 24 * seconds(text[: len(text) // 8])


def test_of_large_answers_some_tokens_make_no_partial() -> None:
    """A long answer has fewer partials than tokens, so that keeping all of them costs 64 bytes a character.

    The last one is still the whole, and of what is not long each token makes one.
    """
    text = json.dumps({"title": "word " * 40_000, "cities": []})
    found = partials_of([text[at : at + 4] for at in range(0, len(text), 4)])
    titles = [len(each.title) for each in found if isinstance(each, Trip)]
    assert 50 < len(found) < len(text) / 8
    assert sum(titles) < 64 * len(text) + (1 << 21) + len(text)
    assert len([each for each in titles if each <= 4_000]) > 998
    assert found[-1] == Trip(title="word " * 40_000, cities=[])


def test_keys_that_the_model_does_not_know() -> None:
    """What else stands in the document is passed over, and what is known is found among it."""
    many = {f"key-{number}": number for number in range(2_000)}
    text = json.dumps({"title": "a", **many, "cities": [], **{f"more-{key}": 0 for key in many}, "days": 3})
    found = partials_of([text[at : at + 40] for at in range(0, len(text), 40)])
    assert found == [Trip(title="a", cities=[]), Trip(title="a", cities=[], days=3)]
