"""Data of a message as JSON and back, exactly.

JSON arrays are tuples (messages are frozen, they hold no lists) and objects are mappings; what JSON has no
word for is an object with one key that begins with `$`: `{"$decimal": "1.10"}`, `{"$date": "2024-02-29"}`. A
mapping that has such a key itself, or keys that are not strings, is written as `{"$map": [[key, value],
...]}`. Kept exactly: None, bool, int, float (also infinite and NaN), str (also with lone surrogates), bytes,
tuple, frozenset, mappings, date, time, datetime (also its zone), timedelta, Decimal, UUID, paths.
Lossy, by rule: a list comes back as a tuple (so does a named tuple), a set as a frozenset, a `time` or
`timezone` keeps no zone name, an Enum comes back as its value (a declared field of a registered message class
makes it the Enum again). Values of any other type are refused.
"""

import base64
import math
import re
from collections.abc import Callable, Mapping, Sequence, Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import cast
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from miniagents.values import FrozenMapping

from ._record import Json

_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")

Encoder = Callable[[object], "Json"]
Decoder = Callable[[str, "Json"], object]


def refuse(value: object) -> Json:
    """The encoder of those who know no further types: every value is refused.

    Raises:
        TypeError: always.
    """
    raise TypeError(
        f"a history cannot keep a value of type {type(value).__qualname__}; make it text, a number, bytes, "
        "a date, a path, a UUID, a message, or a tuple, set or mapping of these"
    )


def encode_data(value: object, other: Encoder = refuse) -> Json:  # noqa: PLR0911 (one line per type is the table)
    """A value of a message becomes JSON.

    Args:
        value: the value.
        other: asked for values of types this room does not know (nested messages); raises TypeError for what
            it does not know either.

    Raises:
        TypeError: the value, or one inside it, is of a type that cannot be kept.

    >>> encode_data({"cost": Decimal("1.10"), "tags": ("a", "b")})
    {'cost': {'$decimal': '1.10'}, 'tags': ['a', 'b']}
    """
    match value:
        case Enum():
            return encode_data(value.value, other)
        case None | bool():
            return value
        case int():
            return int(value)
        case float():
            return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
        case str():
            return {"$chars": [ord(c) for c in value]} if _SURROGATE_PAIR.search(value) else str(value)
        case list() | tuple():
            return [encode_data(item, other) for item in cast("Sequence[object]", value)]
        case set() | frozenset():
            # Sorted, so that equal messages make equal files.
            items = [encode_data(item, other) for item in cast("AbstractSet[object]", value)]
            return {"$set": sorted(items, key=repr)}
        case Mapping():
            return _encode_mapping(cast("Mapping[object, object]", value), other)
        case _:
            tagged = _encode_scalar(value)
            return other(value) if tagged is None else tagged


def decode_data(value: Json, other: Decoder | None = None) -> object:
    """What `encode_data` made becomes the value again.

    What carries a tag that is unknown or holds nonsense (a hand-edited file) stays a mapping: nothing is
    lost.

    Args:
        value: JSON.
        other: asked for tags this room does not know; raises ValueError for what it does not know either.

    >>> decode_data({"cost": {"$decimal": "1.10"}})["cost"]
    Decimal('1.10')
    """
    if isinstance(value, list):
        return tuple(decode_data(item, other) for item in value)
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, content),) = value.items()
        if tag.startswith("$"):
            try:
                return _decode_tagged(tag, content, other)
            except (ValueError, TypeError, ArithmeticError):
                pass
    return FrozenMapping({key: decode_data(item, other) for key, item in value.items()})


def _encode_mapping(value: Mapping[object, object], other: Encoder) -> Json:
    if all(
        isinstance(key, str) and not key.startswith("$") and not _SURROGATE_PAIR.search(key) for key in value
    ):
        return {str(key): encode_data(item, other) for key, item in value.items()}
    return {"$map": [[encode_data(key, other), encode_data(item, other)] for key, item in value.items()]}


def _encode_scalar(value: object) -> dict[str, Json] | None:  # noqa: PLR0911 (one line per type is the table)
    match value:
        case bytes() | bytearray():
            return {"$bytes": base64.b64encode(value).decode()}
        case datetime():
            zone = value.tzinfo.key if isinstance(value.tzinfo, ZoneInfo) else None
            return {"$datetime": [value.isoformat(), zone] if zone else value.isoformat()}
        case date():
            return {"$date": value.isoformat()}
        case time():
            return {"$time": value.isoformat()}
        case timedelta():
            return {"$timedelta": [value.days, value.seconds, value.microseconds]}
        case Decimal():
            return {"$decimal": str(value)}
        case UUID():
            return {"$uuid": str(value)}
        case PurePath():
            kind = "path" if isinstance(value, Path) else type(value).__name__.lower()
            return {f"${kind}": encode_data(str(value))}
        case _:
            return None


def _decode_tagged(tag: str, content: Json, other: Decoder | None) -> object:  # noqa: PLR0911 (a table)
    if tag in _FROM_TEXT and isinstance(plain := decode_data(content), str):
        return _FROM_TEXT[tag](plain)
    match tag, content:
        case "$chars", list():
            return "".join(chr(number) for number in content if isinstance(number, int))
        case "$set", list():
            return frozenset(decode_data(item, other) for item in content)
        case "$map", list():
            return FrozenMapping(
                {decode_data(key, other): decode_data(item, other) for key, item in map(_pair, content)}
            )
        case "$datetime", [str(moment), str(zone)]:
            return _in_zone(datetime.fromisoformat(moment), zone)
        case "$timedelta", [int(days), int(seconds), int(microseconds)]:
            return timedelta(days, seconds, microseconds)
        case _ if other is not None:
            return other(tag, content)
        case _:
            raise ValueError(tag)


def _pair(entry: Json) -> tuple[Json, Json]:
    if isinstance(entry, list) and len(entry) == 2:  # noqa: PLR2004 (a pair)
        return entry[0], entry[1]
    raise ValueError(entry)


def _in_zone(moment: datetime, zone: str) -> datetime:
    try:
        tzinfo = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return moment  # no such zone on this machine: the same moment with its fixed offset
    # The offset in the ISO text tells the two sides of a repeated hour apart.
    sides = (moment.replace(tzinfo=tzinfo, fold=fold) for fold in (0, 1))
    return next((side for side in sides if side.utcoffset() == moment.utcoffset()), moment.astimezone(tzinfo))


_FROM_TEXT: Mapping[str, Callable[[str], object]] = MappingProxyType(
    {
        "$float": float,
        "$bytes": lambda content: base64.b64decode(content, validate=True),
        "$datetime": datetime.fromisoformat,
        "$date": date.fromisoformat,
        "$time": time.fromisoformat,
        "$decimal": Decimal,
        "$uuid": UUID,
        "$path": Path,
        "$pureposixpath": PurePosixPath,
        "$purewindowspath": PureWindowsPath,
    }
)
