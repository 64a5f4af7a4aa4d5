"""The axis of a picture."""

import itertools
import re

import pytest
from hypothesis import given, strategies as st

from miniagents.ext._timeline._lanes import Lane
from miniagents.ext._timeline._scale import scale_of
from miniagents.observers import RunInfo
from miniagents.streams._observers import Anchor

TIMES = st.floats(0, 1e5, allow_subnormal=False)


def lanes(*spans: tuple[float, float | None]) -> list[Lane]:
    """Lanes that begin and end so."""
    found: list[Lane] = []
    for begin, end in spans:
        lane = Lane(RunInfo("A", "agent", None, {}, Anchor(0.0)), begin, 0.0, None, content=False)
        lane.ended = end
        found.append(lane)
    return found


def test_one_span() -> None:
    """What runs without a pause fills the axis; times outside stand at its ends."""
    scale = scale_of(lanes((0.0, 2.0), (1.0, None)), 4.0, 100, 10)
    assert [scale.column(at) for at in (-1.0, 0.0, 1.0, 4.0, 9.0)] == [0.0, 0.0, 25.0, 100.0, 100.0]
    assert scale.counts([(0.0, 1), (1.0, 2), (1.01, 3), (4.0, 4)]) == {0: 1, 25: 5, 99: 4}


def test_a_pause() -> None:
    """Time in which nothing runs is cut out; a short pause is not."""
    scale = scale_of(lanes((0.0, 1.0), (1.04, 2.0), (1000.0, 1002.0)), 1002.0, 110, 10)
    assert [scale.column(at) for at in (0.0, 2.0, 500.0, 1000.0, 1002.0)] == [0.0, 50.0, 50.0, 60.0, 110.0]
    assert scale.counts([(500.0, 1), (1001.0, 1)]) == {50: 1, 85: 1}
    ticks = dict(scale.ticks(12))
    assert ticks[60.0] == "16 min 40 s", "behind a cut stands where the time goes on"


def test_many_pauses() -> None:
    """However many pauses there are, most of the axis is for what runs."""
    scale = scale_of(lanes(*((at * 100.0, at * 100.0 + 1) for at in range(50))), 5000.0, 100, 10)
    assert len(scale.segments) == 50
    assert sum(each.last - each.first for each in scale.segments) == pytest.approx(70.0)


def test_no_time() -> None:
    """Runs that take no time stand at the beginning, with a tick."""
    scale = scale_of(lanes((0.0, 0.0)), 0.0, 100, 10)
    assert scale.column(0.0) == 0.0
    assert scale.counts([(0.0, 3)]) == {0: 3}
    assert scale.ticks(10) == [(0.0, "0 s")]


@given(st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=8), st.lists(TIMES, max_size=20))
def test_order(spans: list[tuple[float, float]], times: list[float]) -> None:
    """What is later never stands further left, no column is outside, ticks keep their distance and order."""
    ends = [(begin, begin + more) for begin, more in spans]
    now = max(end for _, end in ends)
    scale = scale_of(lanes(*ends), now, 100, 10)
    found = [scale.column(at) for at in sorted(times)]
    assert found == sorted(found)
    assert all(0 <= column <= 100.0001 for column in found)
    ticks = scale.ticks(12)
    assert len(ticks) <= 10
    assert all(after - before >= 11.9 for (before, _), (after, _) in itertools.pairwise(ticks))
    assert all(re.search(r"\d (s|ms|µs|min|h)$", label) for _, label in ticks)


@pytest.mark.parametrize(
    ("end", "labels"),
    [
        (0.0003, ["0 µs", "50 µs", "100 µs", "150 µs", "200 µs", "250 µs", "300 µs"]),
        (0.3 - 1e-9, ["0 ms", "50 ms", "100 ms", "150 ms", "200 ms", "250 ms", "300 ms"]),
        (7.0, ["0 s", "1 s", "2 s", "3 s", "4 s", "5 s", "6 s", "7 s"]),
        (100.0, ["0 s", "20 s", "40 s", "60 s", "80 s", "100 s"]),
        (400.0, ["0 s", "1 min", "2 min", "3 min", "4 min", "5 min", "6 min"]),
        (7200.0, ["0 s", "15 min", "30 min", "45 min", "1 h"]),
    ],
)
def test_labels(end: float, labels: list[str]) -> None:
    """Ticks stand at numbers that people count in."""
    found = [label for _, label in scale_of(lanes((0.0, end)), end, 100, 10).ticks(12)]
    assert found[: len(labels)] == labels


def test_a_year() -> None:
    """Also a run of a year has a few ticks."""
    assert 2 <= len(scale_of(lanes((0.0, 3.2e7)), 3.2e7, 100, 10).ticks(12)) <= 10
