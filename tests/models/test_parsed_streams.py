"""What of a typed answer is read, as streams: three faces, made once, and stopped with their last reader."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from itertools import permutations
from typing import cast

import pytest
from pydantic import BaseModel, ConfigDict, field_validator
from reactivex import operators as ops

from miniagents import (
    AssistantMessage,
    MessageSequencePromise,
    MiniAgents,
    ParsedMessage,
    Part,
    Restart,
    TypedAnswerError,
)
from miniagents.models import ParsedReplies
from miniagents.models._parsed_streams import AT_ONCE
from miniagents.streams import Stream
from miniagents.testing import scripted_model
from tests.support.readers import awaiting, iterating, leave, stops_with_the_last_one, subscribing
from tests.support.sources import Recorder, Source, keep, turns


class Trip(BaseModel):
    title: str
    cities: list[str] = []


PIECES: Sequence[Part] = ('{"cities": ["Oslo"', ', "Bodø"], "title": "No', "rth", '"}')
NAMES = ("partials", "elements", "field")
SHOWN: dict[str, Sequence[object]] = {
    "partials": [
        Trip(title="", cities=["Oslo"]),
        Trip(title="No", cities=["Oslo", "Bodø"]),
        Trip(title="North", cities=["Oslo", "Bodø"]),
    ],
    "elements": ["Oslo", "Bodø"],
    "field": ["No", "rth"],
}


def replies_of(source: Source[Part]) -> ParsedReplies[Trip]:
    """The replies of a model that was asked for a trip, whose message is still being written."""
    message = AssistantMessage.promise_of_parts(source)
    replies = cast("MessageSequencePromise[ParsedMessage[Trip]]", MessageSequencePromise(message))
    return ParsedReplies[Trip].of_model(replies, Trip)


def projection(replies: ParsedReplies[Trip], name: str) -> Stream[object]:
    """A projection by the name of what it is."""
    match name:
        case "partials":
            return cast("Stream[object]", replies.partials)
        case "elements":
            return replies.elements("cities")
        case _:
            return cast("Stream[object]", replies.field("title"))


@pytest.mark.parametrize("name", NAMES)
async def test_three_faces(name: str) -> None:
    """Awaited, iterated and subscribed to, while it comes and afterwards, each shows the same."""
    async with MiniAgents():
        source = Source(PIECES, hold_at=2)
        shown = projection(replies_of(source), name)
        early, late = Recorder[object](), Recorder[object]()
        shown.subscribe(early)
        whole = asyncio.ensure_future(shown)
        await turns(5)
        before = len(early.items)
        assert 0 < before < len(SHOWN[name]) or name == "elements"
        source.go.set()
        assert tuple(SHOWN[name]) == await whole
        shown.subscribe(late)
        assert [*SHOWN[name]] == [each async for each in shown] == early.items == late.items
        assert (1, 1, 1) == (early.completed, late.completed, source.runs)


async def test_made_once() -> None:
    """Each is made once, of each field one, however the field is named; so is the promise of the value."""
    async with MiniAgents():
        replies = replies_of(Source(PIECES))
        assert replies.partials is replies.partials
        assert replies.elements("cities") is replies.elements(lambda trip: trip.cities)
        assert replies.field("title") is replies.field(lambda trip: trip.title)
        assert replies.parsed is replies.parsed
        assert len({id(projection(replies, name)) for name in NAMES}) == 3
        await replies.partials


async def test_parsed_once_for_all_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is parsed once, however many read a projection of it."""
    made: list[object] = []
    construct: Callable[..., Trip] = Trip.model_construct

    def constructing(*given: object, **values: object) -> Trip:
        made.append(values)
        return construct(None, **values)

    monkeypatch.setattr(Trip, "model_construct", constructing)
    async with MiniAgents():
        replies = replies_of(Source(PIECES))
        first = await replies.partials
        count = len(made)
        assert count > 0
        assert first == await replies.partials == tuple([each async for each in replies.partials])
        assert count == len(made)


@pytest.mark.parametrize("name", [*NAMES, "parsed"])
async def test_starts_at_the_first_read(name: str) -> None:
    """To name one starts no task, and is not reading; reading it starts no task either."""
    async with MiniAgents() as context:
        replies = replies_of(Source(PIECES, hold_at=1))
        await turns(3)
        tasks = {*context.tasks}
        shown: Awaitable[object] = replies.parsed if name == "parsed" else projection(replies, name)
        await turns(3)
        assert (tasks, 0, False) == ({*context.tasks}, replies.buffer.readers, replies.buffer.was_read)
        reading = asyncio.ensure_future(shown)
        await turns(3)
        assert (tasks, True) == ({*context.tasks}, replies.buffer.was_read)
        reading.cancel()
        replies.buffer.items[0].cancel()


def piping(shown: Stream[object]) -> object:
    """Subscribe through an operator."""
    return shown.pipe(ops.map(str)).subscribe(lambda _: None)


