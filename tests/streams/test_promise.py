"""A value that comes once, for everybody."""

import asyncio
import copy
import gc
import logging
import pickle
from collections.abc import AsyncGenerator, Awaitable, Callable
from itertools import count
from typing import cast

import pytest
from hypothesis import given, strategies as st
from reactivex import operators as ops
from typing_extensions import override

from miniagents.messages import Message, MessageSequencePromise
from miniagents.streams import Promise, PromisingContext, StreamedPromise, to_async_iter
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._promise import when_complete
from miniagents.values import (
    InquiryCancelledError,
    NoActiveContextError,
    UnresolvedPromiseError,
    WrongLoopError,
)
from tests.support.sources import Recorder, Source, keep, turns
from tests.support.typewriter import Typewriter


class Slow:
    """A resolver that waits to be told, and knows how often it was called and whether it ended."""

    def __init__(self, value: int = 42) -> None:
        self.value = value
        self.calls = 0
        self.ended = 0
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        """The value, later."""
        self.calls += 1
        try:
            await self.go.wait()
            return self.value
        finally:
            await asyncio.sleep(0)
            self.ended += 1


async def test_a_resolver_or_a_value() -> None:
    """A promise has a resolver or a value; both are refused, so that none is dropped."""
    async with PromisingContext():
        with pytest.raises(TypeError, match="give one of the two"):
            Promise(Slow(), prefill_result=7)


async def test_it_starts_at_once_and_runs_once() -> None:
    """The resolver starts at once, as a task, and runs once, however many await it and how often."""
    async with PromisingContext():
        slow = Slow()
        promise = Promise(slow)
        await turns()
        assert (1, False) == (slow.calls, promise.done)
        waiting = [asyncio.ensure_future(promise) for _ in range(3)]
        slow.go.set()
        assert [42, 42, 42, 42] == [*await asyncio.gather(*waiting), await promise]
        assert (1, True) == (slow.calls, promise.done)


async def test_a_value_that_is_there() -> None:
    """A value may be given instead of a resolver, `None` too."""
    async with PromisingContext():
        assert 7 == await Promise(prefill_result=7)
        assert await Promise[int | None](prefill_result=None) is None


async def test_without_a_context() -> None:
    """Without a context a promise is refused with a sentence that says what to do; so it is after its end."""
    with pytest.raises(NoActiveContextError, match=r"use `async with MiniAgents\(\):`"):
        Promise(prefill_result=1)

    async def late() -> None:
        await left.wait()
        Promise(prefill_result=1)

    left = asyncio.Event()
    async with PromisingContext():
        task = asyncio.create_task(late())
    left.set()
    with pytest.raises(NoActiveContextError, match="has ended"):
        await task


async def test_from_another_thread() -> None:
    """A promise that is made or cancelled in another thread is a typed error that says so."""
    async with PromisingContext():
        slow = Slow()
        promise = Promise(slow)
        with pytest.raises(WrongLoopError, match="another event loop or thread"):
            await asyncio.to_thread(lambda: Promise(prefill_result=1))
        with pytest.raises(WrongLoopError):
            await asyncio.to_thread(promise.cancel)
        slow.go.set()
        assert 42 == await promise
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_the_error_itself() -> None:
    """Every reader gets the exception that was raised, the same object, so that `except ValueError` works."""
    error = ValueError("broken")

    async def fails() -> int:
        raise error

    async with PromisingContext():
        promise = Promise(fails)
        for _ in range(2):
            with pytest.raises(ValueError, match="broken") as caught:
                await promise
            assert caught.value is error


@pytest.mark.loop(virtual=True)
async def test_a_reader_that_times_out_harms_nobody() -> None:
    """A reader that times out or is cancelled leaves every other reader, now or later, unharmed."""
    async with PromisingContext():
        slow = Slow()
        promise = Promise(slow)
        other = asyncio.ensure_future(promise)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await promise
        cancelled = asyncio.ensure_future(promise)
        await turns()
        cancelled.cancel()
        await turns()
        slow.go.set()
        assert 42 == await other == await promise
        assert cancelled.cancelled()


@pytest.mark.loop(virtual=True)
async def test_abandoned() -> None:
    """When the last reader has left and the promise can no longer be reached, it is stopped in two turns."""
    gc.disable()
    try:
        async with PromisingContext():
            slow = Slow()
            promise = Promise(slow)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60):
                    await promise
            await turns(3)
            assert 0 == slow.ended
            del promise
            await turns(2)
            assert 1 == slow.ended
    finally:
        gc.enable()


