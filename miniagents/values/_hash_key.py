"""Hash keys: sha256 over canonical JSON, the same in every process.

Canonical means: keys sorted, no whitespace, ASCII only. A value that plain JSON would confuse with another
one is written as a tag, an object whose only key begins with ``$``: ``{"$bytes": "00ff"}``. A key of real
data that begins with ``$`` gets a second ``$``, so that data cannot imitate a tag. A nested message is
written as its own hash key: a Merkle tree.
"""

import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from pathlib import PurePath, PureWindowsPath
from types import MappingProxyType
from typing import Final, TypeAlias, TypeGuard
from uuid import UUID

from pydantic import BaseModel

from ._errors import MessageValidationError
from ._freeze import (
    DataPath,
    FrozenValue,
    Index,
    is_mapping,
    is_record,
    is_secret,
    is_set,
    record_data,
    text_form,
)

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

_LENGTH: Final = 40
# Python may refuse to convert an integer of more than 4,300 decimal digits (14,284 bits) to text.
_BIG_BITS: Final = 14_000


class HashWalk:
    """One walk through the fields of one value.

    Attributes:
        lasting: False if the data contains something that can still change (a dataclass, or a pydantic model
            that is not a `Frozen`): the key is right now, but must not be cached.
    """

    __slots__ = ("lasting",)

    def __init__(self) -> None:
        self.lasting = True

    def key(self, class_name: str, fields: Mapping[str, object], path: DataPath) -> str:
        """Return the first 40 hex digits of the hash of a class name and its fields.

        Raises:
            MessageValidationError: If a number is NaN or infinite.
        """
        payload = {"class": class_name, "fields": self._str_mapping(fields, path)}
        return sha256(_dumps(payload).encode("ascii")).hexdigest()[:_LENGTH]

    def json_of(self, value: object, path: DataPath) -> Json:  # noqa: PLR0911 - a table of types
        """Return a value in its canonical form.

        Raises:
            MessageValidationError: If a number is NaN or infinite, or the value is no data.
        """
        if type(value) is str or value is None or type(value) is bool:
            return value
        if isinstance(value, FrozenValue):
            key, lasting = value.__hash_key_of__(path)
            self.lasting = self.lasting and lasting
            return {"$frozen": key}
        if is_record(value):
            self.lasting = False
            return {"$model": [class_name_of(type(value)), self._str_mapping(record_data(value), path)]}
        if is_mapping(value):
            return self._mapping(value, path)
        if _is_sequence(value):
            return [self.json_of(each, DataPath(path, Index(at))) for at, each in enumerate(value)]
        if is_set(value):
            return {"$set": sorted((self.json_of(each, path) for each in value), key=_dumps)}
        return _scalar(value, path)

    def _mapping(self, value: Mapping[object, object], path: DataPath) -> Json:
        if _has_str_keys(value):
            return self._str_mapping(value, path)
        pairs: list[Json] = [
            [self.json_of(key, path), self.json_of(item, DataPath(path, key))] for key, item in value.items()
        ]
        return {"$map": sorted(pairs, key=_dumps)}

    def _str_mapping(self, value: Mapping[str, object], path: DataPath) -> Json:
        return {
            (f"${key}" if key.startswith("$") else key): self.json_of(item, DataPath(path, key))
            for key, item in value.items()
        }


