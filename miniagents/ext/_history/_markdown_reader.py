"""The bytes of a history file become its messages; `_markdown_format` says why that is safe.

Turns may also stand in a file without frames: in old files, and where a user typed them in an editor. The old
form is a line `user`, `assistant` or `system` (perhaps ` / model` behind it) over a line of `=`, then the
text; the other is the heading this library writes, `## assistant · model`, typed by hand. The first heading
of a stretch decides which of the two forms it has, so a `## user` inside an old text stays text. Code fences
protect what is in them; blank lines around a text are not part of it. Such text can imitate a heading, so
this form is only read, never written.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from miniagents.runs import Record

from ._comments import OPENING_START, Marks, Opening, cut_mark, is_mark
from ._markdown_format import (
    fence_after,
    frame_end,
    heading,
    is_whole,
    open_fence,
    read_body,
    read_heading,
    text_start,
)

CLASSES: Mapping[str, str] = MappingProxyType(
    {"user": "UserMessage", "assistant": "AssistantMessage", "system": "SystemMessage"}
)

_OLD_HEADING = re.compile(
    r" {0,3}(user|assistant|system)(?:[ \t]*[/·|:(][ \t]*(\S+?)\)?)?[ \t]*", re.IGNORECASE
)
_UNDERLINE = re.compile(r" {0,3}={3,}[ \t]*")
_HEADING = re.compile(r"## (user|assistant|system)(?: · (.+))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PlainTurns:
    """What a stretch without marks holds.

    Attributes:
        records: its turns.
        stray: the text before the first heading, which belongs to no turn.
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
    r"""A stretch of a file without marks becomes its turns."""
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
    fence, last = "", len(lines) - 1
    last_closing = _last_lines_of_fences(lines)
    for number, line in enumerate(lines):
        opened = fence_after(line, fence)
        if opened and not fence and last_closing.get(opened[0], -1) <= number:
            # Never closed: it protects nothing, or a cut-off answer would swallow every later turn.
            opened = ""
        inside, fence = fence, opened
        # Two looks at what a heading has spare most lines the patterns, which cost ten times as much.
        if inside or (line[:3] != "## " and "===" not in lines[min(number + 1, last)]):
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
    match = _HEADING.fullmatch(lines[number].rstrip(" \t"))
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


