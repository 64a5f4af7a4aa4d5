"""Many streams of messages become one."""

import asyncio
import gc
import threading
from collections.abc import AsyncGenerator
from typing import cast

import pytest
import reactivex as rx
from reactivex import Observable, Subject, abc
from reactivex.disposable import Disposable

from miniagents.messages import Message, MessagePromise, MessageSequencePromise, MessageType
from miniagents.messages._flattener import ObservableProducer
from miniagents.messages._sequence import open_sequence
from miniagents.streams import PromisingContext, to_async_iter
from miniagents.values import DeadlockError, InquiryCancelledError, NestingError
from tests.support.sources import Source, turns


async def into(found: list[str], promise: MessageSequencePromise[Message]) -> None:
    """Put the texts of the messages into `found`, which has what came also when the sequence fails."""
    async for item in promise:
        found.append(str(await item))  # noqa: PERF401 - a comprehension would lose what came before an error


async def texts(promise: MessageSequencePromise[Message]) -> list[str]:
    """The texts, a failing message as the name of its error."""
    found: list[str] = []
    async for message in promise:
        try:
            found.append(str(await message))
        except Exception as error:  # noqa: BLE001 - that is what is looked at
            found.append(type(error).__name__)
    return found


async def test_order_is_that_of_giving() -> None:
    """Streams run side by side; their messages arrive in the order in which the streams were given."""
    async with PromisingContext():
        slow, fast = Source(["slow 1", "slow 2"], hold_at=1), Source(["fast 1", "fast 2"])
        flattener, promise = open_sequence()
        flattener.feed("first")
        flattener.feed(slow)
        flattener.feed(["between", fast])
        flattener.feed("last")
        flattener.finish()
        reader = aiter(promise)
        assert ["first", "slow 1"] == [str(await (await anext(reader))) for _ in range(2)]
        await turns(5)
        assert (2, 1) == (fast.produced, fast.closed)  # it ran while the slow one is waited for
        assert 2 == len(promise.buffer.items)
        slow.go.set()
        assert ["slow 2", "between", "fast 1", "fast 2", "last"] == [str(await item) async for item in reader]


async def test_an_observable_is_left_at_the_end_of_the_context() -> None:
    """A sequence unsubscribes from its Observable when the context ends, also if the sequence is kept."""
    subject = Subject[MessageType]()
    async with PromisingContext():
        promise = MessageSequencePromise(subject)
        subject.on_next("one")
        assert [True] == [bool(subject.observers)]
    assert [] == subject.observers
    with pytest.raises(InquiryCancelledError):
        await promise
    assert "one" == str(await promise.buffer.items[0])


async def test_a_message_arrives_as_soon_as_it_can() -> None:
    """A message is passed on as soon as everything before it has come, while it is still being written."""
    async with PromisingContext():
        tokens = Source(["tok", "en"], hold_at=1)
        flattener, promise = open_sequence()
        flattener.feed(Message.promise(tokens))
        (message,) = promise.buffer.items
        assert "tok" == await anext(aiter(message))
        assert not promise.done
        flattener.finish()
        tokens.go.set()
        assert "token" == str((await promise)[0])


async def test_a_failing_stream_is_a_failing_message() -> None:
    """A stream that fails is a failing message where it stands; what stands after it still arrives."""
    async with PromisingContext():
        error = ValueError("broken")
        failing = Source(["before"], error=error)
        promise = MessageSequencePromise(["a", failing, ZeroDivisionError("given"), "z"])
        assert ["a", "before", "ValueError", "ZeroDivisionError", "z"] == await texts(promise)
        with pytest.raises(ValueError, match="broken") as caught:
            await promise
        assert caught.value is error


async def test_a_wrong_item_of_a_stream() -> None:
    """An item of somebody else's stream that is no message fails where it stands; the rest still arrives."""
    async with PromisingContext():
        wrong: object = [Source[object](["a", 5, "b"]), rx.of("c", 6, "d")]
        promise = MessageSequencePromise(cast("MessageType", wrong))
        assert ["a", "TypeError", "b", "c", "TypeError", "d"] == await texts(promise)


