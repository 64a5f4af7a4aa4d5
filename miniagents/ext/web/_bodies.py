"""Reads the body of a request, JSON, within limits of size and time."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
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
_DROPPED: Final = 10_000_000  # bytes of a body that is too large, which are read nevertheless
_DROPPING: Final = 2.0  # seconds that this may take


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
    too_large = len(length) > _LONGEST_NUMBER or (length.isdecimal() and int(length) > max_body)
    data, chunks = bytearray(), request.stream()
    try:
        async with asyncio.timeout(body_timeout):
            while not too_large and (chunk := await anext(chunks, None)) is not None:
                data += chunk
                too_large = len(data) > max_body
    except TimeoutError:
        raise RequestError(
            f"The body did not come within {body_timeout:g} seconds.", 408, code="too_slow"
        ) from None
    if too_large:
        if data or "expect" not in request.headers:  # else the client sends the body only if it is wanted
            await _drop(chunks, body_timeout)
        raise RequestError(f"The body has more than {max_body} bytes.", 413, code="too_large")
    try:
        body = cast("object", json.loads(data))
    except (ValueError, RecursionError):
        raise RequestError("The body is not JSON.", code="no_json") from None
    if not isinstance(body, dict):
        raise RequestError("The body must be a JSON object.", code="no_json")
    return cast("dict[str, object]", body)


async def _drop(chunks: AsyncIterator[bytes], seconds: float) -> None:
    """Read the rest of a body, within limits: most clients read no response before they have sent all."""
    left = _DROPPED
    with suppress(TimeoutError):
        async with asyncio.timeout(min(seconds, _DROPPING)):
            while left > 0 and (chunk := await anext(chunks, None)) is not None:
                left -= len(chunk)
