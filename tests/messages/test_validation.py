"""Messages of one class where a typed agent was promised them."""

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator, MutableMapping
from typing import ClassVar

import pytest

from miniagents import (
    AssistantMessage,
    ErrorMessage,
    InquiryCancelledError,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MiniAgents,
    Reasoning,
    ToolCallDelta,
    partial_text,
)
from miniagents.messages._message import failed_message
from miniagents.messages._sequence import open_sequence
from miniagents.messages._validation import ValidatedBuffer, Validation, validated
from miniagents.streams._context import Context
from miniagents.values import MessageValidationError, Part
from tests.support.sources import Source, keep, turns


class Answer(Message):
    """What is wanted."""

    year: int = 0


class Exact(Message):
    """What needs a field."""

    number: int


class Other(Message):
    """What else may be wanted."""

    word: str


class Shown(Message):
    """A class with a template."""

    text_template: ClassVar[str] = "year {year}"
    year: int


ANSWERS = Validation((Answer,), "SAGE", "replies", chain=("SAGE",))
EXACT = Validation((Exact,), "SAGE", "takes")


def test_the_same_object() -> None:
    """A message of the class, or of a subclass, passes as the same object."""

    class Better(Answer):
        pass

    for message in (Answer("x"), Better("y")):
        assert ANSWERS.validated(message) is message


def test_text_and_data_are_taken() -> None:
    """A message of another class becomes one with its text and its data, also what is no field."""
    made = ANSWERS.validated(Message("x", year="1999", tags=["a"]))
    assert type(made) is Answer
    assert (made.text, made.year) == ("x", 1999)
    assert dict(made)["tags"] == ("a",)


def test_no_text() -> None:
    """A message without a text leaves the text of the class as it is."""

    class Titled(Message):
        text: str = "untitled"

    assert Validation((Titled,), "A", "takes").validated(Message(x=1)).text == "untitled"


def test_refusal() -> None:
    """The error names agent, field and value, and what a reader sees of it holds no more than that."""
    with pytest.raises(MessageValidationError) as caught:
        EXACT.validated(Message("x", number="late", more="private"))
    assert str(caught.value) == (
        "Agent SAGE takes Exact, and this Message cannot become one: "
        "number: Input should be a valid integer, unable to parse string as an integer (got 'late')"
    )
    assert caught.value.agent_alias == "SAGE"
    assert caught.value.__context__ is None
    assert isinstance(caught.value, ValueError)


def test_union() -> None:
    """Of several classes the message's own wins, else that with most of its data, else the first."""
    both = Validation((Exact, Other), "SAGE", "takes")
    other = Other(word="x")
    assert both.validated(other) is other
    assert type(both.validated(Message(number=1, word="x"))) is Exact
    assert type(both.validated(Message(word="x"))) is Other

    class Loose(Message):
        """Takes any data."""

        size: int = 0

    many = Validation((Loose, Exact, Other), "SAGE", "takes")
    sent = (Message(word="x"), Message(number=1), Message(size=1), Message(number="late"), Message("x"))
    assert [Other, Exact, Loose, Loose, Loose] == [type(many.validated(each)) for each in sent]
    with pytest.raises(MessageValidationError, match=r"takes Exact or Other, .*as Exact: n.*; as Other: w"):
        both.validated(Message("x"))


def test_no_class() -> None:
    """Where no message is to come, none passes."""
    with pytest.raises(MessageValidationError, match=r"Agent A replies no messages, and this is a Message\."):
        Validation((), "A", "replies").validated(Message("x"))


def test_an_error_of_ours() -> None:
    """Data that the class cannot keep is told in the same words."""

    class Closed(Message):
        def tags(self) -> None:
            """In the way."""

    with pytest.raises(MessageValidationError, match=r"Agent A takes Closed, .* named 'tags'"):
        Validation((Closed,), "A", "takes").validated(Message(tags="x"))


async def test_what_fits_is_the_same_promise() -> None:
    """A promise of the class is passed on as it is, finished or streaming, and so is one that failed."""
    async with MiniAgents() as context:
        finished = Answer("x").as_promise
        streaming = Answer.promise(Source(["x"]))
        failed = failed_message(context, ValueError("x"))
        for promise in (finished, streaming, failed):
            assert ANSWERS.admit(promise, context) is promise
        with pytest.raises(ValueError, match="x"):
            await failed
        allowed = Validation((Exact,), "A", "replies", (ErrorMessage,))
        error = ErrorMessage("x").as_promise
        assert allowed.admit(error, context) is error


