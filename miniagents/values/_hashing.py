"""Hash keys: sha256 over canonical JSON, the same in every process.

Canonical means: keys sorted, no whitespace, ASCII only. What JSON alone would confuse is told apart by a tag, an object
whose one key begins with ``$``: ``{"$bytes": "..."}``. A key of real data that begins with ``$`` gets a second one, so
that data cannot imitate a tag. A nested message stands there by its own key, which makes the whole a Merkle tree.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from pathlib import PurePath, PureWindowsPath
from typing import Protocol, cast, runtime_checkable
from uuid import UUID

from pydantic import BaseModel

from ._errors import HashKeyError
from ._path import Index, Path

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None

_LENGTH = 40
# Beyond this the interpreter may refuse to write an integer in decimal digits.
_BIG = 10**4000


@runtime_checkable
class HasHashKey(Protocol):
    """What is hashed by its own key."""

    def __hash_key_of__(self, path: Path) -> tuple[str, bool]:
        """Return the key, and whether it can never change."""
        ...


class HashWalk:
    """One walk through the fields of one value.

    Attributes:
        lasting: False when something was met that can still be changed (a pydantic model that is no `Frozen`): the key
            is right now but must not be kept.
    """

    __slots__ = ("lasting",)

    def __init__(self) -> None:
        self.lasting = True

    def key(self, class_name: str, fields: Mapping[str, object], path: Path) -> str:
        """Return the first 40 hex digits of the hash of a class name with its fields.

        Raises:
            HashKeyError: If a number is NaN or infinite.
        """
        payload = {"class": class_name, "fields": self._mapping(fields, path)}
        return sha256(_dumps(payload).encode("ascii")).hexdigest()[:_LENGTH]

    def _json(self, value: object, path: Path) -> Json:  # noqa: PLR0911 - one line a type is the plainest table
        match value:
            case Enum():
                return {"$enum": f"{class_name_of(type(value))}.{value.name}"}
            case None | bool() | str():
                return value
            case int():
                return value if -_BIG < value < _BIG else {"$int": hex(value)}
            case float():
                return self._finite(value, path, finite=math.isfinite(value))
            case HasHashKey():
                key, lasting = value.__hash_key_of__(path)
                self.lasting = self.lasting and lasting
                return {"$frozen": key}
            case Mapping():
                return self._mapping(cast("Mapping[object, object]", value), path)
            case tuple() | list():
                items = cast("Iterable[object]", value)
                return [self._json(each, Path(path, Index(at))) for at, each in enumerate(items)]
            case frozenset() | set():
                elements = [self._json(each, path) for each in cast("Iterable[object]", value)]
                return {"$set": sorted(elements, key=_dumps)}
            case Decimal():
                self._finite(0.0, path, finite=value.is_finite())
                return {"$decimal": str(value)}
            case BaseModel():
                self.lasting = False
                fields = {**value.__dict__, **(value.__pydantic_extra__ or {})}
                return {"$model": [class_name_of(type(value)), self._mapping(fields, path)]}
            case _:
                return _tagged(value)

    def _mapping(self, value: Mapping[object, object] | Mapping[str, object], path: Path) -> Json:
        if all(type(key) is str for key in value):
            return {
                (f"${key}" if key.startswith("$") else key): self._json(item, Path(path, key))
                for key, item in cast("Mapping[str, object]", value).items()
            }
        pairs: list[Json] = [
            [self._json(key, path), self._json(item, Path(path, key))] for key, item in value.items()
        ]
        return {"$map": sorted(pairs, key=_dumps)}

    @staticmethod
    def _finite(value: float, path: Path, *, finite: bool) -> float:
        if not finite:
            raise HashKeyError(
                f"{path} is NaN or infinite, so there is no hash key; use None or a text for a number that is not known"
            )
        return value


def class_name_of(cls: type) -> str:
    """Return the qualified name of a class, with its module."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _tagged(value: object) -> Json:
    match value:
        case bytes():
            return {"$bytes": value.hex()}
        case datetime():
            return {"$datetime": [value.isoformat(), value.fold]}
        case date():
            return {"$date": value.isoformat()}
        case time():
            return {"$time": [value.isoformat(), value.fold]}
        case timedelta():
            return {"$timedelta": [value.days, value.seconds, value.microseconds]}
        case UUID():
            return {"$uuid": value.hex}
        case PurePath():
            return {"$windows_path" if isinstance(value, PureWindowsPath) else "$path": value.as_posix()}
        case _:
            raise TypeError(f"a value of type {class_name_of(type(value))} has no canonical form")


_dumps: Callable[[object], str] = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, check_circular=False
).encode
