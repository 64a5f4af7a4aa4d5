"""The JSON of the wire, checked against a typed model in one go.

Rule of this room: **no sentence quotes what came.** It may be the user's own text; the place and what was
expected there are told.
"""

import json
from collections.abc import Mapping
from typing import TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from ._look import ProviderError, WireError, look
from ._sse import ServerEvent

__all__ = ["error_of", "parsed", "plain", "untyped"]

T = TypeVar("T")


def parsed(model: TypeAdapter[T], data: bytes) -> T:
    """Return what the JSON says, as the model's type.

    Args:
        model: what is expected.
        data: one JSON document in UTF-8.

    Raises:
        WireError: it is no JSON, or not of that type; the sentence names the first field that is wrong.

    Example:
        >>> parsed(TypeAdapter(dict[str, int]), b'{"a": 1}')
        {'a': 1}
    """
    try:
        # Not by the adapter, whose own options cost as much as the work.
        return cast("T", model.validator.validate_json(data))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    if first["type"] != "json_invalid":
        where = ".".join(map(str, first["loc"])) or "it"
        raise WireError(f"an event is not what it should be ({where}: {first['msg']})")
    # Halves of a character, which JSON may have and the quick parser refuses; else it is no JSON.
    value = untyped(data)
    try:
        return model.validate_python(value)
    except ValidationError:
        raise WireError("an event is not what it should be") from None


def untyped(data: bytes) -> object:
    """Return what the JSON says, whatever it is.

    Args:
        data: UTF-8.

    Raises:
        WireError: it is no JSON.

    Example:
        >>> untyped(b"[1]")
        [1]
    """
    try:
        value: object = json.loads(data.decode())
    except UnicodeDecodeError:
        raise WireError("bytes came that are no UTF-8") from None
    except (ValueError, RecursionError):
        raise WireError("an event came that is no JSON") from None
    return value


def plain(value: object) -> object:
    """Return frozen data as what the SDKs can write: dicts and lists.

    Args:
        value: data of a message or a schema.

    Example:
        >>> from miniagents.values import FrozenMapping
        >>> plain(FrozenMapping({"required": ("city",)}))
        {'required': ['city']}
    """
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in cast("list[object]", value)]
    return value


def error_of(event: ServerEvent) -> ProviderError | None:
    """Return the error that an event of a dialect stands for, None if it is no such event.

    These are events of the type ``error`` and lines that are JSON by themselves, with an error in one of the
    forms that servers write: under ``error``, or flat.

    Args:
        event: as it came.

    Example:
        >>> error_of(ServerEvent("error", b'{"error": {"type": "busy", "message": "Later."}}'))
        ProviderError('busy: Later.')
    """
    try:
        value = untyped(event.data)
    except WireError:
        return ProviderError("", event.data.decode("utf-8", "replace")) if event.name == "error" else None
    inner = look(value, "error")
    if inner is None and event.name == "error":
        inner = value
    if inner is None:
        return None
    kind = look(inner, "type")
    if kind in {None, "", "error"}:  # the last is the type of the event, where the error is flat
        kind = look(inner, "code") or kind or ""
    told = look(inner, "message") or (inner if isinstance(inner, str) else "")
    return ProviderError(str(kind), str(told))
