"""Reading a log."""

import asyncio
import gc
import weakref

import pytest

from miniagents.streams import Log, Scope, iterate, raise_error, until_closed
from tests.support.sources import keep, turns


class Owner:
    """Stands for a promise."""


def open_log(*items: int) -> Log[int]:
    """A log of the running loop, filled by hand."""
    scope = Scope()
    scope.open()
    return Log(scope, list(items))


async def test_a_reader_counts_while_it_reads() -> None:
    """A reader is counted from its start to its end, however it ends."""
    log = open_log(1, 2)
    broken = iterate(log, None)
    assert 1 == log.readers
    assert 1 == await anext(broken)
    del broken
    assert 0 == log.readers
    assert log.was_read
    closed = iterate(log, None)
    await closed.aclose()
    assert 0 == log.readers
    log.finish()
    assert [1, 2] == [item async for item in iterate(log, None)]
    assert 0 == log.readers


async def test_break_lets_go_at_once() -> None:
    """A reader that leaves by `break` lets go of the promise at that moment, without garbage collection."""
    log, owner = open_log(1, 2), Owner()
    alive = weakref.ref(owner)
    gc.disable()
    try:
        async for _ in iterate(log, owner):
            break
        del owner
        assert alive() is None
        assert 0 == log.readers
    finally:
        gc.enable()


async def test_a_reader_keeps_the_promise() -> None:
    """As long as somebody reads, the promise is kept alive."""
    log, owner = open_log(1), Owner()
    alive = weakref.ref(owner)
    reader = iterate(log, owner)
    del owner
    assert 1 == await anext(reader)
    assert alive() is not None
    log.finish()
    assert [] == [item async for item in reader]
    assert alive() is None


async def test_what_comes_while_reading_is_read() -> None:
    """A reader that writes the log it reads sees what it wrote."""
    log, read = open_log(0), list[int]()
    async for item in iterate(log, None):
        read.append(item)
        if item < 5:
            log.append(item + 1)
        else:
            log.finish()
    assert [0, 1, 2, 3, 4, 5] == read


async def test_every_reader_gets_the_error_itself() -> None:
    """The error comes after all items, the same object to each reader, and its traceback does not grow."""
    log, error = open_log(1), ValueError("broken")
    log.fail(error)
    depths: list[int] = []
    for _ in range(3):
        read: list[int] = []
        with pytest.raises(ValueError, match="broken") as caught:
            read.extend([item async for item in iterate(log, None)])
        assert caught.value is error
        trace, depth = error.__traceback__, 0
        while trace is not None:
            trace, depth = trace.tb_next, depth + 1
        depths.append(depth)
    assert 1 == len(set(depths))
    assert log.error_seen


async def test_items_before_the_error() -> None:
    """A reader has every item in its hands before the error is raised."""
    log, read = open_log(1, 2), list[int]()
    log.error_seen = True
    log.fail(ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        await keep(read, iterate(log, None))
    assert [1, 2] == read


async def test_waiting_for_the_end() -> None:
    """`until_closed` waits for the terminal, whatever it is, raises nothing, and waits for no closed log."""
    log = open_log()
    waiters = [asyncio.create_task(until_closed(log)) for _ in range(3)]
    await turns()
    assert 3 == log.readers
    log.error_seen = True
    log.fail(ValueError("broken"))
    await asyncio.gather(*waiters)
    await until_closed(log)
    assert 0 == log.readers


async def test_a_normal_end_raises_nothing() -> None:
    """There is nothing to raise in an open log, nor after a normal end."""
    log = open_log()
    raise_error(log)
    log.finish()
    raise_error(log)


@pytest.mark.loop(virtual=True)
async def test_a_timeout_of_one_item() -> None:
    """A reader whose wait for the next item timed out has ended, and a new one starts from the first item."""
    log = open_log(1)
    reader = iterate(log, None)
    assert 1 == await anext(reader)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            await anext(reader)
    log.append(2)
    log.finish()
    assert [1, 2] == [item async for item in iterate(log, None)]


@pytest.mark.loop(debug=False)
async def test_a_million_items() -> None:
    """1,000,000 items that are there are read without a loop turn, in order."""
    log = open_log(*range(1_000_000))
    log.finish()
    count = 0
    async for item in iterate(log, None):
        assert item == count
        count += 1
    assert 1_000_000 == count
