"""Signals such as Ctrl-C cancel one coroutine, and nothing else."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Generator
from contextlib import ExitStack, contextmanager
from typing import TextIO, TypeVar

from miniagents.streams._pipe import watched_reader

T = TypeVar("T")


@contextmanager
def default_interrupt() -> Generator[None]:
    """A block in which Ctrl-C raises KeyboardInterrupt, for a call that blocks the event loop."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class StoppedError(Exception):
    """A signal came; the coroutine was cancelled and has ended.

    Args:
        number: the number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """The exit code of a program that the signal ended, as shells count."""
        return 128 + self.number


async def until_signal(work: Coroutine[object, object, T], *names: str, out: TextIO | None = None) -> T:
    """Run a coroutine; one of the signals cancels it.

    Args:
        work: the coroutine.
        *names: the signals, such as `SIGINT`. Signals that the system does not have, or that the program
            ignores, are not changed. A call inside `work` may watch for other signals, not for the same ones.
        out: what the work writes to; if it is a pipe, its reader that leaves counts as the signal `SIGPIPE`.

    Raises:
        StoppedError: a signal came, and the coroutine has ended.
    """
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        task.cancel()

    with ExitStack() as stack:
        numbers: list[int] = [getattr(signal, name) for name in names if hasattr(signal, name)]
        for number in numbers:
            stack.enter_context(_on_signal(number, stop))
        # After the handlers: an eager task runs at once, and may get a signal.
        task = asyncio.create_task(work)
        if out is not None:
            stack.enter_context(watched_reader(out, lambda: stop(signal.SIGPIPE)))
        try:
            return await task
        except asyncio.CancelledError:
            if received:
                raise StoppedError(received[0]) from None
            raise


@contextmanager
def _on_signal(number: int, callback: Callable[[int], object]) -> Generator[None]:
    """Call the callback in the event loop whenever the signal comes, while the block runs.

    At the end the signal gets its earlier handler back, also if code in the block (prompt-toolkit) has
    changed it. Where the event loop cannot handle signals (on Windows, outside the main thread), nothing is
    changed.
    """
    loop = asyncio.get_running_loop()
    before = signal.getsignal(number)
    try:
        if before != signal.SIG_IGN:
            loop.add_signal_handler(number, callback, number)
    except (NotImplementedError, RuntimeError, ValueError):
        before = signal.SIG_IGN
    try:
        yield
    finally:
        if before != signal.SIG_IGN:
            loop.remove_signal_handler(number)
            signal.signal(number, before)
