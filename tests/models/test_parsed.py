"""Typed answers, read while they stream."""

from collections.abc import AsyncIterable, Callable, Sequence
from typing import cast

import pytest
from pydantic import BaseModel, Field
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    Message,
    MessageSequencePromise,
    MiniAgents,
    ParsedMessage,
    Part,
    Restart,
    SchemaError,
    TypedAnswerError,
)
from miniagents.models import ParsedReplies
from miniagents.models._parsed import field_of


class City(BaseModel):
    name: str


class Trip(BaseModel):
    title: str = Field(default="", alias="Title")
    cities: list[City] = []
    note: str | None = None
    days: int = 0


def answered(pieces: Sequence[Part | Exception]) -> MessageSequencePromise[Message]:
    """The replies of somebody who streams these pieces."""

    async def parts(metadata_so_far: object) -> AsyncIterable[Part]:
        for piece in pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    return MessageSequencePromise(AssistantMessage.promise_of_parts(parts))


def typed(pieces: Sequence[Part | Exception]) -> ParsedReplies[Trip]:
    """The same, as the replies of a model that was asked for a trip."""
    return ParsedReplies[Trip].of_model(
        cast("MessageSequencePromise[ParsedMessage[Trip]]", answered(pieces)), Trip
    )


FIRST = [
    '```json\n{"Ti',
    'tle": "No',
    "rth",
    '", "cities": [{"name": "Oslo"}, {"na',
    'me": "Bodø"}], "note": "x"}\n```',
]


async def elements(pieces: Sequence[Part | Exception]) -> list[object]:
    async with MiniAgents():
        return [each async for each in typed(pieces).elements("cities")]


async def tokens(pieces: Sequence[Part | Exception], field: str = "title") -> list[str]:
    async with MiniAgents():
        return [each async for each in typed(pieces).field(field)]


async def test_elements_come_when_they_close() -> None:
    """Each element comes when it is complete, validated, while the rest is still on its way."""
    async with MiniAgents():
        seen: list[int] = []

        async def parts(metadata_so_far: object) -> AsyncIterable[Part]:
            for at, piece in enumerate(FIRST):
                seen.append(at)
                yield piece

        answer = MessageSequencePromise(AssistantMessage.promise_of_parts(parts))
        replies = ParsedReplies[Trip].of_model(
            cast("MessageSequencePromise[ParsedMessage[Trip]]", answer), Trip
        )
        found = [each async for each in replies.elements("cities")]
        assert found == [City(name="Oslo"), City(name="Bodø")]
        assert [each async for each in replies.elements("cities")] == found
        assert seen == [0, 1, 2, 3, 4]


async def test_text_of_a_field() -> None:
    """A text comes as it is written, whatever its key is, and nothing else with it."""
    assert await tokens(FIRST) == ["No", "rth"]
    assert await tokens(FIRST, "note") == ["x"]
    assert await tokens(['{"note": null}'], "note") == []


async def test_leaving_leaves_nothing() -> None:
    """A reader that breaks off takes everything with it that read for it."""
    async with MiniAgents():
        replies = typed(FIRST)
        for view in (replies.elements("cities"), replies.field("title"), replies.partials):
            iterator = aiter(view)
            await anext(iterator)
            await iterator.aclose()


async def test_a_repaired_answer_goes_on() -> None:
    """What was handed out and is the same in the repaired answer is not handed out again."""
    repaired: list[Part] = [
        *FIRST[:4],
        Restart("it was cut"),
        '{"Title": "Northern", "cities": [{"name": "Oslo"}, {"name": "Narvik"}]}',
    ]
    assert await elements(repaired) == [City(name="Oslo"), City(name="Narvik")]
    assert await tokens(repaired) == ["No", "rth", "ern"]


async def test_a_repaired_answer_that_is_another_one() -> None:
    """What was handed out and is something else in the repaired answer is an error, never a silent change."""
    repaired: list[Part] = [*FIRST[:4], Restart("no"), '{"Title": "South", "cities": [{"name": "Rome"}]}']
    with pytest.raises(TypedAnswerError, match=r"Trip.cities\[0\] was already read, and is different"):
        await elements(repaired)
    with pytest.raises(TypedAnswerError, match=r"Trip.title was already read"):
        await tokens(repaired)


@pytest.mark.parametrize("less", ['{"Title": "Nor"}', '{"Title": "North", "cities": []}', "{}"])
async def test_a_repaired_answer_that_has_less(less: str) -> None:
    """What was handed out and is missing in the repaired answer is an error, too, at the end."""
    repaired: list[Part] = [*FIRST[:4], Restart("no"), less]
    with pytest.raises(TypedAnswerError, match=r"Trip.cities\[0\] was already read, and is different"):
        await elements(repaired)
    if "North" in less:
        assert await tokens(repaired) == ["No", "rth"]
    else:
        with pytest.raises(TypedAnswerError, match=r"Trip.title was already read"):
            await tokens(repaired)