async def test_failing_as_a_whole_comes_last() -> None:
    """The error of the whole comes after all that was given before, streams included."""
    async with PromisingContext():
        source = Source(["one", "two"], hold_at=1)
        flattener, promise = open_sequence()
        flattener.feed(source)
        flattener.fail(ValueError("the whole"))
        assert flattener.ended
        found: list[str] = []
        await turns(3)
        source.go.set()
        with pytest.raises(ValueError, match="the whole"):
            await into(found, promise)
        assert ["one", "two"] == found


async def test_nothing_after_the_end() -> None:
    """What is fed after the end, or after it was cut off, is neither taken nor followed."""
    async with PromisingContext():
        flattener, promise = open_sequence()
        flattener.feed("one")
        promise.cancel()
        late = MessageSequencePromise(Source(["late"], hold_at=0))
        flattener.feed(late)
        assert 0 == late.buffer.readers
        found: list[str] = []
        with pytest.raises(InquiryCancelledError):
            await into(found, promise)
        assert ["one"] == found
        late.cancel()


async def test_abandoned_streams_stop() -> None:
    """When the whole can no longer be read, all streams in it stop, the waiting ones too."""
    gc.disable()
    try:
        async with PromisingContext():
            sources = [Source(["a", "b"], hold_at=1) for _ in range(3)]
            async for _ in MessageSequencePromise(
                [*sources, MessageSequencePromise(Source(["x"], hold_at=1))]
            ):
                break
            await turns(3)
            assert [1, 1, 1] == [source.closed for source in sources]
    finally:
        gc.enable()


async def test_a_stream_that_others_hold_goes_on() -> None:
    """A stream that somebody else holds, too, is not stopped when the whole is abandoned."""
    async with PromisingContext():
        source = Source(["a", "b"], hold_at=1)
        inner = MessageSequencePromise(source)
        async for _ in MessageSequencePromise([inner, "z"]):
            break
        await turns(3)
        assert 0 == source.closed
        source.go.set()
        assert ["a", "b"] == await texts(inner)


