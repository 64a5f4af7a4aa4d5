"""What is wrong with a request, in one sentence that its sender may read."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from miniagents.values import MiniAgentsError

__all__ = ["RequestError"]

_LONGEST: Final = 500
"""Characters of a sentence: what a client sent may be quoted in it, and need not come back whole."""

_CODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        401: "not_authenticated",
        403: "not_allowed",
        404: "not_found",
        413: "too_large",
        429: "too_many_requests",
    }
)
_FIRST_OF_SERVER: Final = 500


class RequestError(MiniAgentsError, ValueError):
    """A request that is not carried out; each protocol has a form of its own in which it is told.

    Args:
        sentence: what was wrong, and what to send.
        status: the HTTP status.
        code: a word for programs; None: one that the status says.
        param: the field of the body that was wrong.

    Attributes:
        sentence: what was wrong; one that is too long is cut.
        status: the HTTP status.
        code: a word for programs.
        param: the field of the body, or None.

    Example:
        >>> error = RequestError("The body is no JSON; send a JSON object.", code="no_json")
        >>> error.status, str(error)
        (400, 'The body is no JSON; send a JSON object.')
        >>> RequestError("messages has to be a list.").code
        'invalid_request'
    """

    def __init__(
        self, sentence: str, status: int = 400, *, code: str | None = None, param: str | None = None
    ) -> None:
        self.sentence: str = sentence if len(sentence) <= _LONGEST else f"{sentence[: _LONGEST - 1]}…"
        self.status: int = status
        of_status = "invalid_request" if status < _FIRST_OF_SERVER else "server_error"
        self.code: str = code or _CODES.get(status, of_status)
        self.param: str | None = param
        super().__init__(self.sentence)
