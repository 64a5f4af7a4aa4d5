"""`share_bounded`: one subscription for all, at the pace of its readers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

import pytest
import reactivex as rx
from reactivex import operators as ops

from miniagents import MiniAgents, WrongLoopError
from miniagents.operators import from_async, share_bounded, to_async_iter
from miniagents.streams import loop_scheduler


class Numbers:
    """A source of numbers, one in a turn of the loop.

    Attributes:
        made: how many it has made.
        runs: how often it was begun.
        open: how many of its runs are open.
    """

    def __init__(self, most: int = 1_000, pause: float = 0.0) -> None:
        self.made = self.runs = self.open = 0
        self._most = most
        self._pause = pause

    async def __aiter__(self) -> AsyncIterator[int]:
        self.runs += 1
        self.open += 1
        try:
            for number in range(self._most):
                self.made += 1
                yield number
                await asyncio.sleep(self._pause)
        finally:
            self.open -= 1


async def read(shared: rx.Observable[int], pause: float = 0.0, most: int = 10_000) -> list[int]:
    """Read so many items, with a pause after each."""
    items: list[int] = []
    reader = to_async_iter(shared)
    async for item in reader:
        items.append(item)
        if len(items) == most:
            break
        await asyncio.sleep(pause)
    await reader.aclose()
    return items


@pytest.mark.parametrize("prefetch", [1, 3, 50])
@pytest.mark.loop(virtual=True)
async def test_the_law(prefetch: int) -> None:
    """Each of the readers that there are from the beginning gets every item, from one run of the source."""
    numbers = Numbers(200)
    async with MiniAgents(prefetch=prefetch):
        shared = from_async(numbers).pipe(share_bounded())
        got = list(await asyncio.gather(read(shared), read(shared, 0.01), read(shared, 0.003)))
        assert [list(range(200))] * 3 == got
        assert (1, 0) == (numbers.runs, numbers.open)


@pytest.mark.parametrize(("pace", "ahead"), [("fastest", 100), ("slowest", 10)])
@pytest.mark.loop(virtual=True)
async def test_whom_the_source_waits_for(pace: Literal["fastest", "slowest"], ahead: int) -> None:
    """The source waits for the fastest reader, or for the slowest one."""
    numbers = Numbers()
    async with MiniAgents(prefetch=4):
        shared = from_async(numbers).pipe(share_bounded(pace=pace))
        slow, fast = to_async_iter(shared), to_async_iter(shared)
        assert 0 == await anext(slow)

        async def read_fast() -> None:
            for _ in range(100):
                await anext(fast)

        reading = asyncio.ensure_future(read_fast())
        await asyncio.sleep(1)
        assert ahead - 8 <= numbers.made <= ahead + 8
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await slow.aclose()
        await fast.aclose()
        await asyncio.sleep(0.01)
        assert 0 == numbers.open


@pytest.mark.parametrize(("replay", "first"), [(0, 10), (3, 7), (None, 0)])
@pytest.mark.loop(virtual=True)
async def test_a_late_one(replay: int | None, first: int) -> None:
    """A late subscriber gets so many of the last items first; after the end those and the end."""
    numbers = Numbers(20, 1.0)
    shared = from_async(numbers).pipe(share_bounded(replay))
    early = asyncio.ensure_future(read(shared))
    await asyncio.sleep(9.5)
    assert list(range(first, 20)) == await read(shared)
    assert list(range(20)) == await early
    kept = list(range(20))
    assert (kept if replay is None else kept[20 - replay :]) == await read(shared)
    assert 1 == numbers.runs


@pytest.mark.loop(virtual=True)
async def test_grace() -> None:
    """It lives on for so long without readers; then it begins anew."""
    numbers = Numbers(1_000, 1.0)
    shared = from_async(numbers).pipe(share_bounded(grace=5.0))
    assert [0, 1] == await read(shared, most=2)
    await asyncio.sleep(3)
    assert (1, 1) == (numbers.runs, numbers.open)
    assert [4] == await read(shared, most=1)
    await asyncio.sleep(5.5)
    assert 0 == numbers.open
    assert [0] == await read(shared, most=1)
    await asyncio.sleep(6)
    assert (2, 0) == (numbers.runs, numbers.open)


async def test_an_item_that_a_late_subscriber_causes() -> None:
    """A late subscriber gets what comes while it gets the items that are kept, after these."""
    source = rx.Subject[int]()
    shared = source.pipe(share_bounded(replay=5))
    early, late, inner = list[int](), list[int](), list[int]()

    def join(item: int) -> None:
        late.append(item)
        if item == 1:
            source.on_next(2)
            shared.subscribe(inner.append)

    with shared.subscribe(early.append):
        source.on_next(1)
        with shared.subscribe(join):
            source.on_next(3)
    assert [1, 2, 3] == early == late == inner


@pytest.mark.logs("A subscriber raised")
@pytest.mark.loop(virtual=True)
async def test_who_leaves_while_another_one_comes() -> None:
    """A subscriber counts from its first kept item on, until it leaves or raises, also amid the kept ones."""
    source = rx.Subject[int]()
    shared = source.pipe(share_bounded(replay=1, grace=5.0))
    first = shared.subscribe()
    source.on_next(1)
    items = list[int]()

    def take(item: int) -> None:
        first.dispose()
        items.append(item)

    def fail(_: int) -> None:
        raise ValueError

    with shared.subscribe(take):
        await asyncio.sleep(10)
        source.on_next(2)
    shared.subscribe(fail)
    assert [1, 2] == items
    await asyncio.sleep(4)
    assert source.observers
    await asyncio.sleep(2)
    assert not source.observers


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("grace", [10.0, float("inf")])
async def test_a_source_that_ends_within_the_grace(grace: float) -> None:
    """A source that has ended by itself is not begun again, however late the next reader comes."""
    numbers = Numbers(3, 1.0)
    shared = from_async(numbers).pipe(share_bounded(replay=None, grace=grace))
    assert [0] == await read(shared, most=1)
    await asyncio.sleep(60)
    assert [0, 1, 2] == await read(shared)
    assert (1, 0) == (numbers.runs, numbers.open)


@pytest.mark.loop(virtual=True)
async def test_endless_grace() -> None:
    """With an endless grace it lives on to the end of its source."""
    numbers = Numbers(1_000, 1.0)
    shared = from_async(numbers).pipe(share_bounded(grace=float("inf")))
    assert [0] == await read(shared, most=1)
    await asyncio.sleep(900)
    assert (1, 1) == (numbers.runs, numbers.open)
    await asyncio.sleep(200)
    assert (1, 0) == (numbers.runs, numbers.open)


@pytest.mark.loop(virtual=True)
async def test_a_plain_subscriber_takes_everything() -> None:
    """A plain `subscribe` is never waited for, and a reader beside it keeps what it has not read."""
    numbers = Numbers(300)
    async with MiniAgents(prefetch=2):
        shared = from_async(numbers).pipe(share_bounded())
        seen: list[int] = []
        reader = to_async_iter(shared)
        assert 0 == await anext(reader)
        shared.subscribe(seen.append, scheduler=loop_scheduler())
        await asyncio.sleep(1)
        assert (300, 299) == (numbers.made, seen[-1])
        assert 299 == len([item async for item in reader])


@pytest.mark.loop(virtual=True)
async def test_an_error_comes_to_all() -> None:
    """Each subscriber gets the error, also a late one."""
    shared = rx.concat(rx.of(1), rx.timer(1), rx.throw(ValueError("broken"))).pipe(share_bounded(1))
    errors = [str(each) for each in await asyncio.gather(read(shared), read(shared), return_exceptions=True)]
    assert ["broken"] * 2 == errors
    with pytest.raises(ValueError, match="broken"):
        await read(shared)


@pytest.mark.loop(virtual=True)
async def test_operators_around_it() -> None:
    """It is an operator among others."""
    shared = from_async(Numbers(10)).pipe(
        ops.map(lambda n: n * 2), share_bounded(), ops.filter(lambda n: n > 9)
    )
    assert [[10, 12, 14, 16, 18]] * 2 == list(await asyncio.gather(read(shared), read(shared)))


@pytest.mark.parametrize("pace", ["fastest", "slowest"])
@pytest.mark.parametrize("replay", [0, None])
async def test_two_event_loops(replay: int | None, pace: Literal["fastest", "slowest"]) -> None:
    """A reader on another event loop gets a `WrongLoopError`; what has ended can be read on any."""
    source = rx.Subject[int]()
    shared = source.pipe(share_bounded(replay, pace=pace))
    reading = asyncio.ensure_future(read(shared))
    await asyncio.sleep(0)
    source.on_next(1)
    for _ in range(2):
        with pytest.raises(WrongLoopError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, read(shared))
    source.on_next(2)
    source.on_completed()
    assert [1, 2] == await reading
    assert ([1, 2] if replay is None else []) == await asyncio.to_thread(asyncio.run, read(shared))


def test_one_event_loop_after_another() -> None:
    """So does a reader on a later event loop, also if the first one has gone, and its context with it."""
    shared = rx.Subject[int]().pipe(ops.start_with(1), share_bounded(None, grace=float("inf")))
    assert [1] == MiniAgents().run(read(shared, most=1))
    with pytest.raises(WrongLoopError):
        MiniAgents().run(read(shared))


def test_what_is_wrong() -> None:
    """Wrong numbers and a wrong pace are refused."""
    with pytest.raises(ValueError, match=r"share_bounded\(replay=-1\): it must be at least 0"):
        share_bounded(-1)
    with pytest.raises(ValueError, match=r"grace=-1\.0"):
        share_bounded(0, -1.0)
    with pytest.raises(ValueError, match="pace is 'slow'"):
        share_bounded(0, 0.0, "slow")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
