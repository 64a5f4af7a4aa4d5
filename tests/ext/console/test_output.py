import errno
import io
import os
import sys

import pytest
from typing_extensions import override

from miniagents.ext.console import OutputError, Screen
from miniagents.ext.console._output import is_terminal


def written(out: io.StringIO, *, is_terminal: bool) -> str:
    screen = Screen(out, is_terminal)
    screen.line("a notice")
    screen.alias("BOT")
    screen.text("Hel")
    screen.text("lo")
    screen.end()
    return out.getvalue()


def test_on_a_pipe_lines_are_plain() -> None:
    """A reply is one line under its alias, without colours."""
    assert "a notice\nBOT: Hello\n" == written(io.StringIO(), is_terminal=False)


def test_at_a_terminal_without_styles_lines_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that knows no commands (`TERM=dumb`, as in Emacs) gets the text alone."""
    monkeypatch.setenv("TERM", "dumb")
    assert "a notice\nBOT: Hello\n\n" == written(io.StringIO(), is_terminal=True)


def test_nothing_in_a_text_commands_the_screen() -> None:
    """Control characters are removed, from texts, names and notices; line breaks stay."""
    out = io.StringIO()
    screen = Screen(out, is_terminal=False)
    screen.alias("B\x1b[2JT")
    screen.text("one\r\ntwo \x1b[31mred\x07\x9b")
    screen.line("\x1b]0;title\x07")
    assert "B[2JT: one\ntwo [31mred]0;title\n" == out.getvalue()


def test_what_the_encoding_does_not_have_is_replaced() -> None:
    """A text that the output cannot hold is shown with question marks, never an error."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    Screen(out, is_terminal=False).text("h\u00e9llo \u2603 \ud800")
    assert b"h?llo ? ?" == raw.getvalue()


def test_names_and_notices_in_another_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a terminal, too, names and notices that the output cannot hold have question marks."""
    monkeypatch.setenv("TERM", "dumb")
    raw = io.BytesIO()
    screen = Screen(io.TextIOWrapper(raw, encoding="ascii"), is_terminal=True)
    screen.alias("H\u00e9l\u00e8ne")
    screen.line("\u2603")
    assert b"H?l?ne: ?\n" == raw.getvalue()


def test_each_piece_is_there_at_once() -> None:
    """A token is flushed as soon as it is written."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="utf-8")
    Screen(out, is_terminal=False).text("now")
    assert b"now" == raw.getvalue()


class FullOutput(io.StringIO):
    @override
    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_device_is_an_error_that_says_so() -> None:
    """What cannot be written raises, with the reason of the system."""
    with pytest.raises(OutputError, match="the output cannot be written: No space left on device"):
        Screen(FullOutput(), is_terminal=False).text("x\n")
    with pytest.raises(OutputError, match="the terminal cannot be written: No space left on device"):
        Screen(FullOutput(), is_terminal=True).alias("BOT")


def test_a_process_without_output_is_told() -> None:
    """Without a standard output there is no screen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        assert not is_terminal()
        with pytest.raises(OutputError, match="no standard output"):
            Screen.of_process()
