"""Turns errors of endpoints into responses, in the form of each protocol."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from ..journal import JournalError
from ._request_errors import RequestError

logger = logging.getLogger(__name__)

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
"""The function of a route."""

_CLIENT_LEFT: Final = 499
_UNREAD: Final = frozenset({408, 413})
_AWAY: Final = "The server cannot read or write what it keeps of its runs now; try again in a few seconds."
_AGAIN: Final = "5"  # seconds


def json_refusal(error: RequestError) -> Response:
    """Return the response for an error as JSON: ``{"error": {"code": ..., "message": ...}}``.

    Args:
        error: the error.

    Example:
        >>> json_refusal(RequestError("This run does not exist.", 404, code="no_such_run")).body
        b'{"error":{"code":"no_such_run","message":"This run does not exist."}}'
    """
    return JSONResponse({"error": {"code": error.code, "message": error.sentence}}, error.status)


def refusing(endpoint: Endpoint, refusal: Callable[[RequestError], Response] = json_refusal) -> Endpoint:
    """Return an endpoint whose `RequestError` becomes a response, as does that of a journal that is away.

    Args:
        endpoint: may raise `RequestError`, Starlette's `HTTPException`, or a `JournalError` without a reason.
        refusal: makes the response; by default JSON with a code and a sentence.

    Example:
        >>> async def closed(request):
        ...     raise RequestError("Come back tomorrow.", 503)
        >>> import asyncio
        >>> asyncio.run(refusing(closed)(Request({"type": "http"}))).status_code
        503
    """

    async def guarded(request: Request) -> Response:
        response = await answered(request)
        response.headers.setdefault("x-content-type-options", "nosniff")  # it may quote HTML of the client
        return response

    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except RequestError as error:
            response = refusal(error)
            if error.status in _UNREAD:
                response.headers["connection"] = "close"  # the server does not wait for the rest of the body
            return response
        except HTTPException as error:
            response = refusal(RequestError(str(error.detail), error.status_code))
            response.headers.update(error.headers or {})
            return response
        except JournalError as error:
            if error.reason is not None:
                raise
            logger.warning("A request gets the status 503: %s", error)
            response = refusal(RequestError(_AWAY, 503, code="journal_away"))
            response.headers["retry-after"] = _AGAIN
            return response
        except ClientDisconnect:
            return Response(status_code=_CLIENT_LEFT)  # no client reads it

    return guarded
