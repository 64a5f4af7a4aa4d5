"""Reading a line from a pipe, a file or a device, and not a byte more, without blocking the event loop.

It keeps no bytes between two lines, no thread waits in a read that cannot be cancelled, and the next reader
of the descriptor gets the rest.
"""

import asyncio
import os
import select
import sys
from typing import TextIO

_AT_ONCE = 4_096
"""How many bytes of a line are taken before the event loop may do something else."""


async def read_line(source: TextIO | None) -> str:
    """Read the next line, without its line end.

    Args:
        source: usually `sys.stdin`; None (no standard input) is an input at its end. When it has a descriptor
            (pipe, file, terminal, `/dev/null`), that is read, not the buffer of the text file: do not mix
            this with `input()` on a pipe. Bytes that are not text become U+FFFD.

    Raises:
        EOFError: there is no further line.
    """
    if source is None or source.closed:
        raise EOFError("there is no standard input")
    try:
        descriptor = source.fileno()
    except OSError:  # an input made of text in memory: it never waits
        return _without_end(source.readline())
    if sys.platform == "win32":  # no descriptor but a socket can be watched there
        return _without_end(await asyncio.to_thread(source.readline))
    line = bytearray()
    more = True
    while more:
        await _readable(descriptor)
        more = _take(descriptor, line)
    return _without_end(line.decode(source.encoding or "utf-8", errors="replace"))


def _without_end(line: str) -> str:
    if not line:
        raise EOFError("the input has ended")
    return line.removesuffix("\n").removesuffix("\r")


async def _readable(descriptor: int) -> None:
    """Wait until a read would not block."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except PermissionError:  # files and /dev/null cannot be watched, and need not be
        await asyncio.sleep(0)
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


def _take(descriptor: int, line: bytearray) -> bool:
    """Read the available bytes, up to the end of the line; return whether the line may have more."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    for _ in range(_AT_ONCE):
        try:
            byte = os.read(descriptor, 1)
        except BlockingIOError:  # another reader was faster
            return True
        line += byte
        if byte in {b"", b"\n"}:
            return False
        if not poll.poll(0):
            return True
    return True
