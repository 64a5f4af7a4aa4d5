"""The buffers: one that keeps everything, and one that keeps what is still to be read."""

import asyncio
import gc
import logging
from weakref import ref

import pytest
from hypothesis import given, settings, strategies as st

from miniagents import UnresolvedPromiseError
from miniagents.streams import Stream
from miniagents.streams._buffer import FEW, NoReplayBuffer, ReaderPosition, ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._demand import UNBOUNDED
from miniagents.streams._lifetime import Lease
from miniagents.streams._pump import fill
from miniagents.streams._readers import iterate, until_closed
from miniagents.values import InquiryCancelledError, WrongLoopError
from tests.support.amounts import amount
from tests.support.sources import Recorder, Source, turns


def open_context(*, prefetch: int = 1024) -> Context:
    """A context of the running loop in which nothing is started."""
    context = Context(prefetch=prefetch)
    context.open()
    return context


async def whole(buffer: ReplayBuffer[int]) -> list[int]:
    """What one reader gets."""
    return [item async for item in iterate(buffer, None)]


async def test_readers_get_all_in_order() -> None:
    """Early, late and many readers get the same items in the same order, each from the first one on."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_context())
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
    buffer: ReplayBuffer[int] = ReplayBuffer(open_context())
    lease, recorder = Lease(buffer), Recorder[int]()
    Stream(buffer).subscribe(recorder)
    buffer.append(1)
    buffer.finish()
    buffer.append(2)
    buffer.extend([3])
    buffer.fail(ValueError("late"))
    buffer.finish()
    assert [1] == buffer.items == recorder.items
    assert (1, []) == (recorder.completed, recorder.errors)
    assert buffer.error is None
    del lease


async def test_the_first_terminal_stays() -> None:
    """An error that ended a buffer is not undone by a normal end."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_context())
    error = ValueError("first")
    buffer.fail(error, handled=True)
    buffer.finish()
    assert buffer.error is error


async def test_a_cancelled_reader_harms_nobody() -> None:
    """A reader that is cancelled while it waits leaves every other reader unharmed."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_context())
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
    buffer: ReplayBuffer[int] = ReplayBuffer(open_context())
    for _ in range(50):
        for waiter in (
            asyncio.ensure_future(anext(iterate(buffer, None))),
            asyncio.ensure_future(until_closed(buffer)),
        ):
            await turns()
            waiter.cancel()
            await turns()
    assert 0 == buffer.readers
    assert not buffer._waiters
    assert not buffer._end_waiters
    buffer.finish()


async def test_awaiting_the_whole_is_not_woken_per_piece() -> None:
    """Someone who awaits the whole is not woken per piece, only at the end."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_context())
    waiter = asyncio.create_task(until_closed(buffer))
    await turns()
    assert buffer._end_waiters is not None
    (future,) = buffer._end_waiters
    buffer.append(1)
    assert not future.done()
    buffer.finish()
    assert future.done()
    await waiter


