"""The comment lines that frame a message."""

import pytest

from miniagents.ext._history._comments import (
    ESCAPED,
    Ending,
    Marks,
    Opening,
    cut_mark,
    end_mark,
    is_mark,
    opening_line,
)

_ID = "0f3a9c4e5b7d"
_OPENING = Opening(
    _ID, "aaaaaaaaaaaa", "user", "Message", 5, "0123456789abcdef", ESCAPED, "```", {"a": ["-->", None, 1.5]}
)


def _only(data: bytes) -> Opening | None:
    return Marks(data, 0).next_opening(0)


def test_an_opening_line_is_read_as_it_was_written() -> None:
    """Every field comes back, with the place of the line."""
    line = opening_line(_OPENING)
    found = _only(b"text\n" + line)
    assert found is not None
    assert line == opening_line(found)
    assert (5, 5 + len(line), False) == (found.start, found.end, found.crlf)
    assert _OPENING.data == found.data


@pytest.mark.parametrize(
    "line",
    [
        b'<!-- miniagents {"v":1} -->\n',
        b'<!-- miniagents {"v":2,"id":"0f3a9c4e5b7d","role":"user"} -->\n',
        b"<!-- miniagents [] -->\n",
        b"<!-- miniagents {} cut -->\n",
        b" " + opening_line(_OPENING),
        b"x" + opening_line(_OPENING),
        opening_line(_OPENING).rstrip(b"\n"),
        opening_line(_OPENING).replace(b'"role":"user"', b'"role":1'),
        opening_line(_OPENING).replace(b'"bytes":5', b'"bytes":-5'),
        b'<!-- miniagents {"v":1,"id":"0f3a9c4e5b7d","a":' + b"[" * 100_000 + b"} -->\n",
    ],
)
def test_other_lines_open_nothing(line: bytes) -> None:
    """A line that is not whole opens no message."""
    assert _only(line) is None


def test_a_damaged_line_counts_when_its_end_is_there() -> None:
    """Of a line with broken JSON the id is enough, if something ends that message."""
    damaged = opening_line(_OPENING).replace(b'"role"', b"role")
    assert _only(damaged) is None
    found = _only(damaged + end_mark(_ID))
    assert found is not None
    assert (_ID, -1) == (found.id, found.size)


def test_what_ends_a_message() -> None:
    """The first of: its end mark, its cut mark, an opening line that names it."""
    other = end_mark("bbbbbbbbbbbb")
    following = opening_line(Opening("cccccccccccc", _ID, "user", "Message", 0, ""))
    for line, cut, marked in (
        (end_mark(_ID), False, True),
        (cut_mark(_ID), True, True),
        (following, False, False),
    ):
        data = b"text " + end_mark(_ID) + other + line + end_mark(_ID)
        start = len(data) - len(line) - len(end_mark(_ID))
        ending = Marks(data, 0).ending(_ID, 0)
        assert Ending(start, start + len(line) if marked else start, cut, marked) == ending
    assert Marks(other, 0).ending(_ID, 0) is None
    assert Marks(end_mark(_ID), 0).ending(_ID, 1) is None


def test_remains_of_marks_are_marks() -> None:
    """What is left of a mark is never text."""
    assert is_mark(b"<!-- miniagents cut -->")
    assert is_mark(b'<!-- miniagents {"v":1,"id" cut -->')
    assert is_mark(end_mark(_ID))
    assert not is_mark(b"<!-- a comment -->")
