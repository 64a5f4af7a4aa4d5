"""The three comment lines a history file is framed with, and how they are read.

    <!-- miniagents {"v":1,"id":"0f3a…","after":"77c1…","role":"user","class":"UserMessage","bytes":5,…} -->
    <!-- /miniagents 0f3a… -->              the end of message 0f3a…
    <!-- miniagents cut 0f3a… -->           message 0f3a… was never written to its end

Markdown viewers show none of them. The JSON of an opening line is plain data on one line, `>` and `--`
escaped, so no value in it can end the comment.
"""

import json
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple, cast

from pydantic_core import from_json

from miniagents.runs import Json

VERBATIM, ESCAPED, SHOWN = "verbatim", "escaped", "shown"
"""How a text stands in the file: as it is; with escapes; not at all (it is None, and something is shown)."""
_OTHER_FORMS = frozenset({ESCAPED, SHOWN})

OPENING_START = b"<!-- miniagents "
_MARK_LINE = re.compile(rb"<!-- /?miniagents [^\n]*", re.DOTALL)
_OPENING_LINE = re.compile(rb"<!-- miniagents (\{[^\n]*\}) -->[ \t]*(\r?)\n")
_NAME, _PREFIXES, _BOM = b"miniagents ", (b"<!-- ", b"<!-- /"), b"\xef\xbb\xbf"
_ENDING_LINE = re.compile(rb"<!-- (/miniagents|miniagents cut) ([0-9a-f]+) -->[ \t]*(?:\r?\n|\Z)")
_HEAD = re.compile(rb'<!-- miniagents \{"v":1,"id":"[0-9a-f]{8,64}","after":"([0-9a-f]{8,64})"[,}]')
_ID = re.compile(rb'\{"v":1,"id":"([0-9a-f]{8,64})"')

# Not for a comment (`-->`, and `--` for strict HTML readers), and not raw in a line of a file (see
# _escaping).
_UNSAFE = re.compile("[>\x7f-\x9f\u2028\u2029\ud800-\udfff]|(?<=-)-")


_NO_DATA: Mapping[str, Json] = MappingProxyType({})


class Opening(NamedTuple):
    """The opening line of a message.

    Attributes:
        id: random hex digits drawn after the text was fixed and absent from it, so no text can speak of its
            own frame.
        after: the id of the message before it, empty for the first.
        role: who speaks.
        class_name: the message class.
        size: how many bytes the text takes, -1 when the line is damaged (then only the id is known).
        digest: the first 16 hex digits of sha256 over these bytes.
        form: VERBATIM, ESCAPED or SHOWN.
        fence: what the frame wrote to close a code block the text leaves open.
        data: the other fields.
        start: where the line begins; `end` where the next one does.
        crlf: the line ends with CR LF: some tool converted the file.
    """

    id: str
    after: str = ""
    role: str = ""
    class_name: str = ""
    size: int = -1
    digest: str = ""
    form: str = VERBATIM
    fence: str = ""
    data: Mapping[str, Json] = _NO_DATA
    start: int = 0
    end: int = 0
    crlf: bool = False


class Ending(NamedTuple):
    """What ends a message: its end mark, a cut mark, or the opening line of the next, which names it.

    Attributes:
        start: where the line begins: here the message ends.
        next: where reading goes on.
        cut: the message was never written to its end.
        marked: it is an end mark or a cut mark.
    """

    start: int
    next: int
    cut: bool = False
    marked: bool = True


def opening_line(opening: Opening) -> bytes:
    """The line that opens a message, with its line end.

    Raises:
        ValueError: the data holds an int that is too long for Python to write out.
    """
    fields: dict[str, Json] = {"v": 1, "id": opening.id}
    if opening.after:
        fields["after"] = opening.after
    fields |= {
        "role": opening.role,
        "class": opening.class_name,
        "bytes": opening.size,
        "sha256": opening.digest,
    }
    if opening.form != VERBATIM:
        fields["form"] = opening.form
    if opening.fence:
        fields["fence"] = opening.fence
    if opening.data:
        fields["data"] = dict(opening.data)
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return (
        OPENING_START + _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text).encode() + b" -->\n"
    )


def end_mark(message_id: str) -> bytes:
    """The line that ends a message, with its line end."""
    return f"<!-- /miniagents {message_id} -->\n".encode()


def cut_mark(message_id: str) -> bytes:
    """The line that says a message was never written to its end, with its line end."""
    return f"<!-- miniagents cut {message_id} -->\n".encode()


