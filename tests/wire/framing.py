"""From the events of a server to bytes, and from bytes to what the network brings at once."""

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from .plans import Block, Dialect, Event, Plan

__all__ = ["FRAMINGS", "Body", "arguments", "body_of", "halved"]


@dataclass(frozen=True, slots=True)
class Body:
    """What a server sends.

    Attributes:
        pieces: the bytes, as the network brings them.
        headers: of the response.
        breaks: whether the connection breaks after them.
    """

    pieces: tuple[bytes, ...]
    headers: tuple[tuple[str, str], ...]
    breaks: bool = False


FRAMINGS: Final = (
    Dialect("crlf", "lines"),
    Dialect("cr", "lines"),
    Dialect("no-space", "fields"),
    Dialect("comments", "comments"),
    Dialect("blank-lines", "comments"),
    Dialect(
        "other-fields", "other-fields", sdk="after an id or a retry it reads an event without data as JSON"
    ),
    Dialect("lines-of-json", "lines-of-json"),
    Dialect("bom", "bom", sdk="it drops the event after a byte order mark"),
    Dialect("empty-data", "empty-data", sdk="it reads empty data as JSON"),
    Dialect("ascii", "escapes"),
    Dialect("halves", "escapes", sdk="it makes two halves of a character, which no file can hold"),
    Dialect("gzip", "headers"),
    Dialect("says-json", "headers"),
    Dialect("says-nothing", "headers"),
)
"""Ways to write events that have nothing to do with what they mean."""


def arguments(plan: Plan, block: Block) -> tuple[str, ...]:
    """The pieces of the arguments of a call; with "arguments-unusable" a small model made a mistake."""
    if "arguments-unusable" not in plan.dialects:
        return block.pieces
    wrong = Random(f"{plan.seed} {block.key}").randrange(3)  # noqa: S311 - no secret
    whole = block.whole
    return (
        (*block.pieces, "}"),
        (whole[: len(whole) // 2], "") if len(whole) > 1 else ("{",),
        ("city: ", "Oslo"),
    )[wrong]


def halved(plan: Plan, pieces: Sequence[str]) -> tuple[str, ...]:
    """The pieces, with characters beyond 16 bits cut into halves where the server does that."""
    if "halves" not in plan.dialects:
        return tuple(pieces)
    return tuple(half for piece in pieces for half in _halves(piece))


def _halves(piece: str) -> Iterator[str]:
    begun = ""
    for character in piece:
        if ord(character) > 0xFFFF:
            units = character.encode("utf-16-be")
            yield begun + units[:2].decode("utf-16-be", "surrogatepass")
            begun = units[2:].decode("utf-16-be", "surrogatepass")
        else:
            begun += character
    yield begun


def body_of(plan: Plan, events: Iterable[Event], rng: Random, *, breaks: bool = False) -> Body:
    """The bytes of the events, as the server of the plan writes them, and as its network brings them."""
    dialects = plan.dialects
    ends = b"\r\n" if "crlf" in dialects else b"\r" if "cr" in dialects else b"\n"
    written = [b"".join(line + ends for line in _lines(event, dialects, rng)) for event in events]
    if "bom" in dialects:
        written.insert(0, b"\xef\xbb\xbf")
    headers = {"content-type": "text/event-stream; charset=utf-8"}
    if "says-json" in dialects:
        headers["content-type"] = "application/json"
    elif "says-nothing" in dialects:
        headers.clear()
    if "gzip" in dialects:
        headers["content-encoding"] = "gzip"
        written = [gzip.compress(b"".join(written), mtime=0)]
    return Body(tuple(_split(plan.split, written, rng)), tuple(headers.items()), breaks)


def _lines(event: Event, dialects: frozenset[str], rng: Random) -> Iterator[bytes]:
    space = b"" if "no-space" in dialects else b" "
    if "comments" in dialects and rng.random() < 0.4:
        yield rng.choice((b": OPENROUTER PROCESSING", b":", b": ping - 2026-01-01 00:00:00"))
        if rng.random() < 0.5:
            yield b""
    if "blank-lines" in dialects:
        yield from [b""] * rng.randrange(3)
    if "empty-data" in dialects and rng.random() < 0.3:
        yield b"data:"
        yield b""
    if "other-fields" in dialects and rng.random() < 0.5:
        yield rng.choice((b"id: 7", b"retry: 3000", b"id", b"extra: {}"))
        if rng.random() < 0.3:
            yield b""
    if event.name:
        yield b"event:" + space + event.name.encode()
    for line in _json(event, dialects, rng):
        yield b"data:" + space + line
    yield b""


def _json(event: Event, dialects: frozenset[str], rng: Random) -> list[bytes]:
    if isinstance(event.data, bytes):
        return [event.data]
    compact = rng.random() < 0.5
    text = json.dumps(
        event.data,
        # A half of a character cannot be written in UTF-8, only as an escape.
        ensure_ascii="ascii" in dialects or "halves" in dialects,
        separators=(",", ":") if compact else None,
        indent=1 if "lines-of-json" in dialects else None,
    )
    return text.encode().split(b"\n")


def _split(how: str, events: list[bytes], rng: Random) -> Iterator[bytes]:
    if how == "events":
        yield from events
        return
    data = b"".join(events)
    if how == "whole":
        yield data
    elif how == "bytes":
        yield from (data[at : at + 1] for at in range(len(data)))
    else:
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(1, 12)))
        yield from (data[a:b] for a, b in zip((0, *cuts), (*cuts, len(data)), strict=True) if a < b)
