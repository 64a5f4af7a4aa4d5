"""The hard time limit: a test that hangs fails with a traceback, whatever it hangs in.

Three guards, one behind the other: `run_async` cancels a coroutine that waits too long; an alarm raises in a
main thread that is stuck in Python; `faulthandler` prints all stacks and ends the process if it is stuck
outside Python.
"""

import faulthandler
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import IO, NoReturn

__all__ = ["Limits"]

_ALARM_AFTER = 5.0
_EXIT_AFTER = 20.0
_EXIT_WITHIN = 60.0


class Limits:
    """The time limits of all tests of a run.

    Args:
        file: where the stacks go before the process ends; a real file, not a captured one.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._exit_at = 0.0

    @contextmanager
    def within(self, seconds: float) -> Generator[None]:
        """Raise `TimeoutError` in the main thread 5 s after the limit; end the process 20 to 80 s after it.

        Args:
            seconds: the limit of the body, already watched by `run_async` if the body runs a coroutine.
        """
        self._watch(seconds + _EXIT_AFTER)
        try:
            with _alarm(seconds + _ALARM_AFTER):
                yield
        except BaseException:
            self.end()  # a debugger has time to look into it
            raise

    def _watch(self, seconds: float) -> None:
        # To begin to watch, and to end it, is to begin and to end a thread: not for each test.
        earliest = time.monotonic() + seconds
        if not earliest <= self._exit_at <= earliest + _EXIT_WITHIN:
            faulthandler.dump_traceback_later(seconds + _EXIT_WITHIN, exit=True, file=self._file)
            self._exit_at = earliest + _EXIT_WITHIN

    def end(self) -> None:
        """Watch no more."""
        faulthandler.cancel_dump_traceback_later()
        self._exit_at = 0.0


@contextmanager
def _alarm(seconds: float) -> Generator[None]:
    stuck: list[str] = []

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        stuck.append("the test is stuck in synchronous code; see the traceback")
        raise TimeoutError(*stuck)

    previous = signal.signal(signal.SIGALRM, stop) if hasattr(signal, "SIGALRM") else None
    if previous is not None:
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
        if stuck:  # what it was stuck in has taken the error for one of its own
            raise TimeoutError(*stuck)
    finally:
        if previous is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
