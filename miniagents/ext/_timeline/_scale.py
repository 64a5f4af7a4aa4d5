"""From times to columns: an axis in which the time when nothing runs is cut out."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ._lanes import Lane
from ._texts import duration, exponent, tick

_PAUSE: Final = 0.05  # of the time in which something runs: what is longer, is cut
_CUTS: Final = 0.3  # of all columns: no more are used for cuts
_NEAR: Final = 1e-3  # of a step: times that a clock has rounded are at the tick
_STEPS: Final = (1.0, 2.0, 5.0, 10.0)
_MINUTES: Final = (120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)


class Segment(NamedTuple):
    """A time in which something ran, and its columns.

    Attributes:
        start: in seconds.
        end: in seconds.
        first: the column at its start.
        last: the column at its end.
    """

    start: float
    end: float
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis.

    Attributes:
        segments: what stands on it, in order; between two of them something is cut out.
        columns: how many columns it has.
        total: seconds from the first time to the last one.
    """

    segments: tuple[Segment, ...]
    columns: int
    total: float

    def column(self, at: float) -> float:
        """Where a time stands.

        Args:
            at: in seconds.
        """
        index = bisect_right(self.segments, at, key=lambda segment: segment.start) - 1
        segment = self.segments[max(index, 0)]
        if at >= segment.end:
            return segment.last
        if at <= segment.start:
            return segment.first
        share = (at - segment.start) / (segment.end - segment.start)
        return segment.first + share * (segment.last - segment.first)

    def counts(self, dots: Iterable[tuple[float, int]]) -> dict[int, int]:
        """How many parts stand in which column.

        Args:
            dots: times, and how many there are of each.
        """
        found: dict[int, int] = {}
        (start, end, first, last), *more = self.segments
        factor = (last - first) / (end - start) if end > start else 0.0
        for at, count in dots:
            # Written out for an axis of one segment, since there may be many dots.
            at_column = self.column(at) if more else first + (min(at, end) - start) * factor
            column = min(int(at_column + 1e-6), self.columns - 1)
            found[column] = found.get(column, 0) + count
        return found

    def ticks(self, distance: float) -> list[tuple[float, str]]:
        """Columns of ticks, with their labels.

        Args:
            distance: how many columns there must be between two ticks.
        """
        running = sum(segment.end - segment.start for segment in self.segments)
        used = sum(segment.last - segment.first for segment in self.segments)
        if running <= 0 or used <= 0:
            return [(segment.first, duration(segment.start)) for segment in self.segments[:1]]
        step = _step(running * distance / used)
        # Where the time goes on behind a cut comes before round numbers.
        wanted = [(each.first, duration(each.start)) for each in self.segments if len(self.segments) > 1]
        for segment in self.segments:
            low, high = math.ceil(segment.start / step - _NEAR), int(segment.end / step + _NEAR)
            times = [number * step for number in range(low, high + 1)]
            wanted += [(self.column(at), tick(at, step, self.total)) for at in times]
        found: list[tuple[float, str]] = []
        for column, label in wanted:
            at = bisect_right(found, (column, ""))
            if all(abs(column - other) >= distance * 0.999 for other, _ in found[max(0, at - 1) : at + 1]):
                found.insert(at, (column, label))
        return found


def scale_of(lanes: Sequence[Lane], now: float, columns: int, cut: float) -> Scale:
    """The axis for these lanes.

    Args:
        lanes: at least one.
        now: the last time that is known, in seconds.
        columns: how many columns there are.
        cut: how many of them stand for a time in which nothing ran.
    """
    spans = _merged(sorted((lane.began, now if lane.ended is None else lane.ended) for lane in lanes), 0.0)
    joined = _merged(spans, _PAUSE * sum(end - start for start, end in spans))
    cuts = len(joined) - 1
    wide = min(cut, columns * _CUTS / cuts) if cuts else 0.0
    shown = sum(end - start for start, end in joined)
    factor = (columns - wide * cuts) / shown if shown > 0 else 0.0
    segments: list[Segment] = []
    first = 0.0
    for start, end in joined:
        last = first + (end - start) * factor
        segments.append(Segment(start, end, first, last))
        first = last + wide
    return Scale(tuple(segments), columns, joined[-1][1])


def _merged(spans: Iterable[tuple[float, float]], gap: float) -> list[tuple[float, float]]:
    """Spans of time, of which those are one that are no farther apart than a gap."""
    found: list[tuple[float, float]] = []
    for start, end in spans:
        if found and start - found[-1][1] <= gap:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _step(least: float) -> float:
    """A number of seconds that people count in, at least ``least``."""
    if least > 60:  # noqa: PLR2004 - seconds of a minute
        return next((float(each) for each in _MINUTES if each >= least), math.ceil(least / 86400) * 86400.0)
    if 10 < least <= 60:  # noqa: PLR2004 - not 50 seconds
        return next(each for each in (15.0, 30.0, 60.0) if each >= least) if least > 20 else 20.0  # noqa: PLR2004
    power = 10.0 ** exponent(least)
    return next(factor * power for factor in _STEPS if factor * power >= least * (1 - 1e-9))
