"""The body of an error, read no further than the reason in it goes.

An SDK reads such a body whole, and unpacks it, before it hands it out: a few bytes could become a gigabyte.
It has no way to ask for less, but the HTTP library below it has hooks for responses. This one reads what is
worth reading, lets the connection go, and puts what was read into the place of the body. **Whatever becomes
of the body, the status is known, and is what counts.**
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, MutableMapping
from contextlib import aclosing, suppress
from typing import Final, Protocol, TypeAlias, cast

from ._json import WireError, look
from ._unpacking import unpacker

__all__ = ["bound_errors"]

_FIRST_ERROR_STATUS: Final = 400
_LONGEST: Final = 2**18
"""Bytes that are read; a reason is a sentence, and the rest may echo the request."""
_SECONDS: Final = 5.0


class ErrorResponse(Protocol):
    """What a hook of the HTTP library is given: a response of which nobody has read the body yet."""

    status_code: int
    headers: MutableMapping[str, str]
    stream: AsyncIterable[bytes]
    is_stream_consumed: bool


Hook: TypeAlias = Callable[[ErrorResponse], Awaitable[None]]


def bound_errors(client: object, *, only_ours: bool = False) -> None:
    """Let a client read the bodies of errors within bounds of size and time.

    Args:
        client: of an SDK, or of the HTTP library. One that has no hooks for responses stays as it is.
        only_ours: whether it has requests of others too, whose responses stay as they are.
    """
    http = client if look(client, "event_hooks") is not None else look(client, "_client")
    hooks = look(http, "event_hooks", "response")
    hook: Hook = _read_ours if only_ours else _read
    if isinstance(hooks, list) and hook not in hooks:
        cast("list[Hook]", hooks).append(hook)


async def _read_ours(response: ErrorResponse) -> None:
    """Read the body of an error if the request was ours: it refuses compression."""
    if look(response, "request", "headers", "accept-encoding") == "identity":
        await _read(response)


async def _read(response: ErrorResponse) -> None:
    """Read the body of an error, and put what was read into its place."""
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
    except Exception:  # noqa: BLE001, S110 - what has come until then is the reason
        pass
    finally:
        await _close(response.stream)
    response.headers.pop("content-encoding", None)
    # By a response of the same class: which HTTP library it is of is the SDK's own choice.
    whole = cast("Callable[..., ErrorResponse]", type(response))
    response.stream = whole(response.status_code, content=bytes(body[:_LONGEST])).stream


async def _unpacked(response: ErrorResponse) -> AsyncGenerator[bytes]:
    """Yield the body in pieces, none of them large."""
    unpack = unpacker(response.headers.get("content-encoding", ""))
    async for data in response.stream:
        for piece in (data,) if unpack is None else unpack(data):
            yield piece


async def _close(stream: object) -> None:
    """Let the connection of a response go."""
    close = look(stream, "aclose")
    if callable(close):
        with suppress(Exception):
            await cast("Callable[[], Awaitable[None]]", close)()
