"""The layer between the SDK of a provider and the decoders: clients, responses, and the bytes of bodies.

* Each context keeps one client for each endpoint, and closes it at its end (`shared_client`). A client that
  the user gives is used instead, and is not closed (`own_client`).
* `EventSource` reads a response of the client's ``with_streaming_response``, and releases the connection.
* **A small body cannot become a large one.** The request asks for no compression. A body that is compressed
  nevertheless is decompressed in steps, and its size is checked at each step. The body of an error, of which
  an SDK would read any size, is read before the SDK reads it (`bound_errors`).
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from importlib.util import find_spec
from typing import Final, Protocol, TypeVar, cast, runtime_checkable
from urllib.request import getproxies

from pydantic import SecretStr

from miniagents.streams import PromisingContext
from miniagents.streams._context import Closable
from miniagents.streams._readers import NEXT_TURN
from miniagents.values import LLMConfigError

from ._aws_events import AWS_EVENT_STREAM, AWSEventDecoder
from ._error_bodies import bound_errors
from ._headers import response_headers
from ._json import WireError, integer_at
from ._settings import Endpoint
from ._sse import MAX_EVENT, STRAY, ServerEvent, SSEDecoder
from ._unpacking import Unpack, unpacker

_SECONDS_TO_CLOSE: Final = 5.0


# -- clients ---------------------------------------------------------------------------------------------


C = TypeVar("C", bound=Closable)
H = TypeVar("H")
H_co = TypeVar("H_co", covariant=True)


class ClientPool:
    """The clients of a context and of the contexts inside it, one for each endpoint.

    It takes 30 to 170 ms to build a client, and a client cannot be used on two event loops. A context belongs
    to one event loop, so its clients can be used again.
    """

    def __init__(self) -> None:
        self._clients: dict[Endpoint, Closable] = {}

    def get(self, endpoint: Endpoint, kind: type[C], build: Callable[[Endpoint], C]) -> C:
        """Return the client for an endpoint; build it if there is none of this class."""
        client = self._clients.get(endpoint)
        if not isinstance(client, kind):
            client = self._clients[endpoint] = build(endpoint)
            bound_errors(client)
        return client

    async def close(self) -> None:
        """Close all clients; give up on one that cannot be closed in 5 s."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            with suppress(Exception):
                async with asyncio.timeout(_SECONDS_TO_CLOSE):
                    await client.close()


def own_client(
    client: object,
    kind: type[C],
    agent: str,
    api_key: SecretStr | str | None,
    base_url: str | None,
    *,
    others: tuple[type[object], ...] = (),
) -> C | None:
    """Return the client that the user gave to an agent; None if there is none.

    Args:
        client: the keyword ``client`` of the agent.
        kind: the class of clients of the SDK.
        agent: the name of the agent, for errors.
        api_key: the keyword ``api_key``; it must be None if there is a client.
        base_url: the keyword ``base_url``; it must be None if there is a client.
        others: classes of clients with the same methods, for other platforms.

    Raises:
        LLMConfigError: ``api_key`` or ``base_url`` is given with a client, or it is not a client of this SDK.

    Example:
        >>> class Acme:
        ...     async def close(self) -> None: ...
        >>> client = Acme()
        >>> own_client(client, Acme, "acme_agent", None, None) is client
        True
    """
    if client is None:
        return None
    if api_key is not None or base_url is not None:
        raise LLMConfigError(
            f"{agent} got client and also api_key or base_url; give client alone: it has both"
        )
    if not isinstance(client, (kind, *others)):
        package = kind.__module__.partition(".")[0]
        raise LLMConfigError(f"client is of type {type(client).__name__}; give {package}.{kind.__name__}")
    bound_errors(client, only_ours=True)
    return cast("C", client)


def shared_client(endpoint: Endpoint, kind: type[C], build: Callable[[Endpoint], C]) -> C:
    """Return the client for an endpoint that all calls of the active context share.

    Args:
        endpoint: the address and the API key.
        kind: the class of the client.
        build: makes the client, at the first call.

    Raises:
        NoActiveContextError: no context is active.

    Example:
        >>> from miniagents import MiniAgents
        >>> class Acme:
        ...     def __init__(self, endpoint): ...
        ...     async def close(self):
        ...         print("closed")
        >>> async def main():
        ...     endpoint = Endpoint("acme", "https://api.acme.example", None)
        ...     print(shared_client(endpoint, Acme, Acme) is shared_client(endpoint, Acme, Acme))
        >>> MiniAgents().run(main())
        True
        closed
    """
    return PromisingContext.current().shared(ClientPool).get(endpoint, kind, build)


class MakesHTTPClient(Protocol[H_co]):
    """A class of HTTP clients of an SDK, with the defaults of the SDK."""

    def __call__(self, *, verify: ssl.SSLContext | bool = True) -> H_co:
        """Make a client with these TLS settings."""
        ...


def http_client(endpoint: Endpoint, fast: MakesHTTPClient[H], plain: MakesHTTPClient[H]) -> H:
    """Make the HTTP client of an endpoint: the one over aiohttp, if aiohttp is installed.

    Most of the time that it takes to build a client is spent on loading certificates, which are not needed
    for ``http://``. Without them a redirect to ``https://`` fails, since no server is trusted.

    Args:
        endpoint: of the requests.
        fast: the class over aiohttp, which costs less the more calls are under way.
        plain: the class that the SDK uses by default.
    """
    verify: ssl.SSLContext | bool = True
    if endpoint.base_url.startswith("http://") and "http" not in getproxies():
        verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if find_spec("aiohttp") is not None:
        with suppress(RuntimeError):  # the SDK cannot use this version of it
            return fast(verify=verify)
    return plain(verify=verify)


