"""The signals that end a loop: ``StopLoop``, and ``EOFError`` at the end of input.

Inside a loop ``errors_as_messages`` does not replace them, not even in runs that other runs of the loop
started. Outside of a loop they are ordinary errors; a ``StopLoop`` that no reader gets is not logged.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from miniagents.values import StopLoop

END_OF_LOOP: Final = (StopLoop, EOFError)

_SIGNALS: ContextVar[tuple[type[Exception], ...]] = ContextVar("miniagents_signals", default=())


def signals() -> tuple[type[Exception], ...]:
    """Return the exceptions that are always raised in runs started here, never turned into messages."""
    return _SIGNALS.get()


@contextmanager
def looping() -> Generator[None]:
    """Let runs that start in this block end it with a signal; not for use in a generator."""
    token = _SIGNALS.set(END_OF_LOOP)
    try:
        yield
    finally:
        _SIGNALS.reset(token)
