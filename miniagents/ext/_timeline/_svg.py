"""A picture of runs as SVG, in light and dark mode; also the picture inside a page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Final

from ._lanes import Colour, Lane
from ._rows import Row, caption, facts, rows_of, said
from ._scale import Scale, scale_of
from ._texts import duration, line

STEP: Final = 2
"""The width of a column, in pixels: no two dots of a lane are closer to each other."""

HEIGHT: Final = 22
"""The height of a lane, in pixels."""

TOP: Final = 78
"""Where the first lane begins, in pixels from the top."""

COLUMNS: Final = 450
"""How many columns there are."""

_RIGHT: Final = 128
_BOTTOM: Final = 30
_CUT: Final = 18
_LETTER: Final = 7.3
_NAMES: Final = (90.0, 280.0)  # the column of names, in pixels: at least, at most
_INDENT: Final = 14.0
_DEEPEST: Final = 110.0  # how far names stand to the right at most, in pixels
_TOLD: Final = 200  # characters of what a run said, in its title

_STYLE: Final = """
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#1f2328}
.bg{fill:#fff}.odd{fill:#f6f8fa}.grid{stroke:#d8dee4}.cut{fill:#fff}.zig{stroke:#8c959f;fill:none}
.h{font-weight:600}.s{fill:#59636e;font-size:11px}.e{text-anchor:end}.m{text-anchor:middle}
.agent{fill:#e1e4e8}.model{fill:#d3e5fd}.tool{fill:#fde8c0}
.d{fill:none;stroke-linecap:round;stroke-width:4}
.dtext{stroke:#1a6fd4}.dreasoning{stroke:#8250df}.dtool{stroke:#bc6c00}
.x{fill:none;stroke-width:2.4;stroke-linecap:round}
.done{stroke:#1f2328}.failed{stroke:#d1242f;stroke-width:3}.running{stroke:#59636e}
.cancelled,.abandoned{stroke:#59636e;fill:#fff}.again{fill:#d1242f}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}.bg{fill:#0d1117}.odd{fill:#151b23}.grid{stroke:#2f3742}.cut{fill:#0d1117}.zig{stroke:#6e7681}
.s{fill:#9198a1}.agent{fill:#353c46}.model{fill:#16355f}.tool{fill:#4d3508}
.dtext{stroke:#6cb6ff}.dreasoning{stroke:#c297ff}.dtool{stroke:#f0a63a}
.done{stroke:#f0f6fc}.failed{stroke:#ff6a62}.running{stroke:#9198a1}
.cancelled,.abandoned{stroke:#9198a1;fill:#0d1117}.again{fill:#ff6a62}}
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand.

    Attributes:
        rows: the lanes in their order.
        scale: the axis.
        counts: how many parts stand in which column, for each row, by what they are.
        left: where the axis begins, in pixels.
        indent: how far a name stands to the right of the one above it, in pixels.
        now: the last time that is known, in seconds.
        more: how many runs are not drawn.
    """

    rows: Sequence[Row]
    scale: Scale
    counts: Sequence[Mapping[Colour, Mapping[int, int]]]
    left: float
    indent: float
    now: float
    more: int

    @property
    def width(self) -> float:
        """Of the picture, in pixels."""
        return self.left + COLUMNS * STEP + _RIGHT

    @property
    def height(self) -> int:
        """Of the picture, in pixels."""
        return TOP + len(self.rows) * HEIGHT + _BOTTOM

    @property
    def caption(self) -> str:
        """What happened, in one line."""
        return caption([row.lane for row in self.rows], self.more, self.scale.total)

    def x(self, column: float) -> float:
        """Where a column stands, in pixels.

        Args:
            column: counted from 0.
        """
        return self.left + column * STEP


def layout_of(lanes: Sequence[Lane], now: float, more: int) -> Layout | None:
    """Where things stand in the picture of these lanes; None if there are none.

    Args:
        lanes: in the order in which they began.
        now: the last time that is known, in seconds.
        more: how many runs are not drawn.
    """
    if not lanes:
        return None
    rows = rows_of(lanes)
    indent = min(_INDENT, _DEEPEST / max(1, *(row.depth for row in rows)))
    widest = max(row.depth * indent + _LETTER * len(row.name) for row in rows) + 28
    left = round(min(max(widest, _NAMES[0]), _NAMES[1]))
    scale = scale_of(lanes, now, COLUMNS, _CUT)
    counts: list[Mapping[Colour, Mapping[int, int]]] = [
        {colour: scale.counts(dots) for colour, dots in row.lane.dots.items()} for row in rows
    ]
    return Layout(rows, scale, counts, left, indent, now, more)


def svg(layout: Layout | None, *, titles: bool) -> str:
    """Draw.

    Args:
        layout: where things stand; None for an empty picture.
        titles: whether browsers shall tell of a lane when the pointer is on it.
    """
    if layout is None:
        return _whole(
            420, 60, "Nothing has run yet.", ['<text class="h" x="16" y="35">Nothing has run yet.</text>']
        )
    width, height = layout.width, layout.height
    bottom = TOP + len(layout.rows) * HEIGHT
    body = [
        f'<text class="h" x="16" y="24">{escape(layout.caption)}</text>',
        _legend(16, 44),
        f'<text class="s e" x="{width - 66:g}" y="{TOP - 8}">took</text>',
        f'<text class="s e" x="{width - 14:g}" y="{TOP - 8}">parts</text>',
    ]
    body += [
        f'<rect class="odd" x="0" y="{TOP + at * HEIGHT}" width="{width:g}" height="{HEIGHT}"/>'
        for at in range(0, len(layout.rows), 2)
    ]
    for column, label in layout.scale.ticks(40):
        x = f"{layout.x(column):.1f}"
        body.append(f'<path class="grid" d="M{x} {TOP}V{bottom}"/>')
        ys = [TOP - 8, bottom + 16] if len(layout.rows) > 12 else [TOP - 8]  # noqa: PLR2004 - a page of them
        body += [f'<text class="s m" x="{x}" y="{y}">{label}</text>' for y in ys]
    for at, (row, of_row) in enumerate(zip(layout.rows, layout.counts, strict=True)):
        body.append(_lane(layout, row, TOP + at * HEIGHT, of_row, titles=titles))
    body += [_cut(layout.x(a.last), layout.x(b.first), bottom) for a, b in pairwise(layout.scale.segments)]
    return _whole(width, height, layout.caption, body)


def _whole(width: float, height: float, name: str, body: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img"><title>{escape(name)}</title><style>{_STYLE}</style>'
        f'<rect class="bg" width="100%" height="100%"/>\n{chr(10).join(body)}\n</svg>\n'
    )


def _legend(x: float, y: float) -> str:
    dots: Sequence[tuple[Colour, str]] = (("text", "text"), ("reasoning", "reasoning"), ("tool", "tool call"))
    bars = (("agent", "agent"), ("model", "model"), ("tool", "tool"))
    marks = (
        ("done", "end"),
        ("failed", "error"),
        ("cancelled", "cancelled, or left by its readers"),
        ("running", "running"),
        ("again", "again"),
    )
    drawn: list[str] = []

    def name(label: str, at: float) -> float:
        drawn.append(f'<text class="s" x="{at:g}" y="{y}">{label}</text>')
        return at + len(label) * 6.7 + 16

    for kind, label in bars:
        drawn.append(f'<rect class="{kind}" x="{x:g}" y="{y - 10}" width="18" height="12" rx="3"/>')
        x = name(label, x + 23)
    for colour, label in dots:
        drawn.append(f'<path class="d d{colour}" d="M{x + 3:g} {y - 4}h0"/>')
        x = name(label, x + 10)
    for kind, label in marks:
        drawn.append(_mark(kind, x + 4, y - 4))
        x = name(label, x + 13)
    return "".join(drawn)


def _lane(
    layout: Layout, row: Row, y: int, counts: Mapping[Colour, Mapping[int, int]], *, titles: bool
) -> str:
    lane, middle = row.lane, y + HEIGHT // 2
    end = layout.now if lane.ended is None else lane.ended
    begin_x, end_x = layout.x(layout.scale.column(lane.began)), layout.x(layout.scale.column(end))
    name_x = 16 + row.depth * layout.indent
    letters = int((layout.left - 10 - name_x) / _LETTER)
    drawn = [
        f'<rect x="0" y="{y}" width="{layout.width:g}" height="{HEIGHT}" fill-opacity="0"/>',
        f'<text x="{name_x:g}" y="{y + 15}">{escape(line(row.name, letters))}</text>',
        (
            f'<rect class="{lane.kind}" x="{begin_x:.1f}" y="{y + 5}" width="{max(end_x - begin_x, 2):.1f}" '
            f'height="{HEIGHT - 10}" rx="3"/>'
        ),
    ]
    drawn += [f'<path class="d d{colour}" d="{_runs(layout, of, middle)}"/>' for colour, of in counts.items()]
    last = max((layout.x(column) for of in counts.values() for column in of), default=begin_x)
    drawn += [_mark("again", layout.x(layout.scale.column(at)), middle) for at in lane.again]
    drawn.append(_mark(lane.ending, max(end_x, last) + 4, middle))
    drawn.append(
        f'<text class="s e" x="{layout.width - 66:g}" y="{y + 15}">{duration(end - lane.began)}</text>'
    )
    if lane.parts:
        drawn.append(f'<text class="s e" x="{layout.width - 14:g}" y="{y + 15}">{lane.parts:,}</text>')
    title = f"<title>{escape(_title(row, layout.now))}</title>" if titles else ""
    return f"<g>{title}{''.join(drawn)}</g>"


def _title(row: Row, now: float) -> str:
    texts, _ = said(row.lane, 4 * _TOLD)
    spoken = line("".join(text for _, text in texts), _TOLD)
    return "\n".join([row.name, *facts(row, now), *([f"said: {spoken}"] if spoken else [])])


def _runs(layout: Layout, counts: Mapping[int, int], y: int) -> str:
    """A path with a dot in each column; columns beside each other are one line."""
    path: list[str] = []
    at = -1  # where the path has come to
    start = -2
    columns = sorted(counts)
    for index, column in enumerate(columns):
        if index == 0 or column != columns[index - 1] + 1:
            start = column
        if index + 1 == len(columns) or columns[index + 1] != column + 1:
            move = f"M{layout.x(start) + 1:g} {y}" if at < 0 else f"m{(start - at) * STEP} 0"
            path.append(f"{move}h{(column - start) * STEP}")
            at = column
    return "".join(path)


def _mark(ending: str, x: float, y: float) -> str:
    shapes = {
        "done": f"M{x:.1f} {y - 7}v14",
        "failed": f"M{x - 4:.1f} {y - 4}l8 8m0 -8l-8 8",
        "running": f"M{x - 2:.1f} {y - 4}l4 4l-4 4",
    }
    if ending in shapes:
        return f'<path class="x {ending}" d="{shapes[ending]}"/>'
    if ending == "again":
        return f'<path class="again" d="M{x - 4:.1f} {y - 8}h8l-4 6z"/>'
    return f'<circle class="x {ending}" cx="{x:.1f}" cy="{y}" r="4"/>'


def _cut(left: float, right: float, bottom: int) -> str:
    """A strip of the axis that is cut out."""
    begin, middle = left + 13, (left + 13 + right) / 2  # the marks of ends stand behind it
    teeth = "l3 4l-6 8l3 4" * max(1, (bottom - TOP) // 16)
    return (
        f'<rect class="cut" x="{begin:.1f}" y="{TOP}" width="{right - 3 - begin:.1f}" '
        f'height="{bottom - TOP}"/><path class="zig" d="M{middle:.1f} {TOP}{teeth}"/>'
    )
