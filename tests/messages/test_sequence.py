"""A flat stream of message promises."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable, Coroutine
from itertools import permutations
from typing import TypeAlias, assert_type, cast
from weakref import ref

import pytest
from reactivex import Observable, operators as ops

from miniagents import (
    AssistantMessage,
    Finish,
    MiniAgents,
    MiniAgentsError,
    Part,
    Reasoning,
    ToolCall,
    ToolCallDelta,
)
from miniagents.messages import Message, MessagePromise, Messages, MessageSequencePromise, UserMessage
from miniagents.messages._flattener import Flattener
from miniagents.messages._sequence import open_sequence, tokens_of
from miniagents.streams import PromisingContext, Stream, to_async_iter
from miniagents.streams._lifetime import current_producer
from miniagents.streams._run_task import ProducerTask
from miniagents.values import (
    InquiryCancelledError,
    NoActiveContextError,
    UnresolvedPromiseError,
)
from tests.support.readers import awaiting, iterating, leave, stops_with_the_last_one, subscribing
from tests.support.sources import Recorder, Source, turns
from tests.support.typewriter import Typewriter

Body: TypeAlias = Callable[[Flattener], Coroutine[object, object, None]]


async def outcomes(promise: MessageSequencePromise[Message]) -> list[str | Exception]:
    """The text or the error of each message, and the error of the whole at the end."""
    found: list[str | Exception] = []
    try:
        async for message in promise:
            try:
                found.append(str(await message))
            except Exception as error:  # noqa: BLE001 - it is looked at
                found.append(error)
    except Exception as error:  # noqa: BLE001
        found.append(error)
    return found


async def test_prefilled() -> None:
    """Each piece it is made with becomes a message promise; one that is a promise already stays the same."""
    async with PromisingContext():
        message, given = UserMessage("one"), Message.promise(Source(["th", "ree"]))
        promise = MessageSequencePromise(prefill_pieces=[message, "two", {"text": "x", "n": 1}, [given]])
        pieces = [piece async for piece in promise]
        assert all(isinstance(piece, MessagePromise) for piece in pieces)
        assert message is await pieces[0]
        assert given is pieces[3]
        assert ["one", "two", "x", "three"] == [str(item) for item in await promise]
        for nothing in (MessageSequencePromise(), MessageSequencePromise(None), MessageSequencePromise([])):
            assert nothing.done
            assert () == await nothing
        assert ["alone"] == await outcomes(MessageSequencePromise("alone"))


async def test_without_a_context() -> None:
    """Without a context it is refused, and so is an open one; nothing of what is given is started."""
    source = Source(["a"])
    with pytest.raises(NoActiveContextError):
        MessageSequencePromise(source)
    with pytest.raises(NoActiveContextError):
        open_sequence()
    assert 0 == source.runs


async def test_awaited() -> None:
    """Awaiting it gives `Messages`, the same ones every time; so does `aresolve_messages`."""
    async with PromisingContext():
        promise = MessageSequencePromise(["one", Source(["two", "three"])])
        messages = await promise
        assert_type(messages, Messages[Message])
        assert type(messages) is Messages
        assert messages is await promise is await promise.aresolve_messages() is await messages
        assert "one\n\ntwo\n\nthree" == str(messages)


async def test_its_faces() -> None:
    """Iterated or subscribed to, it shows the same promises in the same order, as they come."""
    async with PromisingContext():
        source = Source(["one", "two"], hold_at=1)
        promise = MessageSequencePromise(["zero", source])
        recorder: Recorder[MessagePromise[Message]] = Recorder()
        promise.messages.subscribe(recorder)
        reader = aiter(promise)
        early = [await anext(reader) for _ in range(2)]
        assert (early, 0) == (recorder.items, recorder.terminals)
        source.go.set()
        pieces = [*early, *[piece async for piece in reader]]
        assert ["zero", "one", "two"] == [str(await piece) for piece in pieces]
        assert (pieces, 1) == (recorder.items, recorder.completed)
        assert pieces == [piece async for piece in promise]
        assert pieces == [piece async for piece in to_async_iter(promise.messages)]


async def test_its_tokens() -> None:
    """`tokens` are those of all messages as they come, message after message, replayed to everybody."""
    async with PromisingContext():
        first, second = Typewriter("a"), Typewriter("c", "d")
        second.stop()
        promise = MessageSequencePromise([Message.promise(first), Message.promise(second), "e"])
        recorder, late = Recorder[str](), Recorder[str]()
        promise.tokens.subscribe(recorder)
        await turns(4)
        assert (["a"], 0) == (recorder.items, recorder.terminals)
        first.type("b")
        await turns(4)
        assert ["a", "b"] == recorder.items
        first.stop()
        await promise
        promise.tokens.subscribe(late)
        assert (["a", "b", "c", "d", "e"], 1) == (recorder.items, recorder.completed)
        assert (recorder.items, 1) == (late.items, late.completed)
        assert "abcde" == "".join([token async for token in tokens_of(promise)])
        assert ["a"] == [token async for token in to_async_iter(promise.tokens.pipe(ops.take(1)))]


async def test_tokens_end_with_the_first_error() -> None:
    """The tokens end with the error of the first message that fails, after those before it."""
    async with PromisingContext():
        error, recorder = ValueError("broken"), Recorder[str]()
        promise = MessageSequencePromise(["a", Message.promise(Source(["b"], error=error)), "c"])
        promise.tokens.subscribe(recorder)
        with pytest.raises(ValueError, match="broken"):
            await promise
        assert (["a", "b"], [error]) == (recorder.items, recorder.errors)


async def test_as_a_single_promise() -> None:
    """`as_single_promise` streams all texts as one message, with a delimiter and data if given."""
    async with PromisingContext():
        typewriter = Typewriter("tw")
        promise = MessageSequencePromise(["\none", Message.promise(typewriter)])
        single = promise.as_single_promise(" + ", strip_leading_newlines=True, lang="en")
        assert_type(single, MessagePromise[Message])
        reader = aiter(single)
        assert ["one", " + ", "tw"] == [await anext(reader) for _ in range(3)]
        typewriter.type("o")
        typewriter.stop()
        joined = await single
        assert ("one + two", {"lang": "en"}) == (joined.text, dict(single.preliminary_metadata))
        assert joined.model_extra == {"lang": "en", "original_messages": tuple(await promise)}
        plain = await promise.as_single_promise(reference_original_messages=False)
        assert ("\none\n\ntwo", {}) == (plain.text, plain.model_extra)


# -- errors --------------------------------------------------------------------------------------------


async def test_a_failing_message_fails_where_it_stands() -> None:
    """A message that fails does so in its place; those after it still arrive; the whole raises its error."""
    async with PromisingContext():
        error = ValueError("broken")
        promise = MessageSequencePromise(["a", Message.promise(Source(["b"], error=error)), "c", error])
        assert ["a", error, "c", error] == await outcomes(promise)
        for _ in range(2):
            with pytest.raises(ValueError, match="broken") as caught:
                await promise
            assert caught.value is error


async def test_the_first_error_in_order() -> None:
    """The error that is raised is that of the first failing message in order, not in time."""
    async with PromisingContext():
        slow = Typewriter()
        promise = MessageSequencePromise([Message.promise(slow), ZeroDivisionError("at once")])
        whole = asyncio.ensure_future(promise)
        await turns(4)
        assert not whole.done()
        slow.fail(ValueError("late"))
        with pytest.raises(ValueError, match="late"):
            await whole
        assert [ValueError, ZeroDivisionError] == [type(error) for error in await outcomes(promise)]


async def test_an_error_does_not_wait() -> None:
    """Who awaits the whole gets the first error without waiting for messages behind it."""
    async with PromisingContext():
        never = Typewriter()
        flattener, promise = open_sequence()
        flattener.feed(["a", ValueError("first"), Message.promise(never)])
        with pytest.raises(ValueError, match="first"):
            await promise
        assert not promise.done
        flattener.finish()
        never.stop()


async def test_a_message_before_the_error_of_the_whole() -> None:
    """The error of a message comes before that of the whole, which comes after every message."""
    async with PromisingContext():
        flattener, promise = open_sequence()
        flattener.feed(["a", ValueError("message")])
        flattener.fail(ZeroDivisionError("whole"))
        assert ["a", "message", "whole"] == [str(found) for found in await outcomes(promise)]
        with pytest.raises(ValueError, match="message"):
            await promise


# -- text ----------------------------------------------------------------------------------------------


async def test_text() -> None:
    """`str` and `format` give the texts once all are complete; before that they say: await it first."""
    async with PromisingContext():
        typewriter = Typewriter("one")
        flattener, promise = open_sequence()
        flattener.feed(Message.promise(typewriter))
        for step in (typewriter.stop, flattener.finish, None):
            if step is not None:
                with pytest.raises(UnresolvedPromiseError, match="await it first"):
                    str(promise)
                with pytest.raises(UnresolvedPromiseError):
                    format(promise)
                step()
            await turns(3)
        assert ("one", "one", "  one") == (str(promise), f"{promise}", f"{promise:>5}")


async def test_text_while_a_message_is_written() -> None:
    """A sequence that has all its messages has no text before the last of them is complete."""
    async with PromisingContext():
        typewriter = Typewriter("one")
        promise = MessageSequencePromise(Message.promise(typewriter))
        assert promise.done
        with pytest.raises(UnresolvedPromiseError, match="await it first"):
            str(promise)
        typewriter.stop()
        await promise
        assert "one" == str(promise)


async def test_text_of_a_failed_one() -> None:
    """Asked for the text, it raises the error that awaiting it raises."""
    async with PromisingContext():
        promise = MessageSequencePromise(["a", ValueError("broken")])
        with pytest.raises(ValueError, match="broken"):
            str(promise)


async def test_repr_and_hash() -> None:
    """`repr` never raises and never prints content; a promise can be a key, equal to itself only."""
    async with PromisingContext():
        flattener, promise = open_sequence()
        assert "<MessageSequencePromise open, 0 pieces>" == repr(promise)
        flattener.feed("secret")
        flattener.finish()
        assert "<MessageSequencePromise done, 1 pieces>" == repr(promise)
        other = MessageSequencePromise(["secret"])
        assert {promise: 1, other: 2} == {other: 2, promise: 1}
        assert promise != other


# -- leaving -------------------------------------------------------------------------------------------


def start(context: PromisingContext, body: Body) -> MessageSequencePromise[Message]:
    """A run, as that of an agent: `body` is given what it feeds its replies into."""
    flattener, promise = open_sequence()
    producer = flattener.feeder = ProducerTask("AGENT", promise.buffer, flattener)
    producer.start(lambda: body(flattener))
    return promise


async def test_cancelling_stops_what_the_run_writes() -> None:
    """`cancel()` stops the messages that the run, or one that it began, still writes, and no others."""
    async with PromisingContext() as context:
        others, own, nested, late = (Source(["a", "b"], hold_at=1) for _ in range(4))
        passed_on, read_by_others = Message.promise(others), list[MessagePromise[Message]]()

        async def inner(replies: Flattener) -> None:
            replies.feed(Message.promise(nested))

        async def body(replies: Flattener) -> None:
            replies.feed([passed_on, Message.promise(own), start(context, inner)])
            read_by_others.append(Message.promise(late))  # a message of the run that it never replied
            await asyncio.Event().wait()

        promise = start(context, body)
        reader = aiter(promise)
        pieces = [await anext(reader) for _ in range(3)]
        await turns(3)
        promise.cancel()
        promise.cancel()
        await turns(4)
        assert (0, 1, 1, 1) == (others.closed, own.closed, nested.closed, late.closed)
        for piece in pieces[1:]:
            with pytest.raises(InquiryCancelledError):
                await piece
        with pytest.raises(InquiryCancelledError):
            await anext(reader)
        others.go.set()
        assert "ab" == str(await passed_on)


async def test_cancelling_after_the_run_has_ended() -> None:
    """Messages that a run left behind half written are stopped, too, by cancelling its replies later."""
    async with PromisingContext() as context:
        own = Source(["a", "b"], hold_at=1)

        async def body(replies: Flattener) -> None:
            replies.feed(Message.promise(own))

        promise = start(context, body)
        await turns(4)
        assert (True, 0) == (promise.done, own.closed)
        promise.cancel()
        await turns(3)
        assert 1 == own.closed


async def test_cancelling_keeps_what_is_complete() -> None:
    """What had arrived before stays readable; a sequence without a run keeps all its messages."""
    async with PromisingContext() as context:

        async def body(replies: Flattener) -> None:
            replies.feed("complete")
            await asyncio.Event().wait()

        promise = start(context, body)
        reader = aiter(promise)
        first = await anext(reader)
        promise.cancel()
        assert "complete" == str(await first)
        found = await outcomes(promise)
        assert ["complete", InquiryCancelledError] == [found[0], type(found[1])]
        source = Source(["a", "b"], hold_at=1)
        whole = MessageSequencePromise(Message.promise(source))
        whole.cancel()
        await turns(3)
        assert 0 == source.closed
        source.go.set()
        assert "ab" == str(await whole)


async def test_leaving_the_block() -> None:
    """Leaving `async with promise` stops the run and what it still writes."""
    async with PromisingContext() as context:
        own = Source(["a", "b"], hold_at=1)

        async def body(replies: Flattener) -> None:
            replies.feed(Message.promise(own))

        promise = start(context, body)
        async with promise as replies:
            async for message in replies:
                assert "a" == await anext(aiter(message))
                break
            assert 0 == own.closed
        await turns(2)
        assert 1 == own.closed
        (message,) = [piece async for piece in promise]
        with pytest.raises(InquiryCancelledError):
            await message


async def test_abandoned() -> None:
    """When it was read and can no longer be reached, the messages that only it held are stopped."""
    gc.disable()
    try:
        async with PromisingContext():
            sources = [Source(["a", "b"], hold_at=1) for _ in range(2)]
            held = Message.promise(sources[0])
            promise = MessageSequencePromise([held, Message.promise(sources[1])])
            async for _ in promise:
                break
            await turns(3)
            assert [0, 0] == [source.closed for source in sources]
            del promise
            await turns(3)
            assert [0, 1] == [source.closed for source in sources]
            sources[0].go.set()
            assert "ab" == str(await held)
    finally:
        gc.enable()


async def test_an_open_sequence() -> None:
    """An open sequence gives what is fed into it until it is finished, to readers of any time."""
    async with PromisingContext():
        assert current_producer() is None
        flattener, promise = open_sequence()
        flattener.feed("one")
        assert not promise.done
        reader = aiter(promise)
        assert "one" == str(await (await anext(reader)))
        flattener.feed("two")
        flattener.finish()
        assert ["two"] == [str(await piece) async for piece in reader]
        assert ["one", "two"] == await outcomes(promise)


async def test_without_replay() -> None:
    """With `replay=False` messages that all readers have passed go, also through nested sources."""

    async def rows() -> AsyncGenerator[str]:
        for number in range(300):
            yield str(number)

    async def nested() -> AsyncGenerator[list[AsyncGenerator[str]]]:
        yield [rows()]

    texts = [str(number) for number in range(300)]
    async with PromisingContext(prefetch=10):
        for source in (rows(), nested()):
            sequence = MessageSequencePromise(source, replay=False)
            promises: list[ref[MessagePromise[Message]]] = []
            async for promise in sequence:
                assert texts[len(promises)] == str(await promise)
                promises.append(ref(promise))
                assert sum(each() is not None for each in promises) < 60
            assert 300 == len(promises)
            with pytest.raises(UnresolvedPromiseError, match="300 pieces"):
                await sequence


@pytest.mark.parametrize("passed_on", [False, True])
async def test_without_replay_in_other_hands(passed_on: bool) -> None:
    """With `replay=False` a sequence is read once by whatever reads messages; awaited in time it is whole."""

    async def rows() -> AsyncGenerator[str]:
        for number in range(50):
            yield f"{number} "

    whole = "".join([f"{number} " for number in range(50)])
    async with PromisingContext(prefetch=4):

        def sequence() -> MessageSequencePromise:
            rows_once = MessageSequencePromise(rows(), replay=False)
            return MessageSequencePromise(["", rows_once]) if passed_on else rows_once

        assert whole == str(await sequence().as_single_promise(""))
        assert whole == "".join([token async for token in to_async_iter(sequence().tokens)])
        assert 50 == len(await sequence()) - passed_on
        subscribed = [str(await promise) async for promise in to_async_iter(sequence().messages)]
        assert whole == "".join(subscribed)


async def test_who_gave_up_awaiting_leaves_nothing() -> None:
    """Who was cancelled while awaiting a sequence is no reader of it any more, and left nothing there."""
    async with PromisingContext():
        flattener, sequence = open_sequence()
        waiting = asyncio.ensure_future(sequence)
        await turns()
        assert (1, 1) == (sequence.buffer.readers, len(sequence.buffer._waiters or ()))
        waiting.cancel()
        await turns()
        assert (0, 0) == (sequence.buffer.readers, len(sequence.buffer._waiters or ()))
        flattener.finish()


async def test_awaiting_keeps_all_without_replay() -> None:
    """Who awaits a sequence without replay keeps what a reader beside it has passed."""
    async with PromisingContext():
        source = Source(["one", "two"], hold_at=1)
        sequence = MessageSequencePromise(source, replay=False)
        waiting = asyncio.ensure_future(sequence)
        await turns()
        reading = aiter(sequence)
        assert "one" == str(await (await anext(reading)))
        source.go.set()
        assert ["two"] == [str(await promise) async for promise in reading]
        assert "one\n\ntwo" == str(await waiting)


# -- projections -----------------------------------------------------------------------------------------

TURNS = (
    AssistantMessage(
        parts=[Reasoning("Hm."), "Let me look.", ToolCall("1", "look")], finish_reason="tool_use"
    ),
    Message("dark"),
    AssistantMessage("It is dark.", finish_reason="stop"),
)
PARTS: list[Part] = [
    Reasoning("Hm."),
    "Let me look.",
    ToolCallDelta(0, "1", "look", "{}"),
    Finish("tool_use"),
    "dark",
    "It is dark.",
    Finish("stop"),
]


async def test_parts_of_all_messages() -> None:
    """All parts of all messages come in order, through each of the three faces."""
    async with MiniAgents():
        turns = MessageSequencePromise(TURNS)
        parts: Observable[Part] = turns.parts
        assert [part async for part in turns.parts] == PARTS
        assert list(await turns.parts) == PARTS
        assert [part async for part in to_async_iter(parts)] == PARTS


async def test_leaving_parts_leaves_nothing() -> None:
    """A reader that breaks off takes everything with it that read for it."""
    async with MiniAgents():
        async for part in MessageSequencePromise(TURNS).parts:
            assert part == Reasoning("Hm.")
            break


async def test_final_message() -> None:
    """The final message is the last one, as its own class."""
    async with MiniAgents():
        turns = MessageSequencePromise(TURNS)
        assert await turns.final == TURNS[-1]
        assert [await turns.final, *await turns] == [TURNS[-1], *TURNS]


async def test_no_message_is_no_final_message() -> None:
    """A sequence without messages has no final one, and says so."""
    async with MiniAgents():
        with pytest.raises(MiniAgentsError, match="no message came"):
            await MessageSequencePromise().final


async def test_errors() -> None:
    """A failing message is the error of both, after the parts that came before it."""
    async with MiniAgents():
        turns = MessageSequencePromise(["one", ValueError("two"), "three"])
        parts = aiter(turns.parts)
        assert await anext(parts) == "one"
        with pytest.raises(ValueError, match="two"):
            await anext(parts)
        with pytest.raises(ValueError, match="two"):
            await turns.final


SOURCES: dict[str, Callable[[Source[str]], MessagePromise[Message] | MessageSequencePromise[Message]]] = {
    "message": Message.promise,
    "sequence": MessageSequencePromise,
}
FACES = [
    *(("message", "tokens"), ("message", "parts")),
    *(("sequence", "tokens"), ("sequence", "messages"), ("sequence", "parts")),
]


def projection(promise: object, name: str) -> Stream[object]:
    """A projection, whatever its pieces are."""
    found = getattr(promise, name)
    assert isinstance(found, Stream)
    return cast("Stream[object]", found)


@pytest.mark.parametrize(("kind", "name"), FACES)
async def test_three_faces_of_a_projection(kind: str, name: str) -> None:
    """Awaited, iterated and subscribed to, while it comes and afterwards, a projection shows the same."""
    async with MiniAgents():
        source = Source(["a", "b", "c"], hold_at=2)
        promise = SOURCES[kind](source)
        shown = projection(promise, name)
        early, late = Recorder[object](), Recorder[object]()
        shown.subscribe(early)
        awaiting = asyncio.ensure_future(shown)
        await turns(5)
        assert 2 == len(early.items)
        source.go.set()
        whole = await awaiting
        shown.subscribe(late)
        assert isinstance(whole, tuple)
        assert [*whole] == [each async for each in shown] == early.items == late.items
        assert (3, 1, 1) == (len(whole), early.completed, late.completed)
        if name != "messages":
            assert ("a", "b", "c") == whole


@pytest.mark.parametrize(("kind", "name"), [*FACES, ("sequence", "final")])
async def test_a_projection_is_made_once(kind: str, name: str) -> None:
    """A projection is made once and kept by its promise; another promise has its own."""
    async with MiniAgents():
        promise, other = SOURCES[kind](Source(["a"])), SOURCES[kind](Source(["a"]))
        assert getattr(promise, name) is getattr(promise, name)
        assert getattr(promise, name) is not getattr(other, name)
        await promise
        await other


@pytest.mark.parametrize(("kind", "name"), [*FACES, ("sequence", "final")])
async def test_a_projection_starts_at_its_first_read(kind: str, name: str) -> None:
    """To name a projection starts no task, and is not reading."""
    async with MiniAgents() as context:
        promise = SOURCES[kind](Source(["a", "b"], hold_at=1))
        await turns(3)
        tasks = {*context.tasks}
        shown = getattr(promise, name)
        await turns(3)
        assert (tasks, 0, False) == ({*context.tasks}, promise.buffer.readers, promise.buffer.was_read)
        reading = asyncio.ensure_future(shown)
        await turns(3)
        assert promise.buffer.was_read
        assert promise.buffer.readers > 0
        reading.cancel()
        promise.cancel()


@pytest.mark.parametrize("read", [iterating, subscribing, awaiting])
@pytest.mark.parametrize(("kind", "name"), FACES)
async def test_dropped_in_any_order(kind: str, name: str, read: Callable[[Stream[object]], object]) -> None:
    """When promise, projection and reader have gone, in whatever order, the source is stopped at once.

    As long as one of them is there it goes on. No garbage collector is needed.
    """
    for order in permutations(("promise", "projection", "reader")):
        async with MiniAgents():
            source = Source(["a", "b"], hold_at=1)
            held: dict[str, object] = {"promise": SOURCES[kind](source)}
            held["projection"] = projection(held["promise"], name)
            early = subscribing(projection(held["promise"], name))  # so that the first piece is there
            await turns(4)
            held["reader"] = read(projection(held["promise"], name))
            await turns(3)
            leave(early)
            del early
            await stops_with_the_last_one(source, held, order, produced=1)


@pytest.mark.parametrize("order", [*permutations(("promise", "final", "reader"))], ids="-".join)
async def test_the_final_message_dropped_in_any_order(order: tuple[str, ...]) -> None:
    """The promise of the final message is a lease as any other."""
    async with MiniAgents():
        source = Source(["a", "b"], hold_at=1)
        promise = MessageSequencePromise(source)
        held: dict[str, object] = {"promise": promise, "final": promise.final}
        held["reader"] = awaiting(promise.final)
        del promise
        await turns(4)
        await stops_with_the_last_one(source, held, order, produced=1)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(("kind", "name"), FACES)
async def test_a_projection_that_has_ended(kind: str, name: str, *, fails: bool) -> None:
    """A projection that has ended has dropped its tasks and the leases on what it was made of."""
    async with MiniAgents() as context:
        promise = SOURCES[kind](Source(["a", "b"], error=ValueError("broken") if fails else None))
        leases = promise.buffer.leases
        shown = projection(promise, name)
        gc.disable()
        try:
            (outcome,) = await asyncio.gather(shown, return_exceptions=True)
            await turns(3)
            assert isinstance(outcome, ValueError) is (fails and name != "messages")
            assert (set(), None) == ({*context.tasks}, promise.buffer.producer)
            made_of_it = {"tokens": 0, "parts": 0, "messages": 1}[name] if kind == "sequence" else 1
            assert leases + made_of_it == promise.buffer.leases
            assert (None, 0) == (shown.shown.producer, promise.buffer.readers)
        finally:
            gc.enable()
        if name == "messages" and fails:
            await asyncio.gather(promise, return_exceptions=True)
