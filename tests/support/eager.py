"""Eager tasks: a new task runs at once, up to its first wait, on the stack of the code that makes it."""

import asyncio
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final
from unittest.mock import patch

__all__ = ["SUPPORTED", "eager_tasks", "start_eagerly"]

SUPPORTED: Final = sys.version_info >= (3, 12)
"""Whether the asyncio of this Python has eager tasks."""


def start_eagerly(loop: asyncio.AbstractEventLoop) -> None:
    """Have this loop start each new task at once.

    Raises:
        AttributeError: this is Python 3.11, which has no `asyncio.eager_task_factory`.
    """
    loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 - not in the types of 3.11


@contextmanager
def eager_tasks() -> Generator[None]:
    """Have each event loop of asyncio's own that is made in the block start its tasks at once.

    Shuffled loops and those with virtual time are among them, those of uvloop are not.
    """
    begin = asyncio.BaseEventLoop.__init__

    def begin_eagerly(self: asyncio.BaseEventLoop) -> None:
        begin(self)
        start_eagerly(self)

    with patch.object(asyncio.BaseEventLoop, "__init__", begin_eagerly):
        yield
