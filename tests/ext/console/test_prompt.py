from collections.abc import Generator
from contextlib import contextmanager

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from miniagents.ext.console._prompt import ask_at, prompt_session

ENTER, CTRL_SPACE, CTRL_C, CTRL_D = "\r", "\x00", "\x03", "\x04"


@contextmanager
def keyboard() -> Generator[PipeInput]:
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        yield keys


async def test_enter_sends() -> None:
    """What was typed is sent with Enter."""
    with keyboard() as keys:
        keys.send_text("hello" + ENTER)
        assert "hello" == await ask_at(prompt_session(), "YOU")


async def test_ctrl_space_breaks_a_line() -> None:
    """Ctrl+Space starts a new line of the same message."""
    with keyboard() as keys:
        keys.send_text("one" + CTRL_SPACE + "two" + ENTER)
        assert "one\ntwo" == await ask_at(prompt_session(), "YOU")


async def test_pasted_lines_are_one_message() -> None:
    """Line breaks in pasted text do not send it."""
    with keyboard() as keys:
        keys.send_text("\x1b[200~one\ntwo\x1b[201~" + ENTER)
        assert "one\ntwo" == await ask_at(prompt_session(), "YOU")


async def test_ctrl_d_is_the_end_of_the_input() -> None:
    """Ctrl-D on an empty line raises EOFError."""
    with keyboard() as keys:
        keys.send_text(CTRL_D)
        with pytest.raises(EOFError):
            await ask_at(prompt_session(), "YOU")


@pytest.mark.parametrize("interrupt", [KeyError, EOFError])
async def test_ctrl_c_raises_what_was_agreed(interrupt: type[Exception]) -> None:
    """Ctrl-C raises the error that the session was made with."""
    with keyboard() as keys:
        keys.send_text("half a mess" + CTRL_C)
        with pytest.raises(interrupt):
            await ask_at(prompt_session(interrupt), "YOU")


async def test_arrow_up_brings_the_last_message_back() -> None:
    """One session remembers what was sent."""
    with keyboard() as keys:
        session = prompt_session()
        keys.send_text("hello" + ENTER)
        assert "hello" == await ask_at(session, "YOU")
        keys.send_text("\x1b[A" + ENTER)
        assert "hello" == await ask_at(session, "YOU")
