"""An async iterable becomes an Observable."""

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncGenerator
from contextvars import ContextVar
from itertools import count

import pytest
import reactivex as rx
from reactivex import Observable, Subject, abc, operators as ops
from reactivex.disposable import Disposable

from miniagents.streams import Overflow, Promise, PromisingContext, from_async, to_async_iter
from miniagents.streams._context import CURRENT_CONTEXT, Context
from miniagents.values import NoActiveContextError
from tests.support.sources import Recorder, Source, keep, turns

# -- from_async ------------------------------------------------------------------------------------------

_NAME: ContextVar[str] = ContextVar("_NAME", default="nobody")


async def test_items_then_the_end() -> None:
    """The items come in order, one at a time, then one terminal; the source is closed."""
    source, recorder = Source(range(3)), Recorder[int]()
    async with PromisingContext():
        from_async(source).subscribe(recorder)
        assert [] == recorder.items
    assert ([0, 1, 2], 1, []) == (recorder.items, recorder.completed, recorder.errors)
    assert 1 == source.closed


async def test_it_is_cold() -> None:
    """Nothing runs until someone subscribes; each subscription is one run of its own."""
    source = Source(range(3))
    one, two = Recorder[int](), Recorder[int]()
    async with PromisingContext():
        observable = from_async(source)
        await turns()
        assert 0 == source.runs
        observable.subscribe(one)
        observable.subscribe(two)
    assert [0, 1, 2] == one.items == two.items
    assert (2, 2) == (source.runs, source.closed)


async def test_an_error_comes_last() -> None:
    """An error comes after every item that came before it, the very object."""
    error = ValueError("broken")
    source, recorder = Source(range(2), error=error), Recorder[int]()
    async with PromisingContext():
        from_async(source).subscribe(recorder)
    assert ([0, 1], [error], 0) == (recorder.items, recorder.errors, recorder.completed)
    assert recorder.errors[0] is error
    assert 1 == source.closed


async def test_a_generator_that_was_read() -> None:
    """A subscription to an async generator that was read before gets an error, and no empty stream."""

    async def failing() -> AsyncGenerator[int]:
        yield 1
        raise ValueError("broken")

    recorder = Recorder[int]()
    async with PromisingContext():
        from_async(failing()).pipe(ops.retry(2)).subscribe(recorder)
    (error,) = recorder.errors
    assert ([1], 0) == (recorder.items, recorder.completed)
    assert "failing): this async generator was read before, and can be read once. Make a new one" in str(
        error
    )


def test_what_is_not_asynchronous() -> None:
    """What cannot be read with `async for` is refused at once, with what to do."""
    with pytest.raises(TypeError, match=r"from_async\(Source\): .*; call it: from_async\(Source\(\)\)"):
        from_async(Source)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"from_async\(.*\): .*; give it an async iterable\."):
        from_async([1])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_what_is_no_observable() -> None:
    """What `to_async_iter` cannot subscribe to is refused at once, with what to do."""
    with pytest.raises(TypeError, match=r"to_async_iter\(Source\): .*; read it with `async for` as it is\."):
        to_async_iter(Source([1]))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"to_async_iter\(list\): .*; give it an Observable\."):
        to_async_iter([1])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_a_generator_that_two_read_at_once() -> None:
    """Of two subscriptions of one turn to an async generator, the second gets the error."""

    async def numbers() -> AsyncGenerator[int]:
        yield 1
        yield 2

    first, second = Recorder[int](), Recorder[int]()
    async with PromisingContext():
        source = from_async(numbers())
        source.subscribe(first)
        source.subscribe(second)
    assert ([1, 2], 1, []) == (first.items, first.completed, first.errors)
    (error,) = second.errors
    assert ([], 0) == (second.items, second.completed)
    assert "numbers): this async generator was read before" in str(error)


