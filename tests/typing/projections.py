"""Type facts: every projection of a message, a sequence or a typed answer is a `Stream` with three faces."""

import asyncio
from collections.abc import AsyncIterable
from typing import assert_type

import reactivex as rx
from pydantic import BaseModel
from reactivex import Observable, operators as ops

from miniagents import MessagePromise, MessageSequencePromise, Promise
from miniagents.models import ParsedReplies
from miniagents.operators import resolve
from miniagents.parts import Part
from miniagents.streams import Stream
from tests.typing.message_classes import Answer, HardQuestion, Question


class Sight(BaseModel):
    """A sight."""

    name: str


class City(BaseModel):
    """A city."""

    name: str
    people: int
    sights: list[Sight]
    note: str | None


def what_each_projection_is(
    message: MessagePromise[Answer], replies: MessageSequencePromise[Answer], typed: ParsedReplies[City]
) -> None:
    """All are of one type."""
    assert_type(message.tokens, Stream[str])
    assert_type(message.parts, Stream[Part])
    assert_type(message.pieces, Stream[str])
    assert_type(replies.messages, Stream[MessagePromise[Answer]])
    assert_type(replies.tokens, Stream[str])
    assert_type(replies.parts, Stream[Part])
    assert_type(replies.pieces, Stream[MessagePromise[Answer]])
    assert_type(replies.final, Promise[Answer])
    assert_type(typed.tokens, Stream[str])
    assert_type(typed.parts, Stream[Part])
    assert_type(typed.partials, Stream[City])
    assert_type(typed.elements(lambda city: city.sights), Stream[Sight])
    assert_type(typed.elements("sights"), Stream[object])
    assert_type(typed.field(lambda city: city.name), Stream[str])
    assert_type(typed.field(lambda city: city.note), Stream[str])
    assert_type(typed.field("name"), Stream[str])
    assert_type(typed.parsed, Promise[City])


async def awaited_it_is_a_tuple(
    message: MessagePromise[Answer], replies: MessageSequencePromise[Answer], typed: ParsedReplies[City]
) -> None:
    """All items, not the last one as of other Observables."""
    assert_type(await message.tokens, tuple[str, ...])
    assert_type(await message.parts, tuple[Part, ...])
    assert_type(await replies.messages, tuple[MessagePromise[Answer], ...])
    assert_type(await replies.tokens, tuple[str, ...])
    assert_type(await replies.parts, tuple[Part, ...])
    assert_type(await typed.partials, tuple[City, ...])
    assert_type((await typed.partials)[-1].people, int)
    assert_type(await typed.elements(lambda city: city.sights), tuple[Sight, ...])
    assert_type(await typed.field(lambda city: city.name), tuple[str, ...])
    assert_type(await typed.parsed, City)
    assert_type(
        await asyncio.gather(typed.partials, typed.field("name"), typed.parsed),
        tuple[tuple[City, ...], tuple[str, ...], City],
    )
    assert_type(await asyncio.wait_for(typed.partials, 1), tuple[City, ...])


async def iterated_it_gives_items(
    message: MessagePromise[Answer], replies: MessageSequencePromise[Answer], typed: ParsedReplies[City]
) -> None:
    """Item by item."""
    assert_type([each async for each in message.tokens], list[str])
    assert_type([each async for each in message.parts], list[Part])
    assert_type([await each async for each in replies.messages], list[Answer])
    assert_type([each async for each in replies.tokens], list[str])
    async for partial in typed.partials:
        assert_type(partial, City)
        assert_type(partial.name, str)
    async for sight in typed.elements(lambda city: city.sights):
        assert_type(sight, Sight)
    async for text in typed.field(lambda city: city.note):
        assert_type(text, str)


def it_stands_in_a_pipe(replies: MessageSequencePromise[Answer], typed: ParsedReplies[City]) -> None:
    """It is an Observable: operators infer, as functions and as methods."""
    assert_type(typed.partials.pipe(ops.map(lambda city: city.people)), Observable[int])
    assert_type(typed.partials.map(lambda city: city.people), Observable[int])
    sights = typed.elements(lambda city: city.sights)
    assert_type(sights.pipe(ops.filter(lambda sight: sight.name != ""), ops.take(3)), Observable[Sight])
    assert_type(typed.field(lambda city: city.name).pipe(ops.map(len)), Observable[int])
    assert_type(replies.messages.pipe(resolve()), Observable[Answer])
    assert_type(rx.merge(replies.tokens, typed.field("name")), Observable[str])
    typed.partials.subscribe(on_next=print, on_error=print, on_completed=print)


def where_an_observable_is_taken(
    hard: MessageSequencePromise[HardQuestion], typed: ParsedReplies[City]
) -> None:
    """It is one, it can be iterated, and it is covariant."""
    _observable: Observable[City] = typed.partials
    _iterable: AsyncIterable[City] = typed.partials
    _model: Stream[BaseModel] = typed.partials
    _messages: Stream[MessagePromise[Question]] = hard.messages


async def what_is_refused(
    questions: MessageSequencePromise[Question], typed: ParsedReplies[City], models: Stream[BaseModel]
) -> None:
    """Wrong fields, wrong items and the wrong direction are errors."""
    _hard: Stream[MessagePromise[HardQuestion]] = questions.messages  # type: ignore[assignment]
    _city: Stream[City] = models  # type: ignore[assignment]
    typed.elements(lambda city: city.people)  # type: ignore[arg-type, return-value]
    typed.elements(lambda city: city.places)  # type: ignore[attr-defined]
    typed.field(lambda city: city.people)  # type: ignore[arg-type, return-value]
    typed.partials.map(lambda city: city.mayor)  # type: ignore[attr-defined]
    (await typed.partials).people  # type: ignore[attr-defined]  # noqa: B018
    await typed.elements  # type: ignore[misc]
