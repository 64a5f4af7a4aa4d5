"""A log that keeps nothing that all its readers have passed."""

import asyncio
import gc
from weakref import ref

import pytest
from hypothesis import given, settings, strategies as st

from miniagents import NotReplayedError
from miniagents.streams import (
    UNBOUNDED,
    Bookmark,
    LogObservable,
    PassingLog,
    Scope,
    fill,
    iterate,
    until_closed,
)
from miniagents.streams._passing import FEW
from tests.support.sources import Recorder, Source, turns


def passing(items: list[int] | None = None, *, prefetch: int = 1024) -> PassingLog[int]:
    """A log of a scope that is open here."""
    scope = Scope(prefetch=prefetch)
    scope.open()
    return PassingLog(scope, items)


class Piece:
    """Something of which one can tell whether it is kept."""


async def test_what_all_have_passed_goes() -> None:
    """A piece goes when the last one who reads has taken it, not earlier; what nobody read yet is kept."""
    scope = Scope()
    scope.open()
    pieces = [Piece() for _ in range(3)]
    alive = [ref(piece) for piece in pieces]
    log = PassingLog(scope, list(pieces))
    del pieces
    first, second = iterate(log, None), iterate(log, None)
    seen: list[list[bool]] = []
    for reader in (first, first, second, second):
        await anext(reader)
        seen.append([each() is not None for each in alive])
    assert [[True] * 3, [True] * 3, [False, True, True], [False, False, True]] == seen
    assert (1, 2) == (len(log.items), log.gone)


async def test_a_later_reader() -> None:
    """A reader that comes later begins with the oldest piece that is kept."""
    log = passing([1, 2, 3, 4])
    slow = iterate(log, None)
    assert [1, 2] == [await anext(slow), await anext(slow)]
    log.finish()
    assert [3, 4] == [item async for item in iterate(log, None)]
    assert [3, 4] == [item async for item in slow]
    assert ([], 4) == (log.items, log.gone)
    assert [] == [item async for item in iterate(log, None)]


async def test_a_reader_that_leaves() -> None:
    """What only one reader still needed goes with that reader; the last one leaves what is there."""
    log = passing([1, 2, 3])
    quick, slow = iterate(log, None), iterate(log, None)
    assert [1, 2] == [await anext(quick), await anext(quick)]
    assert 0 == log.gone
    await slow.aclose()
    assert (2, [3]) == (log.gone, log.items)
    await quick.aclose()
    log.append(4)
    assert [3, 4] == log.items


async def test_the_whole() -> None:
    """Who awaits the whole makes it keep everything from then on; if something has gone, they are told."""
    log = passing([1])
    waiting = asyncio.ensure_future(until_closed(log))
    await turns()
    reader = iterate(log, None)
    await anext(reader)
    log.append(2)
    log.finish()
    await waiting
    assert ([1, 2], 0) == (log.items, log.gone)
    await reader.aclose()
    late = passing([1])
    reader = iterate(late, None)
    await anext(reader)
    with pytest.raises(NotReplayedError, match="1 pieces of a stream with replay=False are gone"):
        await until_closed(late)
    await reader.aclose()


async def test_paused_and_resumed() -> None:
    """The pump runs at most `prefetch` pieces ahead, however many have gone; every piece arrives once."""
    log = passing(prefetch=3)
    source = Source(range(50))
    pumping = asyncio.ensure_future(fill(log, source))
    await turns(10)
    assert 3 == source.produced
    got: list[int] = []
    reader = iterate(log, None)
    for read in range(1, 41):
        got.append(await anext(reader))
        await turns(4)
        assert source.produced <= read + 3
        assert len(log.items) <= 3
    subscription = LogObservable(log, None).subscribe(got.append)
    await pumping
    assert [*range(40), *range(40, 50)] == got
    assert ([*range(40, 50)], UNBOUNDED) == (log.items, log.granted)
    subscription.dispose()
    log.finish()
    await reader.aclose()