async def test_without_a_context() -> None:
    """Without an active context the subscription owns its task."""
    source, recorder, left = Source(range(2)), Recorder[int](), Recorder[int]()
    from_async(source).subscribe(recorder)
    from_async(source).subscribe(left).dispose()
    await turns(5)
    assert ([0, 1], [], 1) == (recorder.items, recorder.errors, recorder.completed)
    assert ([], 0) == (left.items, left.completed)
    assert 1 == len(asyncio.all_tasks())


async def test_after_a_context() -> None:
    """In a block whose context has ended the subscription fails with a typed error."""
    recorder: Recorder[int] = Recorder()

    async def later() -> None:
        await over.wait()
        from_async(Source(range(2))).subscribe(recorder)

    over = asyncio.Event()
    async with PromisingContext():
        task = asyncio.create_task(later())
    over.set()
    await task
    assert isinstance(recorder.errors[0], NoActiveContextError)


async def test_dispose_closes_the_source() -> None:
    """Disposing cancels the task, closes the iterator with its whole clean-up, and is idempotent."""
    source, recorder = Source(range(5), hold_at=2), Recorder[int]()
    async with PromisingContext():
        subscription = from_async(source).subscribe(recorder)
        await turns(5)
        subscription.dispose()
        subscription.dispose()
        await turns(5)
        assert 1 == source.closed
        assert ([0, 1], 0) == (recorder.items, recorder.terminals)


async def test_dispose_before_it_began() -> None:
    """Who disposes before the first loop turn has never run the source."""
    source, recorder = Source(range(5)), Recorder[int]()
    async with PromisingContext():
        from_async(source).subscribe(recorder).dispose()
    assert (0, 0) == (source.runs, recorder.terminals)


async def test_dispose_within_an_item(caplog: pytest.LogCaptureFixture) -> None:
    """Who disposes within `on_next` gets nothing more; not one more item is asked of the source."""
    source, items, held = Source(range(5)), list[int](), list[abc.DisposableBase]()

    def once(item: int) -> None:
        items.append(item)
        held[0].dispose()

    async with PromisingContext():
        held.append(from_async(source).subscribe(once))
    assert ([0], 1, 1) == (items, source.produced, source.closed)
    assert [] == caplog.messages


async def test_take_closes_the_source() -> None:
    """`ops.take(2)` ends the source after two items, and its clean-up may wait."""
    source, recorder = Source(range(100)), Recorder[int]()
    async with PromisingContext():
        from_async(source).pipe(ops.take(2)).subscribe(recorder)
    assert ([0, 1], 1) == (recorder.items, recorder.completed)
    assert (2, 1) == (source.produced, source.closed)


async def test_references_are_dropped() -> None:
    """After the terminal nothing holds the subscriber."""
    recorder: Recorder[int] = Recorder()
    alive = weakref.ref(recorder)
    async with PromisingContext():
        from_async(Source(range(2))).subscribe(recorder.on_next, recorder.on_error)
        await turns(5)
        gc.disable()
        try:
            del recorder
            assert alive() is None
        finally:
            gc.enable()


async def test_a_subscriber_that_raises_hurts_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    """A subscriber that raises is logged and let go, its source closed; another subscription goes on."""
    source, other = Source(range(3)), Recorder[int]()

    def bad(_: int) -> None:
        raise RuntimeError("bad subscriber")

    with caplog.at_level(logging.ERROR, "miniagents"):
        async with PromisingContext():
            observable = from_async(source)
            observable.subscribe(bad)
            observable.subscribe(other)
    assert ([0, 1, 2], 1) == (other.items, other.completed)
    assert 2 == source.closed
    assert ["RuntimeError: bad subscriber"] == [
        f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        for record in caplog.records
        if record.exc_info
    ]


async def test_the_context_of_the_subscriber() -> None:
    """Source and subscriber run in the contextvars of the subscriber."""
    names: list[str] = []

    async def subscribe(name: str) -> None:
        _NAME.set(name)
        from_async(Source(range(1))).subscribe(lambda _: names.append(_NAME.get()))

    async with PromisingContext():
        await asyncio.create_task(subscribe("one"))
        await asyncio.create_task(subscribe("two"))
    assert ["one", "two"] == names


