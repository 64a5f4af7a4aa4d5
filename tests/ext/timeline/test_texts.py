"""Texts for pictures."""

import json
import re
from html import escape
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, strategies as st

from miniagents.ext._timeline._texts import clean, data, duration, line, tick

ANY = st.text(st.characters(), max_size=60) | st.text("<>&\"'/]-!\x00\x1b\ud800\ufffe\u2028s k", max_size=40)


@given(text=ANY)
def test_markup(text: str) -> None:
    """Any text, cleaned, is the same text to whoever reads the element or the attribute."""
    cleaned = clean(text)
    element = ET.fromstring(f'<a b="{escape(cleaned)}">{escape(cleaned)}</a>')  # noqa: S314 - our own text
    assert (element.text or "") == cleaned
    assert element.attrib["b"].split() == cleaned.split(), "an attribute has spaces for line breaks"


@given(text=ANY)
def test_data(text: str) -> None:
    """JSON for a script element is the same value, and has no character that HTML could read."""
    value = {"said": [[1, clean(text)]]}
    written = data(value)
    assert json.loads(written) == value
    assert not re.search("[<>&\u2028\u2029\ud800-\udfff]", written)
    written.encode()


@given(text=ANY, most=st.integers(1, 30))
def test_line(text: str, most: int) -> None:
    """A line is one line, and no longer than it may be."""
    found = line(text, most)
    assert len(found) <= most
    assert found.split() == found.split(" ") or not found


@pytest.mark.parametrize("size", [10, 10_000_000])
def test_cut(size: int) -> None:
    """What is cut ends with an ellipsis; a long text is not cleaned to its end for that."""
    assert line("x" * size, 5) == "xxxx…"
    assert line(" " * size + "x", 5) in {"…", "x"}


def test_keys() -> None:
    """What looks like a key is left out, also when a control character stands in it."""
    assert clean("sk-\x00abcdef123456") == "[redacted]"


@given(seconds=st.floats(0, 1e7))
def test_durations(seconds: float) -> None:
    """A duration is told with a unit, in few characters."""
    told = duration(seconds)
    assert re.fullmatch(r"[\d.]+ (s|ms|µs)|\d+ min \d\d s|\d+ h \d\d min", told)
    assert len(told) <= 14


def test_units() -> None:
    """The unit is the one that people would take; no duration is rounded to 1000 of a smaller one."""
    told = [duration(each) for each in (1e-6, 0.999e-3, 0.9994, 0.99999, 1.5, 119.9, 120, 3599.6, 3600)]
    assert told == [
        "1 µs",
        "999 µs",
        "999 ms",
        "1 s",
        "1.5 s",
        "120 s",
        "2 min 00 s",
        "1 h 00 min",
        "1 h 00 min",
    ]


def test_ticks() -> None:
    """All ticks of an axis have the unit of its end and as many digits as their step needs."""
    assert [tick(at * 0.2, 0.2, 1.1) for at in range(3)] == ["0 s", "0.2 s", "0.4 s"]
