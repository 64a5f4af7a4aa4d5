"""The one buffer."""

import asyncio
import gc
import logging

import pytest
from hypothesis import given, strategies as st

from miniagents.core import Context, ReplayBuffer, Stream, iterate, until_closed
from miniagents.values import InquiryCancelledError, WrongLoopError
from tests.support.sources import Recorder, turns


def open_scope(*, prefetch: int = 1024) -> Context:
    """A context of the running loop in which nothing is started."""
    context = Context(prefetch=prefetch)
    context.open()
    return context


async def whole(buffer: ReplayBuffer[int]) -> list[int]:
    """What one reader gets."""
    return [item async for item in iterate(buffer, None)]


async def test_readers_get_all_in_order() -> None:
    """Early, late and many readers get the same items in the same order, each from the first one on."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_scope())
    early = [asyncio.create_task(whole(buffer)) for _ in range(3)]
    await turns()
    for number in range(5):
        buffer.append(number)
        await turns(number)
    middle = asyncio.create_task(whole(buffer))
    buffer.extend([5, 6])
    buffer.finish()
    expected = [0, 1, 2, 3, 4, 5, 6]
    assert [expected] * 5 == [*await asyncio.gather(*early, middle), await whole(buffer)]


async def test_nothing_follows_the_terminal() -> None:
    """What is appended after the terminal is ignored, a second terminal too."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_scope())
    recorder: Recorder[int] = Recorder()
    Stream(buffer, None).subscribe(recorder)
    buffer.append(1)
    buffer.finish()
    buffer.append(2)
    buffer.extend([3])
    buffer.fail(ValueError("late"))
    buffer.finish()
    assert [1] == buffer.items == recorder.items
    assert (1, []) == (recorder.completed, recorder.errors)
    assert buffer.error is None


async def test_the_first_terminal_stays() -> None:
    """An error that ended a buffer is not undone by a normal end."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_scope())
    buffer.error_handled = True
    error = ValueError("first")
    buffer.fail(error)
    buffer.finish()
    assert buffer.error is error


async def test_a_cancelled_reader_harms_nobody() -> None:
    """A reader that is cancelled while it waits leaves every other reader unharmed."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_scope())
    one, two, end = (
        asyncio.create_task(whole(buffer)),
        asyncio.create_task(whole(buffer)),
        asyncio.create_task(until_closed(buffer)),
    )
    ended = asyncio.create_task(until_closed(buffer))
    await turns()
    one.cancel()
    end.cancel()
    await turns()
    buffer.append(1)
    buffer.finish()
    assert [1] == await two
    await ended
    assert one.cancelled()
    assert end.cancelled()


async def test_readers_that_gave_up_leave_nothing() -> None:
    """A reader that polls with a timeout leaves nothing in the buffer that grows."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_scope())
    for _ in range(50):
        for waiter in (
            asyncio.ensure_future(anext(iterate(buffer, None))),
            asyncio.ensure_future(until_closed(buffer)),
        ):
            await turns()
            waiter.cancel()
            await turns()
    assert 0 == buffer.readers
    assert not buffer._starved
    assert not buffer._ends
    buffer.finish()


async def test_awaiting_the_whole_is_not_woken_per_piece() -> None:
    """Someone who awaits the whole is not woken per piece, only at the end."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_scope())
    waiter = asyncio.create_task(until_closed(buffer))
    await turns()
    assert buffer._ends is not None
    (future,) = buffer._ends
    buffer.append(1)
    assert not future.done()
    buffer.finish()
    assert future.done()
    await waiter


