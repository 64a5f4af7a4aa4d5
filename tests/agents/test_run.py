"""One run: what it may reply, how long its replies stay open, and what ends with it."""

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, MutableMapping
from enum import StrEnum
from typing import cast

import pytest
import reactivex as rx
from pydantic import BaseModel

from miniagents import (
    InquiryCancelledError,
    InteractionContext,
    Message,
    MessagePromise,
    Messages,
    MessageSequencePromise,
    MessageType,
    MiniAgent,
    MiniAgents,
    MiniAgentsError,
    Promise,
    miniagent,
)
from tests.support.eager import SUPPORTED, start_eagerly
from tests.support.sources import Source, keep, turns
from tests.support.typewriter import Typewriter

eager = pytest.mark.skipif(not SUPPORTED, reason="eager tasks came with Python 3.12")


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Reply what it is told."""
    ctx.reply(ctx.message_promises)


class Point(BaseModel):
    """A pydantic model that is no message."""

    x: int
    text: str = "a point"


async def letters() -> AsyncIterator[str]:
    """Two letters, one after the other."""
    for letter in "ab":
        await asyncio.sleep(0)
        yield letter


def numbers() -> Iterator[str]:
    """Two numbers."""
    yield "1"
    yield "2"


async def texts(promise: MessageSequencePromise[Message]) -> list[str]:
    """Return the text of each message."""
    return [str(await message) async for message in promise]


# -- what may be replied ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("text", ["text"]),
        ("", [""]),
        ({"text": "mapping", "n": 1}, ["mapping"]),
        (Message("message"), ["message"]),
        (Point(x=1), ["a point"]),
        (["list", ("tuple", [Message("deep")])], ["list", "tuple", "deep"]),
        (None, []),
        ([], []),
        (rx.of("one", "two"), ["one", "two"]),
        (rx.empty(), []),
        (["a", rx.of("b", ["c"]), "d"], ["a", "b", "c", "d"]),
        ({"b": 1}.keys(), ["b"]),
    ],
)
async def test_reply_of_every_type(reply: MessageType, expected: list[str]) -> None:
    """`reply` takes every `MessageType`; what is nested becomes flat, in order."""

    @miniagent
    async def replying_agent(ctx: InteractionContext) -> None:
        ctx.reply(reply)
        ctx.reply("end")

    async with MiniAgents():
        assert await texts(replying_agent.inquire()) == [*expected, "end"]


async def test_reply_of_streams() -> None:
    """Promises, inquiries, generators and async generators are replied as they come."""

    @miniagent
    async def replying_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message("message").as_promise)
        ctx.reply(echo_agent.inquire(["inquiry", "of two"]))
        ctx.reply(numbers())
        ctx.reply(letters())
        ctx.reply(MessageSequencePromise(prefill_pieces=["prefilled"]))

    async with MiniAgents():
        replies = replying_agent.inquire()
        assert await texts(replies) == ["message", "inquiry", "of two", "1", "2", "a", "b", "prefilled"]
        assert all([isinstance(item, MessagePromise) async for item in replies])


async def test_reply_of_an_exception() -> None:
    """An exception is raised at its place; what comes after it still arrives."""

    @miniagent
    async def replying_agent(ctx: InteractionContext) -> None:
        ctx.reply(["before", ValueError("in the middle"), "after"])

    async with MiniAgents():
        before, failing, after = [promise async for promise in replying_agent.inquire()]
        with pytest.raises(ValueError, match="in the middle"):
            await failing
        assert [str(await before), str(await after)] == ["before", "after"]


async def test_reply_of_nonsense() -> None:
    """What cannot become a message is refused where it is replied, and nothing of it is replied."""
    sentences: list[str] = []

    @miniagent
    async def replying_agent(ctx: InteractionContext) -> None:
        for wrong in (5, b"bytes", ["ok", [3.5]], ["ok", None]):
            try:
                ctx.reply(cast("MessageType", wrong))
            except TypeError as error:
                sentences.append(str(error))
        ctx.reply("fine")

    async with MiniAgents():
        assert await texts(replying_agent.inquire()) == ["fine"]
    assert [sentence.split(" cannot")[0] for sentence in sentences] == [
        "a value of type int",
        "a value of type bytes",
        "a value of type float at [1][0] of what was given",
        "None at [1] of what was given",
    ]


async def test_reply_returns_at_once() -> None:
    """`reply` of something that streams returns at once; the function goes on."""
    typewriter = Typewriter()
    done = asyncio.Event()

    @miniagent
    async def replying_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(typewriter))
        ctx.reply("after")
        done.set()

    async with MiniAgents():
        promise = replying_agent.inquire()
        await done.wait()
        typewriter.type("be", "fore")
        typewriter.stop()
        assert await texts(promise) == ["before", "after"]


async def test_replies_are_taken_as_they_are() -> None:
    """Mutable containers are frozen at the call: changing them later changes nothing."""

    @miniagent
    async def replying_agent(ctx: InteractionContext) -> None:
        tags = ["a"]
        message: dict[str, object] = {"text": "one", "tags": tags}
        batch: list[MessageType] = [message]
        ctx.reply(batch)
        tags.append("b")
        message["text"] = "changed"
        batch.append("two")
        await asyncio.sleep(0)

    async with MiniAgents():
        replied = await replying_agent.inquire()
    assert [(message.text, message.model_extra) for message in replied] == [("one", {"tags": ("a",)})]


async def test_parallel_replies_keep_their_order() -> None:
    """A reply that is quicker than the one before it waits for its turn, while both run."""
    slow, quick = Typewriter(), Typewriter()

    @miniagent
    async def replying_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(slow))
        ctx.reply(Message.promise(quick))

    async with MiniAgents():
        promise = replying_agent.inquire()
        quick.type("quick")
        quick.stop()
        await quick.closed.wait()
        slow.type("slow")
        slow.stop()
        assert await texts(promise) == ["slow", "quick"]


async def test_messages_are_message_promises() -> None:
    """`ctx.messages` is `ctx.message_promises`, a sequence of message promises; `this_agent` is who runs."""
    seen: list[object] = []

    @miniagent
    async def looking_agent(ctx: InteractionContext) -> None:
        seen.append(ctx.messages is ctx.message_promises)
        seen.append(isinstance(ctx.messages, MessageSequencePromise))
        seen.extend([isinstance(item, MessagePromise) async for item in ctx.messages])
        seen.append(ctx.this_agent.alias)

    async with MiniAgents():
        await looking_agent.described(alias="LOOKER").inquire(["a", "b"])
    assert seen == [True, True, True, True, "LOOKER"]


# -- how long the replies stay open ----------------------------------------------------------------------


async def test_finish_early() -> None:
    """`finish_early` ends the replies while the function goes on; the context waits for it."""
    go_on = asyncio.Event()
    events: list[str] = []

    @miniagent
    async def early_agent(ctx: InteractionContext) -> None:
        ctx.reply("first")
        ctx.finish_early()
        ctx.finish_early()
        await go_on.wait()
        events.append("the end of the function")

    async with MiniAgents():
        assert str(await early_agent.inquire()) == "first"
        assert events == []
        go_on.set()
    assert events == ["the end of the function"]


async def test_reply_after_finish_early() -> None:
    """Replying after `finish_early` is an error that says so, in the function and in the buffer."""
    caught: list[str] = []

    @miniagent
    async def early_agent(ctx: InteractionContext) -> None:
        ctx.finish_early()
        try:
            ctx.reply("late")
        except MiniAgentsError as error:
            caught.append(str(error))

    async with MiniAgents():
        assert await early_agent.inquire() == ()
    assert caught == [
        "Agent EARLY_AGENT replied after its replies were closed (by finish_early, or by its end)."
    ]


async def test_failing_after_finish_early(caplog: pytest.LogCaptureFixture) -> None:
    """What fails after its replies were closed fails no reader; it is logged."""

    @miniagent
    async def early_agent(ctx: InteractionContext) -> None:
        ctx.reply("fine")
        ctx.finish_early()
        raise ValueError("too late")

    async with MiniAgents():
        assert str(await early_agent.inquire()) == "fine"
    assert (
        caplog.text.count("Agent EARLY_AGENT failed after its replies were closed: ValueError('too late')")
        == 1
    )


async def test_reply_after_the_end() -> None:
    """A context that outlives its run cannot be replied to."""
    kept: list[InteractionContext] = []

    @miniagent
    async def keeping_agent(ctx: InteractionContext) -> None:
        kept.append(ctx)

    async with MiniAgents():
        await keeping_agent.inquire()
        with pytest.raises(MiniAgentsError, match="after its replies were closed"):
            kept[0].reply("late")


async def test_wait_for() -> None:
    """`wait_for` keeps the replies open until the awaitable is done."""
    go_on = asyncio.Event()

    @miniagent
    async def waiting_agent(ctx: InteractionContext) -> None:
        async def later() -> None:
            await go_on.wait()
            ctx.reply("later")

        ctx.reply("now")
        ctx.wait_for(later())

    async with MiniAgents():
        replies = aiter(waiting_agent.inquire())
        assert str(await (await anext(replies))) == "now"
        go_on.set()
        assert str(await (await anext(replies))) == "later"
        assert [item async for item in replies] == []


async def test_wait_for_several() -> None:
    """Several are waited for, also those that one of them adds, and futures and inquiries as well."""

    @miniagent
    async def waiting_agent(ctx: InteractionContext) -> None:
        async def child(depth: int) -> None:
            await asyncio.sleep(0)
            ctx.reply(str(depth))
            if depth:
                ctx.wait_for(child(depth - 1))

        ctx.wait_for(child(2))
        ctx.wait_for(asyncio.ensure_future(child(0)))
        ctx.wait_for(echo_agent.inquire("unread"))

    async with MiniAgents():
        assert sorted(await texts(waiting_agent.inquire())) == ["0", "0", "1", "2"]


async def test_wait_for_something_that_fails() -> None:
    """If what is waited for fails, the run fails with that very error, after its replies."""
    error = ValueError("the child")

    @miniagent
    async def waiting_agent(ctx: InteractionContext) -> None:
        async def fail() -> None:
            raise error

        ctx.wait_for(fail())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ctx.reply("before")

    async with MiniAgents():
        promise = waiting_agent.inquire()
        assert [str(await item) for item in [await anext(aiter(promise))]] == ["before"]
        with pytest.raises(ValueError, match="the child") as caught:
            await promise
    assert caught.value is error


async def test_wait_for_something_cancelled() -> None:
    """If what is waited for is cancelled, the run is; its readers get `InquiryCancelledError`."""

    @miniagent
    async def waiting_agent(ctx: InteractionContext) -> None:
        task = asyncio.ensure_future(asyncio.Event().wait())
        ctx.wait_for(task)
        task.cancel()

    async with MiniAgents():
        with pytest.raises(InquiryCancelledError, match="WAITING_AGENT was cancelled"):
            await waiting_agent.inquire()


async def test_a_failing_function_cancels_what_it_waits_for() -> None:
    """If the function fails, what it waits for is cancelled, and nothing of it is left."""
    events: list[str] = []

    @miniagent
    async def waiting_agent(ctx: InteractionContext) -> None:
        async def endless() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                events.append("cleaned up")

        ctx.wait_for(endless())
        await turns()
        raise ValueError("broken")

    async with MiniAgents():
        with pytest.raises(ValueError, match="broken"):
            await waiting_agent.inquire()
        assert events == ["cleaned up"]


# -- what ends with it -----------------------------------------------------------------------------------


class Child:
    """An agent that never ends by itself, and what became of it."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.go_on = asyncio.Event()
        child = self

        @miniagent
        async def child_agent(ctx: InteractionContext) -> None:
            child.begun.set()
            try:
                await child.go_on.wait()
                ctx.reply("grown up")
            except asyncio.CancelledError:
                child.cancelled.set()
                raise

        self.agent = child_agent


