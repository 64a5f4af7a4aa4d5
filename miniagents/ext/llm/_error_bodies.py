"""Reads the bodies of errors with a limit of size and time.

An SDK reads and decompresses the whole body of an error: a few bytes could become a gigabyte. It has no
option to read less, but the HTTP library below it has hooks for responses. This hook reads the beginning of
the body, releases the connection, and replaces the body by what it has read. **If the body cannot be read,
the status is still known, and this is what counts.**
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import aclosing, suppress
from typing import Final, Protocol, TypeAlias, cast

from ._json import WireError, look
from ._unpacking import unpacker

_FIRST_ERROR_STATUS: Final = 400
_LONGEST: Final = 2**18
"""Bytes that are read: a reason is a sentence, and the rest may repeat the request."""
_SECONDS: Final = 5.0


class ErrorResponse(Protocol):
    """A response that a hook of the HTTP library gets; its body was not read yet."""

    status_code: int
    headers: MutableMapping[str, str]
    stream: AsyncGenerator[bytes]
    is_stream_consumed: bool


Hook: TypeAlias = Callable[[ErrorResponse], Awaitable[None]]


def bound_errors(client: object, *, only_ours: bool = False) -> None:
    """Let a client read the bodies of errors with a limit of size and time.

    Args:
        client: of an SDK, or of the HTTP library. A client without hooks for responses is not changed.
        only_ours: True if the client belongs to the user: other responses than ours are not changed.
    """
    http = client if look(client, "event_hooks") is not None else look(client, "_client")
    hooks = look(http, "event_hooks", "response")
    hook: Hook = _read_ours if only_ours else _read
    if isinstance(hooks, list) and hook not in hooks:
        cast("list[Hook]", hooks).append(hook)


async def _read_ours(response: ErrorResponse) -> None:
    """Read the body of an error if the request came from this library: such a request refuses compression."""
    if look(response, "request", "headers", "accept-encoding") == "identity":
        await _read(response)


async def _read(response: ErrorResponse) -> None:
    """Read the beginning of the body of an error, and replace the body by it."""
    if response.status_code < _FIRST_ERROR_STATUS or response.is_stream_consumed:
        return
    body = bytearray()
    try:
        async with asyncio.timeout(_SECONDS), aclosing(_unpacked(response)) as pieces:
            async for piece in pieces:
                body += piece
                if len(body) >= _LONGEST:
                    break
    except WireError as error:
        body += str(error).encode()
    except Exception:  # noqa: BLE001, S110 - what has come until then is used
        pass
    finally:
        with suppress(Exception):  # it may be closed, or broken
            await response.stream.aclose()
    response.headers.pop("content-encoding", None)
    # The response has the same class as before: the SDK decides which HTTP library it uses.
    whole = cast("Callable[..., ErrorResponse]", type(response))
    response.stream = whole(response.status_code, content=bytes(body[:_LONGEST])).stream


async def _unpacked(response: ErrorResponse) -> AsyncGenerator[bytes]:
    """Yield the body in pieces, none of them large."""
    unpack = unpacker(response.headers.get("content-encoding", ""))
    async for data in response.stream:
        for piece in (data,) if unpack is None else unpack(data):
            yield piece
