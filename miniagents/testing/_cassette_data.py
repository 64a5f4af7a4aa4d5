"""Converts calls of models to the JSON of a cassette: without clients, keys and headers."""

import dataclasses
from base64 import b64encode
from collections.abc import Mapping, Set as AbstractSet
from types import MappingProxyType
from typing import Final, cast

from pydantic import BaseModel

from miniagents.messages import AssistantMessage, Message, Messages, SystemMessage, ToolMessage, UserMessage
from miniagents.runs import NOT_ASKED, Json
from miniagents.streams._observers import public_data
from miniagents.values import (
    is_secret_name,
    redact_keys,
)

__all__ = [
    "class_by_name",
    "data_of",
    "name_of_class",
    "request_data",
]

_CLASSES: Final = MappingProxyType(
    {kind.__name__: kind for kind in (AssistantMessage, UserMessage, SystemMessage, ToolMessage)}
)
# Nor does the address of the model change the request.
_NOT_ASKED: Final = NOT_ASKED | {"base_url"}


def request_data(messages: Messages, keywords: Mapping[str, object]) -> dict[str, Json]:
    """Return the request of a call.

    Args:
        messages: the conversation.
        keywords: of the call, including tools and schema.
    """
    asked = {name: value for name, value in public_data(keywords).items() if value not in (None, ())}
    return {
        "messages": [{"class": name_of_class(type(each)), **_message_data(each)} for each in messages],
        "keywords": _json(asked),
    }


def _message_data(message: Message) -> dict[str, Json]:
    data = cast("dict[str, Json]", _json(message))
    return {name: value for name, value in data.items() if value is not None and value != []}


def data_of(message: Message) -> dict[str, Json]:
    """Return the data of an answer, without its text and parts."""
    data = _message_data(message)
    return {name: value for name, value in data.items() if name not in {"text", "parts", "request_id"}}


def _json(value: object) -> Json:
    """Convert a value to JSON, without fields named like secrets or headers, and without texts like keys."""
    made: Json
    if value is None or isinstance(value, bool | int | float):
        made = value
    elif isinstance(value, bytes):
        made = b64encode(value).decode()
    elif isinstance(value, BaseModel):
        made = _json(value.model_dump(mode="json"))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        made = _json({each.name: getattr(value, each.name) for each in dataclasses.fields(value)})
    elif isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        made = {str(key): _json(item) for key, item in pairs if _is_shown(str(key))}
    elif isinstance(value, list | tuple):
        made = [_json(each) for each in cast("list[object]", value)]
    elif isinstance(value, AbstractSet):
        made = sorted((_json(each) for each in cast("AbstractSet[object]", value)), key=repr)
    else:
        made = redact_keys(str(value))
    return made


def _is_shown(name: str) -> bool:
    return not is_secret_name(name) and not name.lower().endswith("headers") and name not in _NOT_ASKED


def name_of_class(kind: type[Message]) -> str:
    """Return the name of the nearest class of messages that is part of the library.

    Args:
        kind: of a message.
    """
    return next((each.__name__ for each in kind.__mro__ if each.__name__ in _CLASSES), "Message")


def class_by_name(name: Json) -> type[Message]:
    """Return the class with a name.

    Args:
        name: of :func:`name_of_class`.
    """
    return _CLASSES.get(str(name), Message)