async def test_a_failing_run_cancels_its_inquiries() -> None:
    """The inquiries that a failing run started, and that have no other reader, are cancelled with it."""
    child = Child()

    @miniagent
    async def parent_agent(ctx: InteractionContext) -> None:
        child.agent.inquire()
        await child.begun.wait()
        raise ValueError("broken")

    async with MiniAgents():
        with pytest.raises(ValueError, match="broken"):
            await parent_agent.inquire()
        await child.cancelled.wait()


@pytest.mark.loop(timeout=10)
async def test_a_long_chain_left_just_before_the_end() -> None:
    """A chain that can no longer be read is stopped from its end to its beginning, also when all ends."""
    child = Child()
    chain: MiniAgent[Message, Message] = child.agent
    for _ in range(30):
        chain |= passing_agent
    async with MiniAgents():
        replies = chain.inquire()
        reader = asyncio.ensure_future(anext(aiter(replies)))
        await child.begun.wait()
        reader.cancel()
        await asyncio.wait([reader])
        del replies, reader
    assert child.cancelled.is_set()


@miniagent
async def passing_agent(ctx: InteractionContext) -> None:
    """Reply each message when it comes."""
    async for promise in ctx.messages:
        ctx.reply(promise)


async def test_a_cancelled_run_cancels_what_nobody_reads() -> None:
    """An inquiry of a cancelled run is cancelled if it has no reader, although one might come."""
    child = Child()
    held: list[MessageSequencePromise[Message]] = []

    @miniagent
    async def parent_agent(ctx: InteractionContext) -> None:
        held.append(child.agent.inquire())
        await asyncio.Event().wait()

    async with MiniAgents():
        replies = parent_agent.inquire()
        await turns()
        replies.cancel()
        await child.cancelled.wait()
        assert held[0].done


