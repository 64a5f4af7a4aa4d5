"""Server-sent events: decodes bytes to events, without a socket.

Decoding is linear, strict and bounded. However the bytes are cut into chunks, each byte is looked at a fixed
number of times, and the events are the same. Lines end with CR, LF or CRLF, a byte order mark may come first,
and comments are ignored (https://html.spec.whatwg.org/multipage/server-sent-events.html). The size of an
event and of the whole stream is limited.

Two dialects that the standard ignores are passed on, since they contain errors: a field called ``error``
(llama.cpp), and a line that is JSON by itself. `ServerEvent.error` makes an exception of them. Events with
blank data, with which gateways keep connections alive, are ignored.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, cast

from ._json import ProviderError, WireError, integer_at, look, untyped
from ._reasons import reason_in

MAX_EVENT: Final = 16 * 2**20
"""Bytes that one event, or one line, may have; an image comes in one event."""
MAX_STREAM: Final = 512 * 2**20
"""Bytes that one answer may have in all, including comments."""

STRAY: Final = "\N{NULL}"
"""The name of a line that is JSON by itself, without a field; no event can have it."""
ERRORS: Final = frozenset({"error", STRAY})
"""The names of events that are no part of an answer, but may be errors."""

_LF: Final = 10
_CR: Final = 13
_END_OF_EVENT: Final = b"\n\n"
_BOM: Final = b"\xef\xbb\xbf"


class ServerEvent(NamedTuple):
    r"""One event of a stream.

    Attributes:
        name: its type, ``""`` if it has none.
        data: the lines of its data, joined by a newline.

    Example:
        >>> SSEDecoder().feed(b"event: ping\ndata: {}\n\n")
        [ServerEvent(name='ping', data=b'{}')]
    """

    name: str
    data: bytes

    @property
    def error(self) -> ProviderError | None:
        """The error in an event of a dialect; None if it is another event.

        Such events have the type ``error``, or are lines that are JSON by themselves. Their error has one of
        the forms that servers use: under ``error``, or flat (``detail``, ``code`` and ``msg``, ...).

        Example:
            >>> ServerEvent("error", b'{"error": {"type": "busy", "message": "Later."}}').error
            ProviderError('busy: Later.')
        """
        try:
            value = untyped(self.data)
        except WireError:
            return ProviderError("", self.data.decode("utf-8", "replace")) if self.name == "error" else None
        inner = look(value, "error")
        if inner is None and (self.name == "error" or (self.name == STRAY and _tells(value))):
            inner = value
        if inner is None:
            return None
        reason = reason_in(inner)
        return ProviderError(reason.kind, reason.text)

    def raise_error(self) -> None:
        """If the event is an error, raise it."""
        if (error := self.error) is not None:
            raise error


# Faster than the constructor of the class, which takes twice as long: there is an event for each token.
_event: Final = cast("Callable[[type[ServerEvent], tuple[str, bytes]], ServerEvent]", tuple.__new__)  # pyright: ignore[reportUnknownMemberType] - of any tuple


class SSEDecoder:
    r"""Decodes the bytes of one stream to its events.

    Args:
        max_event: bytes that one event or line may have.
        max_stream: bytes that the whole stream may have.

    Raises:
        WireError: from `feed`: a limit is exceeded.

    Example:
        >>> decoder = SSEDecoder()
        >>> decoder.feed(b"data: on"), decoder.feed(b"e\r"), decoder.feed(b"\n\r\n: ping\n\n")
        ([], [], [ServerEvent(name='', data=b'one')])
    """

    def __init__(self, max_event: int = MAX_EVENT, max_stream: int = MAX_STREAM) -> None:
        self._max_event = max_event
        self._left = max_stream  # bytes that may still come
        self._partial = bytearray()  # the line that has not ended yet
        self._begun = False  # the position of a byte order mark has passed
        self._after_cr = False  # the last byte was CR: a LF that comes now belongs to it
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0
        self._between_events = False  # the stream has begun, and no byte of the next event has come

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that are complete now.

        Args:
            chunk: bytes, cut anywhere.

        Raises:
            WireError: a limit is exceeded.
        """
        # Most chunks are whole events in the usual form, which can be decoded without a search for lines.
        if _CR not in chunk and (last := chunk.rfind(_END_OF_EVENT)) >= 0:
            begin = 0 if self._between_events else chunk.find(_END_OF_EVENT) + len(_END_OF_EVENT)
            end = last + len(_END_OF_EVENT)
            if begin < end <= self._left and end - begin <= self._max_event:
                whole = _whole_events(chunk[begin:end])
                if whole is not None:
                    before = self._by_lines(chunk[:begin]) if begin else ()
                    self._left -= end - begin
                    after = self._by_lines(chunk[end:]) if end < len(chunk) else ()
                    return [*before, *whole, *after] if before or after else whole
        return self._by_lines(chunk)

    def _by_lines(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that are complete now, from lines of any form."""
        events: list[ServerEvent] = []
        for line in self._lines(chunk):
            if line.startswith(b"data: "):
                self._add(line[6:])
            elif not line:
                if self._data:
                    event = self._event()
                    if event.name == "error" or (event.data and not event.data.isspace()):
                        events.append(event)
                self._name = ""
            else:
                self._other(line, events)
        pending = self._partial or self._data or self._name or self._after_cr
        self._between_events = self._begun and not pending
        return events

    def _lines(self, chunk: bytes) -> list[bytes]:
        """Return the lines that are complete now, and keep the beginning of the next one."""
        self._left -= len(chunk)
        if self._left < 0:
            raise WireError("the answer is larger than the limit for an answer")
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk[0] == _LF:
                chunk = chunk[1:]
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if not lines:
            self._keep(rest)
            return []
        if self._partial:
            self._keep(lines[0])
            lines[0] = bytes(self._partial)
            self._partial.clear()
        if not self._begun:
            self._begun = True
            lines[0] = lines[0].removeprefix(_BOM)
        self._keep(rest)
        return lines

    def rest(self) -> list[ServerEvent]:
        """Return the last event if the stream ended in it; it may be incomplete.

        The standard ignores it. A caller that can check whether its data is complete, as with JSON, may use
        it.
        """
        return self.feed(b"\n\n")

    def _keep(self, rest: bytes) -> None:
        if rest:
            self._partial += rest
            if len(self._partial) > self._max_event:
                raise WireError("an event is larger than the limit for an event")

    def _add(self, data: bytes) -> None:
        self._size += len(data) + 1
        if self._size > self._max_event:
            raise WireError("an event is larger than the limit for an event")
        self._data.append(data)

    def _event(self) -> ServerEvent:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data = []
        self._size = 0
        return ServerEvent(self._name, data)

    def _other(self, line: bytes, events: list[ServerEvent]) -> None:
        field, colon, value = line.partition(b":")
        if not field:  # a comment
            return
        value = value.removeprefix(b" ")
        if field == b"data":
            self._add(value)
        elif field == b"event":
            self._name = _name_of(value)
        elif field == b"error" and colon:
            events.append(ServerEvent("error", value))
        elif line.startswith(b"{"):
            events.append(ServerEvent(STRAY, line))


def _whole_events(chunk: bytes) -> list[ServerEvent] | None:
    """Return the events of a chunk of whole events with one line of data each; None for any other chunk."""
    events: list[ServerEvent] = []
    for event in chunk[:-2].split(_END_OF_EVENT):
        if event.startswith(b"data: "):
            name, data = "", event[6:]
        else:
            at = event.find(b"\ndata: ") if event.startswith(b"event: ") else -1
            if at < 0 or _LF in event[:at]:
                return None
            name, data = _name_of(event[7:at]), event[at + 7 :]
        if data[:1] <= b" " or _LF in data:
            return None
        events.append(_event(ServerEvent, (name, data)))
    return events


def _name_of(value: bytes) -> str:
    return value.decode("utf-8", "replace").replace(STRAY, "")


def _tells(value: object) -> bool:
    """Return whether JSON has the fields of an error, which no answer has."""
    return (
        isinstance(look(value, "message"), str)
        or any(look(value, name) is not None for name in ("detail", "msg", "error_msg", "errors"))
        or bool(integer_at(value, "base_resp", "status_code"))  # of MiniMax; 0 is not an error
    )
