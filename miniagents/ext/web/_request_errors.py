"""What is wrong with a request, in one sentence that its sender may read."""

from typing import Final

from miniagents.values import MiniAgentsError

__all__ = ["RequestError"]

_LONGEST: Final = 500
"""Characters of a sentence: what a client sent may be quoted in it, and need not come back whole."""


class RequestError(MiniAgentsError, ValueError):
    """A request that is not carried out; each protocol has a form of its own in which it is told.

    Args:
        sentence: what was wrong, and what to send.
        status: the HTTP status.
        code: a word for programs, where the protocol has one.
        param: the field of the body that was wrong.

    Attributes:
        sentence: what was wrong; one that is too long is cut.
        status: the HTTP status.
        code: a word for programs, or None.
        param: the field of the body, or None.

    Example:
        >>> error = RequestError("The body is no JSON; send a JSON object.", code="no_json")
        >>> error.status, str(error)
        (400, 'The body is no JSON; send a JSON object.')
    """

    def __init__(
        self, sentence: str, status: int = 400, *, code: str | None = None, param: str | None = None
    ) -> None:
        self.sentence: str = sentence if len(sentence) <= _LONGEST else f"{sentence[: _LONGEST - 1]}…"
        self.status: int = status
        self.code: str | None = code
        self.param: str | None = param
        super().__init__(self.sentence)
