"""`Overflow`: what becomes of items that come faster than they are read."""

import asyncio
import gc
import logging
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar
from typing import Any
from unittest.mock import patch

import pytest
import reactivex as rx
from hypothesis import given, strategies as st
from reactivex import Observable, Subject, abc, operators as ops
from reactivex.disposable import Disposable

from miniagents import MiniAgents, StreamOverflowError
from miniagents.streams import Overflow, _pump, from_async, to_async_iter
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._pump import BoundedQueue
from tests.support.sources import keep, turns

# -- the policies ----------------------------------------------------------------------------------------


def test_by_name() -> None:
    """Each policy is made by its name; 1,024 items are kept unless told otherwise."""
    dropped: list[object] = []
    made = [
        Overflow.block(),
        Overflow.drop_oldest(5, on_drop=dropped.append),
        Overflow.fail(1),
        Overflow.drop_newest(7),
    ]
    expected = [("block", 1024), ("drop_oldest", 5), ("fail", 1), ("drop_newest", 7)]
    assert expected == [(one.policy, one.capacity) for one in made]


@pytest.mark.parametrize("make", [Overflow.block, Overflow.drop_oldest, Overflow.drop_newest, Overflow.fail])
def test_something_must_be_kept(make: type[Overflow]) -> None:
    """A capacity under 1 is refused where it is given."""
    with pytest.raises(ValueError, match=r"The capacity of Overflow\.\w+ is 0; at least 1"):
        make(0)  # type: ignore[arg-type]  # each of them takes the capacity first


# -- the queue -------------------------------------------------------------------------------------------

USER: ContextVar[str] = ContextVar("user", default="nobody")


