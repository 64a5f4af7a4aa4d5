"""`RequestError`: says what is wrong with a request, in one sentence for the client."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from miniagents.errors import MiniAgentsError

_LONGEST: Final = 500
"""Characters of a sentence; it may quote the request, which can be long."""

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
    """A request is refused; each protocol has its own form for this error.

    Args:
        sentence: what was wrong, and what to send.
        status: the HTTP status.
        code: a word for programs; None: a word for the status.
        param: the field of the body that was wrong.

    Attributes:
        sentence: what was wrong, at most 500 characters.
        status: the HTTP status.
        code: a word for programs.
        param: the field of the body, or None.

    Example:
        >>> error = RequestError("The body is not JSON; send a JSON object.", code="no_json")
        >>> error.status, str(error)
        (400, 'The body is not JSON; send a JSON object.')
        >>> RequestError("messages must be a list.").code
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


def no_run() -> RequestError:
    """Return the error for a run that does not exist, or not for this user."""
    return RequestError("This run does not exist.", 404, code="no_such_run")
