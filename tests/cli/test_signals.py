import asyncio
import os
import signal

import pytest

from miniagents.cli._signals import StoppedError, until_signal


async def kill_self(number: int) -> str:
    os.kill(os.getpid(), number)
    await asyncio.Event().wait()
    return "never"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1"])
async def test_a_signal_cancels_the_work(name: str) -> None:
    """The work has ended, cleanup and all, when the error with the number of the signal comes."""
    number = getattr(signal, name)
    before = signal.getsignal(number)
    cleaned = False

    async def work() -> None:
        nonlocal cleaned
        try:
            await kill_self(number)
        finally:
            await asyncio.sleep(0)
            cleaned = True

    with pytest.raises(StoppedError) as stopped:
        await until_signal(work(), "SIGUSR2", name)
    assert number == stopped.value.number
    assert cleaned
    assert signal.getsignal(number) is before


async def test_what_the_work_gives_is_given() -> None:
    """Without a signal, result and error are those of the work."""
    assert "done" == await until_signal(asyncio.sleep(0, "done"), "SIGUSR1", "SIGNOTHERE")

    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        await until_signal(fail(), "SIGUSR1")


async def test_cancelling_from_outside_stays_cancelling() -> None:
    """Who cancels the waiting cancels the work, and gets CancelledError."""
    begun = asyncio.Event()
    ended = asyncio.Event()

    async def work() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(until_signal(work(), "SIGUSR1"))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_an_ignored_signal_stays_ignored() -> None:
    """What `nohup` switched off is not switched on."""
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:

        async def work() -> str:
            os.kill(os.getpid(), signal.SIGUSR1)
            await asyncio.sleep(0)
            return "done"

        assert "done" == await until_signal(work(), "SIGUSR1")
        assert signal.SIG_IGN == signal.getsignal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
