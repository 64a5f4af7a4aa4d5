"""Decides whether an answer counts, and whether a failed row is sent again, is kept, or ends the job.

An answer that was cut off, or is empty, is an error of its row by default.
"""

from collections.abc import Collection
from typing import Final, Literal, TypeAlias

from miniagents.errors import (
    LLMConfigError,
    LLMConnectionError,
    LLMError,
    LLMRefusalError,
    LLMStatusError,
    LLMTimeoutError,
    LLMTruncatedError,
    MiniAgentsError,
)
from miniagents.messages import AssistantMessage, Message
from miniagents.parts import File, Finish, Image
from miniagents.types import ParsedMessage

Acceptable: TypeAlias = Literal["length", "empty", "refusal"]
"""What an answer can be that is an error of its row: cut off, without content, or a refusal."""

ACCEPTABLE: Final[tuple[Acceptable, ...]] = ("length", "empty", "refusal")
_REFUSED: Final = frozenset({"content_filter", "refusal"})
_HOW: Final = frozenset({"text", "parts", "model", "response_id", "finish_reason", "usage"})
_NOT_ALLOWED: Final = frozenset({401, 403})
_PASSING: Final = frozenset({408, 409, 425, 429})


class TooManyFailuresError(MiniAgentsError):
    """More rows of a job have failed than ``max_failures``; the answers so far are kept.

    Args:
        message: the text.
        failed: how many rows have failed.
        ended: how many rows have ended, these included.

    Attributes:
        failed: how many rows have failed.
        ended: how many rows have ended, these included.

    Example:
        >>> TooManyFailuresError("Too many rows failed.", failed=3, ended=10).failed
        3
    """

    def __init__(self, message: str, *, failed: int, ended: int) -> None:
        super().__init__(message)
        self.failed: int = failed
        self.ended: int = ended


def may_pass(error: Exception) -> bool:
    """Whether a row may succeed when it is sent again; False if the model call was already retried."""
    if isinstance(error, LLMError):
        if error.attempts > 1:
            return False  # the agent has its own retries, which failed too
        if isinstance(error, LLMStatusError):
            status = error.status
            return status is None or status in _PASSING or status >= 500  # noqa: PLR2004 - of the server
        return isinstance(error, LLMConnectionError | LLMTimeoutError | LLMTruncatedError)
    return isinstance(error, ConnectionError | TimeoutError)


def is_final(error: Exception) -> bool:
    """Whether every other row would fail in the same way, such as for a wrong key or keyword."""
    if isinstance(error, LLMConfigError):
        return not error.of_messages
    return isinstance(error, LLMStatusError) and error.status in _NOT_ALLOWED


def finish_of(message: Message) -> str | None:
    """Return why an answer ended, in the word of the provider; None if that is not known."""
    return message.finish_reason if isinstance(message, AssistantMessage) else None


def problem_of(message: Message, accept: Collection[str]) -> LLMError | None:
    """Return why an answer is an error of its row; None if it counts."""
    if isinstance(message, ParsedMessage) or (type(message) is Message and (message.text or "").strip()):
        return None  # a typed answer was checked before it was made
    reason = finish_of(message) or ""
    text = message.text or ""
    refusal = message.refusal if isinstance(message, AssistantMessage) else None
    if "refusal" not in accept and (reason in _REFUSED or refusal):
        why = f"The model refused to answer: {refusal}" if refusal else f"The answer was stopped ({reason})."
        return LLMRefusalError(f"{why} Such answers count only with accept='refusal'.", partial_text=text)
    if "length" not in accept and Finish(reason).cut and reason not in _REFUSED:
        return LLMTruncatedError(
            f"The answer was cut off ({reason}), because it is longer than max_tokens or than the model can "
            "write. Allow more tokens and send the row again, or take such answers with accept='length'.",
            partial_text=text,
        )
    if "empty" not in accept and not refusal and _is_empty(message):
        return LLMError("The answer is empty. Such answers count only with accept='empty'.")
    return None


def _is_empty(message: Message) -> bool:
    """Whether a message has nothing but white space, thoughts, tool calls, and data about how it was made."""
    if (message.text or "").strip():
        return False
    if isinstance(message, AssistantMessage) and any(
        isinstance(each, Image | File) for each in message.parts
    ):
        return False
    # Other data in an answer of a model is about how it was made.
    return type(message) is AssistantMessage or all(
        value in (None, (), "") for name, value in message if name not in _HOW
    )
