"""Reads the body of a request, JSON, within limits of size and time."""

import asyncio
import json
from typing import Final, cast

try:
    from starlette.requests import Request
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        "miniagents.ext.web needs Starlette, which is not installed; pip install 'miniagents[web]'",
        name=_error.name,
    ) from _error

from ._request_errors import RequestError

_LONGEST_NUMBER: Final = 15  # digits


async def json_body(
    request: Request, *, max_body: int = 1_000_000, body_timeout: float = 10.0
) -> dict[str, object]:
    """Return the body of a request, a JSON object.

    Args:
        request: the request.
        max_body: the most bytes of the body.
        body_timeout: the most seconds until it has come.

    Raises:
        RequestError: it is too large, too slow, or not a JSON object, or its content type is not JSON.
        starlette.requests.ClientDisconnect: the client left.

    Example:
        >>> async def receive():
        ...     return {"type": "http.request", "body": b'{"text": "Hi"}'}
        >>> scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}
        >>> asyncio.run(json_body(Request(scope, receive)))
        {'text': 'Hi'}
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise RequestError("The content type must be application/json.", 415, code="no_json")
    length = request.headers.get("content-length", "0")
    if len(length) > _LONGEST_NUMBER or (length.isdecimal() and int(length) > max_body):
        raise _too_large(max_body)
    data = bytearray()
    try:
        async with asyncio.timeout(body_timeout):
            async for chunk in request.stream():
                data += chunk
                if len(data) > max_body:
                    raise _too_large(max_body)
    except TimeoutError:
        raise RequestError(
            f"The body did not come within {body_timeout:g} seconds.", 408, code="too_slow"
        ) from None
    try:
        body = cast("object", json.loads(data))
    except (ValueError, RecursionError):
        raise RequestError("The body is not JSON.", code="no_json") from None
    if not isinstance(body, dict):
        raise RequestError("The body must be a JSON object.", code="no_json")
    return cast("dict[str, object]", body)


def _too_large(max_body: int) -> RequestError:
    return RequestError(f"The body has more than {max_body} bytes.", 413, code="too_large")
