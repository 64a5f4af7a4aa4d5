"""Encoders: turn frames into the bytes of a response.

An encoder is an object for one response. The encoders here are those that any client can read; those for chat
libraries have modules of their own.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final, Protocol

from typing_extensions import override

from miniagents.parts import Refusal, Restart

from ._frames import Frame, MessageBegan, MessageEnded, MessagePart, RunEnded, frame_json, json_of

NO_CACHE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cache-control": "no-cache, no-transform",
        "x-accel-buffering": "no",
        "x-content-type-options": "nosniff",
    }
)
"""Headers of every stream: proxies neither cache nor buffer it, browsers do not guess its type."""


class Encoder(Protocol):
    r"""Encodes one response in a protocol; an object for this response alone.

    Attributes:
        media_type: the media type of the response.
        headers: further headers of the response.
        reconnects: whether its clients reconnect by themselves, as EventSource does. Other clients get a
            `RunEnded` at the end of every response.

    Example:
        >>> encoder: Encoder = SSEEncoder()
        >>> encoder.encode(7, MessageEnded(0))
        b'id: 7\ndata: {"type":"message_ended","message":0}\n\n'
    """

    media_type: ClassVar[str] = "text/event-stream"
    headers: ClassVar[Mapping[str, str]] = NO_CACHE
    reconnects: ClassVar[bool] = False

    def begin(self) -> bytes:
        """Return the bytes before the first frame; they may be empty."""
        return b""

    def encode(self, position: int, frame: Frame, /) -> bytes:
        """Return the bytes of a frame; empty if the protocol cannot express it.

        Args:
            position: the position of the frame in its run, from which clients can resume; the first is 1.
            frame: the frame.
        """
        ...

    def ping(self) -> bytes:
        """Return bytes that keep a silent connection open: a comment. Empty if the protocol has none."""
        return b": ping\n\n"

    def finish(self) -> bytes:
        """Return the bytes after the `RunEnded` frame; they may be empty."""
        return b""


class SSEEncoder(Encoder):
    r"""Server-sent events for `EventSource`: each has a frame as JSON, and its position as id.

    Example:
        >>> SSEEncoder().encode(7, MessageEnded(0))
        b'id: 7\ndata: {"type":"message_ended","message":0}\n\n'
    """

    reconnects = True

    @override
    def begin(self) -> bytes:
        """Return a comment, so that proxies pass on the headers, and the time until a reconnection."""
        return b": ok\nretry: 1000\n\n"

    @override
    def encode(self, position: int, frame: Frame, /) -> bytes:
        """Return one event."""
        return b"id: %d\ndata: %b\n\n" % (position, frame_json(frame))


class JSONLinesEncoder(Encoder):
    r"""One JSON object a line: a frame, with its position as ``id``.

    Example:
        >>> JSONLinesEncoder().encode(7, MessageEnded(0))
        b'{"id":7,"type":"message_ended","message":0}\n'
    """

    media_type = "application/x-ndjson"

    @override
    def encode(self, position: int, frame: Frame, /) -> bytes:
        """Return one line."""
        return json_of({"id": position, **frame.as_data()}) + b"\n"

    @override
    def ping(self) -> bytes:
        """Return an empty line, which readers of JSON lines skip."""
        return b"\n"


class TextEncoder(Encoder):
    r"""Only the text, with an empty line between messages; a last line in brackets if a run did not finish.

    What the user said is left out.

    Example:
        >>> TextEncoder().encode(7, RunEnded("failed", "The agent failed."))
        b'\n[failed: The agent failed.]\n'
    """

    media_type = "text/plain; charset=utf-8"

    def __init__(self) -> None:
        self._gap = b""  # bytes before the next text
        self._wrote = False
        self._of_the_user: int | None = None  # the message that is left out

    @override
    def encode(self, position: int, frame: Frame, /) -> bytes:
        """Return the text of a part; nothing for other frames."""
        match frame:
            case MessageBegan(message, "user"):
                self._of_the_user = message
            case MessagePart(message) | MessageEnded(message) if message == self._of_the_user:
                pass
            case MessagePart(_, str(text)) | MessagePart(_, Refusal(text)) if text:
                gap, self._gap, self._wrote = self._gap, b"", True
                return gap + text.encode(errors="replace")
            case MessagePart(_, Restart()) if self._wrote:
                return b"\n[the text above is withdrawn]\n"
            case MessageEnded() if self._wrote:
                self._gap = b"\n\n"
            case RunEnded(how, sentence) if how != "finished":
                return f"\n[{how}: {sentence}]\n".encode(errors="replace")
            case _:
                pass
        return b""

    @override
    def ping(self) -> bytes:
        """Return nothing: any byte would be text."""
        return b""


PLAIN: Final[Mapping[str, type[Encoder]]] = MappingProxyType(
    {"sse": SSEEncoder, "ndjson": JSONLinesEncoder, "text": TextEncoder}
)
"""The protocols that any client can read."""