async def test_a_burst_starves_nobody() -> None:
    """A source that never suspends lets the loop turn every few thousand pieces, though nothing is kept."""
    log = passing()
    LogObservable(log, None).subscribe()
    pumping = asyncio.ensure_future(fill(log, Source(range(20_000))))
    others = 0
    while not pumping.done():
        await asyncio.sleep(0)
        others += 1
    assert 5 < others
    assert 20_000 == log.gone


async def test_subscribers() -> None:
    """Subscribers take everything at once, so nothing is kept when they have it."""
    log = passing([1, 2])
    recorders: list[Recorder[int]] = [Recorder(), Recorder()]
    LogObservable(log, None).subscribe(recorders[0])
    assert ([], 2) == (log.items, log.gone)
    LogObservable(log, None).subscribe(recorders[1])
    log.append(3)
    log.extend([4, 5])
    log.finish()
    assert [[1, 2, 3, 4, 5], [3, 4, 5]] == [recorder.items for recorder in recorders]
    assert [1, 1] == [recorder.completed for recorder in recorders]
    assert ([], 5) == (log.items, log.gone)


async def test_quitting_twice() -> None:
    """To quit a place that is not there any more does nothing."""
    log = passing([1])
    place = Bookmark()
    log.enter(place)
    log.quit(place)
    log.quit(place)
    assert 1 == log.take(place)
    assert 0 == log.gone


async def test_many_kept_pieces() -> None:
    """If a reader is far behind, what it passes goes in large steps: a piece costs no more than before."""
    log = passing([*range(3 * FEW)])
    slow = iterate(log, None)
    gone: list[int] = []
    for _ in range(2 * FEW):
        await anext(slow)
        gone.append(log.gone)
    assert FEW < log.gone <= 2 * FEW
    assert len({*gone}) <= 3, "never one by one while more than FEW are kept"
    await slow.aclose()


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from(["write", "read", "enter", "leave"]), st.integers(0, 3)), max_size=60),
    st.integers(1, 5),
)
async def test_the_model_is_a_list(steps: list[tuple[str, int]], prefetch: int) -> None:
    """Whatever the order of writing and reading, a reader gets every piece from where it began, once each."""
    log = passing(prefetch=prefetch)
    written = 0
    readers: dict[int, Bookmark] = {}
    begun: dict[int, int] = {}
    got: dict[int, list[int]] = {}
    for step, who in steps:
        if step == "write":
            log.append(written)
            written += 1
        elif step == "enter" and who not in readers:
            readers[who] = Bookmark()
            log.enter(readers[who])
            begun[who], got[who] = log.gone, []
        elif step == "leave" and who in readers:
            log.quit(readers.pop(who))
        elif step == "read" and who in readers and readers[who].position < len(log.items):
            got[who].append(log.take(readers[who]))
        positions = [begun[who] + len(got[who]) for who in readers]
        if readers:
            assert min(positions) == log.gone + min(place.position for place in readers.values())
            if step != "enter":
                assert min(positions) == log.gone
        assert [*range(log.gone, written)] == log.items
    for who, items in got.items():
        assert [*range(begun[who], begun[who] + len(items))] == items


async def test_an_error_comes_last() -> None:
    """An error comes after every piece that is kept, to late readers too."""
    log = passing([1])
    log.fail(ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        assert [1] == [item async for item in iterate(log, None)]
    with pytest.raises(ValueError, match="broken"):
        await anext(iterate(log, None))
    log.error = None
    gc.collect(0)


async def test_a_reader_that_gave_up() -> None:
    """A reader that is cancelled while it waits, or dropped, leaves nothing behind and does not count."""
    log = passing([1])
    reader = iterate(log, None)
    assert 1 == await anext(reader)
    waiting = asyncio.ensure_future(anext(reader))
    await turns()
    assert (1, 1) == (log.readers, len(log._starved or ()))
    waiting.cancel()
    await turns()
    assert (0, 0) == (log.readers, len(log._starved or ()))
