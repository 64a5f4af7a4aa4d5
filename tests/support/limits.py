"""The hard time limit: a test that hangs fails with a traceback, whatever it hangs in.

Three walls, one behind the other: `run_async` cancels a coroutine that waits too long; an alarm raises in a
main thread that is stuck in Python; `faulthandler` prints all stacks and ends the process if it is stuck
outside Python.
"""

import faulthandler
import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import IO, NoReturn

__all__ = ["time_limit"]

_ALARM_AFTER = 5.0
_EXIT_AFTER = 20.0


@contextmanager
def time_limit(seconds: float, file: IO[str]) -> Generator[None]:
    """Raise `TimeoutError` in the main thread 5 s after the limit; end the process 20 s after it.

    Args:
        seconds: the limit of the body, already watched by `run_async` if the body runs a coroutine.
        file: where the stacks go before the process ends; a real file, not a captured one.
    """
    stuck: list[str] = []

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        stuck.append("the test is stuck in synchronous code; see the traceback")
        raise TimeoutError(*stuck)

    faulthandler.dump_traceback_later(seconds + _EXIT_AFTER, exit=True, file=file)
    previous = signal.signal(signal.SIGALRM, stop) if hasattr(signal, "SIGALRM") else None
    if previous is not None:
        signal.setitimer(signal.ITIMER_REAL, seconds + _ALARM_AFTER)
    try:
        yield
        if stuck:  # what it was stuck in has taken the error for one of its own
            raise TimeoutError(*stuck)
    finally:
        faulthandler.cancel_dump_traceback_later()
        if previous is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
