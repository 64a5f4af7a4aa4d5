"""A message as a value, and as the stream it comes from."""

import asyncio
import copy
import gc
import pickle
from collections.abc import AsyncGenerator, MutableMapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from ipaddress import IPv4Address
from typing import ClassVar, assert_type, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st
from pydantic import HttpUrl, ValidationError

from miniagents.messages import Message, MessagePromise
from miniagents.messages._message import failed_message, freeze_metadata, text_message
from miniagents.streams import Promise, PromisingContext, to_async_iter
from miniagents.streams._lifetime import NO_RESULT
from miniagents.values import (
    FreezeError,
    InquiryCancelledError,
    MessageValidationError,
    NoActiveContextError,
    UnresolvedPromiseError,
    partial_text,
)
from tests.support.sources import Recorder, Source, turns
from tests.support.typewriter import Typewriter


class Scored(Message):
    """A message with a declared field and a template."""

    text_template: ClassVar[str] = "score: {score}"
    score: int


async def read(promise: MessagePromise[Message]) -> tuple[list[str], Exception | None]:
    """The tokens of a message, and the error behind them."""
    tokens: list[str] = []
    try:
        async for token in promise:
            tokens.append(token)  # noqa: PERF401 - those before the error are wanted
    except Exception as error:  # noqa: BLE001 - it is looked at
        return tokens, error
    return tokens, None


# -- the value -----------------------------------------------------------------------------------------


def test_forms() -> None:
    """The text is given by position or by name, or there is none; every other keyword is data."""
    assert Message("Hello") == Message(text="Hello") == Message.model_validate({"text": "Hello"})
    assert Message().text is None
    message = Message("Hello", tags=["a", {"b": [1]}], model="m")
    assert ("Hello", {"tags": ("a", {"b": (1,)}), "model": "m"}) == (message.text, message.model_extra)
    with pytest.raises(TypeError, match="positional"):
        Message("Hello", "there")  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="text"):
        Message(5)  # type: ignore[arg-type]


def test_declared_fields() -> None:
    """A subclass declares fields, which are validated; its text may still stand first."""
    message = Scored("fine", score=1)
    assert ("fine", 1) == (message.text, message.score)
    with pytest.raises(ValidationError, match="score"):
        Scored.model_validate({"text": "fine"})
    with pytest.raises(ValidationError, match="score"):
        Scored(score="high")  # type: ignore[arg-type]


class Page(Message):
    """Where a page is, which machine has it, and how much of it was read."""

    link: HttpUrl
    hosts: tuple[IPv4Address, ...] = ()
    zone: ZoneInfo = ZoneInfo("UTC")
    read: Fraction = Fraction(0)


def test_urls_and_addresses() -> None:
    """A field may be a URL, an IP address, a zone or a fraction: it has a key, and JSON makes it again."""
    hosts = (IPv4Address("10.0.0.1"),)
    page = Page(
        link=HttpUrl("http://example.org/a"), hosts=hosts, zone=ZoneInfo("Asia/Tokyo"), read=Fraction(1, 3)
    )
    again = Page.model_validate_json(page.model_dump_json())
    assert (page, page.hash_key, hash(page)) == (again, again.hash_key, hash(again))
    assert "http://example.org/a" == str(page.link)


@dataclass(frozen=True)
class Corner:
    x: Fraction
    y: int = 0


@dataclass
class Shape:
    corners: list[Corner]


class Drawing(Message):
    first: Corner
    shape: Shape


def test_dataclasses() -> None:
    """A field may be a dataclass, which is copied; its message has a hash key, and JSON makes it again."""
    shape = Shape([Corner(Fraction(1, 2))])
    drawing = Drawing(first=Corner(Fraction(1)), shape=shape)
    key = drawing.hash_key
    assert drawing == Drawing.model_validate_json(drawing.model_dump_json())
    shape.corners.append(Corner(Fraction(2)))
    assert key == drawing.hash_key != drawing.model_copy(update={"shape": shape}).hash_key
    with pytest.raises(FreezeError, match=r"^Message\.at\.y is of type object, which cannot be frozen"):
        Message(at=Corner(Fraction(1), cast("int", object())))


def test_nothing_changes() -> None:
    """A message is as it was made: neither it nor what it was made of changes it later."""
    tags = ["a"]
    message = Message("Hello", tags=tags)
    tags.append("b")
    with pytest.raises(ValidationError, match="frozen"):
        message.text = "Bye"  # type: ignore[misc]
    assert ("Hello", {"tags": ("a",)}) == (message.text, message.model_extra)


