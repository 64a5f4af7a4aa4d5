"""Converts messages to records, records to JSON, and both back, without loss.

The classes that can be read are a closed list. A message of another class is written with the name of its
class, and read as a `Message` of the same role with all its data. A file can never cause an import. Other
pydantic models, and dataclasses, are read as mappings of their fields (unless the field of a registered class
is declared as that type).

JSON arrays are read as tuples (messages are frozen, so they contain no lists), and objects as mappings. A
value of a type that JSON does not have is an object with one key that begins with `$`, such as
`{"$decimal": "1.10"}` or `{"$date": "2024-02-29"}`. A mapping that has such a key itself, or keys that are
not strings, is written as `{"$map": [[key, value], ...]}`.

* Kept exactly: None, bool, int, float (also infinite and NaN), str (also with lone surrogates), bytes, tuple,
  frozenset, mappings, date, time, datetime (also its zone), timedelta, Decimal, UUID, paths.
* Not kept exactly: a list comes back as a tuple (so does a named tuple), a set as a frozenset, a `time` or
  `timezone` keeps no zone name, an Enum comes back as its value, and what `text_form` knows as a text (a
  declared field of a registered message class makes it the Enum or the URL again). A secret is lost.
* Values of any other type are refused.
"""

import base64
import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import NamedTuple, TypeAlias, cast
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from miniagents.messages import (
    AssistantMessage,
    ErrorMessage,
    InputMessage,
    Message,
    Summary,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from miniagents.messages._message import message_of
from miniagents.models import is_in_text
from miniagents.values import (
    FrozenMapping,
    PartValue,
    is_record,
    part_from_data,
    record_data,
    text_form,
)

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""A value that JSON can express."""


class Record(NamedTuple):
    """One message as a file keeps it.

    Attributes:
        role: the role of the message, such as ``"user"``.
        class_name: the name of its class; the class need not be registered.
        text: the text, or None for a message that has none.
        shown: a text for people who read the file, if the text is None.
        data: all other fields, as JSON (see `encode_data`).

    Example:
        >>> Record("user", "UserMessage", "Hi").text
        'Hi'
    """

    role: str
    class_name: str = "Message"
    text: str | None = None
    shown: str = ""
    data: Mapping[str, Json] = MappingProxyType({})


_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")

Encoder = Callable[[object], "Json"]
Decoder = Callable[[str, "Json"], object]


def refuse(value: object) -> Json:
    """Refuse every value: the encoder of last resort.

    Raises:
        TypeError: always.
    """
    raise TypeError(
        f"a file cannot keep a value of type {type(value).__qualname__}; make it text, a number, bytes, "
        "a date, a path, a UUID, a message, or a tuple, set or mapping of these"
    )


def encode_data(value: object, other: Encoder = refuse) -> Json:  # noqa: C901, PLR0911, PLR0912 (a table)
    """Convert a value of a message to JSON.

    Args:
        value: the value.
        other: called with values of types that this function does not know, such as nested messages; it
            raises TypeError if it does not know them either.

    Raises:
        TypeError: the value, or one inside it, is of a type that cannot be kept.

    Example:
        >>> encode_data({"price": Decimal("1.10")})
        {'price': {'$decimal': '1.10'}}
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
            return other(value)


def decode_data(value: Json, other: Decoder | None = None) -> object:
    """Convert JSON back to the value from which `encode_data` made it.

    An object with an unknown tag, or with a value that does not fit its tag (in a file that was edited by
    hand), stays a mapping, so no data is lost.

    Args:
        value: JSON.
        other: called with tags that this function does not know; it raises ValueError if it does not know
            them either.

    Example:
        >>> decode_data({"$decimal": "1.10"})
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
    # At the end of daylight saving time an hour comes twice; the offset in the ISO text shows which one it
    # is.
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


logger = logging.getLogger(__name__)

_BUILT_IN = (
    *(Message, UserMessage, Summary, InputMessage),
    *(SystemMessage, AssistantMessage, ToolMessage, ErrorMessage),
)
_NESTED = "$message"
_PART = "$part"
_NOTHING = (None, ())  # the values of a field that was not given


class Registry:
    """The message classes that a file can contain: those of the library, and more.

    Args:
        classes: other subclasses of `Message`.

    Raises:
        TypeError: one of them is not a subclass of `Message`.
        ValueError: two of them have the same name, so a file could not tell them apart.

    Example:
        >>> registry = Registry()
        >>> record = registry.record_of(UserMessage("Hi"))
        >>> registry.message_of(record) == UserMessage("Hi")
        True
    """

    def __init__(self, classes: Iterable[type[Message]] = ()) -> None:
        known: dict[str, type[Message]] = {}
        for cls in (*_BUILT_IN, *classes):
            # Checked for users without a type checker.
            if not (isinstance(cls, type) and issubclass(cls, Message)):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(f"message_classes takes subclasses of Message; {cls!r} is not one")
            if known.setdefault(cls.__name__, cls) is not cls:
                raise ValueError(
                    f"two message classes are called {cls.__name__}, and a file could not tell them "
                    "apart; rename one"
                )
        self._classes = MappingProxyType(known)

    def record_of(self, message: Message) -> Record:
        """Convert a message to a record.

        Args:
            message: of any class.

        Raises:
            TypeError: a value in it is of a type that cannot be kept.
        """
        cls = type(message)
        name = cls.__name__
        # A typed answer is read from its text again: a validator of the user may not take what it has made.
        in_text = {"text", "parsed"} if self._classes.get(name) is cls and is_in_text(message) else {"text"}
        if self._classes.get(name, cls) is not cls:
            # Another class is registered under this name. No class is registered under the full name, so the
            # record is read as a plain message.
            name = f"{cls.__module__}.{cls.__qualname__}"
        return Record(
            role=str(getattr(message, "role", Message.role)),
            class_name=name,
            text=message.text,
            shown="" if message.text is not None else str(message),
            data={
                key: encode_data(value, self._encode)
                for key, value in message
                if key not in in_text and (value not in _NOTHING or key in message.model_fields_set)
            },
        )

    def message_of(self, record: Record) -> Message:
        """Convert a record to a message of its class; to a plain `Message` if it is unknown or refuses it.

        Args:
            record: of a file.
        """
        data = self.fields_of(record.data)
        cls = self.class_of(record.class_name)
        if cls is not None:
            try:
                return message_of(cls, record.text, data)
            except (ValueError, TypeError) as error:
                said = "a %s in a file does not fit its class and is read as a Message: %s"
                logger.warning(said, cls.__name__, error)
        if record.role != Message.role:
            data = {"role": record.role, **data}
        try:
            return Message(record.text, **data)
        except (ValueError, TypeError) as error:
            logger.warning("the data of a message in a file cannot be read, its text is kept: %s", error)
            return Message(record.text, role=record.role)

    def class_of(self, name: str) -> type[Message] | None:
        """Return the class with that name; None if there is none.

        Args:
            name: of a record.
        """
        return self._classes.get(name)

    def fields_of(self, data: Mapping[str, Json]) -> dict[str, object]:
        """Return the fields of a message, without its text, from the data of its record.

        Args:
            data: of a record.
        """
        return {key: decode_data(value, self._decode) for key, value in data.items() if key != "text"}

    def data_of(self, value: object) -> Json:
        """Convert a message, or a value that contains messages, to JSON.

        Args:
            value: a message, a part of one, or a value of a type that :func:`encode_data` knows.

        Raises:
            TypeError: it is of a type that cannot be kept.
        """
        return encode_data(value, self._encode)

    def value_of(self, data: Json) -> object:
        """Convert JSON back to the value from which :meth:`data_of` made it.

        Args:
            data: of a file.
        """
        return decode_data(data, self._decode)

    def _encode(self, value: object) -> Json:
        if isinstance(value, Message):
            nested = self.record_of(value)
            names: dict[str, Json] = {"role": nested.role, "class": nested.class_name}
            return {_NESTED: {**names, "text": encode_data(nested.text), "data": dict(nested.data)}}
        if isinstance(value, PartValue):
            said = {key: each for key, each in value.as_data().items() if each is not None}
            return {_PART: encode_data(said, self._encode)}
        if is_record(value):
            return encode_data(record_data(value), self._encode)
        text = text_form(value)
        return refuse(value) if text is None else text

    def _decode(self, tag: str, content: Json) -> object:
        match tag, content:
            case _, {"role": str(role), "class": str(name), "data": dict(data)} if tag == _NESTED:
                text = decode_data(cast("Mapping[str, Json]", content).get("text"))
                if text is None or isinstance(text, str):
                    return self.message_of(Record(role, name, text, data=cast("dict[str, Json]", data)))
            case _, dict(data) if tag == _PART:
                return part_from_data({key: decode_data(each, self._decode) for key, each in data.items()})
            case _:
                pass
        raise ValueError(tag)
