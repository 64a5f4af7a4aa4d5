"""A stream with three faces."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from itertools import count
from typing import cast

import pytest
from hypothesis import given, strategies as st
from reactivex import operators as ops
from typing_extensions import override

from miniagents.core import Promise, PromisingContext, StreamedPromise, to_async_iter
from miniagents.values import InquiryCancelledError, NotReplayedError, UnresolvedPromiseError
from tests.support.sources import Recorder, Source, keep, turns


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
    """After `break`, when nobody can reach it any more, the source's `finally` has run in two turns."""
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


async def test_fire_and_forget() -> None:
    """What nobody ever read runs to its end, however long it is."""
    async with PromisingContext(prefetch=10):
        source = Source(range(5000))
        StreamedPromise[int, object](source)
    assert (5000, 1) == (source.produced, source.closed)


async def test_cancel() -> None:
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
        with pytest.raises(NotReplayedError, match="2000 pieces of a stream with replay=False are gone"):
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
    """Its error is told to the subscriber, and not logged as one that nobody saw."""
    recorder, error = Recorder[str](), ValueError("broken")
    async with PromisingContext():
        StreamedPromise[str, object](Source(["a"], error=error)).pieces.subscribe(recorder)
    assert (["a"], [error], []) == (recorder.items, recorder.errors, caplog.messages)
