"""The observable face."""

import asyncio
import contextvars
import copy
import gc
import logging
import pickle
import weakref
from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar

import pytest
import reactivex as rx
from reactivex import abc, operators as ops

from miniagents import Message, MiniAgents
from miniagents.streams import PromisingContext, Stream, StreamedPromise
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._lifetime import Lease
from tests.support.amounts import amount
from tests.support.sources import Recorder

_NAME: ContextVar[str] = ContextVar("_NAME", default="nobody")


def open_buffer(*items: int) -> ReplayBuffer[int]:
    """A buffer of the running loop, filled by hand."""
    context = Context()
    context.open()
    buffer = ReplayBuffer(context, list(items))
    vars(context)[f"lease {id(buffer)}"] = Lease(buffer)  # as a promise of it would be
    return buffer


def show(buffer: ReplayBuffer[int]) -> Stream[int]:
    """The stream that shows a buffer."""
    return Stream(buffer)


async def test_it_is_an_observable() -> None:
    """It is an Observable, so every reactivex operator works on it."""
    buffer = open_buffer(1, 2, 3)
    recorder: Recorder[int] = Recorder()
    shown = show(buffer)
    assert isinstance(shown, rx.Observable)
    shown.pipe(ops.map(lambda item: item * 10), ops.filter(lambda item: item > 10)).subscribe(recorder)
    buffer.append(4)
    buffer.finish()
    assert [20, 30, 40] == recorder.items
    assert 1 == recorder.completed


async def test_a_copy_is_the_stream_itself() -> None:
    """A copy of a stream is the stream itself, as of a promise; pickling it says what to pickle."""
    shown = show(open_buffer(1))
    assert shown is copy.copy(shown) is copy.deepcopy([shown])[0]
    with pytest.raises(TypeError, match="A Stream cannot be pickled: await it, and pickle the tuple"):
        pickle.dumps(shown)


async def test_an_item_that_causes_an_item_while_subscribing() -> None:
    """What a subscriber writes while it is being replayed to comes after the item that made it write."""
    buffer = open_buffer(1, 2)
    told: list[str] = []

    def hear(item: int) -> None:
        told.append(f"begin {item}")
        if item == 1:
            buffer.append(3)
        told.append(f"end {item}")

    show(buffer).subscribe(hear)
    assert [f"{when} {item}" for item in (1, 2, 3) for when in ("begin", "end")] == told


async def test_replay_then_push() -> None:
    """Every subscriber, however late, gets every item from the first one on, then the terminal."""
    buffer = open_buffer(1)
    early, late, after = Recorder[int](), Recorder[int](), Recorder[int]()
    show(buffer).subscribe(early)
    buffer.append(2)
    show(buffer).subscribe(late)
    buffer.append(3)
    buffer.finish()
    show(buffer).subscribe(after)
    for recorder in (early, late, after):
        assert ([1, 2, 3], 1, []) == (recorder.items, recorder.completed, recorder.errors)


async def test_the_error_is_the_terminal() -> None:
    """An error comes after all items, the object that was raised, and has been seen then."""
    buffer, error, recorder = open_buffer(1), ValueError("broken"), Recorder[int]()
    show(buffer).subscribe(recorder)
    buffer.fail(error)
    assert ([1], [error], 0) == (recorder.items, recorder.errors, recorder.completed)
    assert buffer.error_handled


async def test_a_subscriber_without_on_error_has_not_seen_it(caplog: pytest.LogCaptureFixture) -> None:
    """An error is not seen by a subscriber that does not ask for errors: it is still logged."""
    buffer, items = open_buffer(1), list[int]()
    show(buffer).subscribe(items.append)
    buffer.fail(ValueError("broken"))
    assert not buffer.error_handled
    with caplog.at_level(logging.ERROR, "miniagents"):
        buffer.context.unhandled.report()
    assert 1 == len(caplog.records)


async def test_forms_of_subscribing() -> None:
    """Functions, a part of them, an observer, or nothing at all can subscribe."""
    buffer, seen = open_buffer(1), list[object]()
    shown = show(buffer)
    shown.subscribe()
    shown.subscribe(seen.append)
    shown.subscribe(on_completed=lambda: seen.append("end"))
    shown.subscribe(seen.append, lambda _: None, lambda: seen.append("done"))
    buffer.append(2)
    buffer.finish()
    assert [1, 1, 2, 2, "end", "done"] == seen


