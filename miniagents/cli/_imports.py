"""Imports that Ctrl-C does not break off."""

import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

_IMPATIENT = 3.0
"""Seconds after which another Ctrl-C is not held back any more."""


@contextmanager
def whole_imports() -> Generator[None]:
    """A block that imports modules; Ctrl-C raises ``KeyboardInterrupt`` at its end, not in the middle.

    Python and packages in C lose an interrupt in the middle of an import, or make another error of it. Where
    Ctrl-C does not raise ``KeyboardInterrupt``, nothing is changed.
    """
    if (
        signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return
    held: list[float] = []

    def hold(_number: int, _frame: object) -> None:
        held.append(time.monotonic())
        if held[-1] - held[0] > _IMPATIENT:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if held:
            raise KeyboardInterrupt