async def test_a_finished_message() -> None:
    """A finished message of another class is validated at once; its tokens stay, its metadata too."""
    async with MiniAgents() as context:
        source = Message.promise(Source(["19", "99"]), year=5)
        await source
        promise = ANSWERS.admit(source, context)
        assert promise.done
        assert promise.message_class is Answer
        assert promise.preliminary_metadata == {"year": 5}
        assert [token async for token in promise] == ["19", "99"]
        assert await promise == Answer("1999", year=5)


async def test_a_message_without_a_text() -> None:
    """What stands for the text of a message without one is that of the new class."""
    async with MiniAgents() as context:
        promise = Validation((Shown,), "A", "takes").admit(Message(year=5).as_promise, context)
        assert [token async for token in promise] == ["year 5"]


async def test_tokens_do_not_wait() -> None:
    """A message that streams is read token by token; it is validated at its end."""
    source = Source(["a", "b", "c"], hold_at=2)
    async with MiniAgents() as context:
        promise = ANSWERS.admit(Message.promise(source, year="7"), context)
        tokens = aiter(promise)
        assert [await anext(tokens), await anext(tokens)] == ["a", "b"]
        assert not promise.done
        source.go.set()
        assert [token async for token in tokens] == ["c"]
        message = await promise
    assert type(message) is Answer
    assert (message.text, message.year) == ("abc", 7)


async def test_a_copy_costs_no_turn() -> None:
    """A token can be read from the copy in the same turn of the loop in which it came."""
    async with MiniAgents() as context:
        source = Message.promise(Source(["a", "b"], hold_at=1))
        promise = ANSWERS.admit(source, context)
        await anext(aiter(source))
        assert promise.buffer.items == source.buffer.items == ["a"]
        source.cancel()
        await turns()


async def test_a_streaming_message_that_does_not_fit() -> None:
    """Its tokens come, then the error, which knows the text; the source itself is unharmed."""
    async with MiniAgents() as context:
        source = Message.promise(Source(["a", "b"]))
        promise = EXACT.admit(source, context)
        seen: list[str] = []
        with pytest.raises(MessageValidationError, match="number: Field required") as caught:
            await keep(seen, promise)
        assert seen == ["a", "b"]
        assert partial_text(caught.value) == "ab"
        assert (await source).text == "ab"


async def test_an_error_of_the_source() -> None:
    """A source that fails fails its copy with the same error, after what had come."""
    error = RuntimeError("broken")
    async with MiniAgents() as context:
        promise = ANSWERS.admit(Message.promise(Source(["a"], error=error)), context)
        with pytest.raises(RuntimeError) as caught:
            await promise
        assert caught.value is error
        assert promise.buffer.items == ["a"]


async def test_cancel() -> None:
    """Cancelling the copy of a message cancels the message."""
    source = Source(["a", "b"], hold_at=1)
    async with MiniAgents() as context:
        original = Message.promise(source)
        promise = ANSWERS.admit(original, context)
        await anext(aiter(promise))
        promise.cancel()
        promise.cancel()
        for each in (promise, original):
            with pytest.raises(InquiryCancelledError):
                await each
    assert source.closed == 1


async def test_leaving() -> None:
    """When the last reader of a copy has gone, and the source is not held, the source is stopped."""
    source = Source(["a", "b"], hold_at=1)
    async with MiniAgents() as context:
        promise = ANSWERS.admit(Message.promise(source), context)
        async for _ in promise:
            break
        del promise
        gc.collect()
        await turns(4)
        assert source.closed == 1


async def test_nobody_reads() -> None:
    """A copy that was never read lets its source run to the end."""
    source = Source(["a", "b"], hold_at=1)
    async with MiniAgents() as context:
        promise = ANSWERS.admit(Message.promise(source), context)
        gone = weakref.ref(promise)
        del promise
        gc.collect()
        assert gone() is None
        await turns()
        source.go.set()
    assert (source.produced, source.closed) == (2, 1)


