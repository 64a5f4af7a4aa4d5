"""Careful looks at what came untyped: the bodies of errors, counts of tokens, exceptions of an SDK.

Nothing here believes a class: a field may be missing, or be of another type.
"""

from collections.abc import Mapping
from typing import cast

__all__ = ["ProviderError", "WireError", "integer_at", "look"]


class WireError(ValueError):
    """An event that is not what the provider's protocol says; the text tells what was there instead.

    Example:
        >>> raise WireError("choices[0] is null, not an object")
        Traceback (most recent call last):
            ...
        miniagents.ext.llm._look.WireError: choices[0] is null, not an object
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
