"""Decodes the event stream of Amazon Bedrock, which is binary, to the events inside of it.

A message has its length, the length of its headers, a checksum, the headers, a payload and a checksum
(https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html). The payload is JSON: an event in base64
under ``bytes``, or an error.
"""

import zlib
from base64 import b64decode
from typing import Final

from ._json import WireError, look, untyped
from ._sse import MAX_EVENT, MAX_STREAM, ServerEvent

AWS_EVENT_STREAM: Final = "application/vnd.amazon.eventstream"
_PRELUDE: Final = 12
_CHECKSUM: Final = 4


class AWSEventDecoder:
    """Decodes the bytes of one stream.

    Raises:
        WireError: from `feed`: a message is damaged, or larger than the limit.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._left = MAX_STREAM

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that are complete now.

        Args:
            chunk: bytes, cut anywhere.
        """
        self._held += chunk
        self._left -= len(chunk)
        events: list[ServerEvent] = []
        while len(self._held) >= _PRELUDE:
            length = int.from_bytes(self._held[:4])
            if not _PRELUDE + _CHECKSUM <= length <= MAX_EVENT or self._left < 0:
                raise WireError("a message of the event stream has a length that cannot be")
            if len(self._held) < length:
                break
            events.append(_event(bytes(self._held[:length])))
            del self._held[:length]
        return events

    def rest(self) -> list[ServerEvent]:
        """Return the last event if the stream ended in it: none, since its end is missing."""
        return []


def _event(message: bytes) -> ServerEvent:
    if zlib.crc32(message[:-_CHECKSUM]) != int.from_bytes(message[-_CHECKSUM:]):
        raise WireError("a message of the event stream is damaged")
    headers = message[_PRELUDE : _PRELUDE + int.from_bytes(message[4:8])]
    payload = message[_PRELUDE + len(headers) : -_CHECKSUM]
    inside = look(untyped(payload), "bytes")
    if isinstance(inside, str):
        try:
            return ServerEvent("", b64decode(inside, validate=True))
        except ValueError:
            raise WireError("a message of the event stream is not in Base64") from None
    return ServerEvent("error" if b"exception" in headers else "", payload)
