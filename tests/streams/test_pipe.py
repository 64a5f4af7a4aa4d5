"""The reader of a pipe leaves, or does not."""

import asyncio
import io
import os
from pathlib import Path

from miniagents.streams._pipe import watched_reader


async def look() -> None:
    """Let the event loop look at its descriptors."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_the_reader_leaves() -> None:
    """When the reader of a pipe leaves, the function is called once, and not after the block."""
    calls: list[str] = []
    for leaves in (True, False):
        reading, writing = os.pipe()
        with os.fdopen(writing, "w") as out:
            with watched_reader(out, lambda: calls.append("left")):
                await look()
                assert [] == calls
                if leaves:
                    os.close(reading)
                    await look()
                    assert ["left"] == calls
                    calls.clear()
            if not leaves:
                os.close(reading)
            await look()
    assert [] == calls


async def test_the_reader_stays(tmp_path: Path) -> None:
    """It is not called while lines wait for a slow reader, be it the writer, and not for a file."""
    calls: list[str] = []
    fifo, file = tmp_path / "fifo", tmp_path / "file"
    os.mkfifo(fifo)
    reading, writing = os.pipe()
    for descriptor in (writing, os.open(fifo, os.O_RDWR), os.open(file, os.O_CREAT | os.O_RDWR)):
        with os.fdopen(descriptor, "wb", 0) as out, watched_reader(out, lambda: calls.append("left")):
            out.write(b"a line\n")
            await look()
    with watched_reader(io.StringIO(), lambda: calls.append("left")):
        await look()
    assert b"a line\n" == os.read(reading, 100)
    os.close(reading)
    assert [] == calls