# -- responses -------------------------------------------------------------------------------------------

_EVENT_STREAM: Final = "text/event-stream"


class HTTPResponse(Protocol):
    """A response of the HTTP library of an SDK.

    Example:
        >>> import httpx2
        >>> response: HTTPResponse = httpx2.Response(200, headers={"Content-Type": "text/event-stream"})
        >>> response.headers["content-type"]
        'text/event-stream'
    """

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; the case of their names does not matter."""
        ...

    @property
    def is_stream_consumed(self) -> bool:
        """Whether the body was read already, by the transport of a test or a hook of the client."""
        ...

    @property
    def content(self) -> bytes:
        """The body that was read, decompressed."""
        ...

    def aiter_raw(self) -> AsyncGenerator[bytes]:
        """The bytes of the body as they come from the network."""
        ...

    async def aclose(self) -> None:
        """Release the connection."""
        ...


class Response(Protocol):
    """A response that an SDK returns before its body was read.

    Example:
        >>> import httpx2
        >>> class Streamed:
        ...     http_response = httpx2.Response(200, headers={"x-request-id": "7"})
        >>> response: Response = Streamed()
        >>> response.http_response.headers["x-request-id"]
        '7'
    """

    @property
    def http_response(self) -> HTTPResponse:
        """The response itself."""
        ...


@runtime_checkable
class _BrokenOff(Protocol):
    """The body of a response of aiohttp, which raises an error before it gives out what came before that."""

    def exception(self) -> BaseException | None: ...
    def set_exception(self, error: BaseException | None, /) -> None: ...
    def read_nowait(self) -> bytes: ...


class EventSource:
    """The events of a response: those of an event stream, or the whole body as one event.

    The caller reads bytes from `body`, gives each piece to `feed`, and calls `end` after the last one.

    Args:
        response: of the SDK.
        stream: whether the request asked for a stream.
        request_id_header: the name of the response header with the id of the request.

    Attributes:
        body: the bytes, as they come from the network.
        content_type: the content type of the response, without parameters.
        headers: what is known from the headers of the response; None if nothing.
        spoke: whether there was an event.
        ended: whether the body has ended.
        may_be_cut: whether the last event came without its end, so that a part of it may be missing.
    """

    def __init__(self, response: Response, *, stream: bool, request_id_header: str) -> None:
        self._http = response.http_response
        headers = self._http.headers
        self.content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        self.headers = response_headers(
            headers, status=integer_at(self._http, "status_code"), request_id=headers.get(request_id_header)
        )
        self.spoke = False
        self.ended = False
        self.may_be_cut = False
        aws = self.content_type == AWS_EVENT_STREAM
        self._sse = (AWSEventDecoder() if aws else SSEDecoder()) if stream else None
        self._whole = bytearray()
        read = self._http.is_stream_consumed
        unpack = unpacker("" if read else headers.get("content-encoding", ""))
        body = _once(self._http.content) if read else self._http.aiter_raw()
        self.body = body if unpack is None else self._unpacked(body, unpack)

    @property
    def is_event_stream(self) -> bool:
        """Whether the content type is that of an event stream."""
        return self.content_type in {_EVENT_STREAM, AWS_EVENT_STREAM}

    def feed(self, data: bytes) -> list[ServerEvent]:
        """Return the events that these bytes complete.

        Raises:
            WireError: the body is larger than the limit.
        """
        if self._sse is None:
            return self._keep(data)
        events = self._sse.feed(data)
        if not self.spoke:
            self.spoke = any(event.name != STRAY for event in events)
        return events

    def end(self) -> list[ServerEvent]:
        """Note that the body has ended; return the event that has no end, or the whole body."""
        self.ended = True
        if self._sse is not None:
            self.may_be_cut = True
            return self._sse.rest()
        self.spoke = True
        return [ServerEvent("", bytes(self._whole))]

    async def _unpacked(self, body: AsyncGenerator[bytes], unpack: Unpack) -> AsyncGenerator[bytes]:
        """Yield the bytes of a compressed body in steps.

        A small piece may become a large one, so other tasks and time limits have a turn between two steps.

        Raises:
            ConnectionError: the body is damaged.
        """
        async with aclosing(body):
            try:
                async for data in body:
                    for step in unpack(data):
                        yield step
                        await NEXT_TURN
            except Exception:
                for step in unpack(self.unread()):  # what came before the connection broke
                    yield step
                    await NEXT_TURN
                raise

    def _keep(self, data: bytes) -> list[ServerEvent]:
        """Add bytes to a body that is not a stream."""
        self._whole += data
        if len(self._whole) > MAX_EVENT:
            raise WireError("the answer is larger than the limit for an answer")
        return []

    def unread(self) -> bytes:
        """Return what came before the connection broke and was not read: aiohttp keeps that back."""
        stream: object = getattr(self._http, "stream", None)
        while (inner := getattr(stream, "_stream", None)) is not None:
            stream = inner
        content: object = getattr(getattr(stream, "_aiohttp_response", None), "content", None)
        if not isinstance(content, _BrokenOff) or content.exception() is None:
            return b""
        content.set_exception(None)
        return content.read_nowait()

    async def release(self) -> None:
        """Release the connection and the stream."""
        with suppress(Exception):
            await self.body.aclose()
        with suppress(Exception):
            await self._http.aclose()


async def _once(body: bytes) -> AsyncGenerator[bytes]:
    """Return a body that has been read already, as a stream."""
    yield body