async def test_fire_and_forget() -> None:
    """A promise that was never read runs to its end, though it can no longer be reached."""
    async with PromisingContext():
        slow = Slow()
        Promise(slow)
        await turns(3)
        slow.go.set()
    assert 1 == slow.ended


async def test_cancel() -> None:
    """`cancel()` stops it now: readers get `InquiryCancelledError`, the clean-up runs; twice is once."""
    async with PromisingContext():
        slow = Slow()
        promise = Promise(slow)
        waiting = asyncio.ensure_future(promise)
        await turns()
        promise.cancel()
        promise.cancel()
        for each in (waiting, promise):
            with pytest.raises(InquiryCancelledError, match=r"Slow was cancelled|resolver was cancelled"):
                await each
        await turns(3)
        assert 1 == slow.ended
        done = Promise(prefill_result=1)
        done.cancel()
        assert 1 == await done


async def test_leaving_the_block_cancels() -> None:
    """Leaving `async with promise` cancels what still runs; what has its value keeps it."""
    async with PromisingContext():
        slow, quick = Slow(), Slow()
        quick.go.set()
        async with Promise(slow) as promise, Promise(quick) as kept:
            await kept
        assert promise.done
        with pytest.raises(InquiryCancelledError):
            await promise
        assert 42 == await kept
        await turns(2)
        assert 1 == slow.ended


async def test_readable_after_the_end() -> None:
    """What is already in a promise stays readable after its context ended, on another loop too."""
    async with PromisingContext():
        promise = Promise(prefill_result=42)
        not_async: Callable[[], Awaitable[int]] = Source[int]([], error=ValueError("no awaitable"))  # type: ignore[assignment]
        failing = Promise(not_async)
        with pytest.raises(TypeError):
            await failing
    assert 42 == await promise
    assert "42" == str(promise)
    with pytest.raises(TypeError):
        await failing

    async def read() -> int:
        return await promise

    assert 42 == await asyncio.to_thread(lambda: asyncio.run(read()))
    await asyncio.get_running_loop().shutdown_default_executor()


def _in_a_text(promise: Promise[int]) -> str:
    return f"{promise}"


def _formatted(promise: Promise[int]) -> str:
    return format(promise, ">4")


FORMS: tuple[Callable[[Promise[int]], str], ...] = (str, _in_a_text, _formatted)


async def test_text() -> None:
    """`str`, `format` and f-strings give the value once it is there; before that they say: await it first."""
    async with PromisingContext():
        slow = Slow()
        promise = Promise(slow)
        for form in FORMS:
            with pytest.raises(UnresolvedPromiseError, match="await it first"):
                form(promise)
        slow.go.set()
        await promise
        assert ("42", "42", "  42") == (str(promise), f"{promise}", f"{promise:>4}")


async def test_asking_for_the_text_is_not_reading() -> None:
    """Who asks for the text too early has not begun to read: the promise still runs to its end unread."""
    async with PromisingContext():
        slow = Slow()
        promise = Promise(slow)
        with pytest.raises(UnresolvedPromiseError):
            str(promise)
        del promise
        await turns(3)
        slow.go.set()
        await turns(3)
        assert 1 == slow.ended
        assert slow.go.is_set()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
async def test_a_copy(copied: Callable[[Promise[int]], Promise[int]]) -> None:
    """A copy of a promise is the promise itself, so a dropped copy takes nothing from other readers."""
    async with PromisingContext():
        slow = Slow()
        promise = Promise(slow)
        reader = asyncio.ensure_future(promise)
        await turns(3)
        reader.cancel()
        copied(promise)
        await turns(3)
        slow.go.set()
        assert 42 == await promise


async def test_a_promise_is_not_pickled() -> None:
    """Pickling a promise is a `TypeError` that says what to pickle."""
    async with PromisingContext():
        with pytest.raises(TypeError, match="A Promise cannot be pickled: it is a promise; await it first"):
            pickle.dumps(Promise(prefill_result=7))


