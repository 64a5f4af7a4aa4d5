"""Careful looks at what an SDK hands out.

The SDKs do not check what they parse: a field may be missing, be of another type, or stand on an object of an
unrelated class. So nothing here believes a class; every look names the field it expects and of what type.
"""

from collections.abc import Mapping, Sequence
from typing import cast

__all__ = ["ProviderError", "WireError", "integer_at", "items_at", "look", "record", "text_at"]


class WireError(ValueError):
    """An event that is not what the provider's protocol says; the text tells what was there instead.

    Example:
        >>> record(None, "choices[0]")
        Traceback (most recent call last):
            ...
        miniagents...WireError: choices[0] is null, not an object
    """


class ProviderError(Exception):
    """An error that the provider reports inside a stream or a body that began well.

    Args:
        kind: the provider's own type of the error, for example ``"overloaded_error"``.
        message: the provider's text.

    Example:
        >>> str(ProviderError("overloaded_error", "try again later"))
        'overloaded_error: try again later'
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}" if kind and message else kind or message or "no text was given")
        self.kind = kind


def look(value: object, *path: str) -> object:
    """Return what stands at the path of fields or keys, and None where there is nothing.

    Args:
        value: what the SDK handed out, or a part of it.
        *path: the names, from the outside in.

    Example:
        >>> look({"error": {"type": "overloaded"}}, "error", "type")
        'overloaded'
    """
    for name in path:
        if isinstance(value, Mapping):
            value = cast("Mapping[object, object]", value).get(name)
        else:
            value = getattr(value, name, None)
    return value


def record(value: object, what: str) -> object:
    """Return the value if it has fields.

    Args:
        value: what should be an object.
        what: how the error calls it.

    Raises:
        WireError: it is nothing, a text, a number or a list.

    Example:
        >>> record({"id": "1"}, "the event")
        {'id': '1'}
    """
    if value is None or issubclass(type(value), str | bytes | int | float | list | tuple):
        raise WireError(f"{what} is {_described(value)}, not an object")
    return value


def text_at(value: object, name: str, what: str) -> str:
    """Return the text in a field, ``""`` if there is none.

    Args:
        value: an object.
        name: of the field.
        what: how the error calls it.

    Raises:
        WireError: what stands there is no text.

    Example:
        >>> text_at({"content": "Hel"}, "content", "the content"), text_at({}, "content", "the content")
        ('Hel', '')
    """
    found = look(value, name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise WireError(f"{what} is {_described(found)}, not text")
    return found


def items_at(value: object, name: str, what: str) -> Sequence[object]:
    """Return the list in a field, an empty one if there is none.

    Args:
        value: an object.
        name: of the field.
        what: how the error calls it.

    Raises:
        WireError: what stands there is no list.

    Example:
        >>> items_at({"choices": [1, 2]}, "choices", "the choices"), items_at({}, "choices", "the choices")
        ([1, 2], ())
    """
    found = look(value, name)
    if found is None:
        return ()
    if not isinstance(found, list | tuple):
        raise WireError(f"{what} is {_described(found)}, not a list")
    return cast("Sequence[object]", found)


def integer_at(value: object, *path: str) -> int | None:
    """Return the number at a path; None when there is none: a count is never worth an error.

    Args:
        value: an object.
        *path: the names, from the outside in.

    Example:
        >>> usage = {"usage": {"output_tokens": 7, "input_tokens": "many"}}
        >>> integer_at(usage, "usage", "output_tokens"), integer_at(usage, "usage", "input_tokens")
        (7, None)
    """
    found = look(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _described(value: object) -> str:
    # The type only: what stands there may be the user's text.
    return "null" if value is None else f"a {type(value).__name__}"