async def test_a_cancelled_run_cancels_its_inquiries() -> None:
    """The same for a run that is cancelled, also down to the grandchildren."""
    grandchild = Child()

    @miniagent
    async def middle_agent(ctx: InteractionContext) -> None:
        await grandchild.agent.inquire()

    @miniagent
    async def parent_agent(ctx: InteractionContext) -> None:
        await middle_agent.inquire()

    async with MiniAgents():
        promise = parent_agent.inquire()
        await grandchild.begun.wait()
        promise.cancel()
        await grandchild.cancelled.wait()


async def test_what_somebody_else_reads_goes_on() -> None:
    """An inquiry of a failing run that somebody else is reading goes on for them."""
    child = Child()
    shared: list[MessageSequencePromise[Message]] = []

    @miniagent
    async def parent_agent(ctx: InteractionContext) -> None:
        shared.append(child.agent.inquire())
        await child.begun.wait()
        await asyncio.sleep(0)
        raise ValueError("broken")

    @miniagent
    async def reading_agent(ctx: InteractionContext) -> None:
        await child.begun.wait()
        ctx.reply(await shared[0])

    async with MiniAgents():
        reader = reading_agent.inquire()
        with pytest.raises(ValueError, match="broken"):
            await parent_agent.inquire()
        child.go_on.set()
        assert str(await reader) == "grown up"
    assert not child.cancelled.is_set()