async def test_repr_never_prints_content() -> None:
    """`repr` never raises and never prints content, in any state."""
    async with PromisingContext():
        slow = Slow()
        promise = Promise(slow)
        secret = Promise(prefill_result="secret")
        assert "<Promise open, 0 pieces>" == repr(promise)
        assert "<Promise done, 1 pieces>" == repr(secret)
        promise.cancel()
        assert "<Promise failed, 0 pieces>" == repr(promise)
        assert "<Promise (not constructed)>" == repr(cast("Promise[object]", object.__new__(Promise)))


async def test_an_unseen_error_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """An error that no reader ever saw is logged once, when the promise is dropped or the context ends."""

    async def fails() -> int:
        raise ValueError("unseen")

    with caplog.at_level(logging.ERROR, "miniagents"):
        async with PromisingContext():
            dropped = Promise(fails)
            kept = Promise(fails)
            await turns(3)
            assert not caplog.records
            del dropped
            assert 1 == len(caplog.records)
        assert 2 == len(caplog.records)
        del kept
    assert ["No reader ever saw this error: ValueError('unseen')"] * 2 == [
        record.getMessage() for record in caplog.records
    ]


async def test_a_seen_error_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An error that a reader saw is not logged, nor a cancellation, nor one that can still be seen."""

    async def fails() -> int:
        await asyncio.sleep(0)
        raise ValueError("seen")

    async def handler(promise: object, result: object) -> None: ...

    with caplog.at_level(logging.ERROR, "miniagents"):
        async with PromisingContext(on_promise_resolved=handler):
            seen, cancelled = Promise(fails), Promise(Slow())
            await turns(5)
            with pytest.raises(ValueError, match="seen"):
                await seen
            cancelled.cancel()
    assert not caplog.records


@pytest.mark.loop(virtual=True)
async def test_dropped_from_another_thread() -> None:
    """A promise whose last reference goes in another thread is stopped on its own loop."""
    async with PromisingContext():
        slow = Slow()
        held = [Promise(slow)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await held[0]
        await asyncio.to_thread(held.clear)
        await turns(4)
        assert 1 == slow.ended
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_handlers_are_told_of_each_promise() -> None:
    """A handler is awaited with every promise that resolved and its value, before the context ends."""
    told: list[tuple[object, object]] = []

    async def handler(promise: object, result: object) -> None:
        await turns(3)
        told.append((promise, result))

    async with PromisingContext(on_promise_resolved=handler):
        one = Promise(prefill_result=1)
        slow = Slow()
        two = Promise(slow)
        await turns(3)
        slow.go.set()
        await two
        cancelled = Promise(Slow())
        await turns()
        cancelled.cancel()
        three = StreamedPromise(prefill_pieces=[1, 2], resolver=sum)
    assert [1, 42, 3] == [result for _, result in told]
    assert all(isinstance(promise, Promise) for promise, _ in told)
    assert 3 == await three
    del one


async def test_nothing_is_built_without_handlers() -> None:
    """Without handlers no watcher and no event is built."""
    async with PromisingContext() as context:
        promise = Promise(Slow())
        assert promise.buffer._watchers is None
        assert not context.event_queue
        promise.cancel()


async def test_when_complete() -> None:
    """`when_complete` calls once when the stream and all its parts have ended; it looks at each once."""
    async with PromisingContext() as context:
        buffer, called, asked = ReplayBuffer[ReplayBuffer[object]](context), list[int](), 0
        parts = [ReplayBuffer[object](context) for _ in range(100)]

        def all_parts() -> list[ReplayBuffer[object]]:
            nonlocal asked
            asked += 1
            return buffer.items

        when_complete(buffer, all_parts, lambda seen: called.append(len(seen)))
        buffer.extend(parts)
        buffer.finish()
        buffer.reachable = False
        buffer.forget()  # who watches has them by now
        for part in parts:
            assert [] == called
            part.finish()
        assert [100] == called
        assert asked <= 2


async def test_dropped_from_another_thread_before_its_end() -> None:
    """A promise that another thread drops is abandoned on the loop of its context."""
    slow = Slow()
    async with PromisingContext():
        held = [Promise(slow)]
        leaving = asyncio.ensure_future(held[0])
        await turns()
        leaving.cancel()
        await asyncio.wait([leaving])
        del leaving
        gc.collect()
        await asyncio.to_thread(held.clear)  # a debugged loop refuses whatever is not of its thread
        await turns(5)
        assert 1 == slow.ended


@pytest.mark.loop(fifo=True)  # who leaves lets one turn pass
async def test_leaving_the_block_lets_the_clean_up_begin() -> None:
    """Right after the block the source has taken its way out, as far as that does not wait."""
    left: list[str] = []

    async def endless() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            left.append("left")
        return 1

    async with PromisingContext():
        async with Promise(endless):
            await turns()
        assert ["left"] == left


async def test_a_whole_that_lost_its_parts_has_not_resolved() -> None:
    """Handlers are not told of a sequence that was dropped before its messages were complete."""
    told: list[object] = []

    async def tell(promise: Promise[object], result: object) -> None:
        told.append(type(promise).__name__)

    typewriter = Typewriter("a")
    async with PromisingContext(on_promise_resolved=tell):
        sequence = MessageSequencePromise(Message.promise(typewriter))
        promise = await anext(aiter(sequence))
        del sequence
        typewriter.stop()
        assert "a" == str(await promise)
    assert ["MessagePromise"] == told


# -- in pieces -------------------------------------------------------------------------------------------


async def test_three_faces() -> None:
    """Awaited, iterated or subscribed to, it shows the same items in the same order, ever again."""
    async with PromisingContext():
        source = Source([1, 2, 3])
        promise: StreamedPromise[int, int] = StreamedPromise(source, resolver=sum)
        recorder: Recorder[int] = Recorder()
        promise.pieces.subscribe(recorder)
        assert [1, 2, 3] == [piece async for piece in promise]
        assert 6 == await promise
        assert [1, 2, 3] == [piece async for piece in to_async_iter(promise.pieces)]
        assert [1, 2, 3] == [piece async for piece in promise]
        assert ([1, 2, 3], 1) == (recorder.items, recorder.completed)
    assert (1, 1) == (source.runs, source.closed)


async def test_the_tuple_without_a_resolver() -> None:
    """Without a resolver the whole is the tuple of all pieces; a resolver is called once."""
    calls: list[int] = []

    def resolver(pieces: tuple[int, ...]) -> int:
        calls.append(1)
        return len(pieces)

    async with PromisingContext():
        assert (1, 2) == await StreamedPromise[int, tuple[int, ...]](Source([1, 2]))
        promise = StreamedPromise(prefill_pieces=[1, 2], resolver=resolver)
        assert [2, 2] == [await promise, await promise]
    assert [1] == calls


async def test_a_resolver_that_raises() -> None:
    """A resolver that raises is called once, too: each reader gets the same error."""
    calls: list[int] = []

    def resolver(pieces: tuple[int, ...]) -> int:
        calls.append(1)
        raise ValueError(pieces)

    async with PromisingContext():
        promise = StreamedPromise(prefill_pieces=[1, 2], resolver=resolver)
        errors: list[ValueError] = []
        for _ in range(2):
            with pytest.raises(ValueError, match="1, 2") as raised:
                await promise
            errors.append(raised.value)
    assert errors[0] is errors[1]
    assert [1] == calls


async def test_a_streamer_or_pieces() -> None:
    """It takes either a streamer or all the pieces, and exactly one of them."""
    async with PromisingContext():
        with pytest.raises(TypeError, match="exactly one"):
            StreamedPromise[int, int]()
        with pytest.raises(TypeError, match="exactly one"):
            StreamedPromise[int, int](Source([1]), prefill_pieces=[1])
        assert () == await StreamedPromise[int, tuple[int, ...]](prefill_pieces=[])


async def test_pieces_before_the_end() -> None:
    """A piece arrives as soon as it is there, for every face; the whole only when everything is."""
    async with PromisingContext():
        source, recorder = Source([1, 2], hold_at=1), Recorder[int]()
        promise = StreamedPromise[int, tuple[int, ...]](source)
        promise.pieces.subscribe(recorder)
        reader = aiter(promise)
        assert 1 == await anext(reader)
        assert [1] == recorder.items
        with pytest.raises(UnresolvedPromiseError):
            str(promise)
        source.go.set()
        assert (1, 2) == await promise
        assert "(1, 2)" == str(promise)


async def test_error_after_the_pieces() -> None:
    """An error comes on every face after all pieces, the same object; it is not raised before."""
    error = ValueError("broken")
    async with PromisingContext():
        promise = StreamedPromise[int, tuple[int, ...]](Source([1, 2], error=error))
        recorder: Recorder[int] = Recorder()
        promise.pieces.subscribe(recorder)
        pieces: list[int] = []

        async def iterated() -> None:
            await keep(pieces, promise)

        for reading in (iterated(), promise):
            with pytest.raises(ValueError, match="broken") as caught:
                await reading
            assert caught.value is error
        assert ([1, 2], [1, 2], [error]) == (pieces, recorder.items, recorder.errors)


async def test_a_break_closes_the_source() -> None:
    """After `break`, when it can no longer be reached, the source's `finally` has run in two turns."""
    gc.disable()
    try:
        async with PromisingContext():
            source = Source(range(10), hold_at=3)
            promise = StreamedPromise[int, object](source)
            async for piece in promise:
                if piece == 2:
                    break
            await turns(3)
            assert 0 == source.closed
            del promise
            await turns(2)
            assert 1 == source.closed
    finally:
        gc.enable()


