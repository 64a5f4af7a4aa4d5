"""What a journal keeps, as bytes: events of runs, and recorded calls; with checksums, and perhaps sealed."""

import hmac
import json
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from secrets import token_bytes
from typing import Final, Literal, NamedTuple, TypeAlias, cast

from pydantic_core import PydanticSerializationError, from_json, to_json

from miniagents.runs import CallKey, Event, JournalError, Json, RecordedEvent, without_texts
from miniagents.values import redact_keys

Keep: TypeAlias = Literal["hash", "text"]
"""What is kept of what agents were sent whose calls are recorded."""

Content: TypeAlias = Literal["keep", "run", "off"]
"""What is kept of texts in the logs of runs: all; all until a run has ended; nothing."""

Hook: TypeAlias = Callable[[bytes], bytes]

Place: TypeAlias = tuple[bytes, str, int]
"""The key of a call in the database: digest, scope, number."""

_written: Final = json.JSONEncoder(separators=(",", ":")).encode  # to make one takes longer than to write
_SHORT: Final = 4096  # bytes: what a window of 12 bits holds
_LONG: Final = 512  # bytes of events that are compressed
_CHECKSUM: Final = 4
_FIELDS: Final = 3  # of an event of a call
_LONG_TEXT: Final = 8192  # characters of a text that is stored once
_MARK: Final = "\0text:"  # what it is in an event
_MARK_IN_BODY: Final = b"\\u0000text:"
_MARKS: Final = re.compile(rb"\\u0000text:([0-9a-f]{64})")


_WORDS: Final = (
    b'"text","data":{}}}],"keywords":{}}],["began",0,{"agent":"","messages":[{"$message":{"role":"user",'
    b'"class":"Message","text":"["call",1,0,"agent","{},["call",2,1,"agent","["call",3,2,"model","['
    b'"parts",3,0,["],[17954517688,["call_end",3,17954517,"done",null,[]],["call_end",2,17,"done",null,['
    b'{"model":null,"response_id":null,"finish_reason":null,"usage":null}]],["kept",2,"","1",[["message",0,'
    b'"AssistantMessage"],["parts",0,[3,0]],["part",0,{"index":0,"id":"","name":"","arguments":"{\\"",'
    b'"item_id":null,"opaque":null,"kind":"tool_call_delta"}],["end",0,["assistant","AssistantMessage",{}]]]]'
    b',["frame",0,{"type":"message_began","message":0,"role":"tool","agent":"","tool":"","call":""}],['
    b'"frame",0,{"type":"message_ended","message":0}],["reply",0,0,3,0],["question",4,"","approval",{"tool":'
    b'"","arguments":{},"call":"","description":"","schema":{"additionalProperties":false,"properties":{"":{'
    b'"description":"","type":"string"}},"required":[""],"type":"object"}},"",null,""],["frame",0,{"type":'
    b'"message_began","message":0,"role":"assistant","agent":"","model":""}],["parked",0,null]'
)
"""What most logs of runs have; short ones become half as long when the compression knows it."""


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


