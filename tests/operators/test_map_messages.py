"""`map_messages`: a function over whole messages."""

import asyncio
from typing import cast

import reactivex as rx
from hypothesis import given, strategies as st
from reactivex import operators as ops

from miniagents import Message, MiniAgents, UserMessage
from miniagents.operators import as_messages, map_messages, to_async_iter
from tests.support.pipes import Outcome, outcomes, promises, texts, typed, written
from tests.support.typewriter import Typewriter

TOKENS = st.lists(st.lists(st.text(max_size=2), max_size=3), max_size=4)


def same(message: Message) -> Message:
    """Return the message."""
    return message


def loud(message: Message) -> Message:
    """Return its text with a mark."""
    return Message(f"{message.text}!")


def short(message: Message) -> Message:
    """Return its first character."""
    return UserMessage((message.text or "")[:1])


@given(TOKENS)
def test_identity(messages: list[list[str]]) -> None:
    """Mapping by a function that returns its argument changes nothing."""
    assert texts(written(*messages).pipe(map_messages(same))) == texts(written(*messages))


@given(TOKENS)
def test_composition(messages: list[list[str]]) -> None:
    """Mapping by one function and then another is mapping by both, in this order."""
    twice = written(*messages).pipe(map_messages(loud), map_messages(short))
    assert texts(twice) == texts(written(*messages).pipe(map_messages(lambda message: short(loud(message)))))


def test_any_class() -> None:
    """The result may be of another class."""

    async def main() -> list[Message]:
        stream = promises("ab").pipe(map_messages(short))
        return [await item async for item in to_async_iter(stream)]

    (message,) = MiniAgents().run(main())
    assert (type(message), message.text) == (UserMessage, "a")


def test_an_empty_source() -> None:
    """An empty source gives an empty result."""
    assert texts(rx.empty().pipe(as_messages(), map_messages(loud))) == []


async def test_each_message_when_it_is_complete() -> None:
    """The function is called when a message is complete, before the next one is."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        outcome = Outcome(rx.concat(promises("x"), typed(typewriter)).pipe(map_messages(loud), ops.map(str)))
        assert outcome.items == ["x!"]
        typewriter.stop()
        await typewriter.closed.wait()
    assert (outcome.items, outcome.ended) == (["x!", "a!"], True)


def test_a_failing_function() -> None:
    """A function that raises leaves a failing message; the next ones still arrive."""
    error = ValueError("picky")

    def picky(message: Message) -> Message:
        if message.text == "b":
            raise error
        return message

    assert outcomes(promises("a", "b", "c").pipe(map_messages(picky))) == ["a", error, "c"]


def test_a_function_that_returns_no_message() -> None:
    """What is no message is a failing message that says so."""

    def wrong(message: Message) -> Message:
        return cast("Message", 5)

    (failed,) = outcomes(promises("a").pipe(map_messages(wrong)))
    assert isinstance(failed, TypeError)
    assert "int" in str(failed)


def test_a_failing_message() -> None:
    """A message that fails stays a failing message, the very error."""
    error = ValueError("broken")
    assert outcomes(promises("a", error, "b").pipe(map_messages(loud))) == ["a!", error, "b!"]


def test_a_failing_source() -> None:
    """The error of the source comes after its messages."""
    error = ValueError("source")
    source = rx.concat(rx.of("a"), rx.throw(error)).pipe(as_messages())
    assert outcomes(source.pipe(map_messages(loud))) == ["a!", error]


async def test_leaving() -> None:
    """Disposing stops the message that is waited for; the function is not called any more."""
    first, second = Typewriter("x"), Typewriter("y")
    called: list[str | None] = []

    def note(message: Message) -> Message:
        called.append(message.text)
        return message

    async with MiniAgents():
        stream = to_async_iter(typed(first, second).pipe(map_messages(note), ops.take(1)))
        waiting = asyncio.ensure_future(anext(stream))
        await second.started.wait()
        first.stop()
        assert str(await waiting) == "x"
        await second.closed.wait()
        assert [item async for item in stream] == []
    assert called == ["x"]
