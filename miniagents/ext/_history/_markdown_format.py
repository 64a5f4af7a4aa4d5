r"""The Markdown form of a history: a record becomes the bytes that one write adds to the file.

    <!-- miniagents {"v":1,"id":"0f3a9c4e5b7d","after":"77c1d20a94be","role":"assistant",...} -->
    ## assistant · gpt-x

    The text, byte for byte.

    <!-- /miniagents 0f3a9c4e5b7d -->

**Why no text can forge a turn.** Every message is framed by its own id, drawn at random *after* its text was
fixed and drawn again while it occurs in the text. So the first line behind an opening line that names this id
was put there by a writer: the end mark, the cut mark of the next append, or the next opening line, which
names it as the one before. Whatever stands in between is text, even a perfect copy of the file the model was
shown: it can only name older ids. A record that was torn has no such line: all that follows is its torn text,
up to the end of the file. The next append (every writer holds the lock and looks first) puts a cut mark with
this id behind it before it writes anything else. Frames are looked for only outside of texts, never by
scanning ahead inside one. The length and digest do not find the end, they tell whether the text is still the
one that was written.

**What becomes of damage** (`_markdown_reader`):

* torn while written: the message is skipped, its text stays in the file, the next append seals it; when only
  the end mark is missing, the message is whole, and is completed;
* edited by hand: the text between the marks is loaded as it is now, with a note;
* line ends converted by an editor or git: undone when the digest proves it;
* end mark removed by hand: the next opening line ends the text; when that is gone too, an unchanged text is
  loaded, a changed one is taken for torn;
* a whole message removed, moved or copied: nothing to say;
* text typed between messages: read as plain turns.

**Escapes.** A text of ordinary characters stands in the file as it is. Control characters and lone surrogates
would make the file binary for editors and for git, dangerous for a terminal (`cat`), or no UTF-8 at all, so a
text with one of them, and only such a text, is written with backslash escapes and its record says so. `\t`,
`\n` and the pair `\r\n` are ordinary; a `\r` alone is not. The beginning of a mark (`<!-- miniagents `) is
escaped too, so each mark of a file is one that a writer or its owner put there.

**Code fences.** A model's answer that was cut off often ends inside a fence. Left open, it would swallow the
rest of the file in a viewer, so the frame of the record closes it. Rules: CommonMark 0.31, section 4.5
(containers such as lists are not looked at).
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from miniagents.runs import Record

from ._comments import ESCAPED, SHOWN, VERBATIM, Opening, end_mark, opening_line

_UNUSUAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]|\r(?!\n)|<(?=!-- /?miniagents )")
_UNUSUAL_OR_BACKSLASH = re.compile(_UNUSUAL.pattern + r"|\\")
_TWO_DIGITS = 0x100
_ESCAPE = re.compile(r"\\(?:(\\)|x([0-9a-f]{2})|u([0-9a-f]{4}))")


def needs_escaping(text: str) -> bool:
    """Whether the text holds a character that must not stand in a file as it is."""
    return _UNUSUAL.search(text) is not None


def escape(text: str) -> str:
    r"""A text that may hold anything becomes one of ordinary characters; a backslash becomes two."""
    return _UNUSUAL_OR_BACKSLASH.sub(_escaped, text)


def unescape(text: str) -> str:
    r"""What `escape` made becomes the text again; a backslash that begins no escape stays as it is."""
    return _ESCAPE.sub(_unescaped, text)


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    if character == "\\":
        return "\\\\"
    number = ord(character)
    return f"\\x{number:02x}" if number < _TWO_DIGITS else f"\\u{number:04x}"


def _unescaped(match: re.Match[str]) -> str:
    digits = match.group(2) or match.group(3)
    return chr(int(digits, 16)) if digits else "\\"


_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)", re.DOTALL)


def fence_after(line: str, fence: str) -> str:
    """The fence that is open after this line, when `fence` was open before it (empty: none).

    Args:
        line: one line without its end.
        fence: the characters that opened the block, for instance three backticks.
    """
    match = _FENCE.fullmatch(line)
    if match is None:
        return fence
    marks, rest = match.groups()
    if not fence:
        # An info string of a backtick fence has no backtick: such a line is inline code.
        return "" if marks[0] == "`" and "`" in rest else marks
    closes = marks[0] == fence[0] and len(marks) >= len(fence) and not rest.strip()
    return "" if closes else fence


def open_fence(text: str) -> str:
    """The fence that would close the block the text leaves open, or an empty string."""
    if "```" not in text and "~~~" not in text:
        return ""
    fence = ""
    for line in text.split("\n"):
        fence = fence_after(line.removesuffix("\r"), fence)
    return fence


_HEADING_AND_BLANK = re.compile(rb"(?:## [^\n]*\n)?(?:[ \t]*\r?\n)?")
_CONTROL = re.compile("[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff]+")
_HEADING_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Body:
    """A text as it goes into the file.

    Attributes:
        raw: its bytes.
        form: VERBATIM, ESCAPED or SHOWN.
        fence: what must close a code block it leaves open.
    """

    raw: bytes
    form: str
    fence: str


class ReadBody(NamedTuple):
    """A text as it comes out of the file; `edited`: it is not the one that was written."""

    text: str | None
    edited: bool = False


def lay_down(record: Record) -> Body:
    """The text of a record becomes bytes, verbatim if it is made of ordinary characters."""
    text = record.shown if record.text is None else record.text
    unusual = needs_escaping(text)
    form = SHOWN if record.text is None else ESCAPED if unusual else VERBATIM
    text = escape(text) if unusual else text
    return Body(text.encode(), form, open_fence(text))


def digest_of(raw: bytes) -> str:
    """The first 16 hex digits of sha256: enough to notice an edit, it guards nothing."""
    return hashlib.sha256(raw).hexdigest()[:16]


def heading(role: str, model: object = None) -> bytes:
    """The heading of a message with the blank line behind it."""
    parts = [role, model] if isinstance(model, str) and model.strip() else [role]
    shown = " · ".join(_CONTROL.sub(" ", part).strip()[:_HEADING_LENGTH] or "message" for part in parts)
    return f"## {shown}\n\n".encode()


def read_heading(data: bytes, start: int) -> tuple[str, str | None]:
    """Role and model of the heading at `start`; for a message whose opening line is damaged."""
    end = data.find(b"\n", start)
    if end < 0 or not data.startswith(b"## ", start):
        return "user", None
    line = data[start + 3 : end].removesuffix(b"\r").rstrip(b" \t").decode(errors="replace")
    role, dot, model = line.partition(" · ")
    return role, model if dot else None


def text_start(data: bytes, start: int) -> int:
    """Where the text begins behind an opening line that ends at `start`."""
    match = _HEADING_AND_BLANK.match(data, start)
    return match.end() if match else start


def frame_end(opening: Opening) -> bytes:
    """What is written behind the text of a message."""
    fence = f"\n{opening.fence}" if opening.fence else ""
    return f"{fence}\n\n".encode() + end_mark(opening.id) + b"\n"


def is_whole(opening: Opening, raw: bytes) -> bool:
    """Whether `raw` begins with the text that was written."""
    return 0 <= opening.size <= len(raw) and digest_of(raw[: opening.size]) == opening.digest


def read_body(opening: Opening, raw: bytes) -> ReadBody:
    """What stands between the heading and the end mark becomes the text.

    Line ends that a tool converted are restored when the digest proves it; else the text is what is there
    now.
    """
    size, fence = opening.size, opening.fence.encode()
    if is_whole(opening, raw) and raw[size:].strip() in (b"", fence):  # as it was written
        return ReadBody(_text(opening, raw[:size]))
    for candidate in _restored(raw):
        if is_whole(opening, candidate) and candidate[size:].strip() in (b"", fence):
            return ReadBody(_text(opening, candidate[:size]))
    if opening.crlf:
        raw = raw.replace(b"\r\n", b"\n")
    now = _without_frame(raw, fence)
    return ReadBody(_text(opening, now, edited=True), edited=True)


def _restored(raw: bytes) -> Iterator[bytes]:
    """What may have been written: what is there, with the line ends of the one or the other kind."""
    if b"\n" in raw:
        plain = raw.replace(b"\r\n", b"\n")
        yield plain
        yield plain.replace(b"\n", b"\r\n")


def _without_frame(raw: bytes, fence: bytes) -> bytes:
    bare = raw.rstrip(b"\r\n")
    if fence and bare.endswith(b"\n" + fence):
        return bare.removesuffix(b"\n" + fence)
    return raw.removesuffix(b"\n\n") if raw.endswith(b"\n\n") else bare


def _text(opening: Opening, raw: bytes, *, edited: bool = False) -> str | None:
    if opening.form == SHOWN and not edited:
        return None
    text = raw.decode(errors="replace")
    return unescape(text) if opening.form == ESCAPED else text


_ID_BYTES = 6


def _random_id() -> str:
    return secrets.token_hex(_ID_BYTES)


def write_record(record: Record, after: str = "", draw_id: Callable[[], str] = _random_id) -> bytes:
    """A record becomes the bytes that one write adds to the file.

    Args:
        record: the message.
        after: the id of the message before it (`Scan.last_id`).
        draw_id: gives random hex digits, 8 to 64 of them; asked again while what it gives occurs in the text.

    Raises:
        ValueError: the data holds an int of more than 4,300 digits.
    """
    body = lay_down(record)
    message_id = draw_id()
    while message_id.encode() in body.raw or message_id == after:
        message_id = draw_id()
    opening = Opening(
        id=message_id,
        after=after,
        role=record.role,
        class_name=record.class_name,
        size=len(body.raw),
        digest=digest_of(body.raw),
        form=body.form,
        fence=body.fence,
        data=record.data,
    )
    return (
        opening_line(opening) + heading(record.role, record.data.get("model")) + body.raw + frame_end(opening)
    )
