"""The bytes of a history file become its messages; `_markdown_format` says why that is safe."""

from dataclasses import dataclass, field, replace

from ._body import frame_end, heading, is_whole, read_body, read_heading, text_start
from ._fences import open_fence
from ._marks import OPENING_START, Opening, cut_mark, find_ending, find_opening, is_mark
from ._plain_form import CLASSES, read_plain
from ._record import Note, Record

_BOM = b"\xef\xbb\xbf"


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

    >>> [record.text for record in scan(write_record(Record(role="user", text="# Hi!"))).records]
    ['# Hi!']
    """
    scanner = _Scanner(data, last_id=last_id, anchor=start)
    position: int | None = len(_BOM) if start == 0 and data.startswith(_BOM) else start
    while position is not None:
        position = scanner.step(position)
    return Scan(tuple(scanner.records), tuple(scanner.notes), scanner.repair, scanner.last_id, scanner.anchor)


@dataclass(slots=True)
class _Scanner:
    """Reads a file from one sound place (outside of every text) to the next."""

    data: bytes
    last_id: str
    anchor: int
    records: list[Record] = field(default_factory=list[Record])
    notes: list[Note] = field(default_factory=list[Note])
    repair: bytes = b""

    def step(self, start: int) -> int | None:
        """Read what has no frame, then one message; where to go on, or None at the end."""
        opening = find_opening(self.data, start)
        if opening is None:
            self.plain(start, self.torn_opening(start))
            return None
        self.plain(start, opening.start)
        self.last_id = opening.id
        return self.framed(opening)

    def framed(self, opening: Opening) -> int | None:
        """Read one message up to its end, wherever that is."""
        start = text_start(self.data, opening.end)
        ending = find_ending(self.data, opening.end, opening.id)
        if ending is None:
            return self.unended(opening, start)
        if ending.cut:
            self.note(opening.start, "a message that was never written to its end is skipped", settled=True)
            return ending.next
        raw = self.data[start : ending.start]
        if not ending.marked and is_whole(opening, raw):
            return self.keep_counted(opening, start)
        self.keep(opening, raw)
        if ending.marked:
            self.anchor = ending.next
        return ending.next

    def unended(self, opening: Opening, start: int) -> int | None:
        """Read a message nothing behind it speaks of: torn, or its end mark was removed by hand."""
        rest = self.data[start:]
        begun = self.data[opening.end :]
        title = heading(opening.role, opening.data.get("model"))
        if is_whole(opening, rest) and (len(begun) >= len(title) or not title.startswith(begun)):
            after_text = self.keep_counted(opening, start)
            missing = frame_end(opening)
            if missing.startswith(rest[opening.size :]):
                self.repair = missing[len(rest) - opening.size :]
                return None
            return after_text
        self.note(
            opening.start,
            "a message that was not written to its end is skipped; its text stays in the file (if the end mark "
            f"was removed by hand, put `<!-- /miniagents {opening.id} -->` on a line behind the text)",
        )
        fence = open_fence(rest.decode(errors="replace")).encode()
        self.repair = (b"" if begun.endswith(b"\n") else b"\n") + (fence and fence + b"\n")
        self.repair += b"\n" + cut_mark(opening.id) + b"\n"
        return None

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
            opening = replace(
                opening,
                role=role,
                class_name=CLASSES.get(role, "Message"),
                data={"model": model} if model else {},
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
