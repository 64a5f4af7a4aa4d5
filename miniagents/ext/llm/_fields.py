"""Fields of the JSON of a wire, read without trust.

One that is missing or null says nothing. One that holds something else than it should is a `WireError` where
text or a call could be in it, and else says nothing too.
"""

import json
from collections.abc import Mapping
from typing import cast

from ._answer import Identity
from ._json import WireError
from ._sse import ServerEvent, error_of

__all__ = ["arguments_of", "identifier", "identity_of", "list_of", "object_of", "raise_error", "text_of"]


def identifier(value: object) -> str | None:
    """Return what names something: a text, or a number as some servers count; None for everything else.

    Args:
        value: what stands where a name is expected.

    Example:
        >>> identifier("call-1"), identifier(7), identifier("")
        ('call-1', '7', None)
    """
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def object_of(value: object) -> Mapping[str, object]:
    """Return an object."""
    if not isinstance(value, dict):
        raise WireError("an event is not what it should be: a field is no object")
    return cast("dict[str, object]", value)


def list_of(value: object) -> list[object]:
    """Return a list; an empty one if it is none."""
    return cast("list[object]", value) if isinstance(value, list) else []


def text_of(value: object) -> str:
    """Return a text; null says nothing."""
    if value is not None and not isinstance(value, str):
        raise WireError("an event is not what it should be: a text is no string")
    return value or ""


def arguments_of(value: object) -> str:
    """Return arguments as JSON; some servers send the object."""
    return json.dumps(value) if isinstance(value, dict) else text_of(value)


def identity_of(answer: Mapping[str, object]) -> Identity:
    """Return who answers."""
    model = answer.get("model")
    return Identity(identifier(answer.get("id")), model if isinstance(model, str) else None)


def raise_error(event: ServerEvent) -> None:
    """Raise the error that an event is, if it is one."""
    if (error := error_of(event)) is not None:
        raise error