@pytest.mark.parametrize("read", [iterating, subscribing, awaiting, piping])
@pytest.mark.parametrize("name", NAMES)
async def test_dropped_in_any_order(name: str, read: Callable[[Stream[object]], object]) -> None:
    """When promise, projection and reader have gone, in whatever order, the model is stopped at once.

    As long as one of them is there it goes on. No garbage collector is needed.
    """
    for order in permutations(("promise", "projection", "reader")):
        async with MiniAgents():
            source = Source(PIECES, hold_at=2)
            held: dict[str, object] = {"promise": replies_of(source)}
            projected = held["projection"] = projection(cast("ParsedReplies[Trip]", held["promise"]), name)
            early = subscribing(projected)  # so that an item is there
            await turns(4)
            held["reader"] = read(projected)
            await turns(3)
            leave(early)
            del early, projected
            await stops_with_the_last_one(source, held, order, produced=2)


@pytest.mark.parametrize("order", [*permutations(("promise", "parsed", "reader"))], ids="-".join)
async def test_the_value_dropped_in_any_order(order: tuple[str, ...]) -> None:
    """The promise of the value is a lease as any other."""
    async with MiniAgents():
        source = Source(PIECES, hold_at=2)
        held: dict[str, object] = {"promise": replies_of(source)}
        held["parsed"] = cast("ParsedReplies[Trip]", held["promise"]).parsed
        held["reader"] = awaiting(cast("Awaitable[object]", held["parsed"]))
        await turns(4)
        await stops_with_the_last_one(source, held, order, produced=2)


@pytest.mark.parametrize("name", NAMES)
async def test_one_outlives_its_promise(name: str) -> None:
    """A projection that outlives its promise, half read, reads on to the end."""
    async with MiniAgents():
        source = Source(PIECES, hold_at=2)
        replies = replies_of(source)
        shown = projection(replies, name)
        reading = aiter(shown)
        first: object = await anext(reading)
        del replies, shown
        await turns(3)
        source.go.set()
        assert [first, *[each async for each in reading]] == [*SHOWN[name]]
        assert (len(PIECES), 1) == (source.produced, source.closed)


async def test_a_typed_agent_is_stopped() -> None:
    """A half-read list of elements keeps the model running; leaving it stops the model at once."""
    async with MiniAgents() as context:
        model = scripted_model(*[['{"cities": ["Oslo", ', *['"x", '] * 10_000, '"y"], "title": ""}']])
        gc.disable()
        try:
            elements = model.as_type(Trip).inquire("Plan a trip.").elements(lambda trip: trip.cities)
            reading = aiter(elements)
            assert "Oslo" == await anext(reading)
            await turns(5)
            assert context.tasks
            del elements
            await turns(5)
            assert context.tasks
            del reading
            await turns(8)
            assert not context.tasks
        finally:
            gc.enable()


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("name", NAMES)
async def test_one_that_has_ended(name: str, *, fails: bool) -> None:
    """One that has ended has dropped the feed and the leases on what it was made of."""
    async with MiniAgents() as context:
        replies = replies_of(Source(PIECES, error=ValueError("broken") if fails else None))
        leases = replies.buffer.leases
        shown = projection(replies, name)
        gc.disable()
        try:
            (outcome,) = await asyncio.gather(shown, return_exceptions=True)
            await turns(3)
            assert isinstance(outcome, ValueError) is fails
            assert (set(), leases) == ({*context.tasks}, replies.buffer.leases)
            assert (None, 0) == (shown.shown.producer, replies.buffer.readers)
        finally:
            gc.enable()


async def test_a_contradiction_ends_one_projection() -> None:
    """What contradicts a repaired answer is the error of that projection; all others go on."""
    async with MiniAgents():
        pieces: list[Part] = [
            '{"title": "North", "cities": ["Oslo"]',
            Restart("no"),
            '{"title": "North", "cities": ["Rome"]}',
        ]
        replies = replies_of(Source(pieces))
        partials, elements, title = await asyncio.gather(
            replies.partials, replies.elements("cities"), replies.field("title"), return_exceptions=True
        )
        assert isinstance(elements, TypedAnswerError)
        assert ("North",) == title
        assert isinstance(partials, tuple)
        assert Trip(title="North", cities=["Rome"]) == partials[-1]


@pytest.mark.parametrize("name", NAMES)
async def test_a_slow_reader_slows_the_model_down(name: str) -> None:
    """The model runs at most `prefetch` items ahead of a reader; who awaits the whole takes everything."""
    items = {"partials": '"x", ', "elements": '"x", ', "field": "x"}[name]
    start, end = ('{"title": "', '"}') if name == "field" else ('{"title": "", "cities": [', '"x"]}')
    async with MiniAgents(prefetch=4):
        pieces: list[Part] = [start, *[items] * 500, end]
        source = Source(pieces)
        shown = projection(replies_of(source), name)
        reading = aiter(shown)
        for _ in range(10):
            await anext(reading)
        await turns(50)
        assert 10 < source.produced <= 10 + 4 * 4
        assert len(await shown) >= 500
        await reading.aclose()