async def test_a_break_from_a_temporary() -> None:
    """A promise that only the loop held is abandoned by `break` itself, also when paused at `prefetch`."""
    gc.disable()
    try:
        async with PromisingContext(prefetch=5):
            source = Source(count())
            async for _ in StreamedPromise[int, object](source):
                break
            await turns(2)
            assert (5, 1) == (source.produced, source.closed)
    finally:
        gc.enable()


async def test_a_subscription_keeps_it_going() -> None:
    """As long as someone is subscribed, a dropped promise goes on; disposing the last one stops it."""
    async with PromisingContext():
        source, recorder = Source(range(4), hold_at=2), Recorder[int]()
        subscription = StreamedPromise[int, object](source).pieces.subscribe(recorder)
        await turns(4)
        assert 0 == source.closed
        subscription.dispose()
        await turns(2)
        assert 1 == source.closed
        assert ([0, 1], 0) == (recorder.items, recorder.terminals)


async def test_a_face_keeps_it_going() -> None:
    """Who holds the observable can still read it, so nothing is stopped."""
    async with PromisingContext():
        source = Source(range(4), hold_at=2)
        promise = StreamedPromise[int, object](source)
        face = promise.pieces
        async for _ in promise:
            break
        del promise
        await turns(4)
        assert 0 == source.closed
        source.go.set()
        assert [0, 1, 2, 3] == [piece async for piece in to_async_iter(face)]