async def test_dispose_is_idempotent_and_final() -> None:
    """After dispose nothing comes, disposing again does nothing, and others are not affected."""
    buffer, gone, other = open_buffer(1), Recorder[int](), Recorder[int]()
    subscription = show(buffer).subscribe(gone)
    show(buffer).subscribe(other)
    assert 2 == buffer.readers
    subscription.dispose()
    subscription.dispose()
    assert 1 == buffer.readers
    buffer.append(2)
    buffer.finish()
    subscription.dispose()
    assert ([1], 0) == (gone.items, gone.terminals)
    assert ([1, 2], 1) == (other.items, other.terminals)
    assert 0 == buffer.readers


@pytest.mark.parametrize("how", ["dispose", "finish", "fail"])
async def test_references_are_dropped(how: str) -> None:
    """References to a subscriber and its lease on the stream are dropped after the terminal or dispose."""
    buffer, recorder = open_buffer(1), Recorder[int]()
    subscription = show(buffer).subscribe(recorder)
    alive = weakref.ref(recorder)
    assert 2 == buffer.leases
    gc.disable()
    try:
        if how == "dispose":
            subscription.dispose()
        elif how == "finish":
            buffer.finish()
        else:
            buffer.fail(ValueError("broken"))
        del recorder
        assert (None, 1) == (alive(), buffer.leases)
    finally:
        gc.enable()
    subscription.dispose()


async def test_a_subscriber_that_raises_hurts_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    """A subscriber that raises is logged and let go; the writer and all others go on."""
    buffer, other, calls = open_buffer(), Recorder[int](), list[int]()

    def bad(item: int) -> None:
        calls.append(item)
        raise RuntimeError("bad subscriber")

    show(buffer).subscribe(bad)
    show(buffer).subscribe(other)
    with caplog.at_level(logging.ERROR, "miniagents"):
        buffer.append(1)
        buffer.append(2)
    buffer.finish()
    assert [1] == calls
    assert ([1, 2], 1) == (other.items, other.completed)
    assert ["A subscriber raised; it was unsubscribed, and the stream goes on for all others."] == [
        record.getMessage() for record in caplog.records
    ]


async def test_a_replay_that_raises_reaches_the_subscriber() -> None:
    """What a subscriber raises while the past is replayed reaches who subscribed; nothing is left of it."""
    buffer = open_buffer(1, 2)

    def bad(_: int) -> None:
        raise RuntimeError("bad subscriber")

    with pytest.raises(RuntimeError, match="bad subscriber"):
        show(buffer).subscribe(bad)
    assert 0 == buffer.readers
    buffer.append(3)
    buffer.finish()


async def test_a_terminal_that_raises_hurts_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    """A subscriber whose `on_completed` raises is logged, and others get their terminal."""
    buffer, other = open_buffer(), Recorder[int]()

    def bad() -> None:
        raise RuntimeError("bad end")

    show(buffer).subscribe(on_completed=bad)
    show(buffer).subscribe(other)
    with caplog.at_level(logging.ERROR, "miniagents"):
        buffer.finish()
    assert 1 == other.completed
    assert 1 == len(caplog.records)


async def test_take_stops_a_long_replay() -> None:
    """`take(1)` of a long replay stops it: the rest is not even looked at."""
    buffer = open_buffer(*range(100_000))
    looked: list[int] = []
    recorder: Recorder[int] = Recorder()
    show(buffer).pipe(ops.do_action(looked.append), ops.take(1)).subscribe(recorder)
    assert ([0], 1) == (recorder.items, recorder.completed)
    assert [0] == looked
    assert 0 == buffer.readers


async def test_reentrant_dispose() -> None:
    """A subscriber that disposes within `on_next` gets nothing more, also while the past is replayed."""
    buffer, items, held = open_buffer(), list[int](), list[abc.DisposableBase]()

    def once(item: int) -> None:
        items.append(item)
        held[0].dispose()

    held.append(show(buffer).subscribe(once))
    buffer.extend([1, 2])
    buffer.finish()
    assert [1] == items


