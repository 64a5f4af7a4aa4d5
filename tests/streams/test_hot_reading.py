"""Reading a source that gives a piece in every turn of the event loop: a turn is waited, and no Future.

Crosses modules: the cursor that waits, and how far the buffer lets its writer run on.

The reader is stepped by hand: what it gives the event loop is a turn (None) or a Future.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from functools import partial

import pytest

from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._readers import iterate

TURN, FUTURE = "turn", "future"


def open_buffer(prefetch: int = 1024) -> ReplayBuffer[int]:
    """A buffer of the running loop, filled by hand."""
    context = Context(prefetch=prefetch)
    context.open()
    return ReplayBuffer(context)


def waits_for(reader: AsyncGenerator[int], give: Callable[[str], object]) -> list[str]:
    """How the reader waits for one more piece; ``give`` is called in every wait."""
    waits: list[str] = []
    step = anext(reader).__await__()
    try:
        while True:
            waits.append(TURN if next(step) is None else FUTURE)
            give(waits[-1])
    except StopIteration:
        return waits


def read(buffer: ReplayBuffer[int], reader: AsyncGenerator[int], count: int, *, hot: bool) -> Counter[str]:
    """How often the reader waits how, for ``count`` pieces; one that is not hot comes when it is awaited."""

    def give(wait: str) -> None:
        if hot or wait == FUTURE:
            buffer.append(1)

    return Counter(wait for _ in range(count) for wait in waits_for(reader, give))


async def hot_reader(buffer: ReplayBuffer[int]) -> AsyncGenerator[int]:
    """A reader that knows that a piece comes in every turn."""
    reader = iterate(buffer, None)
    assert read(buffer, reader, 10, hot=True)[TURN] > 0
    return reader


async def test_a_hot_source_costs_turns() -> None:
    """Who reads a piece in every turn parks a Future for the first one and once in half a prefetch."""
    buffer = open_buffer(prefetch=1000)
    waits = read(buffer, iterate(buffer, None), 2000, hot=True)
    assert 2000 == waits.total()
    assert 2000 // 500 == waits[FUTURE]


async def test_a_slow_source_costs_futures() -> None:
    """Who reads a slow source waits a turn in vain once in 64 pieces, and parks a Future for every piece."""
    buffer = open_buffer()
    reader = iterate(buffer, None)
    read(buffer, reader, 130, hot=False)  # so often it tries until it knows
    waits = read(buffer, reader, 640, hot=False)
    assert 640 == waits[FUTURE]
    assert 10 == waits[TURN]


async def test_a_source_that_becomes_hot() -> None:
    """A slow source that becomes a hot one is known as such within 64 pieces, and tried less at first."""
    buffer = open_buffer()
    reader = iterate(buffer, None)
    read(buffer, reader, 200, hot=False)
    assert 64 >= read(buffer, reader, 100, hot=True)[FUTURE]
    assert 0 == read(buffer, reader, 100, hot=True)[FUTURE]
    assert 10 <= read(buffer, reader, 500, hot=False)[TURN] < 15


async def test_a_hot_source_that_stops_once() -> None:
    """A hot source that lets its reader wait once is read by turns again after two pieces."""
    buffer = open_buffer()
    reader = iterate(buffer, None)
    read(buffer, reader, 200, hot=False)
    read(buffer, reader, 100, hot=True)
    assert {TURN: 1, FUTURE: 1} == read(buffer, reader, 1, hot=False)
    assert {TURN: 99, FUTURE: 1} == read(buffer, reader, 100, hot=True)


@pytest.mark.parametrize("prefetch", [1, 2, 3, 8, 1000])
async def test_the_source_is_not_paused(prefetch: int) -> None:
    """A reader that waits turns tells the source to run on before it could come to its bound."""
    buffer = open_buffer(prefetch)
    reader = iterate(buffer, None)
    for _ in range(2 * prefetch + 50):
        read(buffer, reader, 1, hot=True)
        assert buffer.credit() >= prefetch // 2


@pytest.mark.parametrize("error", [None, ValueError("the source broke")])
async def test_the_end_in_a_turn(error: ValueError | None) -> None:
    """The end, or an error, that comes while a turn is waited is the next that the reader gets."""
    buffer = open_buffer()
    reader = await hot_reader(buffer)
    ends: Callable[[], None] = buffer.finish if error is None else partial(buffer.fail, error)
    with pytest.raises(StopAsyncIteration if error is None else ValueError) as seen:
        waits_for(reader, lambda _: ends())
    assert error is None or seen.value is error


async def test_a_cancelled_turn() -> None:
    """A reader that is cancelled while it waits a turn has gone, and the next one reads everything."""
    buffer = open_buffer()
    reader = await hot_reader(buffer)
    step = anext(reader).__await__()
    assert next(step) is None
    with pytest.raises(asyncio.CancelledError):
        step.throw(asyncio.CancelledError())
    assert 0 == buffer.readers
    buffer.finish()
    assert [1] * 10 == [piece async for piece in iterate(buffer, None)]


async def test_two_pieces_in_a_turn() -> None:
    """What comes together in a turn is read together, in order."""
    buffer = open_buffer()
    reader = await hot_reader(buffer)

    def two(wait: str) -> None:
        assert TURN == wait
        buffer.extend([2, 3])

    assert [TURN] == waits_for(reader, two)
    assert [3] == [await anext(reader)]


class Source:
    """Paces another buffer by who waits for this one."""

    def __init__(self) -> None:
        self.asked = 0

    def pass_demand_on(self, *, waiting: bool) -> None:
        """Somebody wants more."""
        self.asked += waiting


async def test_a_source_that_is_asked() -> None:
    """Where the writer goes on only when a reader waits, each piece is asked for; few turns are in vain."""
    buffer = open_buffer()
    source = Source()
    buffer.write_from(source)
    reader = iterate(buffer, None)
    read(buffer, reader, 130, hot=False)
    waits = read(buffer, reader, 640, hot=False)
    assert 640 == waits[FUTURE]
    assert 770 == source.asked
    assert 10 == waits[TURN]


async def test_a_hot_source_that_is_asked() -> None:
    """A writer that goes on by itself is read by turns, also if it passes demand on."""
    buffer = open_buffer(prefetch=1000)
    source = Source()
    buffer.write_from(source)
    waits = read(buffer, iterate(buffer, None), 2000, hot=True)
    assert 2000 // 500 == waits[FUTURE] == source.asked
