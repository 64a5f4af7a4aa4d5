"""A picture of runs in characters, for terminals and logs."""

import unicodedata
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ._lanes import Ending, Lane
from ._rows import Row, caption, rows_of
from ._scale import Scale, scale_of

_WIDTH: Final = 100
_NAMES: Final = 32  # the widest column of names
_CUT: Final = 3
_MARKS: Final[Mapping[Ending, str]] = MappingProxyType(
    {"done": "|", "failed": "X", "cancelled": "o", "abandoned": "o", "running": ">"}
)
_LEGEND: Final = ". part  - waiting  | end  X error  o cancelled, or left by its readers  > running  r again"


def in_characters(lanes: Sequence[Lane], now: float, more: int) -> str:
    """Draw the lanes.

    Args:
        lanes: in the order in which they began.
        now: the last time that is known, in seconds.
        more: how many runs are not drawn.
    """
    if not lanes:
        return "Nothing has run yet."
    rows = rows_of(lanes)
    names = [_fit("  " * min(row.depth, _NAMES // 4) + row.name, _NAMES) for row in rows]
    left = max(map(_wide, names)) + 2
    scale = scale_of(lanes, now, _WIDTH - left - 1, _CUT)  # an end stands behind the last part
    drawn = [
        f"{name}{' ' * (left - _wide(name))}{_draw(row, scale, now)}"
        for name, row in zip(names, rows, strict=True)
    ]
    return "\n".join([caption(lanes, more, scale.total), f"{' ' * left}{_axis(scale)}", *drawn, _LEGEND])


def _draw(row: Row, scale: Scale, now: float) -> str:
    lane = row.lane
    begin, end = int(scale.column(lane.began)), int(scale.column(now if lane.ended is None else lane.ended))
    cells = [" "] * (scale.columns + 1)
    cells[begin:end] = "-" * (end - begin)
    last = begin - 1
    for dots in lane.dots.values():
        for column in scale.counts(dots):
            cells[column] = "."
            last = max(last, column)
    for at in lane.again:
        cells[min(int(scale.column(at)), scale.columns - 1)] = "r"
    cells[max(end, last + 1)] = _MARKS[lane.ending]
    return "".join(cells).rstrip()


def _axis(scale: Scale) -> str:
    cells = [" "] * (scale.columns + 12)
    for column, label in scale.ticks(12):
        cells[int(column) : int(column) + len(label)] = label
    return "".join(cells).rstrip()


def _wide(text: str) -> int:
    """How many columns a text takes at a terminal."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )


def _fit(text: str, width: int) -> str:
    if _wide(text) <= width:
        return text
    while _wide(text) >= width:
        text = text[:-1]
    return f"{text}…"