async def test_what_a_failing_run_replied_goes_on() -> None:
    """What was replied before the run failed is finished for its readers; the error comes after it."""
    typewriter = Typewriter("before ")
    child = Child()

    @miniagent
    async def parent_agent(ctx: InteractionContext) -> None:
        ctx.reply([Message.promise(typewriter), child.agent.inquire()])
        await child.begun.wait()
        raise ValueError("broken")

    async with MiniAgents():
        promise = parent_agent.inquire()
        reading = asyncio.ensure_future(_all_of(promise))
        await child.begun.wait()
        await asyncio.sleep(0)
        typewriter.type("the error")
        typewriter.stop()
        child.go_on.set()
        assert await reading == ["before the error", "grown up", "ValueError('broken')"]


async def _all_of(promise: MessageSequencePromise[Message]) -> list[str]:
    got: list[str] = []
    try:
        async for item in promise:
            got.append(str(await item))  # noqa: PERF401 - a list comprehension would lose them with the error
    except ValueError as error:
        got.append(repr(error))
    return got


async def test_a_message_being_written_ends_with_its_run() -> None:
    """Cancelling a run stops the messages it is writing; their generators are closed."""
    typewriter = Typewriter("par", "tial")

    @miniagent
    async def writing_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(typewriter))
        await asyncio.Event().wait()

    async with MiniAgents():
        promise = writing_agent.inquire()
        message = await anext(aiter(promise))
        tokens = aiter(message)
        assert [await anext(tokens), await anext(tokens)] == ["par", "tial"]
        promise.cancel()
        await typewriter.closed.wait()
        with pytest.raises(InquiryCancelledError):
            await message