async def test_watchers_are_no_readers() -> None:
    """A watcher is called once, at the terminal or at once if that was, and is not counted as a reader."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_scope())
    seen: list[str] = []
    buffer.when_closed(lambda: seen.append("early"))
    assert (0, False) == (buffer.readers, buffer.was_read)
    buffer.finish()
    buffer.when_closed(lambda: seen.append("late"))
    buffer.finish()
    assert ["early", "late"] == seen


async def test_forgetting() -> None:
    """A buffer is emptied when nobody can reach it, but not while a watcher is going to look at it."""
    buffer, watched = ReplayBuffer[int](open_scope(), [1]), ReplayBuffer[int](open_scope(), [1])
    watched.when_closed(lambda: None)
    buffer.forget()
    assert [1] == buffer.items
    buffer.reachable = watched.reachable = False
    buffer.forget()
    watched.forget()
    assert ([], [1]) == (buffer.items, watched.items)


async def test_an_unseen_error_is_remembered_by_the_scope(caplog: pytest.LogCaptureFixture) -> None:
    """An error that no reader saw is logged once; one that a reader saw is not, nor is a cancellation."""
    context = open_scope()
    unseen, seen, cancelled = (
        ReplayBuffer[int](context),
        ReplayBuffer[int](context),
        ReplayBuffer[int](context),
    )
    error = ValueError("unseen")
    unseen.fail(error)
    seen.fail(ValueError("seen"))
    seen.mark_error_handled()
    cancelled.fail(InquiryCancelledError())
    with caplog.at_level(logging.ERROR, "miniagents"):
        context.unhandled.report()
        context.unhandled.report()
    assert ["No reader ever saw this error: ValueError('unseen')"] == [
        record.getMessage() for record in caplog.records
    ]


async def test_other_loop() -> None:
    """To wait for a buffer on another event loop is a typed error that says so."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_scope())

    def elsewhere() -> list[Exception]:
        async def read() -> list[Exception]:
            found: list[Exception] = []
            for attempt in (whole(buffer), until_closed(buffer)):
                try:
                    await attempt
                except WrongLoopError as error:
                    found.append(error)
            try:
                Stream(buffer, None).subscribe(Recorder[int]())
            except WrongLoopError as error:
                found.append(error)
            return found

        return asyncio.run(read())

    errors = await asyncio.to_thread(elsewhere)
    assert 3 == len(errors)
    assert "another event loop or thread" in str(errors[0])
    buffer.finish()
    assert [] == await asyncio.to_thread(lambda: asyncio.run(whole(buffer)))
    await asyncio.get_running_loop().shutdown_default_executor()


class _Reader:
    """A cursor that is moved by hand, several items at a time."""

    def __init__(self, buffer: ReplayBuffer[int]) -> None:
        self.items: list[int] = []
        self.task: asyncio.Task[None] | None = None
        self._allowed = 0
        self._more = asyncio.Event()
        self.task = asyncio.create_task(self._run(buffer))

    def allow(self, count: int) -> None:
        self._allowed += count
        self._more.set()

    async def _run(self, buffer: ReplayBuffer[int]) -> None:
        async for item in iterate(buffer, None):
            while len(self.items) >= self._allowed:
                self._more.clear()
                await self._more.wait()
            self.items.append(item)


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 5)),
        st.tuples(st.just("extend"), st.integers(0, 5)),
        st.tuples(st.just("read"), st.integers(0, 3)),
        st.tuples(st.just("move"), st.integers(0, 4)),
        st.tuples(st.just("subscribe"), st.just(0)),
        st.tuples(st.just("turns"), st.integers(0, 3)),
    ),
    max_size=30,
)


