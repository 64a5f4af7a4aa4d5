"""How the user is asked: on a pipe, at a terminal."""

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
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from miniagents import MiniAgents
from miniagents.ext.console import Screen
from miniagents.ext.console._prompt import new_prompt
from miniagents.ext.console._read_line import read_line
from miniagents.ext.console_user_agent import console_user_agent
from tests.support.amounts import amount
from tests.support.sources import turns


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
    """What stands behind the line is left for the next reader."""
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


@pytest.mark.gate("types a long line at a terminal")
def test_a_long_line_arrives_whole() -> None:
    """A line longer than what a pipe holds arrives as it was sent."""
    code = (
        "import asyncio, sys\n"
        "from miniagents.ext.console._read_line import read_line\n"
        "print(len(asyncio.run(read_line(sys.stdin), debug=False)))"  # slow callbacks are not the point
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


@settings(max_examples=amount(8, 25))
@given(st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), min_size=1)))
async def test_any_lines_come_back(lines: list[str]) -> None:
    """What was written as lines is read as the same lines, also those with U+2028 or NUL in them."""
    with a_pipe() as (source, sink):
        sink.write("".join(f"{line}\n" for line in lines).encode())
        sink.close()
        assert lines == await all_lines(source)


ENTER, CTRL_SPACE, CTRL_C, CTRL_D = "\r", "\x00", "\x03", "\x04"


@contextmanager
def keyboard() -> Generator[PipeInput]:
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        yield keys


async def test_enter_sends() -> None:
    """What was typed is sent with Enter."""
    with keyboard() as keys:
        keys.send_text("hello" + ENTER)
        assert "hello" == await new_prompt(KeyboardInterrupt)("YOU")


async def test_ctrl_space_breaks_a_line() -> None:
    """Ctrl+Space starts a new line of the same message."""
    with keyboard() as keys:
        keys.send_text("one" + CTRL_SPACE + "two" + ENTER)
        assert "one\ntwo" == await new_prompt(KeyboardInterrupt)("YOU")


async def test_pasted_lines_are_one_message() -> None:
    """Line breaks in pasted text do not send it."""
    with keyboard() as keys:
        keys.send_text("\x1b[200~one\ntwo\x1b[201~" + ENTER)
        assert "one\ntwo" == await new_prompt(KeyboardInterrupt)("YOU")


async def test_ctrl_d_is_the_end_of_the_input() -> None:
    """Ctrl-D on an empty line raises EOFError."""
    with keyboard() as keys:
        keys.send_text(CTRL_D)
        with pytest.raises(EOFError):
            await new_prompt(KeyboardInterrupt)("YOU")


@pytest.mark.parametrize("interrupt", [KeyError, EOFError])
async def test_ctrl_c_raises_what_was_agreed(interrupt: type[Exception]) -> None:
    """Ctrl-C raises the error that the session was made with."""
    with keyboard() as keys:
        keys.send_text("half a mess" + CTRL_C)
        with pytest.raises(interrupt):
            await new_prompt(interrupt)("YOU")


async def test_arrow_up_brings_the_last_message_back() -> None:
    """One session remembers what was sent."""
    with keyboard() as keys:
        ask = new_prompt(KeyboardInterrupt)
        keys.send_text("hello" + ENTER)
        assert "hello" == await ask("YOU")
        asked = asyncio.ensure_future(ask("YOU"))
        await turns(20)  # until prompt_toolkit has loaded its history, in a task of its own
        keys.send_text("\x1b[A" + ENTER)
        assert "hello" == await asked


async def test_arrow_up_in_a_dialog(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a dialog with the console user, arrow up brings back what was typed in an earlier turn."""
    monkeypatch.setattr("miniagents.ext.console._output.is_terminal", lambda: True)
    with keyboard() as keys:
        async with MiniAgents():
            for text in ("hello" + ENTER, "\x1b[A" + ENTER):
                said = console_user_agent.inquire()
                await turns(50)  # until prompt_toolkit has loaded its history, in a task of its own
                keys.send_text(text)
                assert "hello" == str(await said)


async def test_lines_of_a_pipe_are_messages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line is a message, blank ones are none; nothing is written; then the input has ended."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\n\n  \n two \n"))
    asker = Screen(sys.stdout, is_terminal=False)
    assert ["one", " two "] == [await asker.ask("YOU"), await asker.ask("YOU")]
    with pytest.raises(EOFError, match="the input has ended"):
        await asker.ask("YOU")
    assert ("", "") == capsys.readouterr()


@pytest.mark.parametrize("word", ["exit", " EXIT "])
async def test_exit_is_the_end(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """`exit` as a whole message leaves, in any case; as a part of one it is text."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"exit?\n{word}\nmore\n"))
    asker = Screen(sys.stdout, is_terminal=False)
    assert "exit?" == await asker.ask("YOU")
    with pytest.raises(EOFError, match="the user left"):
        await asker.ask("YOU")


async def test_at_a_terminal_it_prompts() -> None:
    """At a terminal the prompt asks; Enter on an empty line asks again."""
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        keys.send_text("\rhello\r")
        assert "hello" == await Screen(sys.stdout, is_terminal=True).ask("YOU")
        keys.send_text("\x03")
        with pytest.raises(KeyError):
            await Screen(sys.stdout, is_terminal=True, interrupt=KeyError).ask("YOU")
