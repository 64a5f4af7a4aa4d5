"""Turns that stand in a file without marks: old files, and what a user typed in an editor.

The old form is a line `user`, `assistant` or `system` (perhaps ` / model` behind it) over a line of `=`, then
the text; the other is the heading this library writes, `## assistant · model`, typed by hand. The first
heading of a stretch decides which of the two it speaks, so a `## user` inside an old text stays text. Code
fences protect what is in them; blank lines around a text are not part of it.

Such text has no frame, so a text can imitate a heading here. That is why this form is only read, never
written.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ._fences import fence_after
from ._record import Record

CLASSES: Mapping[str, str] = MappingProxyType(
    {"user": "UserMessage", "assistant": "AssistantMessage", "system": "SystemMessage"}
)

_OLD_HEADING = re.compile(
    r" {0,3}(user|assistant|system)(?:[ \t]*[/·|:(][ \t]*(\S+?)\)?)?[ \t]*", re.IGNORECASE
)
_UNDERLINE = re.compile(r" {0,3}={3,}[ \t]*")
_HEADING = re.compile(r"## (user|assistant|system)(?: · (.+?))?[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PlainTurns:
    """What a stretch without marks holds.

    Attributes:
        records: its turns.
        stray: the text before the first heading, which belongs to nobody.
    """

    records: tuple[Record, ...]
    stray: str


@dataclass(frozen=True, slots=True)
class _Heading:
    line: int
    lines: int
    role: str
    model: str | None


def read_plain(text: str) -> PlainTurns:
    r"""A stretch of a file without marks becomes its turns.

    >>> read_plain("user\n====\n\nHi!\n\nassistant / m-1\n====\n\nHello.\n").records[1].text
    'Hello.'
    """
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    headings = _headings(lines)
    stray = lines[: headings[0].line] if headings else lines
    edges = [heading.line for heading in headings] + [len(lines)]
    records = (
        _record(heading, _trimmed(lines[heading.line + heading.lines : end]))
        for heading, end in zip(headings, edges[1:], strict=True)
    )
    return PlainTurns(tuple(record for record in records if record.text), _trimmed(stray))


def _headings(lines: list[str]) -> list[_Heading]:
    """The headings outside of code fences, all of the form of the first."""
    found: list[_Heading] = []
    fence = ""
    last_closing = _last_lines_of_fences(lines)
    for number, line in enumerate(lines):
        opened = fence_after(line, fence)
        if opened and not fence and last_closing.get(opened[0], -1) <= number:
            # Never closed: it protects nothing, or a cut-off answer would swallow every later turn.
            opened = ""
        inside, fence = fence, opened
        if inside:
            continue
        heading = _heading(lines, number)
        if heading and (not found or found[0].lines == heading.lines):
            found.append(heading)
    return found


def _last_lines_of_fences(lines: list[str]) -> dict[str, int]:
    """For each fence character the last line that could close a block."""
    return {
        line.lstrip()[0]: number
        for number, line in enumerate(lines)
        if line.lstrip()[:3] in {"```", "~~~"} and not line.strip().strip(line.lstrip()[0])
    }


def _heading(lines: list[str], number: int) -> _Heading | None:
    match = _HEADING.fullmatch(lines[number])
    if match:
        return _Heading(number, 1, match.group(1).lower(), match.group(2))
    if number + 1 < len(lines) and _UNDERLINE.fullmatch(lines[number + 1]):
        match = _OLD_HEADING.fullmatch(lines[number])
        if match:
            return _Heading(number, 2, match.group(1).lower(), match.group(2))
    return None


def _record(heading: _Heading, text: str) -> Record:
    data = {} if heading.model is None else {"model": heading.model}
    return Record(role=heading.role, class_name=CLASSES[heading.role], text=text, data=data)


def _trimmed(lines: list[str]) -> str:
    """The text without the blank lines around it."""
    filled = [number for number, line in enumerate(lines) if line.strip()]
    return "\n".join(lines[filled[0] : filled[-1] + 1]) if filled else ""
