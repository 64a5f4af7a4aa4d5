"""What a journal keeps, as bytes: events of runs, and recorded calls; each with a checksum."""

import json
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple, cast

from pydantic_core import PydanticSerializationError, to_json

from miniagents.runs import CallKey, Event, Json, RecordedEvent

_written: Final = json.JSONEncoder(separators=(",", ":")).encode  # to make one takes longer than to write
_SHORT: Final = 4096  # bytes: what a window of 12 bits holds
_LONG: Final = 512  # bytes of events that are compressed
_CHECKSUM: Final = 4
_LONG_TEXT: Final = 8192  # characters of a text that is stored once
_MARK: Final = "\0text:"  # what it is in an event
_MARK_IN_BODY: Final = b"\\u0000text:"
_MARKS: Final = re.compile(rb"\\u0000text:([0-9a-f]{64})")


class Batch(NamedTuple):
    """Events that are written together.

    Attributes:
        events: in order.
        body: the events as JSON, without the brackets around them all, so that bodies can be joined.
        texts: by their digests, the long texts that were taken out of the body: images, for example.
    """

    events: Sequence[Event]
    body: bytes
    texts: Mapping[str, str]


def batch_of(events: Sequence[Event]) -> Batch:
    """Return events with their bytes."""
    body, texts = _body_of(events), dict[str, str]()
    if len(body) > _LONG_TEXT or _MARK_IN_BODY in body:
        shorter = _without_texts([*events], texts)
        body = _body_of(cast("list[Event]", shorter)) if texts else body
    return Batch(events, body, texts)


def _body_of(events: Sequence[Event]) -> bytes:
    try:
        return to_json(events, inf_nan_mode="constants")[1:-1]
    except PydanticSerializationError:  # half of a pair of surrogates
        return _written([*events])[1:-1].encode()


def _without_texts(value: Json, texts: dict[str, str]) -> Json:
    match value:
        case str() if len(value) > _LONG_TEXT or value.startswith(_MARK):
            digest = digest_of(value)
            texts[digest] = value
            return _MARK + digest
        case list():
            return [_without_texts(each, texts) for each in value]
        case dict():
            return {name: _without_texts(each, texts) for name, each in value.items()}
        case _:
            return value


def _with_texts(value: Json, texts: Mapping[str, str]) -> Json:
    match value:
        case str() if value.startswith(_MARK):
            return texts[value.removeprefix(_MARK)]
        case list():
            return [_with_texts(each, texts) for each in value]
        case dict():
            return {name: _with_texts(each, texts) for name, each in value.items()}
        case _:
            return value


def digest_of(text: str) -> str:
    """Return what identifies a long text."""
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


def sealed(number: int, first: int, last: int, body: bytes) -> bytes:
    """Return the data of a row: the events of a run from a position to another, with a checksum of all."""
    data = compressed(body) if len(body) > _LONG else body
    return data + _sum(number, first, last, data)


def opened(number: int, first: int, last: int, data: bytes) -> bytes:
    """Return the events from which :func:`sealed` made the data of a row.

    Raises:
        ValueError: the row is damaged.
    """
    body = data[:-_CHECKSUM]
    if data[-_CHECKSUM:] != _sum(number, first, last, body):
        raise ValueError("the checksum is wrong")
    return body if body[:1] == b"[" else decompressed(body)


def _sum(number: int, first: int, last: int, data: bytes) -> bytes:
    """A checksum that knows where the data belongs: a damaged index leads to the row of another run."""
    place = (number * 0x9E3779B1 + first * 0x85EBCA6B + last * 0xC2B2AE35) & 0xFFFFFFFF
    return zlib.crc32(data, place).to_bytes(_CHECKSUM, "big")


def events_of(bodies: Iterable[bytes], find: Callable[[Collection[str]], Mapping[str, str]]) -> list[Event]:
    """Return the events of bodies.

    Args:
        bodies: in order.
        find: returns long texts, by their digests.

    Raises:
        ValueError: they are no events, or a text is not there.
    """
    body = b"[%b]" % b",".join(bodies)
    events = cast("list[Event]", json.loads(body))
    if _MARK_IN_BODY not in body:
        return events
    texts = find({found.decode() for found in _MARKS.findall(body)})
    try:
        return cast("list[Event]", _with_texts(cast("Json", events), texts))
    except KeyError:
        raise ValueError("a long text is missing") from None


def call_data(key: CallKey, events: tuple[RecordedEvent, ...]) -> bytes:
    """Return the events of a call, compressed, and a checksum of them and of the key."""
    rows = [[each.what, each.message, each.data] for each in events]
    data = compressed(_written(rows).encode())
    return data + _sum_of_call(key, data)


def _sum_of_call(key: CallKey, data: bytes) -> bytes:
    """Eight bytes: an index that was damaged leads from a key to the call of another one."""
    digest = sha256(key.digest)
    digest.update(f"{key.scope}\n{key.number}\n".encode())
    digest.update(data)
    return digest.digest()[:8]


def compressed(data: bytes) -> bytes:
    """Compress data; short data with little memory, which takes a tenth of the time."""
    little = len(data) <= _SHORT
    compress = zlib.compressobj(6, zlib.DEFLATED, 12 if little else 15, 5 if little else 8)
    return compress.compress(data) + compress.flush()


def decompressed(data: bytes) -> bytes:
    """Return the data that was compressed.

    Raises:
        ValueError: it is damaged.
    """
    try:
        return zlib.decompress(data)
    except zlib.error as error:
        raise ValueError(str(error)) from None


def call_events(key: CallKey, output: bytes) -> tuple[RecordedEvent, ...]:
    """Read the result of :func:`call_data`; calls of version 0.2 have no checksum.

    Raises:
        ValueError: it is damaged.
    """
    decompress = zlib.decompressobj()
    try:
        data = decompress.decompress(output)
        checksum = decompress.unused_data
        if not decompress.eof or (checksum and checksum != _sum_of_call(key, output[: -len(checksum)])):
            raise ValueError("its checksum is wrong")
        found: object = json.loads(data)
    except (zlib.error, RecursionError) as error:
        raise ValueError(str(error)) from None
    if not isinstance(found, list):
        raise ValueError("it is not a list")  # noqa: TRY004 - it is wrong in a file, not in a call
    return tuple(_event(each) for each in cast("list[Json]", found))


def _event(row: Json) -> RecordedEvent:
    match row:
        case [str(what), int() | None as message, data]:
            return RecordedEvent(0.0, what, message, data)
        case _:
            raise ValueError("one of its events is not an event")
