"""What ends a loop: ``StopLoop``, and ``EOFError`` at the end of input.

Within a loop they are signals, not errors: they get through ``errors_as_messages``, also out of runs that
other runs of the loop started. Outside of a loop they are errors like any other.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from miniagents.values import StopLoop

END_OF_LOOP: Final = (StopLoop, EOFError)

_SIGNALS: ContextVar[tuple[type[Exception], ...]] = ContextVar("miniagents_signals", default=())


def signals() -> tuple[type[Exception], ...]:
    """The exceptions that stay exceptions in runs started here, whatever becomes of errors."""
    return _SIGNALS.get()


@contextmanager
def looping() -> Generator[None]:
    """Let runs that are started in this block end it by a signal; not for use in a generator."""
    token = _SIGNALS.set(END_OF_LOOP)
    try:
        yield
    finally:
        _SIGNALS.reset(token)
