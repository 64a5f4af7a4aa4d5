"""Marble diagrams: reads them, and draws two of them one below the other.

The syntax is that of rxjs: a character is a frame, and a frame is a millisecond. Spaces are only for
alignment.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from miniagents.values import MiniAgentsError

EventKind: TypeAlias = Literal["next", "complete", "error", "began", "left"]

_SIGNS: Final[Mapping[str, EventKind]] = MappingProxyType(
    {"|": "complete", "#": "error", "^": "began", "!": "left"}
)
_SIGN_OF: Final[Mapping[str, str]] = MappingProxyType({kind: sign for sign, kind in _SIGNS.items()})
_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {"complete": "the end", "began": "that reading begins", "left": "that it is cancelled"}
)
_PASSING: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)(?=\s|$)")
_MILLISECONDS: Final = MappingProxyType({"ms": 1, "s": 1000, "m": 60_000})
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_LONGEST_GAP: Final = 12  # frames that are drawn one by one
_LONGEST_VALUE: Final = 200


class DiagramError(MiniAgentsError, ValueError):
    """A marble diagram cannot be read.

    Example:
        >>> from miniagents.testing import Marbles
        >>> Marbles().model("--(ab|")
        Traceback (most recent call last):
            ...
        miniagents...DiagramError: The group that opens at character 3 of '--(ab|' is never closed; ...
    """


@dataclass(frozen=True, slots=True)
class MarbleEvent:
    """An event of a diagram.

    Attributes:
        frame: its time, in milliseconds.
        kind: of the event.
        value: the value or the error; in a diagram that has just been read, the character.
    """

    frame: int
    kind: EventKind
    value: object = None


@dataclass(frozen=True, slots=True)
class Diagram:
    """A parsed diagram.

    Attributes:
        text: of the diagram.
        events: in order.
        frames: how many it has; it says nothing about the time after them.
    """

    text: str
    events: tuple[MarbleEvent, ...]
    frames: int

    @property
    def ended(self) -> bool:
        """Whether it has an end."""
        return _ended(self.events)


class _Reader:
    """Reads one diagram.

    Args:
        text: the diagram.
        of_reads: True for a diagram of a reader, with `^` and `!` instead of values.
    """

    def __init__(self, text: str, *, of_reads: bool) -> None:
        self._text = text
        self._of_reads = of_reads
        self._frame = 0
        self._events: list[MarbleEvent] = []
        self._group: int | None = None  # the position in the text at which an open group begins
        self._group_frame = 0

    def read(self) -> Diagram:
        """Return the parsed diagram."""
        at = 0
        while at < len(self._text):
            at += self._step(at)
        if self._group is not None:
            raise DiagramError(
                f"The group that opens at character {self._group + 1} of {self._text!r} is never closed; "
                "write ) after the values that come at the same time."
            )
        if not self._frame:
            raise DiagramError(f"The diagram {self._text!r} is empty; - is a frame in which nothing comes.")
        return Diagram(self._text, tuple(self._events), self._frame)

    def _step(self, at: int) -> int:
        sign = self._text[at]
        if sign.isspace():
            return 1
        passing = _PASSING.match(self._text, at) if at == 0 or self._text[at - 1].isspace() else None
        if passing is not None:
            self._pass(at, passing)
            return len(passing[0])
        if sign == "(":
            if self._group is not None:
                raise self._wrong(at, "opens a group in a group")
            self._group, self._group_frame = at, self._frame
        elif sign == ")":
            if self._group is None:
                raise self._wrong(at, "closes a group that nothing opened")
            self._group = None
        elif sign != "-":
            self._event(at, sign)
        elif self._group is not None:
            raise self._wrong(at, "is time in a group, but the values of a group come at the same time")
        self._frame += 1
        return 1

    def _pass(self, at: int, passing: re.Match[str]) -> None:
        if self._group is not None:
            raise self._wrong(at, "is time in a group, but the values of a group come at the same time")
        exact = float(passing[1]) * _MILLISECONDS[passing[2]]
        if abs(exact - round(exact)) > 1e-6:  # noqa: PLR2004 - what floats do to 1.1 s
            raise self._wrong(at, f"is {exact:g} ms; frames are whole milliseconds")
        self._frame += round(exact)

    def _event(self, at: int, sign: str) -> None:
        kind: EventKind = _SIGNS.get(sign, "next")
        if self._of_reads and kind == "next":
            raise self._wrong(
                at, "is a value; a diagram of reads has only ^ for the start and | # ! for the end"
            )
        if not self._of_reads and kind in {"began", "left"}:
            raise self._wrong(at, "is a sign for reads; use it with expect_reads")
        if _ended(self._events):
            raise self._wrong(at, "comes after the end")
        if self._of_reads and (kind == "began") != (not self._events):
            raise self._wrong(at, "is out of order: first comes ^, then one end")
        frame = self._frame if self._group is None else self._group_frame
        self._events.append(MarbleEvent(frame, kind, sign))

    def _wrong(self, at: int, why: str) -> DiagramError:
        return DiagramError(f"Character {at + 1} of {self._text!r}, {self._text[at]!r}, {why}.")


def read_diagram(text: str, *, of_reads: bool = False) -> Diagram:
    """Read a diagram.

    Args:
        text: the diagram.
        of_reads: True for a diagram of a reader, with `^` and `!` instead of values.

    Raises:
        DiagramError: it cannot be read; the error names the place.

    Example:
        >>> [(event.frame, event.kind) for event in read_diagram("-a 1s (b|)").events]
        [(1, 'next'), (1002, 'next'), (1002, 'complete')]
    """
    return _Reader(text, of_reads=of_reads).read()


@dataclass(slots=True)
class _Names:
    """The letters of values; a value without a letter gets one.

    Args:
        values: by their letters.
    """

    values: dict[str, object]

    def of(self, event: MarbleEvent) -> str:
        """Return the character of an event."""
        if event.kind != "next":
            return _SIGN_OF[event.kind]
        value = event.value
        for name, known in self.values.items():
            if known is value or (type(known) is type(value) and known == value):
                return name
        own = value if isinstance(value, str) and len(value) == 1 and value in _LETTERS else ""
        names: list[str] = [own, *_LETTERS] if own else [*_LETTERS]
        free = next((name for name in names if name not in self.values), "?")
        self.values[free] = value
        return free


def drawn(rows: Mapping[str, Sequence[MarbleEvent]], values: Mapping[str, object]) -> list[str]:
    """Draw timelines one below the other; events at the same time are in the same column.

    Args:
        rows: the events of each timeline, by its label.
        values: known values by their letters; other values get a letter.

    Returns:
        A line for each timeline, and one for each letter.

    Example:
        >>> one, other = read_diagram("-a 1s b|"), read_diagram("-a 2s b|")
        >>> for line in drawn({"expected": one.events, "actual": other.events}, {}):
        ...     print(line)
        expected  -a 1000ms b|
        actual    -a 1000ms -- 998ms b|
          a = 'a'
          b = 'b'
    """
    names = _Names(dict(values))
    cells = {label: _cells(events, names) for label, events in rows.items()}
    ends = {label: max((event.frame for event in events), default=-1) for label, events in rows.items()}
    frames = sorted({frame for row in cells.values() for frame in row})
    drawing = {
        label: _Line(row, ends[label] if _ended(rows[label]) else None) for label, row in cells.items()
    }
    for frame in frames:
        # Columns are aligned with spaces, which have no time: so a row can be given to `to_be` as it is.
        for step in (_Line.pass_until, _Line.add):
            for line in drawing.values():
                step(line, frame)
            width = max(len(line.text) for line in drawing.values())
            for line in drawing.values():
                line.text = line.text.ljust(width)
    margin = max(map(len, rows), default=0)
    lines = [
        f"{label.ljust(margin)}  {line.text.rstrip() or '(nothing)'}".rstrip()
        for label, line in drawing.items()
    ]
    used = {cell for row in cells.values() for each in row.values() for cell in each}
    return [
        *lines,
        *(f"  {name} = {shown(value)}" for name, value in names.values.items() if name in used),
        *_errors(rows),
    ]


class _Line:
    """The line of one timeline, while it is drawn.

    Args:
        cells: its signs, by frame.
        end: the frame of its end; None if it has none.
    """

    def __init__(self, cells: Mapping[int, str], end: int | None) -> None:
        self.text: str = ""
        self._cells = cells
        self._end = end
        self._frame = 0  # a group lasts as many frames as it has characters

    def pass_until(self, frame: int) -> None:
        """Draw the time before ``frame``."""
        if self._frame < frame and not self._over(frame):
            self.text += _gap(frame - self._frame)
            self._frame = frame

    def add(self, frame: int) -> None:
        """Draw what happens at ``frame``."""
        cell = self._cells.get(frame, "" if self._frame > frame or self._over(frame) else "-")
        self.text += cell
        self._frame = max(self._frame, frame + len(cell))

    def _over(self, frame: int) -> bool:
        return self._end is not None and frame > self._end


def _ended(events: Sequence[MarbleEvent]) -> bool:
    return any(event.kind in {"complete", "error", "left"} for event in events)


def _errors(rows: Mapping[str, Sequence[MarbleEvent]]) -> list[str]:
    return [
        f"  # of {label} = {shown(event.value)}"
        for label, events in rows.items()
        for event in events
        if event.kind == "error" and event.value is not None
    ]


def _cells(events: Sequence[MarbleEvent], names: _Names) -> dict[int, str]:
    found: dict[int, str] = {}
    for event in events:
        found[event.frame] = found.get(event.frame, "") + names.of(event)
    return {frame: cell if len(cell) == 1 else f"({cell})" for frame, cell in found.items()}


def _gap(frames: int) -> str:
    return "-" * frames if frames <= _LONGEST_GAP else f" {frames}ms "


def differences(
    expected: Sequence[MarbleEvent],
    actual: Sequence[MarbleEvent],
    same: Callable[[MarbleEvent, MarbleEvent], bool],
) -> list[str]:
    """Return the differences, frame by frame; an empty list if there are none.

    Args:
        expected: the events that should happen.
        actual: the events that have happened.
        same: returns whether an event is the one that was expected at its frame.
    """
    found: list[str] = []
    for frame in sorted({event.frame for event in (*expected, *actual)}):
        wanted = [event for event in expected if event.frame == frame]
        came = [event for event in actual if event.frame == frame]
        if len(wanted) != len(came) or not all(map(same, wanted, came)):
            found.append(f"at {frame} ms: expected {_told(wanted)}, got {_told(came)}")
    return found


def _told(events: Sequence[MarbleEvent]) -> str:
    return " and then ".join(map(_one_told, events)) or "nothing"


def _one_told(event: MarbleEvent) -> str:
    if event.kind == "error":
        return "an error" if event.value is None else f"the error {shown(event.value)}"
    return _WORDS.get(event.kind) or shown(event.value)


def shown(value: object) -> str:
    """Return a value as one line, for an error."""
    text = value.__name__ if isinstance(value, type) else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
