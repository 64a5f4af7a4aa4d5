"""A message passed on token by token, the end of which somebody else decides."""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping

import pytest

from miniagents import (
    AssistantMessage,
    Finish,
    InquiryCancelledError,
    Message,
    MessagePromise,
    MiniAgents,
    Part,
    Reasoning,
    UserMessage,
    partial_text,
)
from miniagents.agents._algebra._copy import MessageCopy
from miniagents.streams._context import current_context
from tests.support.typewriter import Typewriter

OUT_OF_IDEAS = ValueError("out of ideas")


def copied(source: MessagePromise[Message]) -> tuple[MessageCopy, MessagePromise[Message]]:
    """Return a copy and its promise."""
    copy = MessageCopy(source, current_context())
    return copy, copy.show()


async def test_token_by_token() -> None:
    """Each token is passed on as it comes; the message is the very one."""
    typewriter = Typewriter("a")
    typewriter.metadata["page"] = 3
    async with MiniAgents():
        source = AssistantMessage.promise(typewriter, model="m")
        _, promise = copied(source)
        assert (promise.message_class, promise.preliminary_metadata) == (AssistantMessage, {"model": "m"})
        tokens = aiter(promise)
        for letter in "ab":
            assert await anext(tokens) == letter
            typewriter.type("b")
        typewriter.stop()
        assert await promise is await source
        assert [token async for token in promise] == ["a", "b", "b"]


async def test_an_error() -> None:
    """It fails as its source fails, with the same agents noted."""
    typewriter = Typewriter("half")
    typewriter.fail(OUT_OF_IDEAS)
    async with MiniAgents():
        source = Message.promise(typewriter)
        copy, promise = copied(source)
        with pytest.raises(ValueError, match="out of ideas"):
            await promise
        assert copy.buffer.chain == source.buffer.chain


async def test_ended_before_its_source() -> None:
    """It can be ended at any time, with an error or as a message of what came; the source goes on."""
    typewriter = Typewriter("half")
    error = KeyError("enough")
    async with MiniAgents():
        source = UserMessage.promise(typewriter)
        (failing, failed), (ending, ended) = copied(source), copied(source)
        await anext(aiter(ended))
        failing.fail(error)
        ending.end_here()
        with pytest.raises(KeyError):
            await failed
        assert partial_text(error) == "half"
        assert await ended == UserMessage("half")
        typewriter.type(" and half")
        typewriter.stop()
        assert str(await source) == "half and half"


async def test_data_that_did_not_come() -> None:
    """Ended as a message of a class that needs data which did not come, it is a plain one."""

    class Page(Message):
        number: int

    async with MiniAgents():
        copy, promise = copied(Page.promise(Typewriter("half")))
        await anext(aiter(promise))
        copy.end_here()
        assert type(await promise) is Message


async def test_held() -> None:
    """Held, it leaves the error of its source to its holder; released, it is its own."""
    typewriter = Typewriter("half")
    typewriter.fail(OUT_OF_IDEAS)
    async with MiniAgents():
        source = Message.promise(typewriter)
        copy = MessageCopy(source, current_context())
        copy.held = True
        promise = copy.show()
        with pytest.raises(ValueError, match="out of ideas"):
            await source
        before = promise.done
        copy.release()
        assert (before, promise.done) == (False, True)
        with pytest.raises(ValueError, match="out of ideas"):
            await promise


async def test_heard() -> None:
    """Its listener is told of each token before a reader gets it, and of the end."""
    told: list[tuple[object, str]] = []
    typewriter = Typewriter("a", "b")
    typewriter.stop()
    async with MiniAgents():
        copy = MessageCopy(
            Message.promise(typewriter),
            current_context(),
            lambda copy, part: told.append((part, copy.text)),
        )
        await copy.show()
    assert told == [("a", ""), ("b", "a"), (None, "ab")]


async def test_all_parts() -> None:
    """A message that is more than text is copied with all its parts, in order."""

    async def answer(metadata: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        for part in (Reasoning("Hm."), "Hello", Finish("stop")):
            yield part

    async with MiniAgents():
        source = AssistantMessage.promise_of_parts(answer)
        _, promise = copied(source)
        assert [part async for part in promise.parts] == [Reasoning("Hm."), "Hello", Finish("stop")]
        assert await promise is await source


async def test_nobody_can_read_it() -> None:
    """A copy that can no longer be read lets go of its source, which is stopped then."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        source = Message.promise(typewriter)
        copy, promise = copied(source)
        assert await anext(aiter(promise)) == "a"
        del source, promise
        await asyncio.wait_for(typewriter.closed.wait(), 5)
        assert isinstance(copy.buffer.error, InquiryCancelledError)


async def test_cancelled() -> None:
    """Cancelled, only the copy ends."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        source = Message.promise(typewriter)
        _, promise = copied(source)
        promise.cancel()
        with pytest.raises(InquiryCancelledError):
            await promise
        typewriter.stop()
        assert str(await source) == "a"


async def test_who_it_waits_for_and_whom_it_leaves() -> None:
    """It waits for the writer of its source, and reads that no more when it has ended before it."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        source = Message.promise(typewriter)
        copy, _ = copied(source)
        assert copy.blocked_by() is source.buffer.producer
        assert source.buffer.readers == 1
        copy.end_here()
        assert (source.buffer.readers, copy.blocked_by()) == (0, None)
        typewriter.stop()


async def test_who_hears_it_is_told_that_it_was_cancelled() -> None:
    """The listener of a copy is told of its end, also when that is a cancellation."""
    told: list[Part | None] = []
    typewriter = Typewriter()
    async with MiniAgents():
        source = Message.promise(typewriter)
        copy = MessageCopy(source, current_context(), lambda _, part: told.append(part))
        promise = copy.show()
        promise.cancel()
        assert told == [None]
        typewriter.stop()
        assert str(await source) == ""
