import asyncio
import io
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import TextIO

import pytest
from hypothesis import given, settings, strategies as st

from miniagents.ext.console._lines import read_line


@contextmanager
def a_pipe() -> Generator[tuple[TextIO, FileIO]]:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, encoding="utf-8") as source, FileIO(write_end, "w") as sink:
        yield source, sink


async def all_lines(source: TextIO) -> list[str]:
    lines: list[str] = []
    while True:
        try:
            lines.append(await read_line(source))
        except EOFError:
            return lines


async def test_lines_of_a_file(tmp_path: Path) -> None:
    """A file gives its lines without their ends, the last one also without one."""
    path = tmp_path / "in.txt"
    path.write_bytes(b"one\r\n\ntwo \xff\nlast")
    with path.open(encoding="utf-8") as file:
        assert ["one", "", "two \ufffd", "last"] == await all_lines(file)


async def test_the_null_device_is_at_its_end() -> None:
    """`/dev/null` ends at once."""
    with Path(os.devnull).open(encoding="utf-8") as file:  # noqa: ASYNC230 - a small file
        assert [] == await all_lines(file)


@pytest.mark.parametrize("source", [None, io.StringIO()])
async def test_no_input_is_at_its_end(source: TextIO | None) -> None:
    """A process without standard input, or an empty text, has no line."""
    with pytest.raises(EOFError):
        await read_line(source)


async def test_a_closed_input_is_at_its_end() -> None:
    """A closed file is no error but an end."""
    file = io.StringIO("one\n")
    file.close()
    with pytest.raises(EOFError, match="no standard input"):
        await read_line(file)


async def test_a_text_in_memory_gives_its_lines() -> None:
    """An input without a descriptor is read as it is."""
    assert ["one", "two"] == await all_lines(io.StringIO("one\ntwo"))


async def test_the_loop_runs_on_while_a_pipe_is_waited_for() -> None:
    """A line that comes in two halves is one line; in between other tasks run; a wait can be called off."""
    with a_pipe() as (source, sink):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(read_line(source), timeout=0.01)
        line = asyncio.create_task(read_line(source))
        sink.write(b"hel")
        await asyncio.sleep(0.01)
        assert not line.done()
        sink.write(b"lo\nnext\n")
        assert "hello" == await line
        assert "next" == await read_line(source)
        sink.write(b"end")
        sink.close()
        assert ["end"] == await all_lines(source)


async def test_not_a_byte_more_than_the_line_is_taken() -> None:
    """What stands behind the line is left for whoever reads next."""
    with a_pipe() as (source, sink):
        sink.write(b"mine\nyours")
        assert "mine" == await read_line(source)
        assert b"yours" == os.read(source.fileno(), 100)


async def test_a_pipe_that_does_not_wait_is_waited_for() -> None:
    """A descriptor that someone else made non-blocking works as well."""
    with a_pipe() as (source, sink):
        os.set_blocking(source.fileno(), False)
        line = asyncio.create_task(read_line(source))
        await asyncio.sleep(0)
        sink.write(b"late\n")
        assert "late" == await line


def test_a_long_line_arrives_whole() -> None:
    """A line longer than what a pipe holds arrives as it was sent."""
    code = (
        "import asyncio, sys\n"
        "from miniagents.ext.console._lines import read_line\n"
        "print(len(asyncio.run(read_line(sys.stdin))))"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "error", "-X", "dev", "-c", code],
        input="x" * 300_000 + "\nrest\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ("300000\n", "") == (done.stdout, done.stderr)


@settings(max_examples=25)
@given(st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), min_size=1)))
async def test_any_lines_come_back(lines: list[str]) -> None:
    """What was written as lines is read as the same lines, also those with U+2028 or NUL in them."""
    with a_pipe() as (source, sink):
        sink.write("".join(f"{line}\n" for line in lines).encode())
        sink.close()
        assert lines == await all_lines(source)
