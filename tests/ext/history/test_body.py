"""The text inside a frame."""

import pytest

from miniagents.ext._history._body import (
    digest_of,
    frame_end,
    heading,
    is_whole,
    lay_down,
    read_body,
    read_heading,
    text_start,
)
from miniagents.ext._history._marks import ESCAPED, SHOWN, VERBATIM, Opening
from miniagents.ext._history._record import Record


def _opening(record: Record) -> Opening:
    body = lay_down(record)
    return Opening(
        "0f3a9c4e5b7d", size=len(body.raw), digest=digest_of(body.raw), form=body.form, fence=body.fence
    )


@pytest.mark.parametrize(
    ("record", "raw", "form"),
    [
        (Record("user", text="# Hi\n"), b"# Hi\n", VERBATIM),
        (Record("user", text="\x07"), b"\\x07", ESCAPED),
        (Record("user", shown="{}"), b"{}", SHOWN),
        (Record("user", shown="\x07"), b"\\x07", SHOWN),
    ],
)
def test_how_a_text_is_laid_down(record: Record, raw: bytes, form: str) -> None:
    """Verbatim, unless it has control characters or is no text at all."""
    body = lay_down(record)
    assert (raw, form) == (body.raw, body.form)
    assert record.text == read_body(_opening(record), raw + b"\n\n").text


@pytest.mark.parametrize("behind", [b"", b"\n", b"\n\n", b"\n```\n\n", b"\r\n```\r\n\r\n"])
def test_blank_lines_and_the_closing_fence_are_no_text(behind: bytes) -> None:
    """What the frame puts behind a text is taken off again, also when an editor trimmed it."""
    record = Record("user", text="```\ncode")
    read = read_body(_opening(record), b"```\ncode" + behind)
    assert (record.text, False) == (read.text, read.edited)


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (b"new\n\n", "new"),
        (b"new", "new"),
        (b"new\n```\n\n", "new"),
        (b"\n\n", ""),
        (b"bad \xff\n\n", "bad \ufffd"),
    ],
)
def test_an_edited_text_loses_only_the_frame(now: bytes, text: str) -> None:
    """What was changed by hand is the text now."""
    read = read_body(_opening(Record("user", text="```\ncode")), now)
    assert (text, True) == (read.text, read.edited)


def test_where_the_text_begins() -> None:
    """Behind the heading and the blank line, as far as they are still there."""
    for behind in (b"## user\n\n", b"## other\r\n\r\n", b"## user\n", b"\n", b""):
        assert len(behind) == text_start(behind + b"text\n\n", 0)


def test_the_heading_of_a_damaged_message() -> None:
    """Role and model are read from the heading when the comment line cannot be."""
    assert ("assistant", "gpt · x") == read_heading(heading("assistant", "gpt · x"), 0)
    assert ("user", None) == read_heading(b"no heading\n", 0)
    assert ("user", None) == read_heading(heading("user", 5), 0)


def test_whole_is_what_begins_with_the_text() -> None:
    """The digest tells whether the text that was written is still there."""
    opening = _opening(Record("user", text="abc"))
    assert is_whole(opening, b"abcdef")
    assert not is_whole(opening, b"ab")
    assert not is_whole(opening, b"abd")
    assert not is_whole(Opening("0f3a9c4e5b7d"), b"abc")


def test_the_end_of_a_frame() -> None:
    """A blank line, the end mark, a blank line."""
    assert b"\n\n<!-- /miniagents 0f3a9c4e5b7d -->\n\n" == frame_end(Opening("0f3a9c4e5b7d"))