async def test_one_of_two_readers_leaves() -> None:
    """When one reader leaves, the other one gets everything."""
    async with PromisingContext():
        source = Source(range(4), hold_at=2)

        async def read_all(promise: StreamedPromise[int, object]) -> list[int]:
            return [piece async for piece in promise]

        async def read_one(promise: StreamedPromise[int, object]) -> int:
            async for piece in promise:
                return piece
            return -1

        promise = StreamedPromise[int, object](source)
        all_of_them = asyncio.create_task(read_all(promise))
        one = asyncio.create_task(read_one(promise))
        del promise
        assert 0 == await one
        await turns(4)
        source.go.set()
        assert [0, 1, 2, 3] == await all_of_them


async def test_a_stream_that_no_reader_reads() -> None:
    """What was never read runs to its end, however long it is."""
    async with PromisingContext(prefetch=10):
        source = Source(range(5000))
        StreamedPromise[int, object](source)
    assert (5000, 1) == (source.produced, source.closed)


async def test_a_stream_is_cancelled() -> None:
    """After `cancel()` readers get what had arrived, then `InquiryCancelledError`; the source is closed."""
    async with PromisingContext():
        source = Source(range(4), hold_at=2)
        promise = StreamedPromise[int, object](source)
        pieces: list[int] = []

        async def read() -> None:
            await keep(pieces, promise)

        reader = asyncio.create_task(read())
        await turns(3)
        promise.cancel()
        with pytest.raises(InquiryCancelledError):
            await reader
        await turns(2)
        assert ([0, 1], 1) == (pieces, source.closed)


async def test_a_streamer_that_cancels_itself() -> None:
    """A source that cancels its own promise is closed, and nothing follows the terminal."""
    held: list[StreamedPromise[int, object]] = []
    async with PromisingContext():

        def pieces() -> "list[int]":
            return [1, 2, 3]

        class Suicidal(Source[int]):
            @override
            async def __aiter__(self) -> AsyncGenerator[int]:
                try:
                    for piece in pieces():
                        if piece == 2:
                            held[0].cancel()
                        yield piece
                finally:
                    await asyncio.sleep(0)
                    self.closed += 1

        source = Suicidal([])
        held.append(StreamedPromise(source))
        await turns(4)
        assert 1 == source.closed
        assert [1] == held[0].buffer.items
    held.clear()


