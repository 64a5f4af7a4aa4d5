"""Reads stdin of a server, so that a signal ends the server even while its client sends nothing.

The SDK reads stdin in a thread, and waits for the thread: Ctrl-C would take effect at the next line. Here the
server does not wait for the thread.
"""

import asyncio
import os
import sys
import threading
from codecs import getincrementaldecoder
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    import anyio

_CHUNK: Final = 65_536  # bytes
_AHEAD: Final = 16  # chunks


@contextmanager
def lines_of_stdin() -> Generator["anyio.AsyncFile[str] | None"]:
    """Use stdin for the protocol inside the block; agents, and processes that they start, find it empty.

    Yields:
        Its lines, for the SDK; None if stdin has no file descriptor, and the SDK must read it itself.
    """
    try:
        number = sys.stdin.fileno()
        wire = os.dup(number)
    except (OSError, ValueError, AttributeError):
        yield None
        return
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, number)
    os.close(nothing)
    try:
        yield cast("anyio.AsyncFile[str]", _lines(wire))
    finally:
        # `wire` stays open: the thread may still be reading from it.
        os.dup2(wire, number)


async def _lines(wire: int) -> AsyncGenerator[str]:
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    space = threading.Semaphore(_AHEAD)

    def read() -> None:
        chunk = b"begun"
        while chunk:
            space.acquire()
            try:
                chunk = os.read(wire, _CHUNK)
            except OSError:
                chunk = b""
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            except RuntimeError:  # the loop is closed: the server has ended
                return

    threading.Thread(target=read, name="stdin of the MCP server", daemon=True).start()
    decoder = getincrementaldecoder("utf-8")(errors="replace")
    begun: list[str] = []
    while chunk := await chunks.get():
        space.release()
        *whole, rest = decoder.decode(chunk).split("\n")
        for line in whole:
            yield "".join((*begun, line))
            begun.clear()
        begun.append(rest)
    if last := "".join((*begun, decoder.decode(b"", final=True))):
        yield last