async def test_a_reader_that_leaves_harms_nobody() -> None:
    """A reader that is cancelled or times out while it awaits leaves the run to the others."""
    child = Child()
    async with MiniAgents():
        promise = child.agent.inquire()
        first = asyncio.ensure_future(_all_of(promise))
        second = asyncio.ensure_future(_all_of(promise))
        await child.begun.wait()
        first.cancel()
        await asyncio.wait([first])
        child.go_on.set()
        assert await second == ["grown up"]
        assert str(await promise) == "grown up"


async def test_the_last_reader_leaves() -> None:
    """When the last reader has left and the promise can no longer be reached, the run is stopped."""
    child = Child()
    async with MiniAgents():
        reading = asyncio.ensure_future(_all_of(child.agent.inquire()))
        await child.begun.wait()
        reading.cancel()
        await asyncio.wait([reading])
        del reading  # its traceback holds the promise
        await child.cancelled.wait()


async def test_an_unread_error_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """An error that no reader ever saw is logged once, with its chain of agents."""

    @miniagent
    async def inner_agent(ctx: InteractionContext) -> None:
        raise ValueError("nobody looks")

    @miniagent
    async def outer_agent(ctx: InteractionContext) -> None:
        await inner_agent.inquire()

    with caplog.at_level(logging.ERROR, "miniagents"):
        async with MiniAgents():
            outer_agent.inquire()
    assert caplog.text.count("No reader ever saw this error: ValueError('nobody looks')") == 1
    assert "agents: INNER_AGENT → OUTER_AGENT" in caplog.text


