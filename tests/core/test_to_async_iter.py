"""An Observable becomes an async iterator."""

import asyncio
import gc

import pytest
import reactivex as rx
from reactivex import Observable, Subject, abc, operators as ops
from reactivex.disposable import Disposable

from miniagents.core import CURRENT_CONTEXT, Context, Overflow, PromisingContext, from_async, to_async_iter
from tests.support.sources import Source, keep, turns


class Counted:
    """A source that counts who is subscribed."""

    def __init__(self) -> None:
        self.subject: Subject[int] = Subject()
        self.subscribed = 0
        self.disposed = 0

    @property
    def observable(self) -> Observable[int]:
        """The source."""

        def subscribe(
            observer: abc.ObserverBase[int], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            self.subscribed += 1
            subscription = self.subject.subscribe(observer)

            def dispose() -> None:
                self.disposed += 1
                subscription.dispose()

            return Disposable(dispose)

        return Observable(subscribe)


async def test_all_items_without_a_context() -> None:
    """Every item comes, in order; no context is needed."""
    assert [1, 2, 3] == [item async for item in to_async_iter(rx.of(1, 2, 3))]


async def test_nothing_at_all() -> None:
    """An empty Observable gives no item."""
    nothing: rx.Observable[int] = rx.empty()
    assert [] == [item async for item in to_async_iter(nothing)]


async def test_it_starts_when_it_is_asked() -> None:
    """It subscribes when the first item is asked for, not before, and once."""
    counted = Counted()
    iterator = to_async_iter(counted.observable)
    await turns()
    assert 0 == counted.subscribed
    first = asyncio.ensure_future(anext(iterator))
    await turns()
    assert 1 == counted.subscribed
    counted.subject.on_next(1)
    counted.subject.on_next(2)
    assert 1 == await first
    assert 2 == await anext(iterator)
    counted.subject.on_completed()
    with pytest.raises(StopAsyncIteration):
        await anext(iterator)
    assert 1 == counted.subscribed
    assert counted.disposed


async def test_break_disposes_at_once() -> None:
    """`break` disposes the subscription at once, without any garbage collection."""
    counted = Counted()
    asyncio.get_running_loop().call_soon(lambda: counted.subject.on_next(1))
    gc.disable()
    try:
        async for _ in to_async_iter(counted.observable):
            break
        assert counted.disposed
    finally:
        gc.enable()


async def test_the_error_comes_last() -> None:
    """An error comes after every item before it, the very object."""
    error, items = ValueError("broken"), list[int]()
    with pytest.raises(ValueError, match="broken") as caught:
        await keep(items, to_async_iter(rx.concat(rx.of(1, 2), rx.throw(error))))
    assert caught.value is error
    assert [1, 2] == items


async def test_cancelling_the_reader_disposes() -> None:
    """A reader that is cancelled while it waits has left the source."""
    counted = Counted()
    waiting = asyncio.ensure_future(anext(to_async_iter(counted.observable)))
    await turns()
    waiting.cancel()
    await turns()
    assert waiting.cancelled()
    assert counted.disposed


async def test_there_and_back() -> None:
    """From an async iterable to an Observable and back nothing changes, and `break` closes the source."""
    source = Source(range(100), hold_at=3)
    async with PromisingContext():
        items: list[int] = []
        async for item in to_async_iter(from_async(source).pipe(ops.map(lambda item: item * 2))):
            items.append(item)
            if len(items) == 3:
                break
        await turns(5)
        assert ([0, 2, 4], 1) == (items, source.closed)


async def test_a_context_of_another_loop_is_no_hindrance() -> None:
    """It works on the running loop, also where the context in sight belongs to another one, or has ended."""
    ended = Context()
    ended.open()
    ended.close()
    token = CURRENT_CONTEXT.set(ended)
    try:
        counted = Counted()
        waiting = asyncio.ensure_future(anext(to_async_iter(counted.observable)))
        await turns()
        counted.subject.on_next(1)
        assert 1 == await waiting
    finally:
        CURRENT_CONTEXT.reset(token)


async def test_items_from_another_thread() -> None:
    """An Observable that emits from a thread of its own (a timer) is read on the loop of the reader."""
    ticks = rx.timer(0.001, 0.001).pipe(ops.take(3))
    async with asyncio.timeout(5):
        assert [0, 1, 2] == [item async for item in to_async_iter(ticks)]


async def test_a_late_reader_gets_what_came_meanwhile() -> None:
    """What came since the reader last asked is kept for it."""
    counted = Counted()
    iterator = to_async_iter(counted.observable)
    first = asyncio.ensure_future(anext(iterator))
    await turns()
    for number in range(1000):
        counted.subject.on_next(number)
    counted.subject.on_completed()
    assert list(range(1000)) == [await first, *[item async for item in iterator]]


async def test_break_disposes_with_a_bound_too() -> None:
    """With a bound, too, whoever leaves disposes the subscription at once, also of a silent source."""
    counted = Counted()
    stream = to_async_iter(counted.observable, overflow=Overflow.fail(2))
    first = asyncio.ensure_future(anext(stream))
    await turns()
    counted.subject.on_next(1)
    assert 1 == await first
    await stream.aclose()
    assert (1, 1) == (counted.subscribed, counted.disposed)
