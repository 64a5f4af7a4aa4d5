"""The text of messages is cut into messages while it streams."""

import asyncio
import gc
import logging
import re
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise, repeat

import pytest
from hypothesis import example, given, settings, strategies as st

from miniagents import InteractionContext, MiniAgents, miniagent
from miniagents.messages import Message, MessagePromise, MessageSequencePromise, split_messages
from miniagents.messages._join_and_split import split_tokens
from miniagents.streams import PromisingContext, to_async_iter
from miniagents.values import InquiryCancelledError, partial_text
from tests.support.amounts import amount
from tests.support.broken import errors_name_their_agents
from tests.support.sources import Recorder, Source, turns
from tests.support.typewriter import Typewriter


def reference(text: str, delimiter: str, fence: str | None) -> list[str]:
    """The messages of a whole text, by one pattern."""
    block = r"(?!)" if fence is None else rf"(?m:^){re.escape(fence)}(?s:.*?)((?<=\n){re.escape(fence)}|\Z)"
    messages: list[str] = []
    at = 0
    for mark in re.finditer(rf"(?P<block>{block})|{re.escape(delimiter)}", text):
        found: str | None = mark["block"]
        messages += [text[at : mark.start()].strip("\r\n")]
        if found is not None:
            messages += [found if mark[2] else found.rstrip("\r\n")]
        at = mark.end()
    return [message for message in [*messages, text[at:].strip("\r\n")] if message]


def chunked(text: str, cuts: Iterable[int]) -> list[str]:
    """The text cut into tokens, some of which are empty."""
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


def split(
    messages: Sequence[Sequence[str]], delimiter: str = "\n\n", fence: str | None = "```"
) -> MessageSequencePromise[Message]:
    """Split messages that are written token by token."""
    source = MessageSequencePromise([Message.promise(Source(tokens)) for tokens in messages])
    return split_tokens(source, delimiter=delimiter, code_block_delimiter=fence, metadata={})


async def texts(promise: MessageSequencePromise[Message]) -> list[str]:
    """The texts, each put together from its tokens and the same as that of its message."""
    found: list[str] = []
    async for message in promise:
        tokens = [token async for token in message]
        assert all(tokens)
        assert "".join(tokens) == (await message).text
        found.append("".join(tokens))
    return found


PARTS = st.sampled_from(["\n", "\n\n", "`", "```", "\n```", "a", " ", "\r\n", "--"])
TEXT = st.lists(PARTS, max_size=12).map("".join)
MESSAGES = st.lists(st.tuples(TEXT, st.lists(st.integers(0, 1_000), max_size=8)), max_size=4)


@settings(max_examples=amount(20, 200))
@given(
    messages=MESSAGES,
    delimiter=st.sampled_from(["\n\n", "--", "a", "\n"]),
    fence=st.sampled_from(["```", "``", None]),
)
@example(messages=[("```\na", [2]), ("b\n```", [3])], delimiter="\n\n", fence="```")
async def test_any_cut_gives_the_same(
    messages: list[tuple[str, list[int]]], delimiter: str, fence: str | None
) -> None:
    """The result is that of the whole text, however it was cut into tokens and (at delimiters) messages."""
    expected = reference(delimiter.join(text for text, _ in messages), delimiter, fence)
    async with PromisingContext():
        tokens = [chunked(text, cuts) for text, cuts in messages]
        assert expected == await texts(split(tokens, delimiter, fence))
        whole = delimiter.join(text for text, _ in messages)
        assert expected == await texts(split([list(whole)], delimiter, fence))


async def test_a_token_comes_through_at_once() -> None:
    """A message comes with its first token, a token before the next is written, its end by the delimiter."""
    async with PromisingContext():
        typewriter = Typewriter("\n", "one")
        messages = aiter(split_messages(Message.promise(typewriter)))
        first = await anext(messages)
        tokens = aiter(first)
        assert "one" == await anext(tokens)
        typewriter.type(" and")
        assert " and" == await anext(tokens)
        assert not first.done
        typewriter.type("\n\n")
        assert "one and" == str(await first)
        typewriter.type("\ntwo")
        second = await anext(messages)
        assert "two" == await anext(aiter(second))
        typewriter.type("\n```")
        assert "two" == str(await second)
        block = aiter(await anext(messages))
        typewriter.type("py\n\nx")
        assert ["```", "py\n\nx"] == [await anext(block), await anext(block)]
        typewriter.type("\n```")
        assert ["\n```"] == [token async for token in block]
        typewriter.stop()
        assert [] == [message async for message in messages]


async def test_what_is_there_already() -> None:
    """Splitting finished messages is done at once."""
    async with PromisingContext():
        promise = split_messages("one\n\ntwo")
        assert (True, "one\n\ntwo") == (promise.done, str(promise))
        assert all([isinstance(message, MessagePromise) async for message in to_async_iter(promise.messages)])