async def test_the_context_cancels_it() -> None:
    """When the context ends by an error, the source is closed; the subscriber is told that it was cut off."""
    source, recorder = Source(range(5), hold_at=1), Recorder[int]()

    async def cut_off() -> None:
        async with PromisingContext():
            from_async(source).subscribe(recorder)
            await turns(5)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await cut_off()
    assert 1 == source.closed
    assert ([0], 1) == (recorder.items, recorder.terminals)


async def test_a_long_burst_starves_nobody() -> None:
    """A source of 300,000 items that never suspends lets the loop turn every few thousand items."""
    source = Source(range(300_000))
    loop_turns = 0
    async with PromisingContext():
        done = asyncio.Event()
        from_async(source).subscribe(on_completed=done.set)
        while not done.is_set():
            await asyncio.sleep(0)
            loop_turns += 1
    assert loop_turns > 100


async def test_in_a_pipeline() -> None:
    """It is an ordinary source for reactivex operators."""
    async with PromisingContext() as context:
        del context
        merged = rx.concat(from_async(Source([1, 2])), from_async(Source([3])))
        recorder: Recorder[int] = Recorder()
        merged.pipe(ops.map(lambda item: item * 2)).subscribe(recorder)
    assert ([2, 4, 6], 1) == (recorder.items, recorder.completed)


async def test_an_endless_source_of_a_subscriber_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """A source that never ends is closed when its subscriber raises."""
    source = Source(count())

    def bad(_: int) -> None:
        raise RuntimeError("bad subscriber")

    async with PromisingContext():
        from_async(source).subscribe(bad)
    assert (1, 1) == (source.produced, source.closed)
    assert 1 == len(caplog.records)


@pytest.mark.parametrize("error", [None, ValueError("broken")])
async def test_a_subscriber_that_raises_at_the_end(
    error: ValueError | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A subscriber that raises when it is told of the end, or of an error, is logged, and that is all."""
    source = Source(range(1), error=error)

    def bad(*_: object) -> None:
        raise RuntimeError("bad subscriber")

    async with PromisingContext():
        from_async(source).subscribe(on_error=bad, on_completed=bad)
    assert ["A subscriber raised in its on_completed or on_error."] == [
        each.getMessage() for each in caplog.records
    ]


async def test_the_subscriber_is_let_go_at_once() -> None:
    """Disposing lets the subscriber go, however long the clean-up of the source takes."""
    source, recorder = Source(range(2), hold_at=1), Recorder[int]()
    alive, cleaned_up = weakref.ref(recorder), asyncio.Event()

    async def slow() -> AsyncGenerator[int]:
        try:
            async for item in source:
                yield item
        finally:
            await cleaned_up.wait()

    async with PromisingContext():
        subscription = from_async(slow()).subscribe(recorder.on_next, recorder.on_error)
        await turns(5)
        subscription.dispose()
        del subscription
        await turns(5)
        gc.disable()
        try:
            del recorder
            assert alive() is None
        finally:
            gc.enable()
        cleaned_up.set()


async def test_what_a_subscriber_begins_is_its_own() -> None:
    """What a subscriber begins with an item does not end with the subscription."""
    begun: list[Promise[int]] = []
    go = asyncio.Event()

    async def work() -> int:
        await go.wait()
        return 1

    async with PromisingContext():
        source = Source(range(2), hold_at=1)
        subscription = from_async(source).subscribe(lambda _: begun.append(Promise(work)))
        await turns(5)
        subscription.dispose()
        await turns(5)
        go.set()
        assert 1 == await begun[0]


# -- to_async_iter ---------------------------------------------------------------------------------------


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
    """With a bound, too, a reader who leaves disposes the subscription at once, also of a silent source."""
    counted = Counted()
    stream = to_async_iter(counted.observable, overflow=Overflow.fail(2))
    first = asyncio.ensure_future(anext(stream))
    await turns()
    counted.subject.on_next(1)
    assert 1 == await first
    await stream.aclose()
    assert (1, 1) == (counted.subscribed, counted.disposed)
