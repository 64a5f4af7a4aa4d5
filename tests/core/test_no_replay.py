"""A buffer that keeps nothing that all its readers have passed."""

import asyncio
import gc
from weakref import ref

import pytest
from hypothesis import given, settings, strategies as st

from miniagents import NotReplayedError
from miniagents.core import (
    UNBOUNDED,
    Context,
    NoReplayBuffer,
    ReaderPosition,
    Stream,
    fill,
    iterate,
    until_closed,
)
from miniagents.core._no_replay import FEW
from tests.support.sources import Recorder, Source, turns


def passing(items: list[int] | None = None, *, prefetch: int = 1024) -> NoReplayBuffer[int]:
    """A buffer of a context that is open here."""
    context = Context(prefetch=prefetch)
    context.open()
    return NoReplayBuffer(context, items)


class Piece:
    """Something of which one can tell whether it is kept."""


async def test_what_all_have_passed_goes() -> None:
    """A piece goes when the last one who reads has taken it, not earlier; what nobody read yet is kept."""
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
    with pytest.raises(NotReplayedError, match="1 pieces of a stream with replay=False are gone"):
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
    subscription = Stream(buffer, None).subscribe(got.append)
    await pumping
    assert [*range(40), *range(40, 50)] == got
    assert ([*range(40, 50)], UNBOUNDED) == (buffer.items, buffer.requested)
    subscription.dispose()
    buffer.finish()
    await reader.aclose()


async def test_a_burst_starves_nobody() -> None:
    """A source that never suspends lets the loop turn every few thousand pieces, though nothing is kept."""
    buffer = passing()
    Stream(buffer, None).subscribe()
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
    Stream(buffer, None).subscribe(recorders[0])
    assert ([], 2) == (buffer.items, buffer.gone)
    Stream(buffer, None).subscribe(recorders[1])
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


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from(["write", "read", "enter", "leave"]), st.integers(0, 3)), max_size=60),
    st.integers(1, 5),
)
async def test_the_model_is_a_list(steps: list[tuple[str, int]], prefetch: int) -> None:
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
    assert (1, 1) == (buffer.readers, len(buffer._starved or ()))
    waiting.cancel()
    await turns()
    assert (0, 0) == (buffer.readers, len(buffer._starved or ()))
