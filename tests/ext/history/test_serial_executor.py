"""Blocking work off the event loop, in order, whole or not at all."""

import asyncio
import contextvars
import logging
import threading

import pytest

from miniagents.ext._history._serial_executor import SerialExecutor

_VARIABLE = contextvars.ContextVar("_VARIABLE", default="outside")


async def test_it_runs_in_another_thread_with_the_context() -> None:
    """The loop is free meanwhile, and context variables are those of the caller."""
    _ = _VARIABLE.set("inside")
    assert threading.get_ident() != await SerialExecutor().run(threading.get_ident)
    assert "inside" == await SerialExecutor().run(_VARIABLE.get)


async def test_calls_keep_their_order() -> None:
    """Each call begins when the one before it has ended."""
    off, done = SerialExecutor(), list[int]()
    await asyncio.gather(*(off.run(done.append, number) for number in range(50)))
    assert list(range(50)) == done


async def test_an_error_comes_through() -> None:
    """What the function raises, and the next call is not harmed."""
    off = SerialExecutor()
    with pytest.raises(ValueError, match="invalid literal"):
        await off.run(int, "x")
    assert 1 == await off.run(int, "1")


async def test_what_has_begun_ends() -> None:
    """A cancelled call waits for the work it began, so the next one cannot overtake it."""
    off, done = SerialExecutor(), list[str]()
    began, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(began.set)
        go_on.wait()
        done.append("first")

    first = asyncio.create_task(off.run(work))
    await began.wait()
    second = asyncio.create_task(off.run(done.append, "second"))
    for _ in range(3):  # asking three times changes nothing
        first.cancel()
        await asyncio.sleep(0)
        assert not first.done()
    go_on.set()
    await second
    assert first.cancelled()
    assert ["first", "second"] == done


async def test_what_has_not_begun_does_nothing() -> None:
    """A call cancelled while it waits for its turn is cancelled at once and runs never."""
    off, done = SerialExecutor(), list[str]()
    go_on = threading.Event()
    first = asyncio.create_task(off.run(go_on.wait))
    second = asyncio.create_task(off.run(done.append, "second"))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    go_on.set()
    await first
    assert [] == done


async def test_an_error_nobody_waits_for_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """When the caller was cancelled, the error of the work is not lost."""
    off, began, go_on = SerialExecutor(), asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(began.set)
        go_on.wait()
        raise OSError("disk full")

    task = asyncio.create_task(off.run(work))
    await began.wait()
    task.cancel()
    go_on.set()
    with caplog.at_level(logging.ERROR), pytest.raises(asyncio.CancelledError):
        await task
    assert "disk full" in caplog.text


def test_one_object_in_many_loops() -> None:
    """The object may outlive an event loop, also when calls had to wait for each other."""
    off, done = SerialExecutor(), list[int]()

    async def main() -> None:
        await asyncio.gather(*(off.run(done.append, number) for number in range(3)))

    for _ in range(2):
        asyncio.run(main())
    assert [0, 1, 2, 0, 1, 2] == done
