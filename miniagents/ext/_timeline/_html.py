"""A picture of runs as a page: opened by a double click, it tells of what the pointer is on; no network."""

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from html import escape
from importlib import resources
from itertools import pairwise
from typing import Final

from ._lanes import Colour
from ._rows import Row, facts, said
from ._svg import COLUMNS, HEIGHT, STEP, TOP, Layout, svg
from ._texts import data

_TEXTS: Final = 100_000  # bytes of what all runs said, as it stands in the page
_AROUND: Final = 8  # bytes around a text
_ESCAPED: Final = 6  # bytes of a character at most
_MANY: Final = 35  # the last digit of base 36: as many parts or more
_GAP: Final = 3  # columns without parts that a string of counts may have

_STYLE: Final = """
body{margin:24px;background:#fff;color:#1f2328;font:13px/1.45 system-ui,sans-serif}
svg{display:block;max-width:100%;height:auto;margin:auto}
#tip{position:absolute;max-width:440px;padding:8px 12px;border-radius:6px;pointer-events:none;
background:#1f2328;color:#f6f8fa;box-shadow:0 4px 16px #0006;overflow-wrap:anywhere}
#tip b{display:block}#tip em{display:block;font-style:normal;color:#9cc9ff}#tip p{margin:2px 0;color:#c9d1d9}
#tip .said{margin:6px 0;padding-left:8px;border-left:2px solid #6e7681;color:#fff;white-space:pre-wrap}
#tip mark{background:#1a6fd4;color:#fff}
#line{position:absolute;width:1px;background:#8c959f;pointer-events:none}
[hidden]{display:none}
@media (prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}
#tip{background:#2d333b;outline:1px solid #545d68}}
"""


def html(layout: Layout | None) -> str:
    """Draw.

    Args:
        layout: where things stand; None for an empty page.
    """
    name = "Nothing has run yet." if layout is None else layout.caption
    script = (resources.files("miniagents.ext._timeline") / "hover.js").read_text(encoding="utf-8")
    # Whatever a text might smuggle in: nothing but this script runs, and nothing is fetched.
    allowed = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    told = ""
    if layout is not None:
        known = data(_told(layout))
        told = f'<script type="application/json" id="data">{known}</script>\n<script>{script}</script>\n'
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f"""<meta http-equiv="Content-Security-Policy" content="default-src 'none'; """
        f"""style-src 'unsafe-inline'; script-src 'sha256-{allowed}'">\n"""
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(name)}</title><style>{_STYLE}</style></head><body>\n"
        f"{svg(layout, titles=False)}"
        f'<div id="line" hidden></div><div id="tip" role="status" hidden></div>\n{told}</body></html>\n'
    )


def _told(layout: Layout) -> dict[str, object]:
    """What the script knows."""
    share = _TEXTS // len(layout.rows)
    lanes = [
        {
            "name": row.name,
            "facts": facts(row, layout.now),
            "counts": _counts(of),
            **_said(layout, row, share),
        }
        for row, of in zip(layout.rows, layout.counts, strict=True)
    ]
    return {
        "width": layout.width,
        "left": layout.left,
        "top": TOP,
        "height": HEIGHT,
        "step": STEP,
        "columns": COLUMNS,
        "segments": [[round(each, 6) for each in segment] for segment in layout.scale.segments],
        "lanes": lanes,
    }


def _counts(counts: Mapping[Colour, Mapping[int, int]]) -> list[tuple[int, str]]:
    """Runs of columns: the first one, and a digit for each."""
    total = Counter[int]()
    for of_colour in counts.values():
        total.update(of_colour)
    columns = sorted(total)
    starts = [columns[0]] if columns else []
    starts += [column for before, column in pairwise(columns) if column - before > _GAP]
    found: list[tuple[int, str]] = []
    for start in starts:
        digits: list[str] = []
        gap = 0
        while gap < _GAP:
            count = total[start + len(digits)]
            gap = 0 if count else gap + 1
            digits.append("0123456789abcdefghijklmnopqrstuvwxyz"[min(count, _MANY)])
        found.append((start, "".join(digits[:-gap])))
    return found


def _said(layout: Layout, row: Row, share: int) -> dict[str, object]:
    """What a run said, by columns, as much as fits into its share of bytes."""
    texts, missing = said(row.lane, share)
    by_column: dict[int, list[str]] = {}
    for at, text in texts:
        by_column.setdefault(int(layout.scale.column(at)), []).append(text)
    kept: list[tuple[int, str]] = []
    left = share
    for column in sorted(by_column):
        text = "".join(by_column[column])
        cost = len(data(text).encode()) + _AROUND
        if cost > left:
            fits = text[: max(0, left - _AROUND) // _ESCAPED]
            missing += len(text) - len(fits)
            text, left = fits, 0
        else:
            left -= cost
        if text:
            kept.append((column, text))
    return {"said": kept, "cut": missing}