async def test_a_seen_error_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An error that a reader was given is not logged."""

    @miniagent
    async def failing_agent(ctx: InteractionContext) -> None:
        raise ValueError("looked at")

    async with MiniAgents():
        with pytest.raises(ValueError, match="looked at"):
            await echo_agent.inquire(failing_agent.inquire())
    assert caplog.text == ""


class Suit(StrEnum):
    """Texts that are more than texts."""

    HEARTS = "hearts"


@pytest.mark.parametrize("text", ["hello", "", "\ud800", Suit.HEARTS])
async def test_a_text_is_one_message(text: str) -> None:
    """A text of whatever kind is one message for the agent, recorded or not."""
    kept: list[object] = []

    async def keep(promise: MessagePromise[Message], message: Message) -> None:
        kept.append(message.text)

    for context in (MiniAgents(), MiniAgents(on_persist_message=keep)):
        async with context:
            assert [text] == [message.text for message in await echo_agent.inquire(text)]
    assert text in kept


async def test_a_reply_after_the_run_was_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    """What a clean-up replies when its run was cancelled is dropped in silence: it can no longer be read."""
    told: list[str] = []

    @miniagent
    async def polite_agent(ctx: InteractionContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ctx.reply("Good bye")
            told.append("done")

    async with MiniAgents():
        replies = polite_agent.inquire()
        await turns()
        replies.cancel()
    assert (["done"], []) == (told, caplog.records)


async def test_a_late_reply_of_a_run_that_failed() -> None:
    """What a task replies after its run has failed is an error, and is not dropped in silence."""
    told: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def late(ctx: InteractionContext) -> None:
        await turns(3)
        with pytest.raises(MiniAgentsError, match="replied after its replies were closed"):
            ctx.reply("too late")
        told.append("refused")

    @miniagent
    async def hasty_agent(ctx: InteractionContext) -> None:
        tasks.append(asyncio.create_task(late(ctx)))
        raise ValueError("broken")

    async with MiniAgents():
        with pytest.raises(ValueError, match="broken"):
            await hasty_agent.inquire()
        await tasks[0]
    assert ["refused"] == told


async def test_a_run_ends_after_what_it_waited_for() -> None:
    """A run that is cancelled has not ended before the clean-up of what it was to wait for has."""
    told: list[str] = []

    async def side() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await turns(5)
            told.append("cleaned up")

    @miniagent
    async def waiting_agent(ctx: InteractionContext) -> None:
        ctx.wait_for(side())
        await asyncio.Event().wait()

    async with MiniAgents():
        replies = waiting_agent.inquire()
        await turns()
        replies.cancel()
    assert ["cleaned up"] == told


@pytest.mark.loop(fifo=True)  # else the agent may have ended before the source has begun
async def test_input_that_its_run_did_not_read() -> None:
    """What an agent was sent, and has left unread, is stopped when the agent has ended."""
    source: Source[str] = Source(["one", "two"], hold_at=1)

    @miniagent
    async def deaf_agent(ctx: InteractionContext) -> None:
        ctx.reply("I do not listen.")

    async with MiniAgents():
        assert "I do not listen." == str(await deaf_agent.inquire(source))
        await turns(5)
        assert (1, 1) == (source.produced, source.closed)


async def test_an_inquiry_that_was_awaited_for_a_while() -> None:
    """Who gave up awaiting an inquiry does not read it: it ends with the run that had begun it."""
    ended: list[str] = []

    @miniagent
    async def endless_agent(_: InteractionContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("endless")

    kept: list[MessageSequencePromise[Message]] = []

    @miniagent
    async def impatient_agent(_: InteractionContext) -> None:
        kept.append(endless_agent.inquire())
        waiting = asyncio.ensure_future(kept[0])
        await turns()
        waiting.cancel()
        await asyncio.Event().wait()

    async with MiniAgents():
        replies = impatient_agent.inquire()
        await turns(6)
        assert 0 == kept[0].buffer.readers
        replies.cancel()
        await turns(4)
        assert ["endless"] == ended


async def test_what_stands_behind_in_a_reply_of_a_failed_run_goes_on() -> None:
    """What a run replied before it failed arrives, also what had not come to its turn yet."""
    first, second = Typewriter("a", "b"), Typewriter("c", "d")

    @miniagent
    async def speaking_agent(ctx: InteractionContext, typewriter: Typewriter) -> None:
        ctx.reply(Message.promise(typewriter))

    @miniagent
    async def failing_agent(ctx: InteractionContext) -> None:
        ctx.reply([speaking_agent.inquire(typewriter=each) for each in (first, second)])
        raise ValueError("broken")

    async with MiniAgents():
        replies = failing_agent.inquire()
        await turns(5)
        for typewriter in (first, second):
            typewriter.stop()
        said: list[MessagePromise[Message]] = []
        with pytest.raises(ValueError, match="broken"):
            await keep(said, replies)
        assert ["ab", "cd"] == [str(await message) for message in said]


async def test_all_that_an_abandoned_run_began_ends_at_once() -> None:
    """What runs have begun within an abandoned one, however deep, ends in the same turns of the loop."""
    ended: list[int] = []

    @miniagent
    async def beginning_agent(ctx: InteractionContext, depth: int) -> None:
        if depth:
            beginning_agent.inquire(depth=depth - 1)
        ctx.reply("begun")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(depth)

    async with MiniAgents():
        replies = aiter(beginning_agent.inquire(depth=20))
        await anext(replies)
        await turns(40)
        del replies
        await turns(4)
        assert [*range(21)] == sorted(ended)


async def test_what_is_held_of_an_abandoned_run_ends_when_it_is_dropped() -> None:
    """An inquiry that somebody holds when its run is abandoned goes on, and ends when that one lets go."""
    ended: list[str] = []
    held: list[MessageSequencePromise[Message]] = []

    @miniagent
    async def endless_agent(_: InteractionContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("endless")

    @miniagent
    async def giving_agent(ctx: InteractionContext) -> None:
        held.append(endless_agent.inquire())
        ctx.reply("given")
        await asyncio.Event().wait()

    async with MiniAgents():
        replies = aiter(giving_agent.inquire())
        await anext(replies)
        del replies
        await turns(4)
        assert [] == ended
        held.clear()
        await turns(4)
        assert ["endless"] == ended


async def test_a_model_that_was_asked_and_not_read() -> None:
    """A run that has asked for a message and not read it yet, and is cancelled, stops the message with it."""
    source: Source[str] = Source(["a", "b", "c"], hold_at=1)

    @miniagent
    async def model_like_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(source))

    @miniagent
    async def asking_agent(ctx: InteractionContext) -> None:
        replies = model_like_agent.inquire()
        await asyncio.Event().wait()
        ctx.reply(replies)

    async with MiniAgents():
        replies = asking_agent.inquire()
        await turns(6)
        assert (1, 0) == (source.produced, source.closed)
        replies.cancel()
        await turns(6)
        assert (1, 1) == (source.produced, source.closed)


async def test_a_stream_that_was_replied_and_not_read() -> None:
    """The same of an async generator that was replied by a run that has ended: no more is asked of it."""
    left: list[bool] = []
    given: list[int] = []

    async def answer(_: Messages) -> AsyncIterator[str]:
        try:
            for number in range(1_000):
                given.append(number)
                yield "token "
                await asyncio.sleep(0)
        finally:
            left.append(True)

    @miniagent
    async def writing_agent(ctx: InteractionContext) -> None:
        ctx.reply(answer(await ctx.messages))

    @miniagent
    async def asking_agent(_: InteractionContext) -> None:
        replies = writing_agent.inquire("go on")
        await asyncio.Event().wait()
        await replies

    async with MiniAgents():
        replies = asking_agent.inquire()
        await turns(8)
        assert given
        assert not left
        replies.cancel()
        await turns(8)
        assert [True] == left
        assert len(given) < 100


@pytest.mark.parametrize("ending", ["cancelled", "failed"])
@pytest.mark.parametrize("child_ended", [False, True])
async def test_errors_as_messages_are_no_reader(ending: str, *, child_ended: bool) -> None:
    """Where errors become messages, an inquiry that its run did not read is cancelled with it, too."""
    source: Source[str] = Source(["a", "b", "c"], hold_at=1)
    left: list[bool] = []
    go_on = asyncio.Event()

    @miniagent
    async def model_like_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(source))
        if not child_ended:
            try:
                await asyncio.Event().wait()
            finally:
                left.append(True)

    @miniagent
    async def asking_agent(ctx: InteractionContext) -> None:
        replies = model_like_agent.inquire()
        await go_on.wait()
        if ending == "failed":
            raise ValueError("broken")
        await asyncio.Event().wait()
        ctx.reply(replies)

    async with MiniAgents(errors_as_messages=True):
        replies = asking_agent.inquire()
        await turns(6)
        assert (1, 0) == (source.produced, source.closed)
        go_on.set()
        await turns(2)
        if ending == "cancelled":
            replies.cancel()
        await turns(8)
        assert (1, 1) == (source.produced, source.closed)
        assert left == [] if child_ended else [True]


async def test_what_was_replied_of_an_inquiry_with_errors_as_messages_goes_on() -> None:
    """A message that a failing run has replied goes on, also where errors become messages."""
    source: Source[str] = Source(["a", "b", "c"], hold_at=1)

    @miniagent
    async def model_like_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(source))

    @miniagent
    async def replying_agent(ctx: InteractionContext, *, whole: bool) -> None:
        replies = model_like_agent.inquire()
        if whole:
            ctx.reply(replies)
        else:
            async for promise in replies:
                ctx.reply(promise)
                break
        await turns(3)
        raise ValueError("broken")

    for whole in (True, False):
        source = Source(["a", "b", "c"], hold_at=1)
        async with MiniAgents(errors_as_messages=True):
            replies = replying_agent.inquire(whole=whole)
            await turns(12)
            assert 0 == source.closed
            source.go.set()
            assert ["abc", "ValueError: broken"] == [str(message) for message in await replies]


class OwnExit(BaseException):
    """An exception of a test runner, say, that no `except Exception` catches."""


@miniagent
async def exiting_agent(_: InteractionContext, error: BaseException) -> None:
    """Raise it."""
    await asyncio.sleep(0)
    raise error


def outcome_exceptions() -> list[BaseException]:
    """Some that are no `Exception`."""
    failed, skipped = pytest.fail.Exception("failed within"), pytest.skip.Exception("skipped within")
    return [failed, skipped, OwnExit("own")]


@pytest.mark.parametrize("error", outcome_exceptions(), ids=lambda error: type(error).__name__)
def test_an_exit_of_its_own_leaves_through_run(error: BaseException) -> None:
    """What is no `Exception` and is raised in an agent comes out of `MiniAgents().run`, the very object."""
    ended: list[bool] = []

    @miniagent
    async def endless_agent(_: InteractionContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def main() -> None:
        endless_agent.inquire()
        await exiting_agent.inquire(error=error)

    with pytest.raises(type(error)) as caught:
        MiniAgents().run(main())
    assert caught.value is error
    assert [True] == ended


async def _reading(replies: MessageSequencePromise[Message], *, reads: bool) -> None:
    """Read the replies, or wait for ever."""
    await (replies if reads else asyncio.Event().wait())


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("error", outcome_exceptions(), ids=lambda error: type(error).__name__)
async def test_an_exit_of_its_own_leaves_the_block(error: BaseException, *, reads: bool) -> None:
    """It comes out of `async with MiniAgents()`, read or not, and the task of the block is not cancelled."""
    with pytest.raises(type(error)) as caught:
        async with MiniAgents():
            await _reading(exiting_agent.inquire(error=error), reads=reads)
    assert caught.value is error
    task = asyncio.current_task()
    assert task is not None
    assert 0 == task.cancelling()
    await asyncio.sleep(0)


async def test_who_caught_an_error_is_not_kept_by_it() -> None:
    """A half-read reply in the frame that caught an error is stopped when that frame has gone.

    The error stays readable; no garbage collector is needed.
    """
    source: Source[str] = Source(["a", "b"], hold_at=1)

    @miniagent
    async def failing_agent(_: InteractionContext) -> None:
        raise ValueError("broken")

    async def catches(failing: MessageSequencePromise[Message]) -> str:
        half_read = Message.promise(source)
        async for token in half_read:
            assert "a" == token
            break
        try:
            await failing
        except ValueError as error:
            return str(error)
        return ""

    async with MiniAgents():
        failing = failing_agent.inquire()
        gc.disable()
        try:
            assert "broken" == await catches(failing)
            await turns(5)
            assert (1, 1) == (source.produced, source.closed)
        finally:
            gc.enable()
        with pytest.raises(ValueError, match="broken"):
            await failing


@eager
@pytest.mark.no_uvloop("uvloop does not know the eager tasks of each Python")
def test_a_long_chain_of_eager_tasks() -> None:
    """With eager tasks a chain of 1,500 agents comes to be, and gives its reply."""

    @miniagent
    async def passing_agent(ctx: InteractionContext, depth: int) -> None:
        ctx.reply(passing_agent.inquire(ctx.messages, depth=depth - 1) if depth else ctx.messages)

    async def main() -> str:
        start_eagerly(asyncio.get_running_loop())
        async with MiniAgents():
            return str(await passing_agent.inquire("through", depth=1_500))

    assert "through" == asyncio.run(main())


@eager
@pytest.mark.no_uvloop("uvloop does not know the eager tasks of each Python")
@pytest.mark.parametrize("turns_before", [0, 1])
def test_a_generator_exit_of_an_eager_task(turns_before: int) -> None:
    """With eager tasks a raised GeneratorExit ends the replies; the loop's handler is told of no error."""
    told: list[Mapping[str, object]] = []

    async def leave() -> None:
        await turns(turns_before)
        raise GeneratorExit

    @miniagent
    async def leaving_agent(ctx: InteractionContext, place: str) -> None:
        ctx.reply("a")
        if place == "run":
            await leave()
        elif place == "source":
            ctx.reply(Message.promise(leaving_source))
        else:
            ctx.wait_for(leave())

    async def leaving_source(_: MutableMapping[str, object]) -> AsyncGenerator[str]:
        yield "b"
        await leave()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        start_eagerly(loop)
        loop.set_exception_handler(lambda _, context: told.append(context))
        async with MiniAgents():
            for place in ("run", "source", "awaitable"):
                with pytest.raises(InquiryCancelledError):
                    await leaving_agent.inquire(place=place)
            with pytest.raises(InquiryCancelledError):
                await Promise(leave)
        gc.collect()  # an error that was not asked for is told when its task goes
        await turns(1)

    asyncio.run(main())
    assert [] == told
