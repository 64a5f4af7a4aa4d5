"""`resolve`: message promises become messages."""

import asyncio

import reactivex as rx
from hypothesis import given, strategies as st
from reactivex import operators as ops

from miniagents import InquiryCancelledError, Message, MiniAgents
from miniagents.operators import as_messages, resolve, to_async_iter
from tests.support.pipes import Outcome, promises, typed, written
from tests.support.typewriter import Typewriter


def text_of(message: Message) -> str | None:
    """Return the text of a message."""
    return message.text


@given(st.lists(st.lists(st.text(max_size=2), max_size=3), max_size=4))
def test_in_order(messages: list[list[str]]) -> None:
    """Each promise becomes its message, in order, however it was written."""
    resolved = MiniAgents().run(written(*messages).pipe(resolve()))
    assert [message.text for message in resolved] == ["".join(tokens) for tokens in messages]
    assert all(type(message) is Message for message in resolved)


def test_an_empty_source() -> None:
    """An empty source gives an empty result."""
    assert MiniAgents().run(rx.empty().pipe(as_messages(), resolve())) == []


async def test_the_same_message() -> None:
    """The very message is emitted, not a copy."""
    message = Message("x", n=1)
    async with MiniAgents():
        (resolved,) = [item async for item in to_async_iter(promises(message).pipe(resolve()))]
    assert resolved is message


async def test_each_message_when_it_is_complete() -> None:
    """A message is emitted when it is complete, before the next one is; a later one waits its turn."""
    first, second = Typewriter("a"), Typewriter("b")
    async with MiniAgents():
        outcome = Outcome(typed(first, second).pipe(resolve(), ops.map(text_of)))
        second.stop()
        await second.closed.wait()
        assert outcome.items == []
        first.stop()
        await first.closed.wait()
    assert outcome.items == ["a", "b"]
    assert outcome.ended is True


async def test_a_failing_message() -> None:
    """A message that fails is the error of the result, after the messages before it; nothing follows."""
    error = ValueError("broken")
    async with MiniAgents():
        outcome = Outcome(promises("a", error, "b").pipe(resolve(), ops.map(text_of)))
    assert (outcome.items, outcome.ended) == (["a"], error)


async def test_a_failing_source() -> None:
    """The error of the source comes after its messages."""
    error = ValueError("source")
    async with MiniAgents():
        source = rx.concat(rx.of("a"), rx.throw(error))
        outcome = Outcome(source.pipe(as_messages(), resolve(), ops.map(text_of)))
    assert (outcome.items, outcome.ended) == (["a"], error)


async def test_leaving() -> None:
    """Disposing stops the message that is waited for, if it is not held elsewhere."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        outcome = Outcome(rx.concat(promises("x"), typed(typewriter)).pipe(resolve(), ops.map(text_of)))
        await typewriter.started.wait()
        outcome.subscription.dispose()
        await typewriter.closed.wait()
    assert (outcome.items, outcome.ended) == (["x"], False)


async def test_take_one() -> None:
    """`take(1)` completes with the first message and stops the rest."""
    first, second = Typewriter("x"), Typewriter("y")
    async with MiniAgents():
        stream = to_async_iter(typed(first, second).pipe(resolve(), ops.take(1), ops.map(text_of)))
        waiting = asyncio.ensure_future(anext(stream))
        await second.started.wait()
        first.stop()
        assert await waiting == "x"
        await second.closed.wait()
        assert [item async for item in stream] == []


async def test_what_somebody_else_holds() -> None:
    """A message that somebody else holds goes on after the subscriber has left."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        held = Message.promise(typewriter)
        outcome = Outcome(promises(held).pipe(resolve()))
        await typewriter.started.wait()
        outcome.subscription.dispose()
        typewriter.type("b")
        typewriter.stop()
        assert str(await held) == "ab"


async def test_a_cancelled_message() -> None:
    """A message that is cancelled is the error of the result."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        held = Message.promise(typewriter)
        outcome = Outcome(promises(held).pipe(resolve()))
        await typewriter.started.wait()
        held.cancel()
    assert isinstance(outcome.ended, InquiryCancelledError)
