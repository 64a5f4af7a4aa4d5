"""What of a call of a model stands in a cassette, as JSON: no client, no key, no header."""

import builtins
import dataclasses
from base64 import b64encode
from collections.abc import Mapping, Set as AbstractSet
from types import MappingProxyType
from typing import Final, TypeAlias, cast

from pydantic import BaseModel

from miniagents.core import (
    AssistantMessage,
    Message,
    Messages,
    SystemMessage,
    ToolMessage,
    UserMessage,
    public_data,
)
from miniagents.values import (
    LLMConfigError,
    LLMConnectionError,
    LLMError,
    LLMProtocolError,
    LLMRefusalError,
    LLMStatusError,
    LLMTimeoutError,
    LLMTruncatedError,
    MiniAgentsError,
    Part,
    PartValue,
    ResponseHeaders,
    is_secret_name,
    part_from_data,
    redact_keys,
)

__all__ = [
    "Json",
    "RecordedError",
    "class_by_name",
    "data_of",
    "error_data",
    "error_from_data",
    "name_of_class",
    "part_data",
    "part_of_data",
    "request_data",
]

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_CLASSES: Final = MappingProxyType(
    {kind.__name__: kind for kind in (AssistantMessage, UserMessage, SystemMessage, ToolMessage)}
)
_LLM_ERRORS: Final = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            LLMError,
            LLMStatusError,
            LLMTimeoutError,
            LLMConnectionError,
            LLMTruncatedError,
            LLMProtocolError,
            LLMRefusalError,
            LLMConfigError,
        )
    }
)
_LLM_FIELDS: Final = ("provider", "model", "status", "attempts", "partial_text", "retry_after")
# Where a model is and how long it may take: neither is part of what it is asked.
_NOT_ASKED: Final = frozenset(
    {"base_url", "extra_query", "first_token_timeout", "max_retries", "stall_timeout", "total_timeout"}
)


class RecordedError(MiniAgentsError):
    """An error of a cassette whose class is neither one of a model's errors nor a builtin one.

    Example:
        >>> from miniagents.testing import RecordedError
        >>> str(RecordedError("QuotaError: none is left"))
        'QuotaError: none is left'
    """


def request_data(messages: Messages, keywords: Mapping[str, object]) -> dict[str, Json]:
    """What a model is asked.

    Args:
        messages: the conversation.
        keywords: all that it was given, tools and schema included.
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
    """The data of an answer, without what its parts say."""
    data = _message_data(message)
    return {name: value for name, value in data.items() if name not in {"text", "parts", "request_id"}}


def _json(value: object) -> Json:
    """A value as JSON, without what is named like a secret or a header; what looks like a key is covered."""
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


def part_data(part: Part) -> Json:
    """A part, None if it does not stand in a cassette.

    Args:
        part: of an answer.
    """
    if isinstance(part, str):
        return part
    return None if isinstance(part, ResponseHeaders) else _plain(part)


def _plain(value: object) -> Json:
    """Data as it is: an answer is replayed as it came."""
    if isinstance(value, PartValue):
        return {name: _plain(item) for name, item in value.as_data().items()}
    return (
        [_plain(each) for each in cast("tuple[object, ...]", value)]
        if isinstance(value, tuple)
        else cast("Json", value)
    )


def part_of_data(data: Json) -> Part:
    """The part whose :func:`part_data` this is.

    Args:
        data: of a cassette.

    Raises:
        ValueError: it is none.
    """
    if isinstance(data, str):
        return data
    if not isinstance(data, dict):
        raise ValueError(f"{data!r} is no part")  # noqa: TRY004 - it is wrong in a file, not in a call
    fields: dict[str, object] = dict(data)
    if fields.get("kind") == "agent_part":
        agents = fields.get("agents")
        fields["agents"] = tuple(cast("list[str]", agents)) if isinstance(agents, list) else ()
        fields["part"] = part_of_data(data.get("part"))
    return cast("Part", part_from_data(fields))


def name_of_class(kind: type[Message]) -> str:
    """The nearest class of messages that every reader of a cassette has.

    Args:
        kind: of a message.
    """
    return next((each.__name__ for each in kind.__mro__ if each.__name__ in _CLASSES), "Message")


def class_by_name(name: str) -> type[Message]:
    """The class of that name.

    Args:
        name: of :func:`name_of_class`.
    """
    return _CLASSES.get(name, Message)


def error_data(error: BaseException) -> dict[str, Json]:
    """An error as JSON.

    Args:
        error: of a model.
    """
    data: dict[str, Json] = {"type": type(error).__name__, "text": redact_keys(str(error))}
    if isinstance(error, LLMError):
        data |= {name: cast("Json", getattr(error, name)) for name in _LLM_FIELDS}
        data["type"] = next(each.__name__ for each in type(error).__mro__ if each.__name__ in _LLM_ERRORS)
    return data


def error_from_data(data: Mapping[str, Json]) -> Exception:
    """The error whose :func:`error_data` this is, or the nearest.

    Args:
        data: of a cassette.
    """
    name, text = str(data.get("type")), str(data.get("text"))
    if name in _LLM_ERRORS:
        fields = {each: data[each] for each in _LLM_FIELDS if data.get(each) is not None}
        return _LLM_ERRORS[name](text, **fields)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # as they were written
    kind: object = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, UnicodeError):
        return kind(text)
    return RecordedError(f"{name}: {text}")