@given(steps=_STEPS, fails=st.booleans())
async def test_the_model_is_a_list(*, steps: list[tuple[str, int]], fails: bool) -> None:
    """Whatever the order of writing and reading, readers and subscribers get the list, then the terminal."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_scope(prefetch=2))
    model: list[int] = []
    readers: list[_Reader] = []
    recorders: list[Recorder[int]] = []
    for step, number in steps:
        if step == "append":
            model.append(number)
            buffer.append(number)
        elif step == "extend":
            model.extend([number, number])
            buffer.extend([number, number])
        elif step == "read":
            readers.append(_Reader(buffer))
            readers[-1].allow(number)
        elif step == "move" and readers:
            readers[number % len(readers)].allow(number)
        elif step == "subscribe":
            recorders.append(Recorder())
            Stream(buffer, None).subscribe(recorders[-1])
        await turns(number if step == "turns" else 0)
        assert all(model == recorder.items for recorder in recorders)
        assert all(model[: len(reader.items)] == reader.items for reader in readers)
    error = ValueError("the end")
    if fails:
        buffer.error_handled = True
        buffer.fail(error)
    else:
        buffer.finish()
    for reader in readers:
        reader.allow(1000)
    results = await asyncio.gather(
        *(reader.task for reader in readers if reader.task), return_exceptions=True
    )
    assert [error if fails else None] * len(readers) == results
    assert all(model == reader.items for reader in readers)
    assert all(model == recorder.items and recorder.terminals == 1 for recorder in recorders)
    assert all((recorder.errors == [error]) is fails for recorder in recorders)
    error.__traceback__ = None
    del results, readers
    gc.collect(0)


class Late:
    """A follower that keeps what a buffer had when it was told of it."""

    def __init__(self, buffer: ReplayBuffer[int]) -> None:
        self.buffer = buffer
        self.position = 0
        self.told: list[tuple[int, bool]] = []

    def deliver(self) -> None:
        """Note how much there is, and whether that is all."""
        self.told.append((len(self.buffer.items), self.buffer.closed))


async def test_a_lagging_follower() -> None:
    """A lagging follower is told once of all that came in a turn of the loop, and of the end at once."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_scope())
    late = Late(buffer)
    buffer.attach(late, lagging=True)
    buffer.extend([1, 2])
    assert not buffer.heard, "until it was told, nobody wants to hear of a piece"
    buffer.append(3)
    assert [] == late.told
    await turns(1)
    assert [(3, False)] == late.told
    buffer.append(4)
    buffer.finish()
    assert [(3, False), (4, True)] == late.told


async def test_leaving_while_lagging() -> None:
    """A lagging follower that has left is not told any more, and holds up nobody."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_scope(), [1])
    late, other = Late(buffer), Late(buffer)
    buffer.attach(late, lagging=True)
    buffer.attach(other, lagging=True)
    buffer.append(2)
    buffer.detach(late)
    buffer.detach(late)
    assert 1 == buffer.readers
    await turns(1)
    assert ([], [(2, False)]) == (late.told, other.told)


async def test_a_reader_that_is_cancelled_right_now() -> None:
    """What comes after a reader was cancelled and before it could leave harms nobody, nor does the end."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_scope())
    leaving, staying = asyncio.create_task(whole(buffer)), asyncio.create_task(whole(buffer))
    waiting = asyncio.create_task(until_closed(buffer))
    await turns()
    leaving.cancel()
    buffer.append(1)
    await turns()
    waiting.cancel()
    buffer.finish()
    assert [1] == await staying
    assert (True, True) == (leaving.cancelled(), (await asyncio.wait([waiting]))[0].pop().cancelled())


async def test_an_error_that_comes_when_nobody_can_read_any_more(caplog: pytest.LogCaptureFixture) -> None:
    """An error of a buffer whose last promise has gone is logged at once, not when its context ends."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_scope())
    buffer.show()
    assert buffer.hide()
    buffer.fail(ValueError("lost"))
    assert ["No reader ever saw this error: ValueError('lost')"] == [
        each.getMessage() for each in caplog.records
    ]


async def test_a_lagging_follower_is_told_once_a_turn() -> None:
    """Who lags is told once for all pieces of a turn, also when others are told of each."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_scope())
    told: list[int] = []

    class Lagging:
        position = 0

        def deliver(self) -> None:
            told.append(len(buffer.items))

    buffer.attach(Lagging(), lagging=True)
    Stream(buffer, None).subscribe()
    for number in range(5):
        buffer.append(number)
    await turns()
    assert [5] == told


async def test_what_is_granted_is_not_taken_back() -> None:
    """A grant that is smaller than the one before changes nothing."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_scope(prefetch=5))
    buffer.grant(0)
    assert 5 == buffer.credits_left()


async def test_a_nearer_limit_is_told_once() -> None:
    """When who took everything at once has left, the writer is told once that its limit came nearer."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_scope(prefetch=2))
    waiting = buffer.end()
    buffer.limit = buffer.requested
    buffer.leave(waiting)
    assert 2 == buffer.limit
    assert buffer.heard
    buffer.append(1)
    assert not buffer.heard
