"""Many messages become one streaming message."""

import asyncio
import gc
import logging
from collections.abc import Sequence
from typing import ClassVar, cast

import pytest
from hypothesis import given, strategies as st

from miniagents import InteractionContext, MiniAgents, miniagent
from miniagents.messages import (
    AssistantMessage,
    Message,
    MessagePromise,
    MessageSequencePromise,
    join_messages,
)
from miniagents.messages._tokens import join_tokens
from miniagents.streams import PromisingContext
from miniagents.values import InquiryCancelledError, partial_text
from tests.support.amounts import amount
from tests.support.broken import errors_name_their_agents
from tests.support.sources import Recorder, Source, turns
from tests.support.typewriter import Typewriter

TOKENS = st.lists(st.lists(st.text("a\n\r", max_size=3), max_size=4), max_size=4)


def written(messages: Sequence[Sequence[str]]) -> MessageSequencePromise[Message]:
    """Messages that are written token by token."""
    return MessageSequencePromise([Message.promise(Source(tokens)) for tokens in messages])


def joined(
    source: MessageSequencePromise[Message], *, delimiter: str = "|", strip: bool = False, keep: bool = True
) -> MessagePromise[Message]:
    """Join with short keywords."""
    return join_tokens(
        source,
        delimiter=delimiter,
        strip_leading_newlines=strip,
        reference_original_messages=keep,
        metadata={},
    )


def originals(message: Message) -> tuple[Message, ...]:
    """The messages that were joined."""
    return cast("tuple[Message, ...]", message.original_messages)  # type: ignore[attr-defined]


@given(messages=TOKENS, delimiter=st.sampled_from(["\n\n", "", "a", " + "]), strip=st.booleans())
async def test_the_texts_with_the_delimiter_between_them(
    *, messages: list[list[str]], delimiter: str, strip: bool
) -> None:
    """The text is the texts with the delimiter between them, however they were cut into tokens."""
    texts = ["".join(tokens) for tokens in messages]
    expected = delimiter.join(text.lstrip("\r\n") if strip else text for text in texts)
    async with PromisingContext():
        promise = joined(written(messages), delimiter=delimiter, strip=strip)
        message = await promise
        assert expected == message.text
        tokens = [token async for token in promise]
        assert (expected, True) == ("".join(tokens), all(tokens))
        assert texts == [original.text for original in originals(message)]


async def test_a_token_comes_through_at_once() -> None:
    """Each token comes before the next one is written, the delimiter as soon as the next message begins."""
    async with PromisingContext():
        one, two = Typewriter(), Typewriter()
        tokens = aiter(join_messages([Message.promise(one), Message.promise(two)], "|"))
        for letter in "ab":
            one.type(letter)
            assert letter == await anext(tokens)
        one.stop()
        assert "|" == await anext(tokens)
        for letter in "cd":
            two.type(letter)
            assert letter == await anext(tokens)
        two.stop()
        assert [] == [token async for token in tokens]


async def test_what_is_there_already() -> None:
    """Joining finished messages is done at once."""
    async with PromisingContext():
        promise = join_messages(["one", "two"], "|")
        assert (True, "one|two") == (promise.done, str(promise))


async def test_leading_newlines_over_tokens() -> None:
    """Newlines at the start of each message are left out over however many tokens; those behind them stay."""
    async with PromisingContext():
        source = written([["\n", "\r\n", "\n a", "\n", "b\n"], ["\n\n"], ["\n", "c"]])
        promise = joined(source, strip=True)
        assert [" a", "\n", "b\n", "|", "|", "c"] == [token async for token in promise]


async def test_no_messages() -> None:
    """No messages are joined to an empty text, with no originals; so is one empty message."""
    async with PromisingContext():
        message = await joined(MessageSequencePromise())
        assert ("", ()) == (message.text, originals(message))
        message = await joined(MessageSequencePromise(""))
        assert ("", 1) == (message.text, len(originals(message)))
        assert "||" == (await joined(MessageSequencePromise(["", "", ""]))).text


async def test_messages_without_text() -> None:
    """A message of data only is joined as it is shown: by its template, or as JSON."""

    class Weather(Message):
        text_template: ClassVar[str | None] = "It is {state}."
        state: str

    data = Message(answer=42)
    async with PromisingContext():
        message = await joined(MessageSequencePromise([data, Weather(state="raining")]))
        assert f"{data}|It is raining." == message.text
        assert "42" in str(data)


async def test_original_messages() -> None:
    """The very messages that were joined are kept, with their classes; unless they are not wanted."""
    async with PromisingContext():
        one, two = AssistantMessage("one", model="m"), Message("two")
        first, second = originals(await joined(MessageSequencePromise([one, two])))
        assert (True, True) == (first is one, second is two)
        without = await joined(MessageSequencePromise([one, two]), keep=False)
        assert {} == without.model_extra