def is_mark(line: bytes) -> bool:
    """Whether a line outside of every message is a mark, or what is left of one: it is not text."""
    return _MARK_LINE.match(line) is not None


class Marks:
    """All marks of a file, found in one pass: looking for one takes no time, however hostile the file is.

    What is kept of them are places, which cost little; a line is read when it is asked for.

    Args:
        data: the bytes of the file.
        start: where to begin; the beginning of a line.
    """

    def __init__(self, data: bytes, start: int) -> None:
        self._data = data
        self._openings: list[int] = []
        # Where the lines begin that may end a message, by its id: end and cut marks, and the opening lines of
        # the messages behind it.
        self._endings: defaultdict[str, list[int]] = defaultdict(list)
        for line in _mark_lines(data, start):
            if _OPENING_LINE.match(data, line):
                self._openings.append(line)
                if head := _HEAD.match(data, line):
                    self._endings[head[1].decode()].append(line)
            elif ending := _ENDING_LINE.match(data, line):
                self._endings[ending[2].decode()].append(line)

    def next_opening(self, start: int) -> Opening | None:
        """The next opening line at or after `start`, or None.

        A damaged line counts when its id can be read and the end of that message is there.
        """
        # By index: a slice of what is left, for each message, would take time in proportion to the square.
        for at in range(bisect_left(self._openings, start), len(self._openings)):
            line = _OPENING_LINE.match(self._data, self._openings[at])
            opening = None if line is None else _read(line)
            if opening is not None and (opening.size >= 0 or self.ending(opening.id, opening.end)):
                return opening
        return None

    def ending(self, message_id: str, start: int) -> Ending | None:
        """The first line at or after `start` that ends the message, or None."""
        lines = self._endings.get(message_id, [])
        at = bisect_left(lines, start)
        if at == len(lines):
            return None
        line = lines[at]
        ending = _ENDING_LINE.match(self._data, line)
        if ending is None:  # the opening line of the next message
            return Ending(line, line, marked=False)
        return Ending(line, ending.end(), cut=ending[1] != b"/miniagents")


def _mark_lines(data: bytes, start: int) -> Iterator[int]:
    """Where lines begin that may be marks; by a plain search, which is ten times as fast as a pattern."""
    at = data.find(_NAME, start)
    while at >= 0:
        for prefix in _PREFIXES:
            line = at - len(prefix)
            if line >= start and data.startswith(prefix, line) and _begins_line(data, line):
                yield line
        at = data.find(_NAME, at + len(_NAME))


def _begins_line(data: bytes, at: int) -> bool:
    # A byte order mark may stand before the first line.
    return at == 0 or data[at - 1 : at] == b"\n" or data[at - 3 : at] == _BOM


def _fields(line: bytes) -> dict[str, object]:
    """What the JSON of an opening line says, unchecked; nothing if it is damaged."""
    try:
        fields: dict[str, object] = from_json(line)
    except ValueError:  # halves of characters are what it refuses, too
        try:
            fields = json.loads(line.decode())
        except (ValueError, RecursionError):
            return {}
    return fields


def _read(match: re.Match[bytes]) -> Opening | None:
    crlf = bool(match.group(2))
    fields = _fields(match.group(1))
    known = _ID.match(match.group(1))
    if known is None:
        return None
    get = fields.get
    message_id, role, name, size, digest = get("id"), get("role"), get("class"), get("bytes"), get("sha256")
    # Not a pattern of `match`: those take a third of the time that it takes to load a conversation.
    if (
        get("v") == 1
        and isinstance(message_id, str)
        and isinstance(role, str)
        and isinstance(name, str)
        and isinstance(size, int)
        and isinstance(digest, str)
        and size >= 0
    ):
        after, form, fence, data = get("after"), get("form"), get("fence"), get("data")
        return Opening(
            message_id,
            after if isinstance(after, str) else "",
            role,
            name,
            size,
            digest,
            form if isinstance(form, str) and form in _OTHER_FORMS else VERBATIM,
            fence if isinstance(fence, str) else "",
            cast("dict[str, Json]", data) if isinstance(data, dict) else _NO_DATA,
            match.start(),
            match.end(),
            crlf,
        )
    form = ESCAPED if b'"form":"escaped"' in match.group(1) else VERBATIM
    return Opening(id=known.group(1).decode(), form=form, start=match.start(), end=match.end(), crlf=crlf)
