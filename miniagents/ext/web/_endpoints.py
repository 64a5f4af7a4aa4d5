"""Endpoints that may refuse a request, each protocol in its own words."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from ._request_errors import RequestError

__all__ = ["Endpoint", "json_refusal", "refusing"]

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
"""What a route calls."""

_CLIENT_LEFT: Final = 499
_UNREAD: Final = frozenset({408, 413})


def json_refusal(error: RequestError) -> Response:
    """Return the response of routes that are of no protocol: ``{"error": {"code": ..., "message": ...}}``.

    Args:
        error: what is wrong.

    Example:
        >>> json_refusal(RequestError("There is no such run.", 404, code="no_such_run")).body
        b'{"error":{"code":"no_such_run","message":"There is no such run."}}'
    """
    return JSONResponse({"error": {"code": error.code, "message": error.sentence}}, error.status)


def refusing(endpoint: Endpoint, refusal: Callable[[RequestError], Response] = json_refusal) -> Endpoint:
    """Return an endpoint that tells what is wrong with a request.

    Args:
        endpoint: raises `RequestError`; or what Starlette's apps raise, as the `owner` of an app may.
        refusal: makes the response; by default JSON with a code and a sentence.

    Example:
        >>> async def closed(request):
        ...     raise RequestError("Come back tomorrow.", 503)
        >>> import asyncio
        >>> asyncio.run(refusing(closed)(Request({"type": "http"}))).status_code
        503
    """

    async def told(request: Request) -> Response:
        response = await answered(request)
        response.headers.setdefault(
            "x-content-type-options", "nosniff"
        )  # a client's HTML may be quoted in it
        return response

    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except RequestError as error:
            response = refusal(error)
            if error.status in _UNREAD:
                response.headers["connection"] = "close"  # the rest of the body is not waited for
            return response
        except HTTPException as error:
            response = refusal(RequestError(str(error.detail), error.status_code))
            response.headers.update(error.headers or {})
            return response
        except ClientDisconnect:
            return Response(status_code=_CLIENT_LEFT)  # nobody is there to read it

    return told
