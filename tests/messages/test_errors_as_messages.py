"""Errors of a sequence become messages in their place."""

import asyncio
import gc
import logging
from typing import cast

import pytest
from hypothesis import given, strategies as st

from miniagents import InteractionContext, MiniAgents, StopLoop, miniagent
from miniagents.messages import (
    AssistantMessage,
    ErrorMessage,
    Message,
    MessagePromise,
    MessageSequencePromise,
)
from miniagents.messages._errors_as_messages import error_message, replace_errors
from miniagents.messages._message_type import FlatStream
from miniagents.streams import PromisingContext
from miniagents.values import InquiryCancelledError, partial_text
from tests.support.sources import Recorder, Source, turns
from tests.support.typewriter import Typewriter


class Scored(Message):
    """A message that cannot be made without its data."""

    score: int


class ScoredAnswer(AssistantMessage):
    """An answer that cannot be made without its data."""

    score: int


def replaced(
    source: FlatStream[Message, object], alias: str | None = None, *, but: tuple[type[Exception], ...] = ()
) -> MessageSequencePromise[Message]:
    """The messages with their errors replaced."""
    return MessageSequencePromise.over(replace_errors(source, alias, but=but))


async def errors(promise: MessageSequencePromise[Message]) -> list[tuple[str, str, str | None]]:
    """What the error messages tell."""
    return [
        (message.error_type, message.error_text, message.agent_alias)
        for message in await promise
        if isinstance(message, ErrorMessage)
    ]


async def texts(promise: MessageSequencePromise[Message]) -> list[str | None]:
    """The text of each message, the same as its tokens together."""
    found: list[str | None] = []
    async for message in promise:
        found.append((await message).text)
        assert "".join([token async for token in message]) == found[-1]
    return found


def test_what_an_error_becomes() -> None:
    """An error message has the type, the text and the agent; its own text is the type and the text."""
    message = error_message(ValueError("broken"), "AGENT")
    assert ("ValueError: broken", "error") == (message.text, message.role)
    assert ("ValueError", "broken", "AGENT") == (message.error_type, message.error_text, message.agent_alias)
    bare = error_message(KeyError(), None)
    assert ("KeyError", "KeyError", "", None) == (
        bare.text,
        bare.error_type,
        bare.error_text,
        bare.agent_alias,
    )


def test_what_a_group_becomes() -> None:
    """The text of a group of errors says what these are, the first five of them."""
    group = ExceptionGroup("two failed", [ValueError("a"), ExceptionGroup("one", [TimeoutError()])])
    message = error_message(group, None)
    said = "two failed (2 sub-exceptions): ValueError: a; ExceptionGroup: one (1 sub-exception): TimeoutError"
    assert (f"ExceptionGroup: {said}", said) == (message.text, message.error_text)
    many = error_message(ExceptionGroup("all", [KeyError()] * 9), None)
    assert many.error_text == f"all (9 sub-exceptions): {'KeyError; ' * 5}..."


def test_groups_within_groups() -> None:
    """However deep and many the groups within a group are, its text has five errors and groups of it."""
    deep = many = ExceptionGroup("in", [KeyError(), ValueError("a")])
    for _ in range(2000):
        deep = ExceptionGroup("in", [deep])
    for _ in range(20):
        many = ExceptionGroup("in", [many, many])
    one, two = "ExceptionGroup: in (1 sub-exception): ", "ExceptionGroup: in (2 sub-exceptions): "
    assert f"in (1 sub-exception): {one * 5}..." == error_message(deep, None).error_text
    assert f"in (2 sub-exceptions): {two * 5}..." == error_message(many, None).error_text


ITEMS = st.lists(st.text(max_size=3) | st.builds(ValueError, st.text(max_size=3)), max_size=8)


@given(items=ITEMS, end=st.none() | st.builds(ValueError, st.text(max_size=3)))
@pytest.mark.gate("many cases")
async def test_each_in_its_place(items: list[str | Exception], end: Exception | None) -> None:
    """Each error is a message in its place, those behind it still arrive, and the sequence ends normally."""

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        ctx.reply(items)
        if end is not None:
            raise end

    def text(item: str | Exception) -> str:
        return item if isinstance(item, str) else f"ValueError: {item}" if str(item) else "ValueError"

    async with MiniAgents():
        expected = [text(item) for item in [*items, *([] if end is None else [end])]]
        assert expected == await texts(replaced(agent.inquire()))