async def test_several_readers() -> None:
    """Every reader gets the same tokens from the first one on; the messages are read once."""
    async with PromisingContext():
        source = Source(["a", "b"], hold_at=1)
        promise, recorder = join_messages([Message.promise(source), "z"], "|"), Recorder[str]()
        promise.tokens.subscribe(recorder)

        async def read() -> list[str]:
            return [token async for token in promise]

        readers = [asyncio.create_task(read()) for _ in range(2)]
        await turns(3)
        assert ["a"] == recorder.items
        source.go.set()
        assert [["a", "b", "|", "z"]] * 3 == [*await asyncio.gather(*readers), await read()]
        assert (["a", "b", "|", "z"], 1, 1) == (recorder.items, recorder.completed, source.runs)
        assert await promise is await promise


async def test_a_failing_message() -> None:
    """It fails as the first message that fails: after all text before, with the very exception."""
    error = ValueError("broken")
    async with PromisingContext():
        source = written([["one"]])
        failing = Message.promise(Source(["t", "w"], error=error))
        promise = join_messages([source, failing, "three"], "|")
        await turns(4)
        recorder = Recorder[str]()
        promise.tokens.subscribe(recorder)
        assert (["one", "|", "t", "w"], [error]) == (recorder.items, recorder.errors)
        with pytest.raises(ValueError, match="broken") as caught:
            await promise
        assert caught.value is error
        assert partial_text(error) == "tw"  # of the message that failed: the first who knows says it


async def test_a_failing_sequence() -> None:
    """If the sequence fails after its messages, so does what is joined of it; the text so far is told."""
    error = ValueError("broken")

    @miniagent
    async def failing(ctx: InteractionContext) -> None:
        ctx.reply(["one", "two"])
        raise error

    async with MiniAgents():
        with pytest.raises(ValueError, match="broken") as caught:
            await joined(failing.inquire())
    assert caught.value is error
    assert "one|two" == partial_text(error)


async def test_the_chain_of_agents() -> None:
    """The error that comes through what was joined still knows all agents that it went through."""
    await errors_name_their_agents(join_messages, joined)


async def test_an_error_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """An error that no reader saw is logged once, not for each of its streams; a seen one is not logged."""
    with caplog.at_level(logging.ERROR, "miniagents"):
        async with PromisingContext():
            join_messages(["one", Message.promise(Source(["a"], error=ValueError("unseen")))])
            seen = join_messages([Message.promise(Source(["a"], error=ValueError("seen")))])
            with pytest.raises(ValueError, match="seen"):
                await seen
            del seen
    assert ["No reader ever saw this error: ValueError('unseen')"] == [
        record.getMessage() for record in caplog.records
    ]


async def test_data_that_does_not_fit() -> None:
    """If a token is no text the joined message fails with the message's own error."""
    async with PromisingContext():
        wrong = Message.promise(Source(["a", 5]))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="Token 1 of a message is of type int"):
            await join_messages([wrong], strip_leading_newlines=True)


async def test_leaving_closes_the_sources() -> None:
    """When the last reader has left and it can no longer be reached, all that it was made of is closed."""
    gc.disable()
    try:
        async with PromisingContext():
            one, two = Source(["a", "b"], hold_at=1), Source(["c", "d"], hold_at=1)
            promise = join_messages([Message.promise(one), Message.promise(two)])
            async for _ in promise:
                break
            await turns(3)
            assert (0, 0) == (one.closed, two.closed)
            del promise
            await turns(4)
            assert (1, 1) == (one.closed, two.closed)
    finally:
        gc.enable()


async def test_what_others_hold_goes_on() -> None:
    """Leaving or cancelling what is joined does not stop a message that somebody else holds."""
    async with PromisingContext():
        source = Source(["a", "b"], hold_at=1)
        message = Message.promise(source)
        async for _ in join_messages([message]):
            break
        join_messages([message]).cancel()
        await turns(4)
        assert 0 == source.closed
        source.go.set()
        assert "ab" == str(await message)


async def test_fire_and_forget() -> None:
    """What is joined and never read runs to its end."""
    async with PromisingContext():
        source = Source(["a", "b"], hold_at=1)
        join_messages([Message.promise(source)])
        await turns(4)
        source.go.set()
    assert (2, 1) == (source.produced, source.closed)


async def test_cancel() -> None:
    """After `cancel()` readers get what had arrived, then `InquiryCancelledError`; the sources are closed."""
    async with PromisingContext():
        source, recorder = Source(["a", "b"], hold_at=1), Recorder[str]()
        promise = join_messages(["z", Message.promise(source)], "|")
        promise.tokens.subscribe(recorder)
        await turns(3)
        promise.cancel()
        promise.cancel()
        with pytest.raises(InquiryCancelledError) as caught:
            await promise
        await turns(3)
        assert (["z", "|", "a"], [caught.value], 1) == (recorder.items, recorder.errors, source.closed)
        assert "z|a" == partial_text(caught.value)


@pytest.mark.logs("Executing")  # one long step
async def test_many_messages() -> None:
    """Many messages are joined in one go, without recursion."""
    count = amount(10_000, 50_000)
    async with PromisingContext():
        message = await joined(MessageSequencePromise(["a"] * count), keep=False)
        assert "|".join("a" * count) == message.text