_KEPT_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "AgentCallNode": "miniagents.agents._records.AgentCallNode",
        "AgentPart": "miniagents.values._parts.AgentPart",
        "AgentReplyNode": "miniagents.agents._records.AgentReplyNode",
        "AssistantMessage": "miniagents.promising._roles.AssistantMessage",
        "Citation": "miniagents.values._parts.Citation",
        "ContentMessage": "miniagents.promising._spoken.Spoken",
        "ErrorMessage": "miniagents.promising._roles.ErrorMessage",
        "File": "miniagents.values._attachments.File",
        "Finish": "miniagents.values._parts.Finish",
        "Frozen": "miniagents.values._frozen.Frozen",
        "Image": "miniagents.values._attachments.Image",
        "Message": "miniagents.promising._message.Message",
        "ParsedMessage": "miniagents.models._parsed.ParsedMessage",
        "RaceEntry": "miniagents.agents._algebra._race_report.RaceEntry",
        "RaceReport": "miniagents.agents._algebra._race_report.RaceReport",
        "Reasoning": "miniagents.values._parts.Reasoning",
        "Refusal": "miniagents.values._parts.Refusal",
        "Restart": "miniagents.values._parts.Restart",
        "Retry": "miniagents.values._parts.Retry",
        "SystemMessage": "miniagents.promising._roles.SystemMessage",
        "ToolCall": "miniagents.values._content.ToolCall",
        "ToolCallDelta": "miniagents.values._parts.ToolCallDelta",
        "ToolMessage": "miniagents.promising._roles.ToolMessage",
        "ToolResult": "miniagents.values._parts.ToolResult",
        "Usage": "miniagents.values._parts.Usage",
        "UserMessage": "miniagents.promising._roles.UserMessage",
    }
)
"""The name that a class of the library has in hash keys: its name in the first release.

Users store messages under their keys, so these names never change. A class that is not listed is
``miniagents.NAME`` in keys, whatever its module. Do not add names here.
"""


def class_name_of(cls: type) -> str:
    """Return the module and qualified name of a class; for a class of the library a lasting name."""
    # `ParsedMessage[Poem]` has the module that uses it first, or that of `ParsedMessage`.
    origin = cls.__pydantic_generic_metadata__["origin"] if issubclass(cls, BaseModel) else None
    if (origin or cls).__module__.partition(".")[0] != "miniagents":
        return f"{cls.__module__}.{cls.__qualname__}"
    own, bracket, parameters = cls.__qualname__.partition("[")
    return f"{_KEPT_NAMES.get(own, f'miniagents.{own}')}{bracket}{parameters}"


def _scalar(value: object, path: DataPath) -> Json:  # noqa: PLR0911 - a table of types
    match value:
        case Enum():
            return {"$enum": f"{class_name_of(type(value))}.{value.name}"}
        case int():
            return {"$int": hex(value)} if value.bit_length() > _BIG_BITS else value
        case float():
            _check_finite(path, finite=math.isfinite(value))
            return value
        case Decimal():
            _check_finite(path, finite=value.is_finite())
            return {"$decimal": str(value)}
        case str():  # of a subclass, in a pydantic model
            return str.__str__(value)
        case bytes():
            return {"$bytes": value.hex()}
        case UUID():
            return {"$uuid": value.hex}
        case PurePath():
            return {"$windows_path" if isinstance(value, PureWindowsPath) else "$path": value.as_posix()}
        case _:
            return _moment(value, path)


def _moment(value: object, path: DataPath) -> Json:
    match value:
        case datetime():  # before date, of which it is a subclass
            return {"$datetime": [value.isoformat(), value.fold]}
        case date():
            return {"$date": value.isoformat()}
        case time():
            return {"$time": [value.isoformat(), value.fold]}
        case timedelta():
            return {"$timedelta": [value.days, value.seconds, value.microseconds]}
        case _:
            name = class_name_of(type(value))
            form = value.get_secret_value() if is_secret(value) else text_form(value)
            if form is None:
                raise MessageValidationError(f"{path} is of type {name}, which has no canonical form")
            return {"$value": [name, HashWalk().json_of(form, path)]}


def _check_finite(path: DataPath, *, finite: bool) -> None:
    if not finite:
        raise MessageValidationError(
            f"{path} is NaN or infinite, so there is no hash key; use None or a text for an unknown number"
        )


# `isinstance` alone leaves the type of the items unknown to type checkers.
def _has_str_keys(value: object) -> TypeGuard[Mapping[str, object]]:
    return is_mapping(value) and all(type(key) is str for key in value)


def _is_sequence(value: object) -> TypeGuard[tuple[object, ...] | list[object]]:
    return isinstance(value, tuple | list)


_dumps: Final[Callable[[object], str]] = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, check_circular=False
).encode
