"""Diagrams that are drawn from what the tests check: the layers, and the life of a stream."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Final

__all__ = ["DIAGRAMS", "layers", "life"]

_ROOT: Final = Path(__file__).parents[2]
_STYLE: Final = """\
text{font:13px system-ui,sans-serif;fill:#1f2328}.n{font-weight:600}.s{fill:#59636e;font-size:12px}
.m{text-anchor:middle}.r{text-anchor:end}.edge{fill:none;stroke:#59636e;stroke-width:1.5}.tip{fill:#59636e}
.bg{fill:#fff}.box{fill:#e6effb;stroke:#7aa7e0}.group{fill:#f6f8fa;stroke:#d0d7de}
.end{fill:#dff3e3;stroke:#6fbf83}.bad{fill:#fbe3e3;stroke:#e08787}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}.s{fill:#9198a1}.edge{stroke:#9198a1}.tip{fill:#9198a1}
.bg{fill:#0d1117}.box{fill:#16355f;stroke:#4c7ab5}.group{fill:#151b23;stroke:#2f3742}
.end{fill:#12381f;stroke:#3f7a50}.bad{fill:#4a1f22;stroke:#995459}}"""
_TIP: Final = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>'
)


def _svg(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"',
            f'height="{height}" role="img">',
            f"<title>{escape(title)}</title><style>\n{_STYLE}\n</style>",
            _TIP,
            '<rect class="bg" width="100%" height="100%"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(text)}</text>'


def _box(x: float, y: float, width: float, height: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>'


def _edge(path: str) -> str:
    return f'<path class="edge" d="{path}" marker-end="url(#tip)"/>'


def layers() -> str:
    """The layers, from the contract of import-linter and the table in CONTRIBUTING.md."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract: list[str] = project["tool"]["importlinter"]["contracts"][0]["layers"]
    table = (_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## The architecture")[2]
    lines: list[tuple[str, str]] = re.findall(
        r"^\| `(\w+)` \| (.*?) \|$", table.partition("\n## ")[0], re.MULTILINE
    )
    told = dict(lines)
    rows = [(name, row) for row in contract for name in row.split(" | ") if name in told]
    if len(rows) != len(told):
        raise ValueError(f"CONTRIBUTING.md has the layers {sorted(told)}, and the contract {rows}.")
    parts: list[str] = []
    for at, (name, row) in enumerate(rows):
        y = 16 + at * 52
        parts += [
            _box(16, y, 130, 36, "box"),
            _text(81, y + 23, name, "n m"),
            _text(164, y + 23, told[name].replace("`", ""), "s"),
        ]
        if at and row != rows[at - 1][1]:  # layers of one row do not import each other
            parts.append(_edge(f"M81 {y - 16}V{y - 2}"))
    return _svg(1040, 16 + len(rows) * 52, "The layers: each imports only those below it", parts)


_NODES: Final[Mapping[str, tuple[float, float, str]]] = {
    "unread": (110, 110, "box"),
    "read": (470, 110, "box"),
    "alone": (110, 290, "box"),
    "left": (470, 290, "box"),
    "ended": (900, 90, "end"),
    "failed": (900, 290, "bad"),
}


def life() -> str:
    """The life of a stream, from the table in docs/core.md, each cell of which a test drives."""
    table = _life_table()

    def events(state: str, new: str) -> set[str]:
        return {event for event, cell in table[state].items() if re.match(rf"{new}\b", cell)}

    def label(*found: str) -> str:
        return ", ".join(event for event in table["unread"] if event in found)

    shared = {
        new: events("unread", new) & events("read", new) & events("left", new) & events("alone", new)
        for new in ("ended", "failed")
    }
    parts = [_box(20, 40, 560, 310, "group"), _text(36, 62, "open", "s")]
    for name, (x, y, kind) in _NODES.items():
        parts += [_box(x - 55, y - 20, 110, 40, kind), _text(x, y + 5, name, "n m")]
    parts += [
        _edge("M165 104H413"),
        _text(290, 97, label(*events("unread", "read")), "s m"),
        _edge("M110 130V268"),
        _text(118, 205, label(*events("unread", "alone")), "s"),
        _edge("M150 130L428 268"),
        _text(196, 245, label(*events("unread", "left")), "s"),
        _edge("M455 130V268"),
        _text(449, 180, label(*events("read", "left")), "s r"),
        _edge("M485 270V132"),
        _text(490, 220, label(*events("left", "read")), "s"),
        _edge("M580 90H843"),
        _text(710, 83, label(*shared["ended"]), "s m"),
        _edge("M580 200L860 268"),
        _text(690, 205, label(*shared["failed"]), "s"),
        _edge("M525 290H843"),
        _text(690, 283, label(*events("left", "failed") - shared["failed"]), "s m"),
        _edge("M525 120C640 130 640 296 843 296"),
        _edge("M110 310C110 400 900 400 900 312"),
        _text(500, 372, label(*events("alone", "failed") - shared["failed"]), "s m"),
    ]
    if events("read", "failed") != events("left", "failed"):
        raise ValueError("What ends a stream that is read is not what ends one that was left: draw it anew.")
    return _svg(1000, 400, "The life of a stream", parts)


def _life_table() -> dict[str, dict[str, str]]:
    page = (_ROOT / "docs" / "core.md").read_text(encoding="utf-8")
    lines = page.partition("<!-- table: life -->\n")[2].partition("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: dict(zip(cells[0][1:], row[1:], strict=True)) for row in cells[2:]}


DIAGRAMS: Final = {"diagrams/layers.svg": layers, "diagrams/life.svg": life}
"""The file of each diagram in `docs`, and what draws it."""
