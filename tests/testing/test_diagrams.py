"""Marble diagrams are read as rxjs reads them, and drawn so that two can be compared."""

import pytest

from miniagents.testing._diagrams import DiagramError, MarbleEvent, differences, drawn, read_diagram


@pytest.mark.parametrize(
    ("text", "events", "frames"),
    [
        ("--a-b|", [(2, "a"), (4, "b"), (5, "|")], 6),
        ("a 1s b|", [(0, "a"), (1001, "b"), (1002, "|")], 1003),
        ("5s a|", [(5000, "a"), (5001, "|")], 5002),
        ("--a-b 1s (cd)|", [(2, "a"), (4, "b"), (1005, "c"), (1005, "d"), (1009, "|")], 1010),
        ("(a|)", [(0, "a"), (0, "|")], 4),
        ("  -  a #", [(1, "a"), (2, "#")], 3),
        ("1.5m | ", [(90_000, "|")], 90_001),
        ("1.1s -", [], 1101),
        ("20ms", [], 20),
        ("a1s|", [(0, "a"), (1, "1"), (2, "s"), (3, "|")], 4),
    ],
)
def test_read(text: str, events: list[tuple[int, str]], frames: int) -> None:
    """A character is a frame, a group comes at once and takes as many as it is long, a time needs spaces."""
    read = read_diagram(text)
    assert (events, frames) == ([(each.frame, each.value) for each in read.events], read.frames)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("-(ab", "opens at character 2 of '-(ab' is never closed"),
        ("-a)", "Character 3 of '-a)', ')', closes a group that nothing opened"),
        ("((a))", "Character 2 of '((a))', '(', opens a group in a group"),
        ("(a-b)", "is time in a group"),
        ("( 1s a)", "is time in a group"),
        ("1.5ms a", "is 1.5 ms; frames are whole milliseconds"),
        ("a|b", "Character 3 of 'a|b', 'b', comes after the end"),
        ("a#|", "comes after the end"),
        ("^a|", "is a sign for reads; use it with expect_reads"),
    ],
)
def test_refused(text: str, why: str) -> None:
    """What cannot be read is an error that says where and why."""
    with pytest.raises(DiagramError) as caught:
        read_diagram(text)
    assert why in str(caught.value)


@pytest.mark.parametrize(("text", "why"), [("^a|", "is a value"), ("-!", "out of order"), ("^-^", "order")])
def test_refused_of_reads(text: str, why: str) -> None:
    """A diagram of a reader has its beginning and one end."""
    with pytest.raises(DiagramError, match=why):
        read_diagram(text, of_reads=True)


def test_drawn_in_columns() -> None:
    """What happens at one time stands in one column, and long gaps are written as times."""
    expected, actual = read_diagram("-a-(bc) 1s d|").events, read_diagram("-a-b|").events
    assert drawn({"expected": expected, "actual": actual}, {})[:2] == [
        "expected  -a-(bc)  1000ms d|",
        "actual    -a-b   |",
    ]


def test_drawn_values() -> None:
    """A value that has no letter gets one, and all that are used are told."""
    rows = {"actual": [MarbleEvent(0, "next", "Hello"), MarbleEvent(1, "next", 7), MarbleEvent(2, "next", 7)]}
    assert drawn(rows, {"a": 7}) == ["actual  baa", "  a = 7", "  b = 'Hello'"]


def test_differences() -> None:
    """What differs is told frame by frame."""
    expected, actual = read_diagram("-a-b|").events, read_diagram("-a--b#").events
    assert differences(expected, actual, lambda one, other: one == other) == [
        "at 3 ms: expected 'b', got nothing",
        "at 4 ms: expected the end, got 'b'",
        "at 5 ms: expected nothing, got the error '#'",
    ]