_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader of the file should know: a place that is not as it was written.

    Attributes:
        offset: where in the file, in bytes from its start.
        sentence: what was found there and what became of it.
        settled: True for a damage that was already reported and sealed by a later append.
    """

    offset: int
    sentence: str
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """What a file, or the rest of one, holds.

    Attributes:
        records: the messages in order.
        notes: the places that are not as they were written.
        repair: the bytes that must be written before the next record, so that it stands outside of whatever
            is there.
        last_id: the id of the last message with a frame; the next one names it.
        anchor: the offset behind the end mark of `last_id`, from where a later scan may go on; 0 if there is
            none.
    """

    records: tuple[Record, ...]
    notes: tuple[Note, ...]
    repair: bytes
    last_id: str
    anchor: int


def scan(data: bytes, start: int = 0, last_id: str = "") -> Scan:
    """The bytes of a file become its messages. Never raises: any bytes are some file.

    Args:
        data: the bytes.
        start: an offset known to be outside of every message, as `Scan.anchor` of an earlier scan.
        last_id: what that scan said.
    """
    position: int | None = len(_BOM) if start == 0 and data.startswith(_BOM) else start
    scanner = _Scanner(data, Marks(data, start), last_id=last_id, anchor=start)
    while position is not None:
        position = scanner.step(position)
    return Scan(tuple(scanner.records), tuple(scanner.notes), scanner.repair, scanner.last_id, scanner.anchor)


@dataclass(slots=True)
class _Scanner:
    """Reads a file from one sound place (outside of every text) to the next."""

    data: bytes
    marks: Marks
    last_id: str
    anchor: int
    records: list[Record] = field(default_factory=list[Record])
    notes: list[Note] = field(default_factory=list[Note])
    repair: bytes = b""

    def step(self, start: int) -> int | None:
        """Read what has no frame, then one message; where to go on, or None at the end."""
        opening = self.marks.next_opening(start)
        if opening is None:
            self.plain(start, self.torn_opening(start))
            return None
        self.plain(start, opening.start)
        self.last_id = opening.id
        return self.framed(opening)

    def framed(self, opening: Opening) -> int | None:
        """Read one message up to its end, wherever that is."""
        start = text_start(self.data, opening.end)
        ending = self.marks.ending(opening.id, opening.end)
        if ending is None:
            return self.unended(opening, start)
        if ending.cut:
            self.note(opening.start, "a message that was never written to its end is skipped", settled=True)
            return ending.next
        if not ending.marked and self.is_whole(opening, start, ending.start):
            return self.keep_counted(opening, start)
        self.keep(opening, self.data[start : ending.start])
        if ending.marked:
            self.anchor = ending.next
        return ending.next

    def unended(self, opening: Opening, start: int) -> int | None:
        """Read a message without an end mark: it was torn, or the mark was removed by hand."""
        end, size = start + opening.size, len(self.data)
        if self.is_whole(opening, start, size) and not self.title_is_torn(opening):
            after_text = self.keep_counted(opening, start)
            missing = frame_end(opening)
            if size - end < len(missing) and missing.startswith(self.data[end:]):
                self.repair = missing[size - end :]
                return None
            return after_text
        self.note(
            opening.start,
            "a message that was not written to its end is skipped; its text stays in the file (was its end "
            f"mark removed by hand? Then put `<!-- /miniagents {opening.id} -->` on a line behind the text)",
        )
        fence = open_fence(self.data[start:].decode(errors="replace")).encode()
        line_end = b"" if self.data.endswith(b"\n") else b"\n"
        self.repair = line_end + (fence and fence + b"\n") + b"\n" + cut_mark(opening.id) + b"\n"
        return None

    def is_whole(self, opening: Opening, start: int, end: int) -> bool:
        """Whether the text that was written begins at `start` and ends at or before `end`."""
        return opening.size <= end - start and is_whole(opening, self.data[start : start + opening.size])

    def title_is_torn(self, opening: Opening) -> bool:
        """Whether the file ends within the heading."""
        title = heading(opening.role, opening.data.get("model"))
        size = len(self.data) - opening.end
        return size < len(title) and title.startswith(self.data[opening.end :])

    def keep_counted(self, opening: Opening, start: int) -> int:
        """Add a message that is whole by its length and digest; what follows it is outside of it."""
        end = start + opening.size
        self.keep(opening, self.data[start:end])
        fence = b"\n" + opening.fence.encode()
        return end + len(fence) if opening.fence and self.data.startswith(fence, end) else end

    def keep(self, opening: Opening, raw: bytes) -> None:
        """Add a message whose text is `raw`."""
        body = read_body(opening, raw)
        if opening.size < 0:
            role, model = read_heading(self.data, opening.end)
            opening = opening._replace(
                role=role, class_name=CLASSES.get(role, "Message"), data={"model": model} if model else {}
            )
            self.note(
                opening.start,
                "the comment line of a message is damaged; its text is kept, its other fields are not",
            )
        elif body.edited:
            self.note(
                opening.start,
                "the text of a message was edited since it was written; it is taken as it is now",
            )
        self.records.append(Record(opening.role, opening.class_name, body.text, data=opening.data))

    def plain(self, start: int, end: int) -> None:
        """Read a stretch without marks: an old file, or what a user typed."""
        if not self.data[start:end].strip():
            return
        lines = [line for line in self.data[start:end].split(b"\n") if not is_mark(line)]
        turns = read_plain(b"\n".join(lines).decode(errors="replace"))
        self.records.extend(turns.records)
        if turns.stray:
            self.note(
                start,
                "text outside of every message is not in the conversation (begin it with a line `## user`)",
            )

    def torn_opening(self, start: int) -> int:
        """Where a torn opening line at the end begins, or the end; sets `repair` for what is there."""
        line = max(self.data.rfind(b"\n") + 1, start)
        begun = self.data[line:]
        if begun and (OPENING_START.startswith(begun) or begun.startswith(OPENING_START)):
            # Made a line of its own kind, which is never text and never an opening line.
            self.repair = (OPENING_START[len(begun) :] or b" ") + b"cut -->\n\n"
            self.note(line, "the first line of a message that was not written to its end is skipped")
            return line
        if self.data[start:].strip() or start:
            blank = self.data.endswith((b"\n\n", b"\n\r\n"))
            self.repair = b"" if blank else b"\n\n" if begun else b"\n"
        return len(self.data)

    def note(self, offset: int, sentence: str, *, settled: bool = False) -> None:
        """Remember a place that is not as it was written."""
        self.notes.append(Note(offset, sentence, settled))