async def test_the_beginning_of_a_failing_message() -> None:
    """What had come of a failing message stays a message of its own, with class and the data known before."""
    async with PromisingContext():
        failing = AssistantMessage.promise(Source(["ha", "lf"], error=ValueError("broken")), model="m")
        half, error, after = await replaced(MessageSequencePromise([failing, "after"]))
        assert isinstance(half, AssistantMessage)
        assert ("half", "m") == (half.text, half.model)
        assert ("ValueError: broken", "after") == (error.text, after.text)


async def test_the_beginning_that_lacks_its_data() -> None:
    """If its class needs data that never came, the beginning is a plain message."""
    async with PromisingContext():
        failing = Scored.promise(Source(["half"], error=ValueError("broken")))
        half, error = await replaced(MessageSequencePromise(failing))
        assert (Message, "half", "ValueError: broken") == (type(half), half.text, error.text)
        known = Scored.promise(Source(["half"], error=ValueError("broken")), score=3)
        half, _ = await replaced(MessageSequencePromise(known))
        assert (Scored, 3) == (type(half), cast("Scored", half).score)


async def test_the_role_of_a_message_that_failed() -> None:
    """If its class needs data that did not come, what came is of the nearest base: an answer stays one."""
    async with PromisingContext():
        failing = ScoredAnswer.promise(Source(["half"], error=ValueError("broken")), model="m")
        half, _ = await replaced(MessageSequencePromise(failing))
        assert AssistantMessage("half", model="m") == half


async def test_data_that_does_not_fit() -> None:
    """A message that cannot be made of its tokens is its text and then the error."""
    async with PromisingContext():
        half, error = await replaced(MessageSequencePromise(Scored.promise(Source(["text"]))))
        assert ("text", True) == (half.text, isinstance(error, ErrorMessage))


async def test_a_message_without_a_token() -> None:
    """A message that fails without a token leaves nothing but the error message."""
    async with PromisingContext():
        failing = Message.promise(Source[str]([], error=ValueError("broken")))
        assert ["ValueError: broken"] == await texts(replaced(MessageSequencePromise(failing)))


async def test_what_does_not_fail() -> None:
    """A message that does not fail is the very message, also an empty one; no messages stay none."""
    async with PromisingContext():
        given_ = [AssistantMessage("one", model="m"), Message(""), Message(answer=42)]
        got = await replaced(MessageSequencePromise(given_))
        assert [True] * 3 == [one is other for one, other in zip(given_, got, strict=True)]
        assert () == await replaced(MessageSequencePromise())


async def test_a_token_comes_through_at_once() -> None:
    """A message is there with its first token, and each token before the next one is written."""
    async with PromisingContext():
        typewriter = Typewriter()
        typewriter.metadata["finish_reason"] = "stop"
        messages = aiter(replaced(MessageSequencePromise(AssistantMessage.promise(typewriter, model="m"))))
        typewriter.type("a")
        message = await anext(messages)
        assert ({"model": "m"}, AssistantMessage) == (message.preliminary_metadata, message.message_class)
        tokens = aiter(message)
        assert "a" == await anext(tokens)
        typewriter.type("b")
        assert "b" == await anext(tokens)
        typewriter.stop()
        whole = await message
        assert isinstance(whole, AssistantMessage)
        assert ("m", "stop") == (whole.model, whole.finish_reason)
        assert [] == [message async for message in messages]


async def test_the_agent() -> None:
    """The first agent that an error went through is named; without one, the one that was given."""

    @miniagent
    async def broken(ctx: InteractionContext) -> None:
        raise ValueError("broken")

    @miniagent
    async def passing(ctx: InteractionContext) -> None:
        ctx.reply(broken.inquire())
        await broken.inquire()

    async with MiniAgents():
        assert [("ValueError", "broken", "BROKEN")] * 2 == await errors(replaced(passing.inquire(), "GIVEN"))
        promise = replaced(MessageSequencePromise(ValueError("outside")), "GIVEN")
        assert [("ValueError", "outside", "GIVEN")] == await errors(promise)
        assert [("ValueError", "", None)] == await errors(replaced(MessageSequencePromise(ValueError())))