async def test_cancelling_cancels_the_feeder() -> None:
    """Cancelling the whole stops what feeds it: the task is ended, the Observable unsubscribed."""
    disposed: list[bool] = []

    def subscribe(observer: abc.ObserverBase[str], _: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        observer.on_next("observed")
        return Disposable(lambda: disposed.append(True))

    async with PromisingContext():
        source = Source(["a"], hold_at=1)
        for stream in (source, Observable(subscribe)):
            flattener, promise = open_sequence()
            flattener.feed(stream)
            await turns(2)
            promise.cancel()
            with pytest.raises(InquiryCancelledError):
                await promise
        gc.collect()
        await turns(3)
        assert (1, [True]) == (source.closed, disposed)


async def test_disposing_while_subscribing() -> None:
    """Who has left before `subscribe` returned is unsubscribed as soon as it returns."""
    disposed: list[bool] = []
    held: list[MessageSequencePromise[Message]] = []

    def subscribe(observer: abc.ObserverBase[str], _: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        observer.on_next("observed")
        held[0].cancel()
        return Disposable(lambda: disposed.append(True))

    async with PromisingContext():
        flattener, promise = open_sequence()
        held.append(promise)
        flattener.feed(Observable(subscribe))
        assert [True] == disposed
    held.clear()


async def test_an_observable_from_another_thread() -> None:
    """An Observable that emits from another thread is read on the loop of the context."""
    subject: Subject[str] = Subject()
    async with PromisingContext():
        promise = MessageSequencePromise(subject)

        def emit() -> None:
            for text in ("one", "two"):
                subject.on_next(text)
            subject.on_completed()

        thread = threading.Thread(target=emit)
        thread.start()
        async with asyncio.timeout(5):
            assert ["one", "two"] == await texts(promise)
        thread.join()


@pytest.mark.parametrize(("depth", "fits"), [(63, True), (65, False)])
async def test_depth_of_streams(depth: int, *, fits: bool) -> None:
    """Streams may be nested 64 deep in each other; a deeper one is a failing message where it stands."""

    async def nested(level: int) -> AsyncGenerator[object]:
        yield f"level {level}" if level == depth else nested(level + 1)
        yield "after"

    async with PromisingContext():
        found = await texts(MessageSequencePromise(cast("MessageType", nested(1))))
        assert ("NestingError" not in found) is fits
        assert "after" == found[-1]
        assert (f"level {depth}" == found[0]) is fits
    assert issubclass(NestingError, TypeError)


@pytest.mark.parametrize("seen", [True, False])
async def test_an_error_that_ends_both(caplog: pytest.LogCaptureFixture, *, seen: bool) -> None:
    """Who was told the error of the last message need not read on to the end, which is the same error."""
    error = ValueError("broken")
    async with PromisingContext():
        flattener, promise = open_sequence()
        flattener.feed([Message.promise(Source(["a"], error=error))])
        message = await anext(aiter(promise))
        if seen:
            with pytest.raises(ValueError, match="broken"):
                await message
        else:
            await turns()
        flattener.fail(error)
        del promise, message, flattener
    assert [f"No reader ever saw this error: {error!r}"] * (not seen) == caplog.messages


@pytest.mark.logs("Executing")  # one long step
@pytest.mark.gate("ten thousand promises in a chain")
@pytest.mark.loop(timeout=120)
async def test_a_chain_of_promises() -> None:
    """A chain of 2,500 sequences, each made of the one before, does not recurse, run or dropped."""
    gc.disable()
    try:
        async with PromisingContext():
            source = Source(["a", "b"], hold_at=1)
            for end in ("read", "dropped"):
                last = first = MessageSequencePromise(source)
                for _ in range(2_500):
                    last = MessageSequencePromise(last)
                del first
                reader = aiter(last)
                assert "a" == str(await (await anext(reader)))
                if end == "read":
                    source.go.set()
                    assert "b" == str(await (await anext(reader)))
                    assert ["a", "b"] == await texts(last)
                    source.go.clear()
                    source.closed = 0
                del last, reader
            await turns(3)
            assert 1 == source.closed
    finally:
        gc.enable()


async def test_a_stream_that_waits_for_itself() -> None:
    """A stream that contains itself, directly or through others, fails instead of hanging."""
    async with PromisingContext():
        flattener, promise = open_sequence()
        flattener.feed(["first", promise, "last"])
        flattener.finish()
        assert ["first", "DeadlockError", "last"] == await texts(promise)
        one, first = open_sequence()
        two, second = open_sequence()
        two.feed(first)
        two.finish()
        one.feed(second)
        one.finish()
        async with asyncio.timeout(1):
            assert ["DeadlockError"] == await texts(second)
    assert issubclass(DeadlockError, RuntimeError)


async def test_pieces_are_promises() -> None:
    """Every piece is a promise of a message."""
    async with PromisingContext():
        promise = MessageSequencePromise(["a", Source(["b"])])
        assert all([isinstance(item, MessagePromise) async for item in to_async_iter(promise.messages)])


async def test_an_observable_of_another_thread() -> None:
    """An Observable may give its messages, and its end, from another thread while a reader waits."""
    go, threads = threading.Event(), list[threading.Thread]()

    def subscribe(
        observer: abc.ObserverBase[MessageType], _: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        def push() -> None:
            go.wait()
            observer.on_next("one")
            observer.on_next(["two", {"text": "three"}])
            observer.on_completed()

        threads.append(threading.Thread(target=push))
        threads[0].start()
        return Disposable()

    async with PromisingContext():
        sequence = MessageSequencePromise(Observable(subscribe))
        reading = asyncio.create_task(texts(sequence))
        await turns(3)
        go.set()  # a debugged loop refuses whatever is not of its thread
        assert ["one", "two", "three"] == await reading
        threads[0].join()


# -- an Observable that feeds it -------------------------------------------------------------------------


def test_stopping_disposes_once() -> None:
    """Cancelling and abandoning dispose of the subscription, once."""
    disposed: list[bool] = []
    feeder = ObservableProducer()
    feeder.subscription.disposable = Disposable(lambda: disposed.append(True))
    feeder.cancel()
    feeder.abandon()
    assert disposed == [True]


def test_stopped_while_subscribing() -> None:
    """What is stopped before ``subscribe`` has returned is disposed of when it has."""
    disposed: list[bool] = []
    feeder = ObservableProducer()
    feeder.cancel()
    feeder.subscription.disposable = Disposable(lambda: disposed.append(True))
    assert disposed == [True]


def test_it_waits_for_nobody_we_know() -> None:
    """An Observable does not tell what it waits for."""
    assert ObservableProducer().blocked_by() is None
