"""Tests of showing model text on a terminal."""

import unicodedata

import pytest
from hypothesis import given, strategies as st

from miniagents.values import strip_control

ANY_TEXT = st.text(
    st.characters(codec=None) | st.sampled_from("\x1b[31m\r\n\t\x07\x85\u2028\u202e\u2066\ud800")
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text,\n\twith tab and newline", "plain text,\n\twith tab and newline"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x1b]0;title\x07", "]0;title"),
        ("\x9b31m", "31m"),
        ("a\r\nb", "a\nb"),
        ("safe\rEVIL", "safeEVIL"),
        ("a\x00\x08\x0b\x0c\x7fb", "ab"),
        ("a\u202eb\u202c\u2066c\u2069", "abc"),
        ("a\x85b\u2028c\u2029d", "a\nb\nc\nd"),
        ("\u05d0\u200f\u061c\u200e", "\u05d0\u200f\u061c\u200e"),
        ("👩\u200d💻 é", "👩\u200d💻 é"),
        ("\ud83d", "\ufffd"),
        ("", ""),
    ],
)
def test_examples(text: str, expected: str) -> None:
    """What can command the screen goes, what can be read stays."""
    assert expected == strip_control(text)


@given(ANY_TEXT)
def test_nothing_left_that_commands(text: str) -> None:
    """No control character but newline and tab is left, no override, and a terminal can be given the rest."""
    shown = strip_control(text)
    shown.encode("utf-8")
    assert not [each for each in shown if unicodedata.category(each) == "Cc" and each not in "\n\t"]
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")


@given(st.lists(ANY_TEXT))
def test_pieces_give_pieces(tokens: list[str]) -> None:
    """The result does not depend on how the text was cut into tokens."""
    assert strip_control("".join(tokens)) == "".join(map(strip_control, tokens))


@given(ANY_TEXT)
def test_once_is_enough(text: str) -> None:
    """A text that was shown can be shown again."""
    assert strip_control(text) == strip_control(strip_control(text))