async def test_watchers_are_no_readers() -> None:
    """A watcher is called once, at the terminal or at once if that was, and is not counted as a reader."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_context())
    seen: list[str] = []
    buffer.when_closed(lambda: seen.append("early"))
    assert (0, False) == (buffer.readers, buffer.was_read)
    buffer.finish()
    buffer.when_closed(lambda: seen.append("late"))
    buffer.finish()
    assert ["early", "late"] == seen


async def test_forgetting() -> None:
    """A buffer is emptied when it can no longer be reached, but not while a watcher will look at it."""
    buffer, watched = ReplayBuffer[int](open_context(), [1]), ReplayBuffer[int](open_context(), [1])
    watched.when_closed(lambda: None)
    buffer.forget()
    assert [1] == buffer.items
    for each in (buffer, watched):
        Lease(each)  # and dropped
        each.forget()
    assert ([], [1]) == (buffer.items, watched.items)


async def test_an_unseen_error_is_remembered_by_the_scope(caplog: pytest.LogCaptureFixture) -> None:
    """An error that no reader saw is logged once; one that a reader saw is not, nor is a cancellation."""
    context = open_context()
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
    buffer: ReplayBuffer[int] = ReplayBuffer(open_context())

    def elsewhere() -> list[Exception]:
        async def read() -> list[Exception]:
            found: list[Exception] = []
            for attempt in (whole(buffer), until_closed(buffer)):
                try:
                    await attempt
                except WrongLoopError as error:
                    found.append(error)
            try:
                Stream(buffer).subscribe(Recorder[int]())
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
    buffer: ReplayBuffer[int] = ReplayBuffer(open_context(prefetch=2))
    lease = Lease(buffer)
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
            Stream(buffer).subscribe(recorders[-1])
        await turns(number if step == "turns" else 0)
        assert all(model == recorder.items for recorder in recorders)
        assert all(model[: len(reader.items)] == reader.items for reader in readers)
    error = ValueError("the end")
    if fails:
        buffer.fail(error, handled=True)
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
    del results, readers, lease
    gc.collect(0)


class Late:
    """A subscriber that keeps what a buffer had when it was told of it."""

    def __init__(self, buffer: ReplayBuffer[int]) -> None:
        self.buffer = buffer
        self.position = 0
        self.told: list[tuple[int, bool]] = []

    def deliver(self) -> None:
        """Note how much there is, and whether that is all."""
        self.told.append((len(self.buffer.items), self.buffer.closed))


async def test_a_batched_subscriber() -> None:
    """A batched subscriber is told once of all that came in a turn of the loop, and of the end at once."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_context())
    late = Late(buffer)
    buffer.attach(late, batched=True)
    buffer.extend([1, 2])
    assert not buffer.notify_next, "until it was told, no subscriber wants to hear of a piece"
    buffer.append(3)
    assert [] == late.told
    await turns(1)
    assert [(3, False)] == late.told
    buffer.append(4)
    buffer.finish()
    assert [(3, False), (4, True)] == late.told


async def test_leaving_before_the_batch() -> None:
    """A batched subscriber that has left is not told any more, and holds up nothing."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_context(), [1])
    late, other = Late(buffer), Late(buffer)
    buffer.attach(late, batched=True)
    buffer.attach(other, batched=True)
    buffer.append(2)
    buffer.detach(late)
    buffer.detach(late)
    assert 1 == buffer.readers
    await turns(1)
    assert ([], [(2, False)]) == (late.told, other.told)


async def test_a_reader_that_is_cancelled_right_now() -> None:
    """What comes after a reader was cancelled and before it could leave does no harm, nor does the end."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_context())
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
    buffer: ReplayBuffer[int] = ReplayBuffer(open_context())
    Lease(buffer)  # and dropped
    buffer.fail(ValueError("lost"))
    assert ["No reader ever saw this error: ValueError('lost')"] == [
        each.getMessage() for each in caplog.records
    ]


async def test_a_batched_subscriber_is_told_once_a_turn() -> None:
    """Such a one is told once for all pieces of a turn, also when others are told of each."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_context())
    told: list[int] = []

    class Batched:
        position = 0

        def deliver(self) -> None:
            told.append(len(buffer.items))

    buffer.attach(Batched(), batched=True)
    Stream(buffer).subscribe()
    for number in range(5):
        buffer.append(number)
    await turns()
    assert [5] == told


async def test_what_is_requested_is_not_taken_back() -> None:
    """A request that is smaller than the one before changes nothing."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_context(prefetch=5))
    buffer.request(0)
    assert 5 == buffer.credit()


async def test_a_nearer_limit_is_told_once() -> None:
    """When who took everything at once has left, the writer is told once that its limit came nearer."""
    buffer: ReplayBuffer[int] = ReplayBuffer(open_context(prefetch=2))
    waiting = buffer.wait_for_end()
    assert await buffer.may_go_on()
    assert 2 < buffer.check_at
    buffer.stop_waiting(waiting)
    assert 2 == buffer.check_at
    assert buffer.notify_next
    buffer.append(1)
    assert not buffer.notify_next


# -- without replay ------------------------------------------------------------------------------------