async def test_no_text() -> None:
    """Of no messages, and of messages that are empty or newlines only, comes no message."""
    async with PromisingContext():
        nothings: list[list[list[str]]] = [[], [[]], [[""]], [["\n", "\n\n"], [], ["\n"]]]
        for nothing in nothings:
            assert [] == await texts(split(nothing))


async def test_messages_without_text() -> None:
    """A message of data only is split as it is shown."""
    data = Message(answer=42)
    async with PromisingContext():
        assert ["one", str(data)] == await texts(split_messages(["one", data]))


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([["a\n`", "``\nx\n", "\n", "y\n``", "`\nb"]], ["a", "```\nx\n\ny\n```", "b"]),
        ([["```\nx"], ["y\n```"], ["z"]], ["```\nx\n\ny\n```", "z"]),
        ([["``"], ["`"]], ["``", "`"]),
        ([["```\nx"], ["\n"]], ["```\nx"]),
    ],
)
async def test_fences(messages: list[list[str]], expected: list[str]) -> None:
    """A fenced block is one message and protects delimiters, over tokens and over messages."""
    async with PromisingContext():
        assert expected == await texts(split(messages))


async def test_fences_off() -> None:
    """With None as fence a block is text like any other."""
    async with PromisingContext():
        assert ["```\na", "b\n```"] == await texts(split([["```\na\n", "\nb\n```"]], fence=None))


async def test_metadata() -> None:
    """The metadata is known of every message at once, and lands in every one."""
    async with PromisingContext():
        typewriter = Typewriter("one\n\ntwo")
        promise = split_tokens(
            MessageSequencePromise(Message.promise(typewriter, model="of the source")),
            delimiter="\n\n",
            code_block_delimiter=None,
            metadata={"tags": ["x"]},
        )
        second = [await anext(messages) for messages in [aiter(promise)] for _ in range(2)][1]
        assert (False, {"tags": ("x",)}) == (second.done, second.preliminary_metadata)
        typewriter.stop()
        assert [{"tags": ("x",)}] * 2 == [message.model_extra for message in await promise]


@pytest.mark.parametrize(("delimiter", "fence"), [("", "```"), ("\n\n", ""), ("", None)])
async def test_an_empty_delimiter(delimiter: str, fence: str | None) -> None:
    """An empty delimiter is a `ValueError` at the call that says which one; the messages are not touched."""
    async with PromisingContext():
        source = MessageSequencePromise("one")
        with pytest.raises(ValueError, match="delimiter is empty"):
            split_tokens(source, delimiter=delimiter, code_block_delimiter=fence, metadata={})
        assert (0, False) == (source.buffer.readers, source.buffer.was_read)


async def test_several_readers() -> None:
    """Every reader gets the same messages from the first one on; the source is read once."""
    async with PromisingContext():
        source = Source(["one\n\nt", "wo"], hold_at=1)
        promise, recorder = split_messages(Message.promise(source)), Recorder[str]()
        promise.tokens.subscribe(recorder)
        readers = [asyncio.create_task(texts(promise)) for _ in range(2)]
        await turns(5)
        assert ["one", "t"] == recorder.items
        source.go.set()
        assert [["one", "two"]] * 3 == [*await asyncio.gather(*readers), await texts(promise)]
        assert (["one", "t", "wo"], 1) == (recorder.items, source.runs)


async def test_a_failing_message() -> None:
    """The message that is written fails after all its text, and so does the sequence: the very exception."""
    error = ValueError("broken")
    async with PromisingContext():
        failing = Message.promise(Source(["one\n\nt", "wo\n"], error=error))
        promise = split_messages([failing, "three"])
        recorder = Recorder[MessagePromise[Message]]()
        promise.messages.subscribe(recorder)
        await turns(4)
        assert [error] == recorder.errors
        one, two = recorder.items
        assert "one" == (await one).text
        tokens = Recorder[str]()
        two.tokens.subscribe(tokens)
        assert ("two", [error]) == ("".join(tokens.items), tokens.errors)
        for awaited in (two, promise):
            with pytest.raises(ValueError, match="broken") as caught:
                await awaited
            assert caught.value is error
        assert (
            partial_text(error) == "one\n\ntwo\n"
        )  # of the message that failed: the first who knows says it


async def test_what_was_held_back_comes_before_the_error() -> None:
    """What might have been the beginning of a delimiter or fence comes as text before the error."""
    async with PromisingContext():
        for token, held_back in (("one-", "one-"), ("one\n``", "one\n``"), ("one\n", "one")):
            promise = split_messages(Message.promise(Source([token], error=ValueError("broken"))), "--")
            recorder = Recorder[str]()
            promise.tokens.subscribe(recorder)
            await turns(4)
            assert (held_back, 1) == ("".join(recorder.items), recorder.terminals)


