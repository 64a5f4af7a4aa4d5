"""What a tool returned or raised, as the text that the model is told."""

from typing import Final, cast

from pydantic import TypeAdapter

from miniagents.core import Message, Messages
from miniagents.values import redact_keys

__all__ = ["error_text", "result_text"]

_ANYTHING: Final = TypeAdapter(object, config={"defer_build": True})


def result_text(value: object, name: str) -> str:
    """Return the text of a result: a text or message as it is, None as ``""``, anything else as JSON.

    Args:
        value: what the tool returned.
        name: of the tool.

    Raises:
        TypeError: it cannot be JSON.

    Example:
        >>> result_text({"degrees": -3}, "weather"), result_text("cold", "weather")
        ('{"degrees":-3}', 'cold')
    """
    if value is None:
        return ""
    if isinstance(value, str | Message | Messages):
        return str(cast("object", value))
    try:
        return _ANYTHING.dump_json(value).decode()
    except ValueError as error:
        msg = (
            f"The tool {name} returned a {type(value).__name__}, which cannot be JSON; return a text or data."
        )
        raise TypeError(msg) from error


def error_text(error: Exception) -> str:
    """Return what the model is told of an error: its type and text, without what looks like a key.

    Example:
        >>> error_text(KeyError("Oslo"))
        "KeyError: 'Oslo'"
    """
    text = str(error)
    name = type(error).__name__
    return redact_keys(f"{name}: {text}" if text else name)
