"""Notices that the reader of a pipe has left, before the next write does."""

import asyncio
import os
import select
import stat
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from typing import IO


@contextmanager
def watched_reader(out: IO[bytes] | IO[str], on_left: Callable[[], object]) -> Generator[None]:
    """A block in which a function is called, once, when the reader of a pipe leaves.

    It is not called for a file or a terminal, and not on Windows: there the next write finds out.

    Args:
        out: what the block writes to.
        on_left: the function; it is called by the event loop.
    """
    loop = asyncio.get_running_loop()

    def look(descriptor: int) -> None:
        loop.remove_reader(descriptor)
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        # Neither if the pipe was opened for reading as well, and there is something to read.
        if any(found & (select.POLLERR | select.POLLHUP) for _, found in poll.poll(0)):
            on_left()

    with ExitStack() as stack:
        with suppress(OSError, ValueError):  # it has no descriptor
            descriptor = os.dup(out.fileno())  # a loop has one callback for each
            stack.callback(os.close, descriptor)
            if sys.platform != "win32" and stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                # As asyncio does for its own pipes: without a reader, the end for writing becomes readable.
                loop.add_reader(descriptor, look, descriptor)
                stack.callback(loop.remove_reader, descriptor)
        yield
