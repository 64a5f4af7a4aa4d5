"""Escapes and back."""

import pytest
from hypothesis import given

from miniagents.ext._history._escaping import escape, needs_escaping, unescape
from tests.ext.history.samples import TEXTS


@given(TEXTS)
def test_what_was_escaped_comes_back(text: str) -> None:
    """Any text survives, and what stands in the file is ordinary UTF-8."""
    escaped = escape(text)
    assert text == unescape(escaped)
    assert not needs_escaping(escaped)
    assert escaped == escaped.encode().decode()


@pytest.mark.parametrize(
    "text", ["", "plain\ttext\n", "a\\b", "naïve 🙂", "windows\r\n", "<!-- -->", "\u2028"]
)
def test_ordinary_texts_are_left_alone(text: str) -> None:
    """Common texts stand in the file as they are."""
    assert not needs_escaping(text)


@pytest.mark.parametrize("text", ["\x00", "\x1b[31m", "a\rb", "\r\r\n", "\x85", "\ud800", "\x0c"])
def test_what_would_spoil_a_file_is_escaped(text: str) -> None:
    """Control characters, a lone CR and lone surrogates do not reach the file."""
    assert needs_escaping(text)


def test_a_backslash_that_begins_no_escape_stays() -> None:
    """Text that was typed into an escaped one by hand is not harmed."""
    assert "C:\\dir \\u12 \x07" == unescape("C:\\dir \\u12 \\x07")
