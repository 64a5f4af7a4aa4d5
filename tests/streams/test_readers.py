"""Reading a buffer."""

import asyncio
import gc
import weakref

import pytest

from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._readers import iterate, raise_error, until_closed
from tests.support.sources import keep, turns


class Holder:
    """Stands for a promise."""


def open_buffer(*items: int) -> ReplayBuffer[int]:
    """A buffer of the running loop, filled by hand."""
    context = Context()
    context.open()
    return ReplayBuffer(context, list(items))


async def test_a_reader_counts_while_it_reads() -> None:
    """A reader is counted from its start to its end, however it ends."""
    buffer = open_buffer(1, 2)
    broken = iterate(buffer, None)
    assert 1 == buffer.readers
    assert 1 == await anext(broken)
    del broken
    assert 0 == buffer.readers
    assert buffer.was_read
    closed = iterate(buffer, None)
    await closed.aclose()
    assert 0 == buffer.readers
    buffer.finish()
    assert [1, 2] == [item async for item in iterate(buffer, None)]
    assert 0 == buffer.readers


async def test_break_lets_go_at_once() -> None:
    """A reader that leaves by `break` lets go of the promise at that moment, without garbage collection."""
    buffer, owner = open_buffer(1, 2), Holder()
    alive = weakref.ref(owner)
    gc.disable()
    try:
        async for _ in iterate(buffer, owner):
            break
        del owner
        assert alive() is None
        assert 0 == buffer.readers
    finally:
        gc.enable()


async def test_a_reader_keeps_the_promise() -> None:
    """As long as somebody reads, the promise is kept alive."""
    buffer, owner = open_buffer(1), Holder()
    alive = weakref.ref(owner)
    reader = iterate(buffer, owner)
    del owner
    assert 1 == await anext(reader)
    assert alive() is not None
    buffer.finish()
    assert [] == [item async for item in reader]
    assert alive() is None


async def test_what_comes_while_reading_is_read() -> None:
    """A reader that writes the buffer it reads sees what it wrote."""
    buffer, read = open_buffer(0), list[int]()
    async for item in iterate(buffer, None):
        read.append(item)
        if item < 5:
            buffer.append(item + 1)
        else:
            buffer.finish()
    assert [0, 1, 2, 3, 4, 5] == read


async def test_every_reader_gets_the_error_itself() -> None:
    """The error comes after all items, the same object to each reader, and its traceback does not grow."""
    buffer, error = open_buffer(1), ValueError("broken")
    buffer.fail(error)
    depths: list[int] = []
    for _ in range(3):
        read: list[int] = []
        with pytest.raises(ValueError, match="broken") as caught:
            read.extend([item async for item in iterate(buffer, None)])
        assert caught.value is error
        trace, depth = error.__traceback__, 0
        while trace is not None:
            trace, depth = trace.tb_next, depth + 1
        depths.append(depth)
    assert 1 == len(set(depths))
    assert buffer.error_handled


async def test_items_before_the_error() -> None:
    """A reader has every item in its hands before the error is raised."""
    buffer, read = open_buffer(1, 2), list[int]()
    buffer.fail(ValueError("broken"), handled=True)
    with pytest.raises(ValueError, match="broken"):
        await keep(read, iterate(buffer, None))
    assert [1, 2] == read


async def test_waiting_for_the_end() -> None:
    """`until_closed` waits for the terminal, whatever it is, raises nothing, and returns if it is there."""
    buffer = open_buffer()
    waiters = [asyncio.create_task(until_closed(buffer)) for _ in range(3)]
    await turns()
    assert 3 == buffer.readers
    buffer.fail(ValueError("broken"), handled=True)
    await asyncio.gather(*waiters)
    await until_closed(buffer)
    assert 0 == buffer.readers


async def test_a_normal_end_raises_nothing() -> None:
    """There is nothing to raise in an open buffer, nor after a normal end."""
    buffer = open_buffer()
    raise_error(buffer)
    buffer.finish()
    raise_error(buffer)


@pytest.mark.loop(virtual=True)
async def test_a_timeout_of_one_item() -> None:
    """A reader whose wait for the next item timed out has ended, and a new one starts from the first item."""
    buffer = open_buffer(1)
    reader = iterate(buffer, None)
    assert 1 == await anext(reader)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            await anext(reader)
    buffer.append(2)
    buffer.finish()
    assert [1, 2] == [item async for item in iterate(buffer, None)]


@pytest.mark.loop(debug=False)
async def test_a_million_items() -> None:
    """1,000,000 items that are there are read without a loop turn, in order."""
    buffer = open_buffer(*range(1_000_000))
    buffer.finish()
    count = 0
    async for item in iterate(buffer, None):
        assert item == count
        count += 1
    assert 1_000_000 == count
