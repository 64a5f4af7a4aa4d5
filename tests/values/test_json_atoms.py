"""Tests of texts of JSON that come in pieces, and of numbers and literals."""

import json

import pytest
from hypothesis import given, strategies as st

from miniagents.values._json_atoms import JsonString, bare_value


def decoded(encoded: str, size: int) -> tuple[str, str]:
    """What a string is decoded to: the pieces together, and its own text."""
    string = JsonString()
    body = encoded[1:]
    found = [string.feed(body[at : at + size])[1] for at in range(0, len(body), size)]
    assert string.closed
    return "".join(found), string.text


@given(st.text(), st.integers(1, 9), st.booleans())
def test_every_text_in_pieces_of_every_size(text: str, size: int, ascii_only: bool) -> None:
    """A string is what `json.loads` makes of it, in whatever pieces it comes."""
    assert decoded(json.dumps(text, ensure_ascii=ascii_only), size) == (text, text)


@pytest.mark.parametrize("size", [1, 2, 5, 6, 7, 100])
@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        (r'"\ud83d\ude00"', "\U0001f600"),
        (r'"\ud83d"', "\ufffd"),
        (r'"\ude00"', "\ufffd"),
        (r'"\ud83d!"', "\ufffd!"),
        (r'"\ud83d\n"', "\ufffd\n"),
        (r'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (r'"\/\b\f\n\r\t\"\\"', '/\b\f\n\r\t"\\'),
        (r'"\u00E9\u00e9"', "éé"),
    ],
)
def test_escapes(encoded: str, expected: str, size: int) -> None:
    """Both halves of a pair are one character, over any cut; a half alone becomes U+FFFD."""
    assert decoded(encoded, size) == (expected, expected)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a\nb", "control character"),
        (r"\x", "an escape that JSON does not know"),
        (r"\u12g4", "four hex digits"),
        ('\\u"', "four hex digits"),
        ("\\u\u0661111", "four hex digits"),
    ],
)
def test_what_no_string_can_have(text: str, sentence: str) -> None:
    """A control character or an unknown escape is an error that says so."""
    with pytest.raises(ValueError, match=sentence):
        JsonString().feed(text)


def test_text_while_it_is_open() -> None:
    """The text so far can be asked for at any time, and reading stops behind the closing quote."""
    string = JsonString()
    assert (string.text, string.closed) == ("", False)
    assert string.feed("ab\\") == (3, "ab")
    assert string.feed('tc", 1') == (3, "\tc")
    assert (string.text, string.closed) == ("ab\tc", True)


@given(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_and_literals(value: object) -> None:
    """A number or literal is what `json.loads` makes of it, and of its type."""
    found = bare_value(json.dumps(value))
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("word", ["", "-", "01", "1.", ".5", "1e", "+1", "True", "nan", "1_0", "1" * 5000])
def test_words_that_are_no_values(word: str) -> None:
    """What `json.loads` refuses is refused."""
    with pytest.raises(ValueError, match=r"JSON does not know|digits"):
        bare_value(word)
