"""Messages become records and back, by a closed list of classes: a file can only name what is in the list.

A class that is not in the list is written with its name and read as a `Message` of the same role with all of
its data. Nothing is ever imported because a file says so. Two things are not kept: models that are no
messages come back as mappings of their fields (unless the field of a registered class is declared as that
model), and what `_data_json` lists as lossy.
"""

import logging
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import cast

from pydantic import BaseModel

from miniagents.core import (
    AssistantMessage,
    ErrorMessage,
    Message,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from miniagents.values import PartValue, part_from_data

from ._data_json import decode_data, encode_data, refuse
from ._record import Json, Record

logger = logging.getLogger(__name__)

_BUILT_IN = (Message, UserMessage, SystemMessage, AssistantMessage, ToolMessage, ErrorMessage)
_NESTED = "$message"
_PART = "$part"
_NOTHING = (None, ())  # what a field holds that nobody gave


class Registry:
    """The message classes a history knows: those of the library, and those it was given.

    Args:
        classes: further subclasses of `Message`.

    Raises:
        TypeError: one of them is none.
        ValueError: two of them have the same name; a file could not tell them apart.
    """

    def __init__(self, classes: Iterable[type[Message]] = ()) -> None:
        known: dict[str, type[Message]] = {}
        for cls in (*_BUILT_IN, *classes):
            # Checked for those who have no type checker.
            if not (isinstance(cls, type) and issubclass(cls, Message)):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(f"message_classes takes subclasses of Message; {cls!r} is none")
            if known.setdefault(cls.__name__, cls) is not cls:
                raise ValueError(
                    f"two message classes are called {cls.__name__}, and a history file could not tell them "
                    "apart; rename one"
                )
        self._classes = MappingProxyType(known)

    def record_of(self, message: Message) -> Record:
        """A message becomes a record.

        Raises:
            TypeError: a value in it is of a type that cannot be kept.
        """
        cls = type(message)
        name = cls.__name__
        if self._classes.get(name, cls) is not cls:
            # Another class has this name here: the full one belongs to nobody, so it is read as a plain
            # message.
            name = f"{cls.__module__}.{cls.__qualname__}"
        return Record(
            role=str(getattr(message, "role", Message.role)),
            class_name=name,
            text=message.text,
            shown="" if message.text is not None else str(message),
            data={
                key: encode_data(value, self._encode)
                for key, value in message
                if key != "text" and (value not in _NOTHING or key in message.model_fields_set)
            },
        )

    def message_of(self, record: Record) -> Message:
        """A record becomes a message of its class, or a plain one if the class is unknown or refuses it."""
        data = {key: decode_data(value, self._decode) for key, value in record.data.items() if key != "text"}
        cls = self._classes.get(record.class_name)
        if cls is not None:
            try:
                return cls(record.text, **data)
            except (ValueError, TypeError) as error:
                said = "a %s in a history does not fit its class and is read as a Message: %s"
                logger.warning(said, cls.__name__, error)
        if record.role != Message.role:
            data = {"role": record.role, **data}
        try:
            return Message(record.text, **data)
        except (ValueError, TypeError) as error:
            logger.warning("the data of a message in a history cannot be read, its text is kept: %s", error)
            return Message(record.text, role=record.role)

    def _encode(self, value: object) -> Json:
        if isinstance(value, Message):
            nested = self.record_of(value)
            return {
                _NESTED: {
                    "role": nested.role,
                    "class": nested.class_name,
                    "text": encode_data(nested.text),
                    "data": dict(nested.data),
                }
            }
        if isinstance(value, PartValue):
            said = {key: each for key, each in value.as_data().items() if each is not None}
            return {_PART: encode_data(said, self._encode)}
        if isinstance(value, BaseModel):
            return encode_data(dict(value), self._encode)
        return refuse(value)

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