def test_what_is_no_data() -> None:
    """What cannot be kept as data is refused with the path to it."""
    with pytest.raises(FreezeError, match=r"Message\.tags\[1\]"):
        Message("Hello", tags=["a", object()])


def test_its_text() -> None:
    """`str` and `format` of a message give its text, else its template filled in, else its data as JSON."""
    assert ("said", "said") == (str(Scored("said", score=1)), f"{Scored('said', score=1)}")
    assert ("score: 1", "score: 1") == (str(Scored(score=1)), f"{Scored(score=1)}")
    assert ('{"a":[1]}', "{}", "") == (str(Message(a=[1])), str(Message()), str(Message("")))
    assert "  said" == f"{Message('said'):>6}"


def test_no_context_is_needed() -> None:
    """Values need no context; a promise does, and says so before anything is started."""
    source = Source(["a"])
    assert "Hello" == str(Message("Hello"))
    with pytest.raises(NoActiveContextError, match=r"use `async with MiniAgents\(\):`"):
        _ = Message("Hello").as_promise
    with pytest.raises(NoActiveContextError, match=r"use `async with MiniAgents\(\):`"):
        Message.promise(source)
    assert 0 == source.runs


# -- a finished promise --------------------------------------------------------------------------------


async def test_as_promise() -> None:
    """`as_promise` is a finished promise of this very message, typed with its class, each time."""
    async with PromisingContext():
        message = Scored("fine", score=1)
        promise = message.as_promise
        assert_type(promise, MessagePromise[Scored])
        assert_type(await promise, Scored)
        assert promise.done
        assert message is await promise is await message.as_promise is await promise
        assert (Scored, {}) == (promise.message_class, promise.preliminary_metadata)


async def test_the_tokens_of_a_finished_message() -> None:
    """Its text is one token, also if it comes from a template or from data; an empty text is none."""
    async with PromisingContext():
        for message, tokens in (
            (Message("a b"), ["a b"]),
            (Scored(score=1), ["score: 1"]),
            (Message(a=1), ['{"a":1}']),
            (Message(""), []),
        ):
            assert tokens == [token async for token in message.as_promise]
            assert message is await message.as_promise


async def test_a_template_that_cannot_be_filled() -> None:
    """A message that has no text because its template lacks data is refused as a promise, at the call."""

    class Lacking(Message):
        text_template: ClassVar[str] = "{not_there}"

    async with PromisingContext():
        with pytest.raises(MessageValidationError, match="not_there"):
            _ = Lacking().as_promise


# -- a message that is being written -------------------------------------------------------------------


async def test_it_is_written_once_at_once() -> None:
    """The streamer runs once, at once; every reader has its tokens from the first on, as they come."""
    async with PromisingContext():
        source, recorder = Source(["Hel", "lo"], hold_at=1), Recorder[str]()
        promise = Scored.promise(source, score=1)
        assert_type(promise, MessagePromise[Scored])
        await turns()
        assert (1, 1) == (source.runs, source.produced)
        promise.tokens.subscribe(recorder)
        reader = aiter(promise)
        assert ("Hel", ["Hel"], False) == (await anext(reader), recorder.items, promise.done)
        source.go.set()
        assert ["lo"] == [token async for token in reader]
        message = await promise
        assert_type(message, Scored)
        assert ("Hello", 1) == (message.text, message.score)
        assert message is await promise
        assert ["Hel", "lo"] == [token async for token in to_async_iter(promise.tokens)]
        assert (["Hel", "lo"], 1) == (recorder.items, recorder.completed)
    assert (1, 1) == (source.runs, source.closed)


@given(st.lists(st.text(max_size=3), max_size=8))
async def test_its_text_is_its_tokens(tokens: list[str]) -> None:
    """The text of the message is its tokens, one behind the other, empty ones and none at all included."""
    async with PromisingContext():
        promise = Message.promise(Source(tokens))
        assert "".join(tokens) == (await promise).text
        assert tokens == [token async for token in promise]


