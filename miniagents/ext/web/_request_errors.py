"""`RequestError`: what is wrong with a request; and the response that says so, as each protocol writes it."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from typing_extensions import override

from miniagents.errors import MiniAgentsError

from ..journal import JournalError
from ._frames import json_of

logger = logging.getLogger(__name__)

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
"""The function of a route."""

_CLIENT_LEFT: Final = 499
_UNREAD: Final = frozenset({408, 413})
_AGAIN: Final = "5"  # seconds
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


class JSON(JSONResponse):
    r"""A response of JSON, in which half of a surrogate pair, as a model may write it, is escaped.

    Example:
        >>> JSON({"text": "half \ud83d"}).body
        b'{"text":"half \\ud83d"}'
    """

    @override
    def render(self, content: object) -> bytes:
        """Return the body of the response.

        Args:
            content: any data that JSON can have.
        """
        return json_of(content)


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


_OF_JOURNAL: Final[Mapping[str | None, RequestError]] = MappingProxyType(
    {
        None: RequestError(
            "The server cannot read or write what it keeps of its runs now; try again in a few seconds.",
            503,
            code="journal_away",
        ),
        "damaged": RequestError("What was recorded of this run is damaged.", 500, code="damaged_run"),
    }
)
"""The reason of a `JournalError` -> what the client gets."""


def no_run() -> RequestError:
    """Return the error for a run that does not exist, or not for this user."""
    return RequestError("This run does not exist.", 404, code="no_such_run")


def json_refusal(error: RequestError) -> Response:
    """Return the response for an error as JSON: ``{"error": {"code": ..., "message": ...}}``.

    Args:
        error: the error.

    Example:
        >>> json_refusal(RequestError("This run does not exist.", 404, code="no_such_run")).body
        b'{"error":{"code":"no_such_run","message":"This run does not exist."}}'
    """
    return JSON({"error": {"code": error.code, "message": error.sentence}}, error.status)


def refusing(endpoint: Endpoint, refusal: Callable[[RequestError], Response] = json_refusal) -> Endpoint:
    """Return an endpoint whose `RequestError` becomes a response, as does a journal that is away or damaged.

    Args:
        endpoint: may raise `RequestError`, Starlette's `HTTPException`, or such a `JournalError`.
        refusal: makes the response; by default JSON with a code and a sentence.

    Example:
        >>> async def closed(request):
        ...     raise RequestError("Come back tomorrow.", 503)
        >>> import asyncio
        >>> asyncio.run(refusing(closed)(Request({"type": "http"}))).status_code
        503
    """

    async def guarded(request: Request) -> Response:
        try:
            response = await endpoint(request)
        except RequestError as error:
            response = refusal(error)
            if error.status in _UNREAD:
                response.headers["connection"] = "close"  # the server does not wait for the rest of the body
        except HTTPException as error:
            response = refusal(RequestError(str(error.detail), error.status_code))
            response.headers.update(error.headers or {})
        except JournalError as error:
            if (refused := _OF_JOURNAL.get(error.reason)) is None:
                raise
            logger.warning("A request gets the status %d: %s", refused.status, error)
            response = refusal(refused)
            if error.reason is None:
                response.headers["retry-after"] = _AGAIN
        except ClientDisconnect:
            response = Response(status_code=_CLIENT_LEFT)  # no client reads it
        response.headers.setdefault("x-content-type-options", "nosniff")  # it may quote HTML of the client
        return response

    return guarded