@dataclass(slots=True, eq=False)
class Codec:
    """Turns what a journal keeps into bytes, and back; all that is written passes through here.

    Args:
        keep: what is kept of what agents were sent whose calls are recorded.
        content: what is kept of texts in the logs of runs.
        seal: makes what is written of bytes, such as an encryption; None: nothing is sealed.
        unseal: makes the bytes of it again.

    Attributes:
        keep: what is kept of what agents were sent.
        content: what is kept of texts.

    Raises:
        JournalError: they do not fit together.
    """

    keep: Keep = "hash"
    content: Content = "keep"
    _seal: Hook | None = None
    _unseal: Hook | None = None
    _secret: bytes = field(default=b"", init=False)

    def __post_init__(self) -> None:
        """Check that they fit together."""
        if self.keep not in {"hash", "text"}:
            raise JournalError(f"keep={self.keep!r} of a journal is neither 'hash' nor 'text'.")
        if self.content not in {"keep", "run", "off"}:
            raise JournalError(
                f"content={self.content!r} of a journal is neither 'keep' nor 'run' nor 'off'."
            )
        if (self._seal is None) != (self._unseal is None):
            raise JournalError("A journal needs both seal= and unseal=, or none of them.")

    def unlock(self, kept: bytes | None, place: str) -> bytes:
        """Take the secret of a journal, with which its digests are made, and return what it keeps of it.

        Args:
            kept: sealed; ``b""`` in a journal that is not; None in a new one.
            place: the journal, in errors.

        Raises:
            JournalError: it is sealed in another way.
        """
        if kept is None:
            self._secret = b"" if self._seal is None else token_bytes(32)
            return self._out(self._secret)
        if kept and self._unseal is None:
            raise JournalError(f"{place} is sealed; give the seal= and unseal= with which it was begun.")
        if not kept and self._unseal is not None:
            raise JournalError(f"{place} was begun without seal=, and can be read by all; begin another one.")
        try:
            self._secret = self._in(kept)
        except ValueError as error:
            raise JournalError(
                f"{place} was sealed in another way, with another key perhaps: {error}."
            ) from None
        return kept

    def _out(self, data: bytes) -> bytes:
        return data if self._seal is None else self._seal(data)

    def _in(self, data: bytes) -> bytes:
        if self._unseal is None:
            return data
        try:
            return self._unseal(data)
        except Exception as error:  # noqa: BLE001 - of code of the user
            raise ValueError(f"unseal= cannot read it ({type(error).__name__})") from None

    # -- runs ----------------------------------------------------------------------------------------------

    def batch_of(self, events: Sequence[Event], *, texts: bool = True) -> Batch:
        """Return events with their bytes.

        Args:
            events: in order.
            texts: whether they are kept, as far as the journal keeps any.

        Raises:
            JournalError: there is a question, which needs texts.
        """
        if self.content == "off" and texts and any(event[0] in {"question", "sent"} for event in events):
            raise JournalError("a journal with content='off' keeps no questions, so a run cannot ask people.")
        if self.content == "off" or not texts:
            events = [*map(without_texts, events)]
        body, long = _body_of(events), dict[str, str]()
        if len(body) > _LONG_TEXT or _MARK_IN_BODY in body:
            shorter = _with_other_texts([*events], partial(self._shorter, long))
            body = _body_of(cast("list[Event]", shorter)) if long else body
        return Batch(events, body, long)

    def _shorter(self, texts: dict[str, str], text: str) -> str:
        """A text as an event has it: a long one is kept once, and the event has its digest."""
        if len(text) <= _LONG_TEXT and not text.startswith(_MARK):
            return text
        digest = self._digest(text.encode(errors="surrogatepass")).hex()
        texts[digest] = text
        return _MARK + digest

    def _digest(self, data: bytes) -> bytes:
        """In a sealed journal with its secret: with a digest alone, a guess of a text could be checked."""
        return hmac.digest(self._secret, data, "sha256") if self._secret else sha256(data).digest()

    def row(self, number: int, first: int, last: int, body: bytes) -> bytes:
        """Return the data of a row: events of a run from a position to another, with a checksum of all."""
        data = _compressed(body, _WORDS) if len(body) > _LONG else body
        return self._out(data + _sum(number, first, last, data))

    def body(self, number: int, first: int, last: int, row: bytes) -> bytes:
        """Return the events from which :meth:`row` made the data of a row.

        Raises:
            ValueError: the row is damaged.
        """
        data = self._in(row)
        body = data[:-_CHECKSUM]
        if data[-_CHECKSUM:] != _sum(number, first, last, body):
            raise ValueError("the checksum is wrong")
        return body if body[:1] == b"[" else _decompressed(body, _WORDS)

    def text_data(self, text: str) -> bytes:
        """Return a long text as it is kept."""
        return self._out(_compressed(text.encode(errors="surrogatepass")))

    def texts(self, kept: Iterable[bytes]) -> dict[str, str]:
        """Return long texts, by their digests.

        Raises:
            ValueError: one is damaged.
        """
        found = [_decompressed(self._in(each)) for each in kept]
        return {self._digest(each).hex(): each.decode(errors="surrogatepass") for each in found}

    def sent_data(self, key: str, data: Json) -> bytes:
        """Return what is sent to a run as it is kept.

        Raises:
            JournalError: it may have texts, and none are kept.
        """
        if self.content == "off" and data is not None:
            raise JournalError(f"a journal with content='off' keeps no texts, so {key!r} cannot be sent.")
        return self._out(_written(data).encode())

    def sent(self, kept: bytes) -> Json:
        """Return what was sent to a run.

        Raises:
            ValueError: it is damaged.
        """
        return _read(self._in(kept))

    # -- calls ---------------------------------------------------------------------------------------------

    def place(self, key: CallKey) -> Place:
        """Return the key under which a call is kept."""
        return self._digest(key.digest) if self._secret else key.digest, key.scope, key.number

    def call_data(self, place: Place, events: tuple[RecordedEvent, ...]) -> bytes:
        """Return the events of a call, compressed, and a checksum of them and of the key.

        Args:
            place: of the call.
            events: of the call.
        """
        rows = [[each.what, each.message, each.data] for each in events]
        data = _compressed(_written(rows).encode())
        return self._out(data + _sum_of_call(place, data))

    def call_events(self, place: Place, output: bytes) -> tuple[RecordedEvent, ...]:
        """Read the result of :meth:`call_data`; calls of version 0.2 have no checksum.

        Raises:
            ValueError: it is damaged.
        """
        output = self._in(output)
        decompress = zlib.decompressobj()
        try:
            data = decompress.decompress(output)
            checksum = decompress.unused_data
            if not decompress.eof or (checksum and checksum != _sum_of_call(place, output[: -len(checksum)])):
                raise ValueError("its checksum is wrong")
            found = _read(data)
        except zlib.error as error:
            raise ValueError(str(error)) from None
        if not isinstance(found, list):
            raise ValueError("it is not a list")  # noqa: TRY004 - it is wrong in a file, not in a call
        return tuple(map(_event, found))

    def question_data(self, question: str) -> bytes | None:
        """Return what is kept of what an agent was sent, without what looks like a key."""
        return self.text_data(redact_keys(question)) if self.keep == "text" else None

    def question(self, kept: bytes) -> str:
        """Return what an agent was sent.

        Raises:
            ValueError: it is damaged.
        """
        return _decompressed(self._in(kept)).decode(errors="surrogatepass")