async def test_metadata() -> None:
    """What is known before stays as it was; what the streamer puts into its mapping is in the message."""
    seen: list[dict[str, object]] = []

    async def streamer(metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[str]:
        seen.append(dict(metadata_so_far))
        metadata_so_far["model"] = "better"
        yield "Hello"
        metadata_so_far["usage"] = {"tokens": [1, 2]}

    tags = ["a"]
    async with PromisingContext():
        promise = Message.promise(streamer, model="good", tags=tags)
        tags.append("b")
        before = promise.preliminary_metadata
        assert {"model": "good", "tags": ("a",)} == before
        message = await promise
    assert [{"model": "good", "tags": ("a",)}] == seen
    assert {"model": "better", "tags": ("a",), "usage": {"tokens": (1, 2)}} == message.model_extra
    assert promise.preliminary_metadata is before
    assert {"model": "good", "tags": ("a",)} == before
    with pytest.raises(TypeError):
        before["model"] = "mine"  # type: ignore[index, assignment]  # type checkers refuse it too


async def test_metadata_is_no_text() -> None:
    """The text is what was streamed; data of that name does not replace it."""
    async with PromisingContext():
        message = await Message.promise(Source(["streamed"]), text="given")
        assert ("streamed", {}) == (message.text, message.model_extra)


async def test_metadata_that_is_no_data() -> None:
    """Data that cannot be kept is refused at the call, before anything is started."""
    source = Source(["a"])
    async with PromisingContext():
        with pytest.raises(FreezeError, match="client is of type object"):
            Message.promise(source, client=object())
        await turns()
    assert 0 == source.runs
    assert {"a": (1,)} == freeze_metadata({"a": [1]})


async def test_the_text_of_a_promise() -> None:
    """`str` and `format` give the text once it is complete; before they say: await it first."""
    async with PromisingContext():
        typewriter = Typewriter("Hel")
        promise = Message.promise(typewriter)
        for _ in range(2):
            for form in (str, format):
                with pytest.raises(UnresolvedPromiseError, match="await it first"):
                    form(promise)
            await turns(3)
        typewriter.type("lo")
        typewriter.stop()
        await promise
        assert ("Hello", "Hello", "  Hello") == (str(promise), f"{promise}", f"{promise:>7}")


async def test_repr() -> None:
    """`repr` of a promise never raises and never prints content, in any state."""
    async with PromisingContext():
        promise = Message.promise(Source(["secret"], hold_at=1), api_key="secret")
        assert "<MessagePromise open, 0 pieces>" == repr(promise)
        await turns()
        assert "<MessagePromise open, 1 pieces>" == repr(promise)
        promise.cancel()
        assert "<MessagePromise failed, 1 pieces>" == repr(promise)
        assert "<MessagePromise done, 1 pieces>" == repr(Message("secret", key="secret").as_promise)
        assert "<MessagePromise (not constructed)>" == repr(object.__new__(MessagePromise))


# -- how it fails --------------------------------------------------------------------------------------


async def test_a_failing_streamer() -> None:
    """Each reader gets the very error that was raised, after the tokens before it, and their text with it."""
    error = ValueError("broken")
    async with PromisingContext():
        promise = Message.promise(Source(["Hel", "lo"], error=error))
        recorder: Recorder[str] = Recorder()
        promise.tokens.subscribe(recorder)
        for _ in range(2):
            assert (["Hel", "lo"], error) == await read(promise)
            with pytest.raises(ValueError, match="broken") as caught:
                await promise
            assert caught.value is error
        assert (["Hel", "lo"], [error]) == (recorder.items, recorder.errors)
        assert "Hello" == partial_text(error)
        with pytest.raises(ValueError, match="broken"):
            str(promise)


async def test_a_token_that_is_no_text() -> None:
    """A token that is no str is a `TypeError` that says which one, of what type, and what to do."""

    async def streamer(metadata_so_far: object) -> AsyncGenerator[object]:
        yield "Hel"
        yield 5

    async with PromisingContext():
        promise = Message.promise(streamer)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"Token 1 of a message is of type int; .* into metadata_so_far"):
            await promise


async def test_a_message_that_cannot_be_made() -> None:
    """If what was streamed makes no valid message, that is the error after the last token."""
    unfrozen = Typewriter("to", "kens")
    unfrozen.metadata["client"] = object()
    unfrozen.stop()
    async with PromisingContext():
        for promise, kind in (
            (Scored.promise(Source(["to", "kens"])), ValidationError),
            (Message.promise(unfrozen), FreezeError),
        ):
            with pytest.raises(kind) as caught:
                await promise
            assert (["to", "kens"], caught.value) == await read(promise)
            assert "tokens" == partial_text(caught.value)


