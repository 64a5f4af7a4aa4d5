"""Decides what a failed row means: the row is sent again, is kept as failed, or ends the job."""

from typing import Final

from miniagents.errors import (
    LLMConfigError,
    LLMConnectionError,
    LLMError,
    LLMStatusError,
    LLMTimeoutError,
    LLMTruncatedError,
    MiniAgentsError,
)

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