def pushed_from_a_thread(
    push: Callable[[abc.ObserverBase[int]], None], threads: list[threading.Thread]
) -> Observable[int]:
    """Return an Observable that runs `push` on a thread of its own, which is added to `threads`."""

    def subscribe(
        observer: abc.ObserverBase[int], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        threads.append(threading.Thread(target=push, args=(observer,)))
        threads[-1].start()
        return Disposable()

    return Observable(subscribe)


async def joined(threads: list[threading.Thread]) -> None:
    """Wait for the threads without holding up the loop."""
    for thread in threads:
        await asyncio.to_thread(thread.join)


@given(st.lists(st.integers(), max_size=8), st.integers(1, 10))
async def test_what_fits_is_not_touched(items: list[int], spare: int) -> None:
    """As long as no more waits than the capacity, every policy gives every item in order."""
    capacity = len(items) + spare
    for make in (Overflow.block, Overflow.drop_oldest, Overflow.drop_newest, Overflow.fail):
        overflow = make(capacity)
        assert items == [item async for item in to_async_iter(rx.from_iterable(items), overflow=overflow)]


async def test_the_oldest_are_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """`drop_oldest` keeps the newest; each dropped one is told, and how many is logged at the end."""
    dropped: list[object] = []
    newest = Overflow.drop_oldest(3, on_drop=dropped.append)
    with caplog.at_level(logging.WARNING):
        assert [7, 8, 9] == [item async for item in to_async_iter(rx.range(0, 10), overflow=newest)]
    assert [0, 1, 2, 3, 4, 5, 6] == dropped
    assert ["7 unread items were dropped, as Overflow.drop_oldest(3) says."] == [
        record.getMessage() for record in caplog.records
    ]


async def test_the_newest_are_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """`drop_newest` keeps the oldest; each dropped one is told, and how many is logged at the end."""
    dropped: list[object] = []
    oldest = Overflow.drop_newest(3, on_drop=dropped.append)
    with caplog.at_level(logging.WARNING):
        assert [0, 1, 2] == [item async for item in to_async_iter(rx.range(0, 10), overflow=oldest)]
    assert [3, 4, 5, 6, 7, 8, 9] == dropped
    assert ["7 unread items were dropped, as Overflow.drop_newest(3) says."] == [
        record.getMessage() for record in caplog.records
    ]


async def test_nothing_dropped_nothing_said(caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing was dropped nothing is logged."""
    with caplog.at_level(logging.WARNING):
        read = [item async for item in to_async_iter(rx.of(1, 2), overflow=Overflow.drop_oldest(2))]
    assert ([1, 2], []) == (read, caplog.records)


@pytest.mark.logs("on_drop", "unread items were dropped")
async def test_who_is_told_of_drops_sees_the_variables_of_the_reader() -> None:
    """`on_drop` runs in the contextvars of the reader; if it raises, that is logged and does no harm."""
    seen: list[str] = []

    def on_drop(item: object) -> None:
        seen.append(USER.get())
        raise ValueError("mine")

    source: Subject[int] = Subject()
    items: list[int] = []

    async def read() -> None:
        USER.set("reader")
        await keep(items, to_async_iter(source, overflow=Overflow.drop_oldest(1, on_drop=on_drop)))

    reading = asyncio.ensure_future(read())
    await turns()
    for number in range(3):
        source.on_next(number)
    source.on_completed()
    await reading
    assert ([2], ["reader", "reader"]) == (items, seen)


async def test_one_too_many_fails() -> None:
    """`fail` ends the stream with an error that says what to do, after what was kept; the source is left."""
    items: list[int] = []
    endless = rx.from_iterable(iter(int, 1))  # it never ends by itself, and pushes while it is subscribed to
    with pytest.raises(StreamOverflowError, match=r"3 unread items are kept, .*Overflow\.fail a larger"):
        await keep(items, to_async_iter(endless, overflow=Overflow.fail(3)))
    assert [0, 0, 0] == items


async def test_a_reader_makes_room() -> None:
    """An item that was taken lets one more in."""
    source: Subject[int] = Subject()
    stream = to_async_iter(source, overflow=Overflow.fail(2))
    first = asyncio.ensure_future(anext(stream))
    await turns()
    source.on_next(1)
    source.on_next(2)
    assert 1 == await first
    source.on_next(3)
    source.on_next(4)
    assert [2, 3] == [await anext(stream), await anext(stream)]
    with pytest.raises(StreamOverflowError):
        await anext(stream)


async def test_a_thread_is_made_to_wait() -> None:
    """`block` makes a source on another thread stand still: nothing is lost, and no more waits."""
    ahead: list[int] = []
    taken = 0

    def push(observer: abc.ObserverBase[int]) -> None:
        for number in range(500):
            observer.on_next(number)
            ahead.append(number + 1 - taken)
        observer.on_completed()

    threads: list[threading.Thread] = []
    items: list[int] = []
    async for item in to_async_iter(pushed_from_a_thread(push, threads), overflow=Overflow.block(4)):
        items.append(item)
        taken += 1
    await joined(threads)
    assert list(range(500)) == items
    assert max(ahead) <= 4 + 2  # the one that is being taken, and the one that was just put in its place


async def test_a_thread_that_waits_is_let_go() -> None:
    """`break` lets a thread go that was made to wait: what it pushes from then on is ignored."""
    finished = threading.Event()

    def push(observer: abc.ObserverBase[int]) -> None:
        for number in range(100):
            observer.on_next(number)
        finished.set()

    threads: list[threading.Thread] = []
    async for _ in to_async_iter(pushed_from_a_thread(push, threads), overflow=Overflow.block(2)):
        break
    await joined(threads)
    assert finished.is_set()


def test_a_thread_is_let_go_at_the_end_of_the_loop() -> None:
    """A thread that was made to wait goes on when the event loop has ended, also if the reader is kept."""
    threads: list[threading.Thread] = []

    def push(observer: abc.ObserverBase[int]) -> None:
        for number in range(100):
            observer.on_next(number)

    with patch.object(_pump, "INTERVAL", 0.05):
        for run in (asyncio.run, MiniAgents().run):
            kept = to_async_iter(pushed_from_a_thread(push, threads), overflow=Overflow.block(2))

            async def read(items: AsyncGenerator[int] = kept) -> int:
                return await anext(items)

            assert run(read()) == 0
            threads[-1].join(5)
            assert not threads[-1].is_alive()


async def test_the_loop_cannot_be_made_to_wait() -> None:
    """`block` on the event loop of the reader is an error that says so, and no hang."""
    items: list[int] = []
    with pytest.raises(StreamOverflowError, match="the reader would never run"):
        await keep(items, to_async_iter(rx.range(0, 5), overflow=Overflow.block(3)))
    assert [0, 1, 2] == items


async def test_a_task_that_an_item_has_begun_cannot_wait() -> None:
    """A source that waits does not make a task wait that one of its items has begun."""
    subject: Subject[int] = Subject()
    tasks: list[asyncio.Task[None]] = []

    async def digits() -> AsyncGenerator[int]:
        for digit in range(9):
            yield digit

    async def push() -> None:
        await turns()
        for number in range(9):
            subject.on_next(number)
        subject.on_completed()

    def begin(item: int) -> None:
        if item == 0:
            tasks.append(asyncio.ensure_future(push()))

    source = from_async(digits()).pipe(ops.do_action(begin))
    waits = to_async_iter(source, overflow=Overflow.block(2))
    pushed = to_async_iter(subject, overflow=Overflow.block(3))
    reading = asyncio.ensure_future(anext(pushed))
    assert 0 == await anext(waits)
    await tasks[0]
    items = [await reading]
    with pytest.raises(StreamOverflowError, match="pushed one more on the event loop"):
        await keep(items, pushed)
    assert [0, 1, 2] == items
    await waits.aclose()


JOINED: dict[str, Callable[[Observable[int], Observable[int]], Observable[Any]]] = {
    "merge": rx.merge,
    "combine_latest": rx.combine_latest,
    "with_latest_from": lambda pushed, here: pushed.pipe(ops.with_latest_from(here)),
    "merge in merge": lambda pushed, here: rx.merge(rx.merge(pushed, here), rx.never()),
}


class Waiting:
    """A pipe in which a thread is about to wait, and holds the lock of the operator that joins two sources.

    Attributes:
        here: the source that pushes on the event loop.
        items: reads the pipe, and has read one item.
        threads: the one that waits.
    """

    def __init__(self, name: str) -> None:
        self.here: Subject[int] = Subject()
        self.threads: list[threading.Thread] = []
        self._passed: list[object] = []
        self._waits = threading.Event()
        go = threading.Event()

        def push(observer: abc.ObserverBase[int]) -> None:
            go.wait()
            for number in range(1, 6):
                observer.on_next(number)
            observer.on_completed()

        def note(item: object) -> None:
            self._passed.append(item)
            if len(self._passed) == 3:  # one is read, one is kept
                self._waits.set()

        self._go = go
        joined = JOINED[name](pushed_from_a_thread(push, self.threads), self.here)
        self.items = to_async_iter(joined.pipe(ops.do_action(note)), overflow=Overflow.block(1))

    async def begin(self) -> None:
        """Return when the thread waits."""
        first = asyncio.ensure_future(anext(self.items))
        await turns()
        self.here.on_next(0)
        self._go.set()
        await first
        await asyncio.to_thread(self._waits.wait)


@pytest.mark.parametrize("name", JOINED)
async def test_a_thread_and_the_loop_that_wait_for_each_other(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the loop waits for a lock of the thread that `block` makes wait, an error says where to put it."""
    monkeypatch.setattr(_pump, "INTERVAL", 0.01)
    waiting = Waiting(name)
    await waiting.begin()
    waiting.here.on_next(9)
    with pytest.raises(StreamOverflowError, match=r"that of merge, .* directly behind its source"):
        await keep([], waiting.items)
    await joined(waiting.threads)


async def test_a_lock_behind_a_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop may also wait for another thread, which waits for the thread that `block` makes wait."""
    monkeypatch.setattr(_pump, "INTERVAL", 0.01)
    threads: list[threading.Thread] = []
    outer, inner = threading.Event(), threading.Event()
    here: Subject[int] = Subject()

    def push_inner(observer: abc.ObserverBase[int]) -> None:
        outer.wait()
        observer.on_next(1)

    pushed_inside = rx.merge(pushed_from_a_thread(push_inner, threads), here)

    def push_outer(observer: abc.ObserverBase[int]) -> None:
        rx.range(0, 9).subscribe(observer)

    pushed_outside = pushed_from_a_thread(push_outer, threads)
    pipe = rx.merge(pushed_inside.pipe(ops.do_action(lambda _: inner.set())), pushed_outside)
    last = pipe.pipe(ops.do_action(lambda item: outer.set() if item == 2 else None))
    items = to_async_iter(last, overflow=Overflow.block(1))
    assert 0 == await anext(items)
    await asyncio.to_thread(inner.wait)
    here.on_next(1)
    with pytest.raises(StreamOverflowError, match="directly behind its source"):
        await keep([], items)
    await joined(threads)


async def test_a_loop_that_is_only_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread waits for a loop that is busy, however long, also if it holds a lock of an operator."""
    monkeypatch.setattr(_pump, "INTERVAL", 0.001)
    looks: list[object] = []
    look = _pump._stand

    def noting(thread: int) -> object:
        looks.append(look(thread))
        return looks[-1]

    monkeypatch.setattr(_pump, "_stand", noting)
    waiting = Waiting("merge")
    await waiting.begin()
    while len(looks) < 5:
        threading.Event().wait(0.001)
    assert {None} == set(looks)
    assert [1, 2, 3, 4, 5] == [await anext(waiting.items) for _ in range(5)]
    await waiting.items.aclose()
    await joined(waiting.threads)


async def test_a_reader_that_is_only_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that blocks its loop is waited for, also if one of its variables has a lock that is held."""
    monkeypatch.setattr(_pump, "INTERVAL", 0.01)
    threads: list[threading.Thread] = []
    items: list[int] = []

    def push(observer: abc.ObserverBase[int]) -> None:
        rx.range(0, 5).subscribe(observer)

    source = rx.of(pushed_from_a_thread(push, threads))
    async for item in to_async_iter(source.pipe(ops.merge_all()), overflow=Overflow.block(1)):
        items.append(item)
        if item == 0:
            time.sleep(0.2)  # noqa: ASYNC251 - it blocks
    assert [0, 1, 2, 3, 4] == items
    await joined(threads)


async def test_an_error_from_a_thread_comes_last() -> None:
    """The error of a source on another thread comes after the items that it had pushed before."""
    error = ValueError("broken")

    def push(observer: abc.ObserverBase[int]) -> None:
        observer.on_next(1)
        observer.on_next(2)
        observer.on_error(error)

    threads: list[threading.Thread] = []
    items: list[int] = []
    with pytest.raises(ValueError, match="broken") as caught:
        await keep(items, to_async_iter(pushed_from_a_thread(push, threads), overflow=Overflow.block(1)))
    await joined(threads)
    assert ([1, 2], error) == (items, caught.value)


class Item:
    """Something of which one can tell whether it is kept."""


def full(overflow: Overflow) -> "BoundedQueue[Item]":
    """A queue that can take no more."""
    context = Context()
    context.open()
    box: BoundedQueue[Item] = BoundedQueue(ReplayBuffer(context), overflow)
    for _ in range(overflow.capacity):
        box.put(Item())
    return box


async def test_a_thread_that_stands_still_is_let_go() -> None:
    """A thread that is made to wait right now goes on when the reader leaves, and nothing is kept of it."""
    box, item = full(Overflow.block(1)), Item()
    alive = weakref.ref(item)
    changed = box._changed
    pushing = threading.Thread(target=box.put, args=(item,), daemon=True)
    pushing.start()
    while not getattr(changed, "_waiters"):  # noqa: B009 - what a condition does not show
        await turns(1)
    box.close()
    pushing.join(5)
    assert not pushing.is_alive()
    del item, pushing
    gc.collect()
    assert alive() is None


async def test_nothing_is_kept_for_who_has_left() -> None:
    """What waited when the reader left goes, and what is pushed later is not taken."""
    box, item = full(Overflow.fail(2)), Item()
    alive = weakref.ref(item)
    box.close()
    box.put(item)
    del item
    gc.collect()
    assert ([], None) == (list(box.take()), alive())


async def test_many_items_of_a_thread_are_told_together() -> None:
    """However many items come from a thread while the loop is busy, it is called once."""
    context = Context()
    context.open()
    box: BoundedQueue[int] = BoundedQueue(ReplayBuffer(context), Overflow.fail(100))
    calls: list[object] = []
    loop = asyncio.get_running_loop()
    with patch.object(loop, "call_soon_threadsafe", calls.append):
        thread = threading.Thread(target=lambda: rx.range(0, 50).subscribe(box.put))
        thread.start()
        thread.join()
    assert 1 == len(calls)
    assert list(range(50)) == list(box.take())