async def test_cancelling() -> None:
    """`cancel()` closes the streamer; readers get `InquiryCancelledError` after what came, with its text."""
    async with PromisingContext():
        source = Source(["Hel", "lo"], hold_at=1)
        promise = Message.promise(source)
        await turns()
        promise.cancel()
        promise.cancel()
        with pytest.raises(InquiryCancelledError) as caught:
            await promise
        assert (["Hel"], caught.value) == await read(promise)
        assert "Hel" == partial_text(caught.value)
        await turns(3)
        assert 1 == source.closed


async def test_a_streamer_that_ignores_being_cancelled() -> None:
    """A streamer that swallows its cancellation and ends normally is a cancelled message all the same."""

    async def streamer(metadata_so_far: object) -> AsyncGenerator[str]:
        yield "Hel"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield "lo"

    async with PromisingContext():
        promise = Message.promise(streamer)
        await turns()
        promise.cancel()
        await turns(3)
        assert (["Hel"], NO_RESULT) == (promise.buffer.items, promise.buffer.result)
        with pytest.raises(InquiryCancelledError):
            await promise


async def test_abandoned() -> None:
    """A message that can no longer be read is stopped and its generator closed."""
    gc.disable()
    try:
        async with PromisingContext():
            source = Source(["Hel", "lo"], hold_at=1)
            async for _ in Message.promise(source):
                break
            await turns(2)
            assert 1 == source.closed
    finally:
        gc.enable()


async def test_a_failed_message() -> None:
    """A message can stand for an error, with the chain of agents through which it came."""
    error = ValueError("given")
    async with PromisingContext() as context:
        promise = failed_message(context, error, ("A", "B"))
        assert (True, ("A", "B"), []) == (promise.done, promise.buffer.chain, promise.buffer.items)
        with pytest.raises(ValueError, match="given") as caught:
            await promise
        assert caught.value is error


# -- handlers ------------------------------------------------------------------------------------------


async def test_handlers_see_the_promise() -> None:
    """A handler gets a promise with the class, the metadata and the message of the one that resolved."""
    told: list[MessagePromise[Message]] = []

    async def handler(promise: Promise[object], result: object) -> None:
        assert await promise is result
        told.append(cast("MessagePromise[Message]", promise))

    async with PromisingContext(on_promise_resolved=handler):
        message = await Scored.promise(Source(["a"]), score=1)
        await turns(3)
        (promise,) = told
        assert (Scored, {"score": 1}) == (promise.message_class, promise.preliminary_metadata)
        assert message is await promise


async def test_unannounced() -> None:
    """A promise that is made for handlers is finished, and no handler is told of it."""
    told: list[object] = []

    async def handler(promise: Promise[object], result: object) -> None:
        told.append(result)

    async with PromisingContext(on_promise_resolved=handler) as context:
        messages = [Scored("text", score=1), Message("")]
        for message, tokens in zip(messages, (["text"], []), strict=True):
            promise = MessagePromise.of_message(context, message, announced=False)
            assert promise.done
            assert tokens == [token async for token in promise]
            assert message is await promise
            assert (type(message), {}) == (promise.message_class, promise.preliminary_metadata)
    assert [] == told


class Colour(StrEnum):
    """A text that is more than a text."""

    RED = "red"


@given(text=st.text(st.characters()) | st.sampled_from(Colour))
def test_a_message_of_text_alone_is_made_for_less(text: str) -> None:
    """A message that is made of text without validation is the one that validation makes, in every way."""
    made, validated = text_message(text), Message(text)
    assert made == validated
    assert type(made.text) is type(validated.text)
    assert (made.model_dump(), repr(made)) == (validated.model_dump(), repr(validated))
    assert made.model_copy(update={"tag": "a"}) == validated.model_copy(update={"tag": "a"})
    assert pickle.loads(pickle.dumps(made)) == validated  # noqa: S301 - our own
    assert copy.deepcopy(made) == validated


async def test_a_stream_without_a_required_field() -> None:
    """Its error names the missing field, the names that are no fields, and the fields; and shows no value."""

    class Letter(Message):
        signed: str

    async def write(metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[str]:
        del metadata_so_far
        yield "Dear Ann"

    async with PromisingContext():
        with pytest.raises(ValidationError, match=r"its stream ended without it; it has: text, signed\."):
            await Letter.promise(write)
        with pytest.raises(ValidationError, match=r"signed\n.*needs this.*also given 'sgned'") as it:
            await Letter.promise(write, sgned="my secret")
        assert "my secret" not in str(it.value)
        with pytest.raises(ValidationError, match="valid string"):
            await Letter.promise(write, signed=5)