def passing(items: list[int] | None = None, *, prefetch: int = 1024) -> NoReplayBuffer[int]:
    """A buffer of a context that is open here."""
    context = Context(prefetch=prefetch)
    context.open()
    return NoReplayBuffer(context, items)


class Piece:
    """Something of which one can tell whether it is kept."""


async def test_what_all_have_passed_goes() -> None:
    """A piece goes when the last one who reads has taken it, not earlier; what no reader took yet is kept."""
    context = Context()
    context.open()
    pieces = [Piece() for _ in range(3)]
    alive = [ref(piece) for piece in pieces]
    buffer = NoReplayBuffer(context, list(pieces))
    del pieces
    first, second = iterate(buffer, None), iterate(buffer, None)
    seen: list[list[bool]] = []
    for reader in (first, first, second, second):
        await anext(reader)
        seen.append([each() is not None for each in alive])
    assert [[True] * 3, [True] * 3, [False, True, True], [False, False, True]] == seen
    assert (1, 2) == (len(buffer.items), buffer.gone)


async def test_a_later_reader() -> None:
    """A reader that comes later begins with the oldest piece that is kept."""
    buffer = passing([1, 2, 3, 4])
    slow = iterate(buffer, None)
    assert [1, 2] == [await anext(slow), await anext(slow)]
    buffer.finish()
    assert [3, 4] == [item async for item in iterate(buffer, None)]
    assert [3, 4] == [item async for item in slow]
    assert ([], 4) == (buffer.items, buffer.gone)
    assert [] == [item async for item in iterate(buffer, None)]


async def test_a_reader_that_leaves() -> None:
    """What only one reader still needed goes with that reader; the last one leaves what is there."""
    buffer = passing([1, 2, 3])
    quick, slow = iterate(buffer, None), iterate(buffer, None)
    assert [1, 2] == [await anext(quick), await anext(quick)]
    assert 0 == buffer.gone
    await slow.aclose()
    assert (2, [3]) == (buffer.gone, buffer.items)
    await quick.aclose()
    buffer.append(4)
    assert [3, 4] == buffer.items


async def test_the_whole() -> None:
    """Who awaits the whole makes it keep everything from then on; if something has gone, they are told."""
    buffer = passing([1])
    waiting = asyncio.ensure_future(until_closed(buffer))
    await turns()
    reader = iterate(buffer, None)
    await anext(reader)
    buffer.append(2)
    buffer.finish()
    await waiting
    assert ([1, 2], 0) == (buffer.items, buffer.gone)
    await reader.aclose()
    late = passing([1])
    reader = iterate(late, None)
    await anext(reader)
    with pytest.raises(UnresolvedPromiseError, match="1 pieces of a stream with replay=False are gone"):
        await until_closed(late)
    await reader.aclose()


async def test_paused_and_resumed() -> None:
    """The pump runs at most `prefetch` pieces ahead, however many have gone; every piece arrives once."""
    buffer = passing(prefetch=3)
    source = Source(range(50))
    pumping = asyncio.ensure_future(fill(buffer, source))
    await turns(10)
    assert 3 == source.produced
    got: list[int] = []
    reader = iterate(buffer, None)
    for read in range(1, 41):
        got.append(await anext(reader))
        await turns(4)
        assert source.produced <= read + 3
        assert len(buffer.items) <= 3
    subscription = Stream(buffer).subscribe(got.append)
    await pumping
    assert [*range(40), *range(40, 50)] == got
    assert ([*range(40, 50)], UNBOUNDED) == (buffer.items, buffer.credit())
    subscription.dispose()
    buffer.finish()
    await reader.aclose()


async def test_a_burst_starves_nobody() -> None:
    """A source that never suspends lets the loop turn every few thousand pieces, though nothing is kept."""
    buffer = passing()
    Stream(buffer).subscribe()
    pumping = asyncio.ensure_future(fill(buffer, Source(range(20_000))))
    others = 0
    while not pumping.done():
        await asyncio.sleep(0)
        others += 1
    assert 5 < others
    assert 20_000 == buffer.gone


