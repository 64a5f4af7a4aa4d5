"""Tokens where messages are taken: one streaming message."""

import gc

import pytest

from miniagents.messages import Message, MessageSequencePromise, MessageType, join_messages, split_messages
from miniagents.streams import PromisingContext
from miniagents.values import InquiryCancelledError, partial_text
from tests.support.sources import Source, turns


async def texts(messages: MessageType) -> list[str]:
    """Return the texts of what becomes of ``messages``."""
    return [str(message) for message in await MessageSequencePromise(messages)]


async def test_one_message() -> None:
    """The tokens of a message and those of a sequence become one message each, also within a list."""
    async with PromisingContext():
        message, sequence = Message.promise(Source(["a", "b"])), MessageSequencePromise(["c", "d"])
        assert await texts(message.tokens) == ["ab"]
        assert await texts(["x", [sequence.tokens, message.tokens]]) == ["x", "cd", "ab"]
        assert await texts(sequence.messages) == ["c", "d"]


async def test_join_and_split() -> None:
    """They can be joined with other messages, and split."""
    async with PromisingContext():
        sequence = MessageSequencePromise(["one, ", "two"])
        assert str(await join_messages([sequence.tokens, "three"], delimiter="; ")) == "one, two; three"
        assert [str(each) for each in await split_messages(sequence.tokens, delimiter=", ")] == ["one", "two"]


async def test_token_by_token() -> None:
    """The message streams as the tokens do, without a task of its own."""
    source = Source(["a", "b", "c"], hold_at=2)
    async with PromisingContext() as context:
        message = Message.promise(source)
        tasks = len(context.tasks)
        (copy,) = [promise async for promise in MessageSequencePromise(message.tokens)]
        assert len(context.tasks) == tasks
        reader = aiter(copy)
        assert [await anext(reader), await anext(reader)] == ["a", "b"]
        assert not copy.done
        source.go.set()
        assert str(await copy) == "abc"


async def test_an_error() -> None:
    """An error of the tokens is the message's, after what came before it."""
    error = ValueError("broken")
    async with PromisingContext():
        sequence = MessageSequencePromise(Message.promise(Source(["a", "b"], error=error)).tokens)
        (copy,) = [promise async for promise in sequence]
        with pytest.raises(ValueError, match="broken") as caught:
            await copy
        assert caught.value is error
        assert partial_text(error) == "ab"


async def test_cancelled_tokens() -> None:
    """If the message whose tokens they are is cancelled, so is the one that is made of them."""
    source = Source(["a", "b"], hold_at=1)
    async with PromisingContext():
        message = Message.promise(source)
        (copy,) = [promise async for promise in MessageSequencePromise(message.tokens)]
        await turns(3)
        message.cancel()
        with pytest.raises(InquiryCancelledError):
            await copy


async def test_a_cancelled_message() -> None:
    """Who cancels the message leaves the tokens to whoever else reads them."""
    source = Source(["a", "b"], hold_at=1)
    async with PromisingContext():
        message = Message.promise(source)
        (copy,) = [promise async for promise in MessageSequencePromise(message.tokens)]
        await turns(3)
        copy.cancel()
        with pytest.raises(InquiryCancelledError):
            await copy
        source.go.set()
        assert str(await message) == "ab"


async def test_what_leaving_does() -> None:
    """When the last reader of the message has left, and nobody has the tokens, their source is closed."""
    source = Source(["a", "b"], hold_at=1)
    gc.disable()
    try:
        async with PromisingContext():
            sequence = MessageSequencePromise(Message.promise(source).tokens)
            async for message in sequence:
                async for _ in message:
                    break
                del message
            del sequence
            await turns(5)
            assert source.closed == 1
    finally:
        gc.enable()


async def test_demand() -> None:
    """A source is asked for no more than `prefetch` tokens ahead of the reader of the message."""
    source = Source(["x"] * 100)
    async with PromisingContext(prefetch=3):
        (copy,) = [promise async for promise in MessageSequencePromise(Message.promise(source).tokens)]
        reader = aiter(copy)
        for read in range(1, 20):
            await anext(reader)
            await turns(10)
            assert source.produced <= read + 6
        await reader.aclose()
        assert str(await copy) == "x" * 100