async def test_validated_buffer() -> None:
    """What is added to the buffer of a typed agent's replies is validated there; nothing follows the end."""
    async with MiniAgents() as context:
        buffer = ValidatedBuffer(context, ANSWERS)
        plain = Message("a", year=1).as_promise
        buffer.append(plain)
        buffer.extend([Answer("b").as_promise, Message("c", year="x").as_promise])
        buffer.finish()
        buffer.append(plain)
        buffer.extend([plain])
        assert [await each for each in buffer.items[:2]] == [Answer("a", year=1), Answer("b")]
        with pytest.raises(MessageValidationError, match=r"Agent SAGE replies Answer, .*year"):
            await buffer.items[2]
        assert buffer.items[2].buffer.chain == ("SAGE",)
        assert len(buffer.items) == 3


async def test_validated_sequence() -> None:
    """A finished sequence that fits is the same object; any other becomes one of the class, in order."""
    async with MiniAgents():
        fitting = MessageSequencePromise([Answer("a"), Answer("b")])
        assert validated(fitting, ANSWERS) is fitting
        mixed = MessageSequencePromise([Answer("a"), Message("b", year=2), Message.promise(Source(["c"]))])
        copied = validated(mixed, ANSWERS)
        assert copied is not mixed
        assert await copied == (Answer("a"), Answer("b", year=2), Answer("c"))


async def test_a_sequence_that_is_still_coming() -> None:
    """Messages arrive one by one; an error of the sequence is the error of the copy."""
    error = RuntimeError("broken")
    async with MiniAgents():
        flattener, received = open_sequence()
        copied = validated(received, ANSWERS)
        flattener.feed([Message("a", year=1), Answer("b")])
        assert await copied.buffer.items[0] == Answer("a", year=1)
        flattener.fail(error)
        seen: list[MessagePromise[Message]] = []
        with pytest.raises(RuntimeError) as caught:
            await keep(seen, copied)
        assert [await each for each in seen] == [Answer("a", year=1), Answer("b")]
        assert caught.value is error


async def test_leaving_a_sequence() -> None:
    """When the copy of a sequence can no longer be read, what feeds the sequence is stopped."""
    source = Source(["a", "b"], hold_at=1)
    async with MiniAgents():
        copied = validated(MessageSequencePromise(source), ANSWERS)
        tokens = aiter(copied)
        await anext(tokens)
        await tokens.aclose()
        del copied, tokens
        gc.collect()
        await turns(4)
        assert source.closed == 1


async def test_cancelling_a_sequence() -> None:
    """Cancelling the copy of a sequence cancels the sequence."""
    source = Source(["a", "b"], hold_at=1)
    async with MiniAgents():
        original = MessageSequencePromise(source)
        copied = validated(original, ANSWERS)
        await anext(aiter(copied))
        copied.cancel()
        for each in (copied, original):
            with pytest.raises(InquiryCancelledError):
                await each
    assert source.closed == 1


async def test_metadata_that_comes_last() -> None:
    """The data that a streamer gives at its end are validated with the rest."""

    async def tokens(metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[str]:
        yield "x"
        await asyncio.sleep(0)
        metadata_so_far["number"] = "5"

    async with MiniAgents() as context:
        message = await EXACT.admit(Message.promise(tokens), context)
        assert message == Exact("x", number=5)


async def test_parts() -> None:
    """What streams beside the text is there too, while it streams and when it is finished."""
    parts: list[Part] = ["Let me ", Reasoning("hm"), "look.", ToolCallDelta(0, "1", "look")]
    validation = Validation((AssistantMessage,), "A", "replies")
    async with MiniAgents() as context:
        source = Message.promise_of_parts(Source(parts))
        streaming = validation.admit(source, context)
        message = await streaming
        finished = validation.admit(source, context)
        for promise in (streaming, finished):
            assert [part async for part in promise.parts] == parts
            assert [token async for token in promise] == ["Let me ", "look."]
    assert isinstance(message, AssistantMessage)
    assert message.reasoning == "hm"


async def test_who_waits_for_whom() -> None:
    """A copy is a link in the chain in which deadlocks are found: it waits for the writer of its source."""
    async with MiniAgents() as context:
        source = Message.promise(Source(["a"], hold_at=0))
        promise: MessagePromise[Message] = ANSWERS.admit(source, context)
        link = promise.buffer.producer
        assert link is not None
        assert (link.name, link.blocked_by()) == ("", source.buffer.producer)
        source.cancel()
        await turns()
        assert link.blocked_by() is None
        assert isinstance(Context.current(), MiniAgents)