async def test_subscribers() -> None:
    """Subscribers take everything at once, so nothing is kept when they have it."""
    buffer = passing([1, 2])
    recorders: list[Recorder[int]] = [Recorder(), Recorder()]
    Stream(buffer).subscribe(recorders[0])
    assert ([], 2) == (buffer.items, buffer.gone)
    Stream(buffer).subscribe(recorders[1])
    buffer.append(3)
    buffer.extend([4, 5])
    buffer.finish()
    assert [[1, 2, 3, 4, 5], [3, 4, 5]] == [recorder.items for recorder in recorders]
    assert [1, 1] == [recorder.completed for recorder in recorders]
    assert ([], 5) == (buffer.items, buffer.gone)


async def test_quitting_twice() -> None:
    """To quit a place that is not there any more does nothing."""
    buffer = passing([1])
    place = ReaderPosition()
    buffer.enter(place)
    buffer.quit(place)
    buffer.quit(place)
    assert 1 == buffer.take(place)
    assert 0 == buffer.gone


async def test_many_kept_pieces() -> None:
    """If a reader is far behind, what it passes goes in large steps: a piece costs no more than before."""
    buffer = passing([*range(3 * FEW)])
    slow = iterate(buffer, None)
    gone: list[int] = []
    for _ in range(2 * FEW):
        await anext(slow)
        gone.append(buffer.gone)
    assert FEW < buffer.gone <= 2 * FEW
    assert len({*gone}) <= 3, "never one by one while more than FEW are kept"
    await slow.aclose()


@settings(max_examples=amount(20, 150))
@given(
    st.lists(st.tuples(st.sampled_from(["write", "read", "enter", "leave"]), st.integers(0, 3)), max_size=60),
    st.integers(1, 5),
)
async def test_without_replay_the_model_is_a_list(steps: list[tuple[str, int]], prefetch: int) -> None:
    """Whatever the order of writing and reading, a reader gets every piece from where it began, once each."""
    buffer = passing(prefetch=prefetch)
    written = 0
    readers: dict[int, ReaderPosition] = {}
    begun: dict[int, int] = {}
    got: dict[int, list[int]] = {}
    for step, who in steps:
        if step == "write":
            buffer.append(written)
            written += 1
        elif step == "enter" and who not in readers:
            readers[who] = ReaderPosition()
            buffer.enter(readers[who])
            begun[who], got[who] = buffer.gone, []
        elif step == "leave" and who in readers:
            buffer.quit(readers.pop(who))
        elif step == "read" and who in readers and readers[who].position < len(buffer.items):
            got[who].append(buffer.take(readers[who]))
        positions = [begun[who] + len(got[who]) for who in readers]
        if readers:
            assert min(positions) == buffer.gone + min(place.position for place in readers.values())
            if step != "enter":
                assert min(positions) == buffer.gone
        assert [*range(buffer.gone, written)] == buffer.items
    for who, items in got.items():
        assert [*range(begun[who], begun[who] + len(items))] == items


async def test_an_error_comes_last() -> None:
    """An error comes after every piece that is kept, to late readers too."""
    buffer = passing([1])
    buffer.fail(ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        assert [1] == [item async for item in iterate(buffer, None)]
    with pytest.raises(ValueError, match="broken"):
        await anext(iterate(buffer, None))
    buffer.error = None
    gc.collect(0)


async def test_a_reader_that_gave_up() -> None:
    """A reader that is cancelled while it waits, or dropped, leaves nothing behind and does not count."""
    buffer = passing([1])
    reader = iterate(buffer, None)
    assert 1 == await anext(reader)
    waiting = asyncio.ensure_future(anext(reader))
    await turns()
    assert (1, 1) == (buffer.readers, len(buffer._waiters or ()))
    waiting.cancel()
    await turns()
    assert (0, 0) == (buffer.readers, len(buffer._waiters or ()))


async def test_streams_among_other_pieces() -> None:
    """A stream whose pieces are streams and other values holds the streams, and only these."""
    context = open_context()
    inner = ReplayBuffer(context, ["one"], closed=True)
    pieces: list[object] = [Lease(inner), 1, "two"]
    assert [inner] == ReplayBuffer(context, pieces, closed=True).pieces_held()
