"""The text inside a frame: how it is laid down, and what it is when the file was edited since."""

import hashlib
import re
from dataclasses import dataclass

from ._escaping import escape, needs_escaping, unescape
from ._fences import open_fence
from ._marks import ESCAPED, SHOWN, VERBATIM, Opening, end_mark
from ._record import Record

_HEADING_AND_BLANK = re.compile(rb"(?:## [^\n]*\n)?(?:[ \t]*\r?\n)?")
_HEADING = re.compile(rb"## ([^\n]*?)(?: \xc2\xb7 ([^\n]*?))?[ \t]*\r?\n")
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


@dataclass(frozen=True, slots=True)
class ReadBody:
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
    match = _HEADING.match(data, start)
    if match is None:
        return "user", None
    role, model = match.groups()
    return role.decode(errors="replace"), None if model is None else model.decode(errors="replace")


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
    for candidate in _restored(raw):
        if is_whole(opening, candidate) and candidate[opening.size :].strip() in {
            b"",
            opening.fence.encode(),
        }:
            return ReadBody(_text(opening, candidate[: opening.size]))
    if opening.crlf:
        raw = raw.replace(b"\r\n", b"\n")
    now = _without_frame(raw, opening.fence.encode())
    return ReadBody(_text(opening, now, edited=True), edited=True)


def _restored(raw: bytes) -> "list[bytes]":
    plain = raw.replace(b"\r\n", b"\n")
    return [raw, plain, plain.replace(b"\n", b"\r\n")] if b"\n" in raw else [raw]


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
