"""A blocking run: on an event loop of its own, and inside a running event loop."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from textwrap import dedent
from typing import TypeAlias

import pytest

from miniagents.messages import Message
from miniagents.streams import Promise, PromisingContext
from miniagents.streams._threads import run_in_thread, run_loop
from miniagents.testing import virtual_time
from miniagents.testing._virtual_loop import StuckLoopError
from tests.support.sources import Source, turns


async def slow_to_leave(left: list[str]) -> None:
    """Wait for ever, and clean up in several loop turns."""
    try:
        await asyncio.Event().wait()
    finally:
        await turns(5)
        left.append("cleaned up")


def test_like_asyncio_run() -> None:
    """It gives what the coroutine returns, and raises what it raises."""

    async def main() -> int:
        return 5

    async def failing() -> int:
        raise ValueError("broken")

    assert run_loop(main) == 5
    with pytest.raises(ValueError, match="broken"):
        run_loop(failing)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_leaves_at_once(kind: type[BaseException]) -> None:
    """What a task raises past everybody leaves the run after what the run began has cleaned up."""
    left: list[str] = []

    async def leaving() -> None:
        await turns(3)
        raise kind

    async def main() -> None:
        async with PromisingContext():
            Promise(lambda: slow_to_leave(left))
            await Promise(leaving)

    with pytest.raises(kind):
        run_loop(main)
    assert left == ["cleaned up"]


def test_sources_are_closed() -> None:
    """`sys.exit` in a run closes every source, also one whose clean-up waits."""
    source = Source(["a", "b"], hold_at=1)

    async def leaving() -> None:
        await turns(3)
        raise SystemExit(3)

    async def main() -> None:
        Message.promise(source)
        await Promise(leaving)

    with pytest.raises(SystemExit) as caught:
        PromisingContext().run(main())
    assert (caught.value.code, source.closed) == (3, 1)


def test_stuck() -> None:
    """So does the error of a loop on which nothing can happen any more."""
    left: list[str] = []

    async def main() -> None:
        promises = [
            Promise(lambda: slow_to_leave(left)) for _ in range(20)
        ]  # in whatever order they are stopped
        for promise in promises:
            await promise

    with virtual_time(), pytest.raises(StuckLoopError):
        PromisingContext().run(main())
    assert left == ["cleaned up"] * 20


# -- inside a running event loop --------------------------------------------------------------------------

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
        if not came.is_set():
            came.set()
            raise Interrupted

    def interrupt() -> None:
        # Again and again: Python does not wake a thread that the signal reaches just before it waits.
        for _ in range(100):
            signal.pthread_kill(here, signal.SIGUSR1)
            if came.wait(0.05):
                return
        pytest.fail("the signal never came")

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
            await turns(50)
            steps.append("cleaned up")

    # On a real clock: a virtual one cannot know that a cancellation comes from another thread.
    with interrupts() as interrupt, pytest.raises(Interrupted):
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

    monkeypatch.setattr("miniagents.streams._threads.run_loop", slow_run)
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

    monkeypatch.setattr("miniagents.streams._threads.run_loop", long_run)
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


# -- Ctrl-C ----------------------------------------------------------------------------------------------

DEPTHS = """
    import asyncio, sys
    from miniagents.streams import PromisingContext

    async def run(depth):
        try:
            if depth:
                PromisingContext().run(run(depth - 1))
            else:
                print("waiting", flush=True)
                await asyncio.sleep(60)
        except BaseException as error:
            print(depth, type(error).__name__, flush=True)
            raise
        finally:
            await asyncio.sleep(0.01)
            print(depth, "cleaned up", flush=True)

    PromisingContext().run(run(int(sys.argv[1])))
"""


@pytest.mark.gate("starts a program")
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_ctrl_c(depth: int) -> None:
    """The first Ctrl-C cancels the innermost run, and each one around it after the clean-up of that."""
    program = [sys.executable, "-c", dedent(DEPTHS), str(depth)]
    with subprocess.Popen(  # noqa: S603 - a program of this test
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "waiting\n"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGINT
    assert err.endswith("KeyboardInterrupt\n")
    kinds = ["CancelledError"] * depth + ["KeyboardInterrupt" if depth else "CancelledError"]
    expected = [line for at, kind in enumerate(kinds) for line in (f"{at} {kind}", f"{at} cleaned up")]
    assert expected == out.splitlines()


def test_a_handler_of_somebody_else_stays() -> None:
    """What a program has installed for Ctrl-C is called during a nested run, too, and afterwards."""
    seen = threading.Event()

    async def inner() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        assert await asyncio.to_thread(seen.wait, 5)

    async def outer() -> None:
        PromisingContext().run(inner())

    def handle(number: int, frame: object) -> None:
        seen.set()

    before = signal.signal(signal.SIGINT, handle)
    try:
        PromisingContext().run(outer())
        assert signal.getsignal(signal.SIGINT) is handle
    finally:
        signal.signal(signal.SIGINT, before)