async def test_views_of_one_stream() -> None:
    """A handler's view of a promise shows the same, and going away it ends nothing that others hold."""
    views: list[object] = []

    async def handler(promise: Promise[object], result: object) -> None:
        assert isinstance(promise, StreamedPromise)
        shown = cast("StreamedPromise[object, object]", promise)
        views.append([piece async for piece in shown])
        views.append(await promise)

    async with PromisingContext(on_promise_resolved=handler):
        promise: StreamedPromise[int, int] = StreamedPromise(Source([1, 2]), resolver=sum)
        assert [1, 2] == [piece async for piece in promise]
    assert [[1, 2], 3] == views
    assert 3 == await promise
    assert promise.buffer.reachable


@given(
    pieces=st.lists(st.integers(), max_size=20),
    hold=st.integers(-1, 20),
    prefetch=st.integers(1, 5),
    fails=st.booleans(),
    late=st.lists(st.integers(0, 5), max_size=5),
)
async def test_all_readers_agree(
    *, pieces: list[int], hold: int, prefetch: int, fails: bool, late: list[int]
) -> None:
    """Early, late, iterating, awaiting and subscribed readers agree with the list, whatever the prefetch."""
    error = ValueError("the end") if fails else None
    source = Source(pieces, hold_at=hold, error=error)
    async with PromisingContext(prefetch=prefetch):
        promise = StreamedPromise[int, tuple[int, ...]](source)
        got: list[list[int]] = []
        ends: list[BaseException | None] = []

        async def iterate() -> None:
            mine: list[int] = []
            got.append(mine)
            try:
                async for piece in promise:
                    mine.append(piece)
                    await turns(len(mine) % 3)
            except ValueError as caught:
                ends.append(caught)
            else:
                ends.append(None)

        tasks, recorders = [asyncio.create_task(iterate())], list[Recorder[int]]()
        for delay in late:
            await turns(delay)
            tasks.append(asyncio.create_task(iterate()))
            recorders.append(Recorder())
            promise.pieces.subscribe(recorders[-1])
        source.go.set()
        await asyncio.gather(*tasks)
        assert [pieces] * len(tasks) == got
        assert [error] * len(tasks) == ends
        for recorder in recorders:
            assert (pieces, 1) == (recorder.items, recorder.terminals)
        if error is None:
            assert tuple(pieces) == await promise
        else:
            with pytest.raises(ValueError, match="the end"):
                await promise
    assert 1 == source.closed


async def test_without_replay() -> None:
    """With `replay=False` what all readers have passed is not kept; a later reader begins with what is."""
    source = Source(range(2_000))
    async with PromisingContext(prefetch=10):
        stream: StreamedPromise[int, tuple[int, ...]] = StreamedPromise(source, replay=False)
        most = 0
        total = 0
        async for number in stream:
            total += number
            most = max(most, len(stream.buffer.items))
        assert sum(range(2_000)) == total
        assert most <= 10
        assert "<StreamedPromise done, 2000 pieces>" == repr(stream)
        assert [] == [number async for number in stream]
        with pytest.raises(
            UnresolvedPromiseError, match="2000 pieces of a stream with replay=False are gone"
        ):
            await stream


async def test_without_replay_awaited() -> None:
    """With `replay=False` a stream can be awaited as long as nothing has gone; then it keeps everything."""
    async with PromisingContext():
        stream: StreamedPromise[int, int] = StreamedPromise(Source([1, 2, 3]), replay=False, resolver=sum)
        assert 6 == await stream
        assert [1, 2, 3] == [number async for number in stream]
        assert 6 == await stream
        given: StreamedPromise[int, tuple[int, ...]] = StreamedPromise(prefill_pieces=[1, 2], replay=False)
        assert [1] == [number async for number in to_async_iter(given.pieces.pipe(ops.take(1)))]
        assert [2] == [number async for number in given]


async def test_a_subscription_may_be_all_that_holds_it(caplog: pytest.LogCaptureFixture) -> None:
    """Its error is told to the subscriber, and not logged as one that no reader saw."""
    recorder, error = Recorder[str](), ValueError("broken")
    async with PromisingContext():
        StreamedPromise[str, object](Source(["a"], error=error)).pieces.subscribe(recorder)
    assert (["a"], [error], []) == (recorder.items, recorder.errors, caplog.messages)
