"""What works on a promise of messages, lifted to Observables."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar

import pytest
import reactivex as rx
from reactivex import Observable, Subject, abc, operators as ops
from reactivex.disposable import Disposable
from reactivex.scheduler import CurrentThreadScheduler

from miniagents.messages import Message, MessagePromise, MessageSequencePromise, split_messages
from miniagents.messages._sequence import Lifted, tokens_of
from miniagents.streams import PromisingContext, Stream, StreamedPromise, to_async_iter
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.values import NoActiveContextError
from tests.support.amounts import amount
from tests.support.sources import Recorder, Source, turns
from tests.support.typewriter import Typewriter

WHO: ContextVar[str] = ContextVar("who", default="nobody")


class Cold:
    """An Observable of these items that counts how often it was subscribed to and left."""

    def __init__(self, *items: object, ends: bool = True) -> None:
        self.items = items
        self.ends = ends
        self.subscribed = 0
        self.disposed = 0
        self.seen: list[str] = []
        self.observable = Observable(self._subscribe)

    def _subscribe(
        self, observer: abc.ObserverBase[object], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        self.subscribed += 1
        self.seen.append(WHO.get())
        for item in self.items:
            observer.on_next(item)
        if self.ends:
            observer.on_completed()
        return Disposable(self._dispose)

    def _dispose(self) -> None:
        self.disposed += 1


def same(received: MessageSequencePromise[Message]) -> MessageSequencePromise[Message]:
    """Change nothing."""
    return received


def split(received: MessageSequencePromise[Message]) -> MessageSequencePromise[Message]:
    """Make new messages of the old ones."""
    return split_messages(received)


async def texts(stream: Observable[MessagePromise[Message]]) -> list[str | None]:
    """The text of each message."""
    return [(await message).text async for message in to_async_iter(stream)]


async def test_anything_that_is_messages() -> None:
    """The items of the source may be anything that is messages; the function is given their promises."""
    async with PromisingContext():
        stream = Lifted(rx.of("one", {"text": "two"}, ["three", rx.of("four")], None), same)
        assert ["one", "two", "three", "four"] == await texts(stream)
        assert ["one", "two"] == [
            item async for item in to_async_iter(Lifted(rx.of("one", ["two"]), tokens_of))
        ]


async def test_an_empty_source() -> None:
    """An empty source gives an empty result."""
    async with PromisingContext():
        assert [] == await texts(Lifted(rx.empty(), same))
        assert [] == await texts(Lifted(rx.empty(), split))


async def test_cold() -> None:
    """Nothing happens before someone subscribes; each one subscribes once and is transformed anew."""
    source, made = Cold("one"), list[int]()

    def transform(received: MessageSequencePromise[Message]) -> MessageSequencePromise[Message]:
        made.append(1)
        return received

    stream = Lifted(source.observable, transform)  # no context is needed yet
    async with PromisingContext():
        assert (0, []) == (source.subscribed, made)
        for count in (1, 2, 3):
            assert ["one"] == await texts(stream)
            assert (count, count) == (source.subscribed, len(made))


def test_a_context_is_needed_on_subscribing() -> None:
    """Subscribing without a context raises `NoActiveContextError`; the source is not subscribed to."""
    source = Cold("one")
    stream = Lifted(source.observable, same)
    with pytest.raises(NoActiveContextError):
        stream.subscribe()
    assert 0 == source.subscribed


async def test_in_the_context_of_the_subscriber() -> None:
    """It runs in the context in which it was subscribed to, whichever it was made in."""
    async with PromisingContext() as outer:
        stream = Lifted(rx.of("one"), same)
        async with PromisingContext() as inner:
            recorder = Recorder[MessagePromise[Message]]()
            stream.subscribe(recorder)
            assert recorder.items[0].buffer.context is inner
        recorder = Recorder[MessagePromise[Message]]()
        stream.subscribe(recorder)
        assert recorder.items[0].buffer.context is outer


async def test_contextvars_of_the_subscriber() -> None:
    """The source, the function and all that they start see the contextvars of the subscriber."""
    source, seen = Cold("one"), list[str]()

    async def late() -> AsyncGenerator[str]:
        seen.append(WHO.get())
        yield "late"

    def transform(received: MessageSequencePromise[Message]) -> MessageSequencePromise[Message]:
        seen.append(WHO.get())
        return MessageSequencePromise([received, late()])

    async def subscribe(who: str) -> list[str | None]:
        WHO.set(who)
        return await texts(Lifted(stream, same))  # through two of them

    async with PromisingContext():
        stream = Lifted(source.observable, transform)
        both = await asyncio.gather(subscribe("a"), subscribe("b"))
    assert [["one", "late"], ["one", "late"]] == [*both]
    assert (["a", "b"], ["a", "a", "b", "b"]) == (sorted(source.seen), sorted(seen))


async def test_contextvars_on_a_trampoline() -> None:
    """They are those of the subscriber also if the source is subscribed to later, from elsewhere."""
    source = Cold("one")
    async with PromisingContext():

        def subscribe(*_: object) -> None:
            token = WHO.set("subscriber")
            Lifted(source.observable, same).subscribe()
            WHO.reset(token)
            assert 0 == source.subscribed  # not nested in this call

        CurrentThreadScheduler.singleton().schedule(subscribe)
        assert ["subscriber"] == source.seen


async def test_as_they_come() -> None:
    """Messages and tokens come as soon as they are there, before the source has ended."""
    async with PromisingContext():
        subject, typewriter = Subject[object](), Typewriter("a")
        tokens = to_async_iter(Lifted(subject, tokens_of))
        reading = asyncio.ensure_future(anext(tokens))
        await turns()
        subject.on_next(Message.promise(typewriter))
        assert "a" == await reading
        typewriter.type("b")
        assert "b" == await anext(tokens)
        typewriter.stop()
        subject.on_completed()
        assert [] == [token async for token in tokens]


async def test_errors() -> None:
    """The error of the source comes after its messages, the very one; a failing message ends nothing."""
    error = ValueError("broken")
    async with PromisingContext():
        for transform in (same, split):
            recorder = Recorder[MessagePromise[Message]]()
            Lifted(rx.concat(rx.of("one", "two"), rx.throw(error)), transform).subscribe(recorder)
            await turns(4)
            assert (2, [error]) == (len(recorder.items), recorder.errors)
        recorder = Recorder[MessagePromise[Message]]()
        Lifted(rx.of("one", error, "two"), same).subscribe(recorder)
        assert (3, 1) == (len(recorder.items), recorder.completed)
        with pytest.raises(ValueError, match="broken") as caught:
            await recorder.items[1]
        assert caught.value is error


async def test_a_source_that_raises() -> None:
    """What the source raises on subscribing is its error; what the function raises is raised there."""
    error = ZeroDivisionError("broken")

    def subscribe(_: abc.ObserverBase[object], __: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        raise error

    def transform(_: MessageSequencePromise[Message]) -> MessageSequencePromise[Message]:
        raise error

    async with PromisingContext():
        recorder = Recorder[MessagePromise[Message]]()
        Lifted(Observable(subscribe), same).subscribe(recorder)
        assert ([], [error]) == (recorder.items, recorder.errors)
        source = Cold("one")
        with pytest.raises(ZeroDivisionError):
            Lifted(source.observable, transform).subscribe()
        assert 0 == source.subscribed


@pytest.mark.parametrize("transform", [same, split])
async def test_disposing(
    transform: Callable[[MessageSequencePromise[Message]], MessageSequencePromise[Message]],
) -> None:
    """Disposing leaves the source, closes what had begun, and tells the subscriber nothing; also twice."""
    gc.disable()
    try:
        async with PromisingContext():
            async_source = Source(["one", "two"], hold_at=1)
            source, recorder = Cold(async_source, ends=False), Recorder[MessagePromise[Message]]()
            subscription = Lifted(source.observable, transform).subscribe(recorder)
            await turns(4)
            assert (1, 0, 0) == (len(recorder.items), source.disposed, async_source.closed)
            recorder.items.clear()  # a message that is held would go on
            subscription.dispose()
            subscription.dispose()
            await turns(4)
            assert (0, 0) == (len(recorder.items), recorder.terminals)
            assert (1, 1) == (source.disposed, async_source.closed)
    finally:
        gc.enable()


async def test_disposing_what_is_held() -> None:
    """What was begun for a subscriber ends with the subscription, although somebody else holds the result."""
    held: list[MessageSequencePromise[Message]] = []

    def transform(received: MessageSequencePromise[Message]) -> MessageSequencePromise[Message]:
        held.append(received)
        return received

    async with PromisingContext():
        source = Cold("one", ends=False)
        Lifted(source.observable, transform).subscribe().dispose()
        assert (1, True, 0) == (source.disposed, held[0].done, held[0].buffer.readers)


async def test_disposing_one_of_two() -> None:
    """Subscriptions know nothing of each other: leaving one does not touch the other."""
    async with PromisingContext():
        source = Cold("one", ends=False)
        stream = Lifted(source.observable, same)
        first, second = Recorder[MessagePromise[Message]](), Recorder[MessagePromise[Message]]()
        leaving, staying = stream.subscribe(first), stream.subscribe(second)
        leaving.dispose()
        assert (2, 1) == (source.subscribed, source.disposed)
        staying.dispose()
        assert (2, 2) == (source.subscribed, source.disposed)


async def test_leaving_before_the_source() -> None:
    """Who leaves before the source was subscribed to keeps it from being subscribed to at all."""
    source = Cold("one")
    async with PromisingContext():

        def subscribe_and_leave(*_: object) -> None:
            Lifted(source.observable, same).subscribe().dispose()

        CurrentThreadScheduler.singleton().schedule(subscribe_and_leave)
        assert 0 == source.subscribed


@pytest.mark.parametrize("transform", [same, split])
async def test_take_one(
    transform: Callable[[MessageSequencePromise[Message]], MessageSequencePromise[Message]],
) -> None:
    """After `take(1)` the message that was taken streams on for its holder; then the source is left."""
    gc.disable()
    try:
        async with PromisingContext():
            tokens = Source(["a", "b", "\n\n"], hold_at=1)
            source = Cold(Message.promise(tokens), ends=False)
            stream = Lifted(source.observable, transform).pipe(ops.take(1))
            (taken,) = [message async for message in to_async_iter(stream)]
            await turns(4)
            assert 0 == tokens.closed
            tokens.go.set()
            letters = aiter(taken)
            assert "a" == await anext(letters)
            assert "b" == "".join([letter async for letter in letters]).rstrip()
            await turns(4)
            assert (1, 1) == (source.disposed, tokens.closed)
    finally:
        gc.enable()


async def test_what_is_behind_a_taken_message() -> None:
    """Messages behind the one that was taken stop when the rest is left."""
    gc.disable()
    try:
        async with PromisingContext():
            tokens, behind = Source(["a", "b"], hold_at=1), Source(["c", "d"], hold_at=1)
            source = Cold(Message.promise(tokens), Message.promise(behind), ends=False)
            recorder = Recorder[MessagePromise[Message]]()
            subscription = Lifted(source.observable, same).subscribe(recorder)
            source.items = ()
            await turns(4)
            del recorder.items[1]
            subscription.dispose()
            await turns(4)
            assert (0, 1) == (tokens.closed, behind.closed)
            tokens.go.set()
            assert "ab" == (await recorder.items[0]).text
    finally:
        gc.enable()


async def test_a_taken_message_that_is_dropped() -> None:
    """When the message that was taken is not held, it stops, too."""
    gc.disable()
    try:
        async with PromisingContext():
            tokens = Source(["a", "b"], hold_at=1)
            stream = Lifted(rx.defer(lambda _: rx.of(Message.promise(tokens))), split).pipe(ops.take(1))
            taken = [message async for message in to_async_iter(stream)]
            assert "a" == await anext(aiter(taken[0]))
            taken.clear()
            await turns(4)
            assert 1 == tokens.closed
    finally:
        gc.enable()


async def test_a_subscriber_that_leaves_from_within() -> None:
    """A subscriber may leave while it is told of an item: it is told of nothing more."""
    async with PromisingContext():
        source = Cold("one", "two", ends=False)
        assert ["one"] == await texts(Lifted(source.observable, same).pipe(ops.take(1)))
        assert ["o"] == [
            token async for token in to_async_iter(Lifted(rx.of("o", "k"), tokens_of).pipe(ops.take(1)))
        ]
        assert (1, 1) == (source.subscribed, source.disposed)


@pytest.mark.loop(debug=False)
async def test_a_long_pipeline() -> None:
    """A pipeline of 2,000 of them overflows the stack neither when it is subscribed to nor when left."""
    async with PromisingContext():
        source = Cold("one", "two", ends=False)
        stream = Lifted(source.observable, same)
        for _ in range(amount(600, 2_000)):
            stream = Lifted(stream, same)
        recorder = Recorder[MessagePromise[Message]]()
        subscription = stream.subscribe(recorder)
        assert 2 == len(recorder.items)
        subscription.dispose()
        await turns(4)
        assert (1, 1) == (source.subscribed, source.disposed)


async def test_the_whole_is_any_promise() -> None:
    """The function may give any promise of pieces; the pieces are what the subscriber gets."""
    async with PromisingContext():

        def numbers(received: MessageSequencePromise[Message]) -> StreamedPromise[int, object]:
            return StreamedPromise(prefill_pieces=[1, 2, 3])

        assert [1, 2, 3] == [item async for item in to_async_iter(Lifted(rx.of("one"), numbers))]


async def test_a_source_of_a_context_that_has_ended() -> None:
    """A source that cannot be subscribed to any more is an error of the result, and not of the subscriber."""
    async with PromisingContext():
        buffer: ReplayBuffer[object] = ReplayBuffer(Context.current())
    source = Stream(buffer)
    async with PromisingContext():
        recorder = Recorder[MessagePromise[Message]]()
        Lifted(source, same).subscribe(recorder)
        (error,) = recorder.errors
        assert isinstance(error, NoActiveContextError)