async def test_reentrant_subscribe() -> None:
    """Who subscribes within `on_next` gets everything from the first item on, in order, once."""
    buffer, inner = open_buffer(1), list[Recorder[int]]()

    def subscribing(item: int) -> None:
        if item == 2:
            inner.append(Recorder())
            show(buffer).subscribe(inner[0])

    show(buffer).subscribe(subscribing)
    buffer.append(2)
    buffer.append(3)
    buffer.finish()
    assert [1, 2, 3] == inner[0].items


async def test_reentrant_write_is_serial() -> None:
    """A subscriber that causes another item gets it after it has returned; all get the same order."""
    buffer, trace, other = open_buffer(), list[str](), Recorder[int]()

    def writing(item: int) -> None:
        trace.append(f"in {item}")
        if item < 3:
            buffer.append(item + 1)
        else:
            buffer.finish()
        trace.append(f"out {item}")

    show(buffer).subscribe(writing, on_completed=lambda: trace.append("end"))
    show(buffer).subscribe(other)
    buffer.append(1)
    assert ["in 1", "out 1", "in 2", "out 2", "in 3", "out 3", "end"] == trace
    assert ([1, 2, 3], 1) == (other.items, other.completed)


async def test_the_context_of_the_subscriber() -> None:
    """A subscriber is called in the contextvars it subscribed in, not in the writer's."""
    buffer, names = open_buffer(1), list[str]()

    def subscribe(name: str) -> None:
        _NAME.set(name)
        show(buffer).subscribe(
            lambda _: names.append(_NAME.get()), on_completed=lambda: names.append(_NAME.get())
        )

    contextvars.copy_context().run(subscribe, "one")
    contextvars.copy_context().run(subscribe, "two")
    buffer.append(2)
    buffer.finish()
    assert ["one", "two", "one", "two", "one", "two"] == names
    assert "nobody" == _NAME.get()


async def test_a_chain_of_streams_does_not_recurse() -> None:
    """2,000 buffers, each written by a subscriber of the one before, pass an item on without a deep stack."""
    first = last = open_buffer()
    context = first.context
    for _ in range(2_000):
        following: ReplayBuffer[int] = ReplayBuffer(context)
        show(last).subscribe(following.append, following.fail, following.finish)
        last = following
    recorder: Recorder[int] = Recorder()
    show(last).subscribe(recorder)
    first.append(1)
    first.finish()
    assert ([1], 1) == (recorder.items, recorder.completed)


@pytest.mark.loop(debug=False)
async def test_a_burst_of_a_million() -> None:
    """1,000,000 items at once reach a subscriber, replayed and pushed, without overflowing the stack."""
    half = amount(50_000, 500_000)  # the million is the gate's
    buffer = open_buffer(*range(half))
    total = 0

    def count(_: int) -> None:
        nonlocal total
        total += 1

    show(buffer).subscribe(count)
    append: Callable[[int], None] = buffer.append
    for number in range(half):
        append(number)
    buffer.finish()
    assert 2 * half == total
    await asyncio.sleep(0)


async def test_who_has_left_keeps_no_pieces() -> None:
    """A subscription that was disposed of keeps nothing of the stream, as long as it is kept itself."""

    class Piece:
        pass

    context = Context()
    context.open()
    buffer = ReplayBuffer(context, [Piece()])
    alive = weakref.ref(buffer.items[0])
    subscription = Stream(buffer).subscribe()
    subscription.dispose()
    del buffer
    gc.collect()
    assert alive() is None


async def test_awaiting_what_nothing_else_holds() -> None:
    """All items are returned, also if the stream and its promise are held by nobody else."""

    async def numbers() -> AsyncGenerator[int]:
        for number in range(3):
            await asyncio.sleep(0)
            yield number

    async with PromisingContext():
        assert await StreamedPromise(numbers).pieces == (0, 1, 2)


@pytest.mark.logs("A subscriber raised")
async def test_a_subscriber_that_raises_a_cancellation_stops_only_itself() -> None:
    """A subscriber that raises `CancelledError` is unsubscribed; the stream goes on for all others."""

    async def tokens(_: object) -> AsyncGenerator[str]:
        for token in "abc":
            await asyncio.sleep(0)
            yield token

    def cancelled(_: str) -> None:
        raise asyncio.CancelledError

    async with MiniAgents():
        message = Message.promise(tokens)
        message.tokens.subscribe(cancelled)
        assert "abc" == str(await message)