async def test_a_text_that_comes_twice() -> None:
    """If a key comes twice, the last text is the value, and readers got another one: an error."""
    for twice in ('{"note": "x", "note": "y"}', '{"note": "x", "note": null}'):
        with pytest.raises(TypedAnswerError, match=r"Trip.note was already read, and is different"):
            await tokens([twice], "note")


class Route(BaseModel):
    cities: list[str]
    by: str = "rail"

    @override
    def model_post_init(self, context: object) -> None:
        """Take the first city, which must have come."""
        self.by = f"{self.by} from {self.cities[0]}"


async def test_code_of_a_model_that_needs_more() -> None:
    """If code of the model fails with what has come so far, there is no partial before more has come."""
    pieces: list[Part] = ['{"cities": [', '"Oslo"', ', "Bodø"', '], "by": "sea"}']
    async with MiniAgents():
        answer = cast("MessageSequencePromise[ParsedMessage[Route]]", answered(pieces))
        replies = ParsedReplies[Route].of_model(answer, Route)
        partials = [(each.cities, each.by) async for each in replies.partials]
    assert partials == [
        (["Oslo"], "rail from Oslo"),
        (["Oslo", "Bodø"], "rail from Oslo"),
        (["Oslo", "Bodø"], "sea from Oslo"),
    ]


async def test_partials_start_again() -> None:
    """Partials go on with the repaired answer."""
    async with MiniAgents():
        pieces: list[Part] = ['{"Title": "No', '", 3', Restart("no JSON"), '{"Title": "So', 'uth"}']
        found = [each.title async for each in typed(pieces).partials]
        assert found == ["No", "So", "South"]


@pytest.mark.parametrize(
    "wrong",
    ['{"cities": [{"name": "Oslo"}, {"name": 1}, {"name": "X"}]}', '{"cities": [{"name": "Oslo"}, nonsense'],
)
async def test_what_does_not_fit_is_not_handed_out(wrong: str) -> None:
    """Nothing comes after what does not fit, until the answer begins anew, or ends with its error."""
    assert await elements([wrong]) == [City(name="Oslo")]
    assert await elements([wrong, Restart("no"), '{"cities": [{"name": "Oslo"}, {"name": "Y"}]}']) == [
        City(name="Oslo"),
        City(name="Y"),
    ]


async def test_errors_come_after_what_came_before() -> None:
    """An error of the answer is raised after the elements that were complete."""
    async with MiniAgents():
        cut = typed([*FIRST[:4], ConnectionError("cut")])
        found: list[object] = []
        view = aiter(cut.elements("cities"))
        found.append(await anext(view))
        with pytest.raises(ConnectionError, match="cut"):
            await anext(view)
        assert found == [City(name="Oslo")]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: field_of(Trip, "citys"),
            "Trip has no field 'citys'; its fields are: title, cities, note, days",
        ),
        (lambda: field_of(Trip, lambda trip: 1), "returns no field of Trip itself; write it like"),
        (lambda: field_of(Trip, lambda trip: trip.cities[0].name), "returns no field of Trip itself; write"),
        (lambda: field_of(Trip, lambda trip: trip.title.upper()), "returns no field of Trip itself; write"),
        (lambda: typed([]).elements("title"), "Trip.title is not a list"),
        (lambda: typed([]).field("days"), "Trip.days is not a text"),
    ],
)
async def test_fields_that_are_refused(make: Callable[[], object], sentence: str) -> None:
    """A field that is not there, or of another kind, is an error at once."""
    async with MiniAgents():
        with pytest.raises(SchemaError, match=sentence):
            make()


def test_fields_by_function() -> None:
    """A field can be named by a function, which type checkers understand."""
    assert field_of(Trip, lambda trip: trip.cities) == "cities"


class Place(BaseModel):
    name: str
    sights: list[str] = []


OSLO = ParsedMessage[Place]('{"name": "Oslo"}', parsed=Place(name="Oslo"))


def test_a_message_with_a_value() -> None:
    """The value goes through JSON with its type, and is a part of the hash key."""
    assert ParsedMessage[Place].model_validate_json(OSLO.model_dump_json()) == OSLO
    assert isinstance(OSLO, AssistantMessage)
    assert OSLO.hash_key != ParsedMessage[Place]('{"name": "Oslo"}', parsed=Place(name="Bodø")).hash_key


async def test_a_view_of_replies() -> None:
    """The replies give the message, its value, and all that can be read while it streams."""
    async with MiniAgents():
        given = cast("MessageSequencePromise[ParsedMessage[Place]]", MessageSequencePromise(OSLO))
        replies = ParsedReplies[Place].of_model(given, Place)
        assert await replies == (OSLO,)
        assert await replies.parsed == Place(name="Oslo")
        assert [each async for each in replies.partials] == [Place(name="Oslo")]
        assert [each async for each in replies.elements("sights")] == []
        assert [each async for each in replies.elements(lambda city: city.sights)] == []
        assert "".join([each async for each in replies.field(lambda city: city.name)]) == "Oslo"
