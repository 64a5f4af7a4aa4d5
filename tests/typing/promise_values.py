"""Promises: what awaiting, iterating, gathering and indexing them gives."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, MutableMapping
from typing import Self, assert_type

from reactivex import Observable

from miniagents import (
    Message,
    MessagePromise,
    Messages,
    MessageSequencePromise,
    Promise,
    StreamedPromise,
    join_messages,
    split_messages,
)
from miniagents.streams import Stream
from miniagents.values import FrozenMapping
from tests.typing.message_classes import Answer, HardQuestion, Question


async def tokens(metadata_so_far: MutableMapping[str, object]) -> AsyncIterator[str]:
    metadata_so_far["model"] = "none"
    yield "Hello"


async def numbers() -> AsyncGenerator[int]:
    yield 1


async def count() -> int:
    return 1


def total(pieces: tuple[int, ...]) -> str:
    return str(sum(pieces))


async def a_message_that_is_still_written() -> None:
    """It resolves to the class that it was asked of; its data that is known already is at hand."""
    assert_type(Message.promise(tokens), MessagePromise[Message])
    promise = Answer.promise(tokens, model="m", score=1)
    assert_type(promise, MessagePromise[Answer])
    assert_type(await promise, Answer)
    assert_type((await promise).score, float)
    assert_type(promise.message_class, type[Answer])
    assert_type(promise.preliminary_metadata, FrozenMapping[str, object])
    assert_type(promise.preliminary_metadata["model"], object)
    Answer.promise("Hello")  # type: ignore[arg-type]
    Answer.promise(numbers)  # type: ignore[arg-type]
    Answer.promise(tokens({}))  # type: ignore[arg-type]
    (await promise).topic  # type: ignore[attr-defined]  # noqa: B018


async def a_finished_message_as_a_promise(question: Question) -> None:
    assert_type(question.as_promise, MessagePromise[Question])
    assert_type((await question.as_promise).topic, str)
    assert_type(MessagePromise(question), MessagePromise[Question])
    question.as_promise()  # type: ignore[operator]
    assert_type(MessagePromise[Message](question), MessagePromise[Message])
    MessagePromise("text")  # type: ignore[call-overload]


async def the_faces_of_a_message(promise: MessagePromise[Answer]) -> None:
    assert_type([token async for token in promise], list[str])
    assert_type(promise.tokens, Stream[str])
    assert_type(promise.tokens.map(lambda token: len(token)), Observable[int])  # noqa: PLW0108
    assert_type(promise.done, bool)
    async with promise as held:
        assert_type(held, MessagePromise[Answer])
    for _ in promise:  # type: ignore[attr-defined]
        pass
    for _ in promise.tokens:  # type: ignore[operator]
        pass
    list(promise.tokens)  # type: ignore[call-overload]
    promise.score  # type: ignore[attr-defined]  # noqa: B018


async def the_faces_of_a_sequence(promise: MessageSequencePromise[Answer]) -> None:
    """Awaited it is `Messages`, iterated it gives promises, each of the same class."""
    assert_type(await promise, Messages[Answer])
    assert_type((await promise)[0].score, float)
    assert_type(await promise.aresolve_messages(), Messages[Answer])
    assert_type(await (await promise), Messages[Answer])
    assert_type([each async for each in promise], list[MessagePromise[Answer]])
    assert_type([await each async for each in promise], list[Answer])
    assert_type([token async for each in promise async for token in each], list[str])
    assert_type(promise.messages, Stream[MessagePromise[Answer]])
    assert_type(promise.tokens, Stream[str])
    assert_type(promise.as_single_promise(delimiter=" ", lang="en"), MessagePromise[Message])
    assert_type(hash(promise), int)
    promise[0]  # type: ignore[index]
    len(promise)  # type: ignore[arg-type]
    promise.as_single_promise(delimiter=1)  # type: ignore[arg-type]


async def several_at_once(
    one: MessagePromise[Question], many: MessageSequencePromise[Answer], number: Promise[int]
) -> None:
    assert_type(await asyncio.gather(one, many), tuple[Question, Messages[Answer]])
    assert_type(await asyncio.gather(one, number), tuple[Question, int])
    assert_type(await asyncio.gather(*[one, one]), list[Question])
    assert_type(await asyncio.wait_for(many, 1), Messages[Answer])


def a_sequence_of_anything(question: Question) -> None:
    assert_type(MessageSequencePromise(), MessageSequencePromise[Message])
    assert_type(MessageSequencePromise(["text", question]), MessageSequencePromise[Message])
    assert_type(
        MessageSequencePromise(prefill_pieces=[question, {"text": "a"}]), MessageSequencePromise[Message]
    )
    MessageSequencePromise(1)  # type: ignore[arg-type]
    MessageSequencePromise(["text", 2])  # type: ignore[list-item]


async def any_value_as_a_promise() -> None:
    assert_type(Promise(count), Promise[int])
    assert_type(await Promise(count), int)
    assert_type(Promise(prefill_result="here"), Promise[str])
    assert_type(await Promise(prefill_result={"a": 1}), dict[str, int])
    Promise(total)  # type: ignore[arg-type]
    Promise(count())  # type: ignore[arg-type]


async def any_stream_as_a_promise() -> None:
    assert_type(StreamedPromise(numbers, resolver=total), StreamedPromise[int, str])
    assert_type(await StreamedPromise(numbers, resolver=total), str)
    assert_type(await StreamedPromise(prefill_pieces=[1, 2], resolver=sum), int)
    stream = StreamedPromise[int, tuple[int, ...]](numbers)
    assert_type([piece async for piece in stream], list[int])
    assert_type(await stream, tuple[int, ...])
    assert_type(stream.pieces, Stream[int])
    StreamedPromise(tokens, resolver=total)  # type: ignore[arg-type]
    StreamedPromise(prefill_pieces=["a"], resolver=total)  # type: ignore[arg-type]


async def a_more_special_promise_will_do(
    hard: MessagePromise[HardQuestion],
    several: MessageSequencePromise[HardQuestion],
    resolved: Messages[HardQuestion],
    number: Promise[bool],
) -> None:
    """Promises and `Messages` are covariant: nothing can be put in."""
    _question: MessagePromise[Question] = hard
    _message: MessagePromise = hard
    _promise: Promise[Message] = hard
    _stream: StreamedPromise[str, Message] = hard
    _several: MessageSequencePromise[Question] = several
    _whole: Promise[Messages[Message]] = several
    _pieces: StreamedPromise[MessagePromise[Message], object] = several
    _resolved: Messages[Question] = resolved
    _tuple: tuple[Message, ...] = resolved
    _number: Promise[int] = number


async def a_more_general_promise_will_not(
    question: MessagePromise[Question],
    several: MessageSequencePromise,
    resolved: Messages[Question],
    number: Promise[int],
) -> None:
    _hard: MessagePromise[HardQuestion] = question  # type: ignore[assignment]
    _answer: MessagePromise[Answer] = question  # type: ignore[assignment]
    _several: MessageSequencePromise[Question] = several  # type: ignore[assignment]
    _resolved: Messages[HardQuestion] = resolved  # type: ignore[assignment]
    _number: Promise[bool] = number  # type: ignore[assignment]
    _text: StreamedPromise[bytes, Question] = question  # type: ignore[assignment]
    _one: MessagePromise[Question] = several  # type: ignore[assignment]


async def text_joined_and_split(promise: MessageSequencePromise[Answer]) -> None:
    assert_type(join_messages(promise), MessagePromise[Message])
    assert_type(join_messages(["a", promise], delimiter=" ", lang="en"), MessagePromise[Message])
    assert_type((await join_messages("a")).text, str | None)
    assert_type(split_messages("a\n\nb", code_block_delimiter=None), MessageSequencePromise[Message])
    assert_type(await split_messages(promise, lang="en"), Messages[Message])
    join_messages(1)  # type: ignore[arg-type]
    join_messages("a", delimiter=None)  # type: ignore[arg-type]
    split_messages("a", delimiter=b" ")  # type: ignore[arg-type]


class Draft(Message):
    """`Self` stays what it is in a subclass."""

    def shown(self) -> "MessagePromise[Self]":
        """Its promise."""
        assert_type(self.as_promise, MessagePromise[Self])
        return self.as_promise
