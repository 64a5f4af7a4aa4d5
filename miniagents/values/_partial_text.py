"""The text that had arrived before an error, kept on the error itself."""

from ._llm_errors import LLMError

# One name for the attribute; long, because it lives on exceptions of other people.
_ATTRIBUTE = "_miniagents_partial_text"


def partial_text(exc: BaseException) -> str:
    """Return the text that had arrived before the exception was raised.

    Args:
        exc: An exception that a reader of a promise got.

    Returns:
        The `partial_text` of an `LLMError`, else what `set_partial_text` stored first, else ``""``.

    Example:
        >>> error = ValueError("broken")
        >>> set_partial_text(error, "Hel")
        >>> partial_text(error)
        'Hel'
    """
    if isinstance(exc, LLMError) and exc.partial_text:
        return exc.partial_text
    stored: object = exc.__dict__.get(_ATTRIBUTE)
    return stored if isinstance(stored, str) else ""


def set_partial_text(exc: BaseException, text: str) -> None:
    """Store the text that had arrived before the exception; the first stored text stays.

    Args:
        exc: Any exception; what an `LLMError` already tells by itself is not changed.
        text: All the text that had arrived.

    Example:
        >>> error = ValueError("broken")
        >>> set_partial_text(error, "Hel")
        >>> set_partial_text(error, "Hello")
        >>> partial_text(error)
        'Hel'
    """
    # Through `__dict__`: also an exception that refuses attributes (a frozen dataclass) has one.
    exc.__dict__.setdefault(_ATTRIBUTE, text)
