"""Protocols: how frames become the bytes of a response.

An encoder is one object for one response. Protocols of chat libraries have modules of their own; those that
any client can read are here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final, Protocol

from miniagents.values import Refusal, Restart

from ._frames import Frame, MessageEnded, MessagePart, RunEnded, frame_json, json_of

__all__ = [
    "NO_CACHE",
    "Encoder",
    "JSONLinesEncoder",
    "SSEEncoder",
    "TextEncoder",
]

NO_CACHE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cache-control": "no-cache, no-transform",
        "x-accel-buffering": "no",
        "x-content-type-options": "nosniff",
    }
)
"""Headers of every stream: no proxy keeps it or waits for more of it, no browser guesses what it is."""


class Encoder(Protocol):
    """Writes one response in the words of a protocol.

    Attributes:
        media_type: of the response.
        headers: of the response, besides.
        reconnects: its clients come back by themselves after a cut, as EventSource does; all others are told
            how it ended whenever the response ends.
    """

    media_type: ClassVar[str]
    headers: ClassVar[Mapping[str, str]]
    reconnects: ClassVar[bool]

    def begin(self) -> bytes:
        """Return what comes first, before there is any frame; it may be empty."""
        ...

    def encode(self, position: int, frame: Frame, /) -> bytes:
        """Return a frame in bytes; empty if the protocol has no word for it.

        Args:
            position: of the frame in its run, to come back to; the first one is 1.
            frame: what is told.
        """
        ...

    def ping(self) -> bytes:
        """Return what keeps a silent connection open; empty if the protocol has nothing for it."""
        ...

    def finish(self) -> bytes:
        """Return what comes last, behind the `RunEnded` frame; it may be empty."""
        ...


class SSEEncoder:
    r"""Server-sent events, as `EventSource` reads them: the JSON of a frame each, its position the id.

    Example:
        >>> SSEEncoder().encode(7, MessageEnded(0))
        b'id: 7\ndata: {"type":"message_ended","message":0}\n\n'
    """

    media_type: ClassVar[str] = "text/event-stream"
    headers: ClassVar[Mapping[str, str]] = NO_CACHE
    reconnects: ClassVar[bool] = True

    def begin(self) -> bytes:
        """Return a comment, so that headers and proxies move, and how soon to come back after a cut."""
        return b": ok\nretry: 1000\n\n"

    def encode(self, position: int, frame: Frame, /) -> bytes:
        """Return one event."""
        return b"id: %d\ndata: %b\n\n" % (position, frame_json(frame))

    def ping(self) -> bytes:
        """Return a comment."""
        return b": ping\n\n"

    def finish(self) -> bytes:
        """Return nothing: the last frame says it."""
        return b""


class JSONLinesEncoder:
    r"""One JSON object a line: a frame, with its position as ``id``.

    Example:
        >>> JSONLinesEncoder().encode(7, MessageEnded(0))
        b'{"id":7,"type":"message_ended","message":0}\n'
    """

    media_type: ClassVar[str] = "application/x-ndjson"
    headers: ClassVar[Mapping[str, str]] = NO_CACHE
    reconnects: ClassVar[bool] = False

    def begin(self) -> bytes:
        """Return nothing: each line is a frame."""
        return b""

    def encode(self, position: int, frame: Frame, /) -> bytes:
        """Return one line."""
        return json_of({"id": position, **frame.as_data()}) + b"\n"

    def ping(self) -> bytes:
        """Return an empty line, which readers of JSON lines skip."""
        return b"\n"

    def finish(self) -> bytes:
        """Return nothing: the last frame says it."""
        return b""


class TextEncoder:
    r"""The text alone, an empty line between messages; a last line in brackets tells of a bad end.

    Example:
        >>> TextEncoder().encode(7, RunEnded("failed", "The agent failed."))
        b'\n[failed: The agent failed.]\n'
    """

    media_type: ClassVar[str] = "text/plain; charset=utf-8"
    headers: ClassVar[Mapping[str, str]] = NO_CACHE
    reconnects: ClassVar[bool] = False

    def __init__(self) -> None:
        self._gap = b""  # what stands before the next text
        self._wrote = False

    def begin(self) -> bytes:
        """Return nothing."""
        return b""

    def encode(self, position: int, frame: Frame, /) -> bytes:
        """Return the text of a part, and nothing of what is no text."""
        del position
        match frame:
            case MessagePart(_, str(text)) | MessagePart(_, Refusal(text)) if text:
                gap, self._gap, self._wrote = self._gap, b"", True
                return gap + text.encode(errors="replace")
            case MessagePart(_, Restart()) if self._wrote:
                return b"\n[what came before is withdrawn]\n"
            case MessageEnded() if self._wrote:
                self._gap = b"\n\n"
            case RunEnded(how, sentence) if how != "finished":
                return f"\n[{how}: {sentence}]\n".encode(errors="replace")
            case _:
                pass
        return b""

    def ping(self) -> bytes:
        """Return nothing: whatever came would be text."""
        return b""

    def finish(self) -> bytes:
        """Return nothing."""
        return b""