async def test_errors_that_stay_errors() -> None:
    """The errors that are excepted stay errors, the very ones, in a message and at the end."""
    stop, end = StopLoop(), EOFError("end")

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        ctx.reply(["one", Message.promise(Source(["ha"], error=stop)), ValueError("broken"), "two"])
        raise end

    async with MiniAgents():
        promise = replaced(agent.inquire(), but=(StopLoop, EOFError))
        found: list[str | Exception | None] = []
        try:
            async for message in promise:
                try:
                    found.append((await message).text)
                except StopLoop as error:
                    found.append(error)
        except EOFError as error:
            found.append(error)
        assert ["one", "ha", stop, "ValueError: broken", "two", end] == found
        assert ("AGENT",) == promise.buffer.chain


async def test_the_chain_of_an_error_that_stays() -> None:
    """An excepted error still knows the agents that it went through."""

    @miniagent
    async def broken(ctx: InteractionContext) -> None:
        raise StopLoop

    @miniagent
    async def passing(ctx: InteractionContext) -> None:
        await replaced(MessageSequencePromise([broken.inquire()]), but=(StopLoop,))

    async with MiniAgents():
        with pytest.raises(StopLoop) as caught:
            await passing.inquire()
        assert ["agents: BROKEN → PASSING"] == caught.value.__notes__


async def test_an_error_that_became_a_message(caplog: pytest.LogCaptureFixture) -> None:
    """An error that became a message was told and is not logged; one that is excepted is, once."""

    @miniagent
    async def broken(ctx: InteractionContext) -> None:
        ctx.reply("one")
        raise ValueError("told at the end")

    with caplog.at_level(logging.ERROR, "miniagents"):
        async with MiniAgents(errors_as_messages=True):
            replaced(MessageSequencePromise(Message.promise(Source(["a"], error=ValueError("told")))))
            assert ["one", "ValueError: told at the end"] == await texts(broken.inquire())
            broken.inquire()
            failing = Message.promise(Source(["a"], error=EOFError()))
            replaced(MessageSequencePromise(failing), but=(EOFError,))
            del failing
    assert ["No reader ever saw this error: EOFError()"] == [record.getMessage() for record in caplog.records]


async def test_several_readers() -> None:
    """Every reader gets the same messages from the first one on; the source is read once."""
    async with PromisingContext():
        source = Source(["a", "b"], hold_at=1, error=ValueError("broken"))
        promise = replaced(MessageSequencePromise(Message.promise(source)))
        recorder = Recorder[MessagePromise[Message]]()
        promise.messages.subscribe(recorder)
        readers = [asyncio.create_task(texts(promise)) for _ in range(2)]
        await turns(4)
        source.go.set()
        expected = ["ab", "ValueError: broken"]
        assert [expected] * 3 == [*await asyncio.gather(*readers), await texts(promise)]
        assert (2, 1, 1) == (len(recorder.items), recorder.completed, source.runs)


async def test_leaving_closes_the_source() -> None:
    """When it can no longer be reached the source is closed, but for a message of it that is held."""
    gc.disable()
    try:
        async with PromisingContext():
            source, behind = Source(["a", "b"], hold_at=1), Source(["c", "d"], hold_at=1)
            promise = replaced(MessageSequencePromise([Message.promise(source), Message.promise(behind)]))
            held = [await anext(aiter(promise))]
            del promise
            await turns(4)
            assert (0, 1) == (source.closed, behind.closed)
            source.go.set()
            assert "ab" == (await held[0]).text
            again = Source(["a", "b"], hold_at=1)
            promise = replaced(MessageSequencePromise(Message.promise(again)))
            held = [await anext(aiter(promise))]
            held.clear()
            await turns(4)
            assert 0 == again.closed
            del promise
            await turns(4)
            assert 1 == again.closed
    finally:
        gc.enable()


async def test_cancel() -> None:
    """Cancelling ends the message being written, then the sequence by an error message; all is closed."""
    async with PromisingContext():
        source = Source(["a", "b"], hold_at=1)
        promise = replaced(MessageSequencePromise(["one", Message.promise(source)]))
        await turns(4)
        promise.cancel()
        promise.cancel()
        one, two, end = [message async for message in promise]
        assert "one" == (await one).text
        with pytest.raises(InquiryCancelledError) as caught:
            await two
        assert "a" == partial_text(caught.value)
        assert "InquiryCancelledError" == cast("ErrorMessage", await end).error_type
        await turns(3)
        assert 1 == source.closed