@pytest.mark.parametrize("name", NAMES)
async def test_a_long_answer_leaves_the_loop_its_turns(name: str) -> None:
    """A long answer that is there already is parsed bit by bit: between the bits others have a turn."""
    async with MiniAgents(prefetch=1_000_000):
        count = 40 * AT_ONCE
        pieces: list[Part] = ['{"title": "x", "cities": ["x"', *[', "x"'] * count, "]}"]
        replies = replies_of(Source(pieces))
        await replies.parts
        whole = asyncio.ensure_future(projection(replies, name))
        taken = 0
        while not whole.done():
            await asyncio.sleep(0)
            taken += 1
        assert taken >= count // 1024
        assert 0 < len(whole.result())


async def test_the_value_without_waiting() -> None:
    """The value can be shown as text when the answer is there; as a promise it is named so."""
    async with MiniAgents():
        message = ParsedMessage[Trip]("{}", parsed=Trip(title="North"))
        replies = cast("MessageSequencePromise[ParsedMessage[Trip]]", MessageSequencePromise(message))
        parsed = ParsedReplies[Trip].of_model(replies, Trip).parsed
        assert "title='North' cities=[]" == str(parsed)
        assert parsed.done
        assert "<Promise done, 1 pieces>" == repr(parsed)


class Basket(BaseModel):
    """Takes more than its fields declare: numbers as texts, a list as one text, NaN."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    shop: str = ""
    fruits: list[str] = []
    prices: list[float] = []

    @field_validator("fruits", mode="before")
    @classmethod
    def split(cls, value: object) -> object:
        """A text is its words."""
        return value.split() if isinstance(value, str) else value


@pytest.mark.parametrize(
    ("pieces", "value"),
    [
        (['{"shop": 4', '2, "fruits": [1, "fig"]', "}"], Basket(shop="42", fruits=["1", "fig"])),
        (['{"fruits": "fig plum", "shop', '": "North"}'], Basket(shop="North", fruits=["fig", "plum"])),
        (['{"prices": [1, NaN, ', '2], "fruits": ["fig"', '], "shop": "North"}'], None),
        (['{"shop": "No', 'rth"', ', "prices": [1, Infinity, 2]}'], None),
    ],
)
async def test_all_of_the_value_is_shown(pieces: list[str], value: Basket | None) -> None:
    """Partials, elements and texts end with what the whole answer has, whatever pydantic makes of it."""
    async with MiniAgents():
        replies = scripted_model(pieces).as_type(Basket, repairs=0).inquire("What is in it?")
        shown = await asyncio.gather(
            replies.partials, replies.elements("fruits"), replies.elements("prices"), replies.field("shop")
        )
        whole = await replies.parsed
        assert value is None or whole == value
        partials, fruits, prices, shop = shown
        assert repr(whole) == repr(partials[-1])
        assert repr((whole.fruits, whole.prices, whole.shop)) == repr(([*fruits], [*prices], "".join(shop)))


async def test_a_list_that_comes_twice() -> None:
    """If a list with an element that does not fit comes again, readers got another one: an error."""
    async with MiniAgents():
        pieces = ['{"title": "North", "cities": ["Oslo", 1], ', '"cities": ["Rome"]}']
        replies = scripted_model(pieces).as_type(Trip, repairs=0).inquire("Where?")
        with pytest.raises(TypedAnswerError, match=r"Trip.cities was already read, and is different"):
            await replies.elements("cities")
        assert Trip(title="North", cities=["Rome"]) == await replies.parsed


async def test_no_value() -> None:
    """The error of the answer is that of its value, the very object."""
    async with MiniAgents():
        broken = ValueError("broken")
        replies = replies_of(Source(PIECES, error=broken))
        with pytest.raises(ValueError, match="broken") as raised:
            await replies.parsed
        assert broken is raised.value


@pytest.mark.parametrize("name", NAMES)
async def test_an_error_that_is_a_message(name: str) -> None:
    """Where errors are messages, one ends the value and the streams of its answer, after what has come."""
    model = scripted_model([*PIECES[:2], ConnectionError("cut")])
    shown: list[object] = []
    async with MiniAgents(errors_as_messages=True):
        replies = model.as_type(Trip).inquire("Where?")
        with pytest.raises(TypedAnswerError, match="there is no answer: ConnectionError: cut"):
            await keep(shown, projection(replies, name))
        with pytest.raises(TypedAnswerError, match="there is no answer: ConnectionError: cut"):
            await replies.parsed
    assert shown
    assert list(SHOWN[name])[: len(shown)] == shown


@pytest.mark.parametrize("name", NAMES)
async def test_an_answer_behind_one_that_broke(name: str) -> None:
    """What another agent answers behind an answer that broke begins anew, as a repaired one."""
    broken = scripted_model([PIECES[0], ConnectionError("cut")]).as_type(Trip)
    async with MiniAgents():
        replies = broken.catching(scripted_model(PIECES).as_type(Trip)).inquire("Where?")
        assert SHOWN[name][-1] == (await projection(replies, name))[-1]
        assert Trip(title="North", cities=["Oslo", "Bodø"]) == await replies.parsed
