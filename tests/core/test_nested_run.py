"""A blocking run inside a running event loop."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

import pytest

from miniagents.core import Message, PromisingContext
from miniagents.core._nested_run import run_in_thread
from miniagents.core._run_loop import run_loop
from miniagents.testing import virtual_time
from tests.support.sources import Source

Interrupts: TypeAlias = Callable[[], None]

_NAME: ContextVar[str] = ContextVar("_NAME", default="nobody")


class Interrupted(BaseException):
    """Stands for Ctrl-C: raised in the thread that waits."""


async def test_a_loop_of_its_own() -> None:
    """It runs on a new thread with a new event loop, blocks until the end, and leaves neither behind."""
    loops: list[asyncio.AbstractEventLoop] = []
    threads: list[threading.Thread] = []

    async def main() -> str:
        loops.append(asyncio.get_running_loop())
        threads.append(threading.current_thread())
        await asyncio.sleep(0)
        return "done"

    assert "done" == run_in_thread(main)
    assert loops[0] is not asyncio.get_running_loop()
    assert loops[0].is_closed()
    assert not threads[0].is_alive()
    assert "miniagents-nested-run" == threads[0].name
    assert "done" == run_in_thread(main)


def test_without_a_loop() -> None:
    """It needs no running event loop."""

    async def main() -> int:
        return 1

    assert 1 == run_in_thread(main)


async def test_contextvars() -> None:
    """The contextvars of the caller are seen inside; what is set inside stays inside."""

    async def main() -> str:
        seen = _NAME.get()
        _NAME.set("inside")
        return seen

    async def caller() -> None:
        _NAME.set("caller")
        assert "caller" == run_in_thread(main)
        assert "caller" == _NAME.get()

    await asyncio.create_task(caller())


@pytest.mark.parametrize(
    "error",
    [ValueError("broken"), asyncio.CancelledError("mine"), KeyboardInterrupt(), SystemExit(3)],
    ids=lambda error: type(error).__name__,
)
def test_errors(error: BaseException) -> None:
    """What is raised inside is raised in the caller, of whatever kind."""

    async def main() -> None:
        await asyncio.sleep(0)
        raise error

    with pytest.raises(type(error)) as caught:
        run_in_thread(main)
    if not isinstance(error, asyncio.CancelledError):  # asyncio makes a new one of these
        assert caught.value is error


async def test_nested_in_each_other() -> None:
    """Such runs may be nested."""

    async def main(depth: int) -> int:
        return 1 + run_in_thread(lambda: main(depth - 1)) if depth else 0

    assert 3 == await main(3)


@contextmanager
def interrupts() -> Generator[Interrupts]:
    """Interrupts of this thread, as Ctrl-C does it, from another one."""
    here, came = threading.get_ident(), threading.Event()

    def handle(number: int, frame: object) -> None:
        came.set()
        raise Interrupted

    def interrupt() -> None:
        signal.pthread_kill(here, signal.SIGUSR1)
        assert came.wait(5)

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_an_interrupt_is_passed_on() -> None:
    """What interrupts the waiting caller cancels the run, waits for its clean-up, and is raised."""
    source = Source(["a", "b"], hold_at=1)
    steps: list[str] = []

    async def main() -> None:
        try:
            async with PromisingContext():
                async for _ in Message.promise(source):
                    interrupt()
        except asyncio.CancelledError:
            steps.append("cancelled")
            raise
        finally:
            await asyncio.sleep(60)
            steps.append("cleaned up")

    with interrupts() as interrupt, virtual_time(), pytest.raises(Interrupted):
        run_in_thread(main)
    assert (["cancelled", "cleaned up"], 1) == (steps, source.closed)


def test_an_interrupt_before_the_run_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt that comes before there is anything to cancel cancels the run when it begins."""
    steps: list[str] = []

    def slow_run(main: Callable[[], Coroutine[object, object, None]]) -> None:
        interrupt()
        run_loop(main)

    async def main() -> None:
        steps.append("began")
        await asyncio.Event().wait()

    monkeypatch.setattr("miniagents.core._nested_run.run_loop", slow_run)
    with interrupts() as interrupt, pytest.raises(Interrupted):
        run_in_thread(main)
    assert ["began"] == steps


def test_an_interrupt_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt that comes when the run has just ended is raised, and nothing else is."""

    def long_run(main: Callable[[], Coroutine[object, object, int]]) -> int:
        result = run_loop(main)
        interrupt()
        return result

    async def main() -> int:
        return 1

    monkeypatch.setattr("miniagents.core._nested_run.run_loop", long_run)
    with interrupts() as interrupt, pytest.raises(Interrupted):
        run_in_thread(main)


def test_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the system has no thread left, that is the error, and nothing is waited for."""

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None: ...

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="can't start"):
        run_in_thread(main)
