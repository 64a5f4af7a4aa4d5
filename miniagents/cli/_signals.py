"""Signals such as Ctrl-C cancel the work that runs, and only that."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Generator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

T = TypeVar("T")


class StoppedError(Exception):
    """A signal came; the work was cancelled and has ended.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


async def until_signal(work: Coroutine[object, object, T], *names: str) -> T:
    """Run the work; one of the signals cancels it.

    Args:
        work: what to run.
        *names: such as `SIGINT`; those that the system does not have, or that are ignored, are left alone.
            Work inside of this work may watch for other signals, not for the same ones.

    Raises:
        StoppedError: a signal came, and the work has ended.
    """
    came: list[int] = []

    def stop(number: int) -> None:
        came.append(number)
        task.cancel()

    with ExitStack() as stack:
        numbers: list[int] = [getattr(signal, name) for name in names if hasattr(signal, name)]
        for number in numbers:
            stack.enter_context(_on_signal(number, stop))
        task = asyncio.create_task(work)  # not before: an eager task may get its signal at once
        try:
            return await task
        except asyncio.CancelledError:
            if came:
                raise StoppedError(came[0]) from None
            raise


@contextmanager
def _on_signal(number: int, callback: Callable[[int], object]) -> Generator[None]:
    """Call back in the event loop when the signal comes, as long as the block lasts.

    Afterwards the signal has the handler that it had before, also if code in the block (prompt-toolkit)
    changed it. Where the event loop cannot handle signals (Windows, not the main thread), nothing is changed.
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