def _body_of(events: Sequence[Event]) -> bytes:
    try:
        return to_json(events, inf_nan_mode="constants")[1:-1]
    except PydanticSerializationError:  # half of a pair of surrogates
        return _written([*events])[1:-1].encode()


def _with_other_texts(value: Json, other: Callable[[str], str]) -> Json:
    match value:
        case str():
            return other(value)
        case list():
            return [_with_other_texts(each, other) for each in value]
        case dict():
            return {name: _with_other_texts(each, other) for name, each in value.items()}
        case _:
            return value


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
    events = cast("list[Event]", _read(body))
    if _MARK_IN_BODY not in body:
        return events
    texts = find({found.decode() for found in _MARKS.findall(body)})
    try:
        known = _with_other_texts(
            cast("Json", events),
            lambda text: texts[text.removeprefix(_MARK)] if text.startswith(_MARK) else text,
        )
        return cast("list[Event]", known)
    except KeyError:
        raise ValueError("a long text is missing") from None


def _sum_of_call(place: Place, data: bytes) -> bytes:
    """Eight bytes: an index that was damaged leads from a key to the call of another one."""
    digest, scope, number = place
    return sha256(b"%b%b\n%d\n%b" % (digest, scope.encode(), number, data)).digest()[:8]


def _read(data: bytes) -> Json:
    """Read JSON, also if it has halves of pairs of surrogates.

    Raises:
        ValueError: it is none.
    """
    try:
        return cast("Json", from_json(data))
    except ValueError:
        try:
            return cast("Json", json.loads(data))
        except RecursionError as error:
            raise ValueError(str(error)) from None


def _compressed(data: bytes, words: bytes = b"") -> bytes:
    """Compress data; short data with little memory, which takes a tenth of the time."""
    little = len(data) <= _SHORT
    compress = zlib.compressobj(
        6, zlib.DEFLATED, 12 if little else 15, 5 if little else 8, zlib.Z_DEFAULT_STRATEGY, words
    )
    return compress.compress(data) + compress.flush()


def _decompressed(data: bytes, words: bytes = b"") -> bytes:
    """Return the data that was compressed.

    Raises:
        ValueError: it is damaged.
    """
    decompress = zlib.decompressobj(zdict=words)
    try:
        found = decompress.decompress(data)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not decompress.eof:
        raise ValueError("its end is missing")
    return found


def _event(row: Json) -> RecordedEvent:
    if isinstance(row, list) and len(row) == _FIELDS:
        what, message, data = row
        if isinstance(what, str) and (message is None or isinstance(message, int)):
            return RecordedEvent(0.0, what, message, data)
    raise ValueError("one of its events is not an event")