async def test_a_failing_sequence() -> None:
    """If the sequence fails after its messages, so does what they are split into."""
    error = ValueError("broken")

    @miniagent
    async def failing(ctx: InteractionContext) -> None:
        ctx.reply("one\n\ntwo")
        raise error

    async with MiniAgents():
        promise = split_messages(failing.inquire())
        with pytest.raises(ValueError, match="broken") as caught:
            await promise
        assert caught.value is error
        assert "one" == (await promise.buffer.items[0]).text


async def test_the_chain_of_agents() -> None:
    """The error that comes through what was split still knows all agents that it went through."""
    await errors_name_their_agents(
        split_messages,
        lambda flat: split_tokens(flat, delimiter="|", code_block_delimiter=None, metadata={}),
    )


async def test_an_error_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """An error that no reader saw is logged once, not for each of its streams; a seen one is not logged."""
    with caplog.at_level(logging.ERROR, "miniagents"):
        async with PromisingContext():
            split_messages(Message.promise(Source(["one\n\ntwo"], error=ValueError("unseen"))))
            seen = split_messages(Message.promise(Source(["one\n\ntwo"], error=ValueError("seen"))))
            with pytest.raises(ValueError, match="seen"):
                await seen
            del seen
    assert ["No reader ever saw this error: ValueError('unseen')"] == [
        record.getMessage() for record in caplog.records
    ]


async def test_leaving_closes_the_source() -> None:
    """When the last reader has left and it can no longer be reached, the source is closed."""
    gc.disable()
    try:
        async with PromisingContext():
            source = Source(["one\n\ntwo", "\n\nthree"], hold_at=1)
            promise = split_messages([Message.promise(source)])
            assert "one" == str(await anext(aiter(promise)))
            await turns(3)
            assert 0 == source.closed
            del promise
            await turns(4)
            assert 1 == source.closed
    finally:
        gc.enable()


async def test_a_message_that_was_taken() -> None:
    """A message that is held streams to its end although the sequence was left; then the source is closed."""
    gc.disable()
    try:
        async with PromisingContext():
            source = Source(chain(["o", "ne", "\n\n"], repeat("two")), hold_at=1)
            taken = [await anext(aiter(split_messages(Message.promise(source))))]
            await turns(4)
            assert 0 == source.closed
            source.go.set()
            assert "one" == str(await taken[0])
            await turns(4)
            assert 1 == source.closed
            again = Source(["o", "ne"], hold_at=1)
            taken = [await anext(aiter(split_messages(Message.promise(again))))]
            taken.clear()
            await turns(4)
            assert 1 == again.closed
    finally:
        gc.enable()


async def test_a_block_that_was_taken() -> None:
    """A block that is held streams to its end over however many messages of the source that takes."""
    async with PromisingContext():
        source = Source(["```\na", "b", "```", "rest"], hold_at=1)
        taken = await anext(aiter(split_messages(source)))
        await turns(4)
        assert 0 == source.closed
        source.go.set()
        assert "```\na\n\nb\n\n```" == str(await taken)
        await turns(4)
        assert 1 == source.closed


async def test_fire_and_forget() -> None:
    """What is split and never read runs to its end."""
    async with PromisingContext():
        source = Source(["one\n\n", "two"], hold_at=1)
        split_messages([Message.promise(source)])
        await turns(4)
        source.go.set()
    assert (2, 1) == (source.produced, source.closed)


async def test_cancel() -> None:
    """After `cancel()` readers get what had arrived, then `InquiryCancelledError`; the source is closed."""
    async with PromisingContext():
        source = Source(["one\n\ntw", "o"], hold_at=1)
        promise = split_messages([Message.promise(source)])
        await turns(4)
        promise.cancel()
        promise.cancel()
        with pytest.raises(InquiryCancelledError):
            await promise
        one, two = promise.buffer.items
        assert "one" == (await one).text
        with pytest.raises(InquiryCancelledError) as caught:
            await two
        assert "tw" == partial_text(caught.value)
        await turns(3)
        assert 1 == source.closed


async def test_cancelling_a_message_of_it() -> None:
    """Cancelling the message that is being written stops the split as a whole: its source is one."""
    async with PromisingContext():
        source = Source(["one\n\ntw", "o"], hold_at=1)
        promise = split_messages([Message.promise(source)])
        await turns(4)
        promise.buffer.items[1].cancel()
        with pytest.raises(InquiryCancelledError):
            await promise
        await turns(3)
        assert 1 == source.closed


@pytest.mark.logs("Executing")  # one long step
async def test_many_messages() -> None:
    """Many messages come of one text, without recursion."""
    count = amount(5_000, 20_000)
    async with PromisingContext():
        assert ["a"] * count == await texts(split_messages("a--" * count, "--"))
