"""Where the events of one answer come from, and how the connection is let go.

The response is one of the official client's ``with_streaming_response``: its bytes are read here and
nowhere else, and it is closed on every way out.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Final, Protocol

from ._body import unpacker
from ._look import WireError
from ._sse import MAX_EVENT, STRAY, ServerEvent, SSEDecoder

__all__ = ["HTTPResponse", "Response", "Source"]

_EVENTS: Final = "text/event-stream"


class HTTPResponse(Protocol):
    """What the HTTP library of an SDK knows of a response.

    Example:
        >>> import httpx2
        >>> response: HTTPResponse = httpx2.Response(200, headers={"Content-Type": "text/event-stream"})
        >>> response.headers["content-type"]
        'text/event-stream'
    """

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, whatever the case of their names."""
        ...

    @property
    def is_stream_consumed(self) -> bool:
        """Whether somebody has read the body already: a transport of a test, a hook of the client."""
        ...

    @property
    def content(self) -> bytes:
        """The body that was read, unpacked."""
        ...

    def aiter_raw(self) -> AsyncGenerator[bytes]:
        """The bytes of the body as they come from the network."""
        ...

    async def aclose(self) -> None:
        """Release the connection."""
        ...


class Response(Protocol):
    """A response that an SDK hands out before its body was read.

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


class Source:
    """The events of an answer: those of a stream, or the whole body as the only one.

    Args:
        response: what the SDK returned.
        stream: whether a stream was asked for.
        request_id_header: the name of the response header with the request's id.

    Attributes:
        content_type: what the response says it is, without parameters.
        request_id: the provider's id of the request.
        spoke: whether there was an event.
        ended: the body has ended.
        is_cut: the last events were not ended themselves, so they may be cut.
    """

    __slots__ = (
        "_body",
        "_http",
        "_max_whole",
        "_sse",
        "_unpack",
        "content_type",
        "ended",
        "is_cut",
        "request_id",
        "spoke",
    )

    def __init__(self, response: Response, *, stream: bool, request_id_header: str) -> None:
        self._http = response.http_response
        headers = self._http.headers
        self.content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        self.request_id = headers.get(request_id_header)
        self.spoke = False
        self.ended = False
        self.is_cut = False
        self._sse = SSEDecoder() if stream else None
        read = self._http.is_stream_consumed
        self._unpack = unpacker("" if read else headers.get("content-encoding", ""))
        self._body = _once(self._http.content) if read else self._http.aiter_raw()

    @property
    def is_event_stream(self) -> bool:
        """Whether the response says that it is an event stream."""
        return self.content_type == _EVENTS

    async def next(self) -> list[ServerEvent]:
        """Return the events that came next, maybe none; after the end only those that were cut, then none.

        Raises:
            WireError: the body is larger than any answer.
            ConnectionError: it is damaged.
        """
        if self._sse is None:
            self.ended = True
            return [ServerEvent("", await self._whole())]
        try:
            data = await anext(self._body)
        except StopAsyncIteration:
            self.ended = self.is_cut = True
            return self._sse.rest()
        events: list[ServerEvent] = []
        for piece in self._unpack(data):
            events += self._sse.feed(piece)
        if not self.spoke:
            self.spoke = any(event.name != STRAY for event in events)
        return events

    async def _whole(self) -> bytes:
        data = bytearray()
        async for packed in self._body:
            for piece in self._unpack(packed):
                data += piece
                if len(data) > MAX_EVENT:
                    raise WireError("the answer is larger than any answer")
        self.spoke = True
        return bytes(data)

    async def release(self) -> None:
        """Let the connection go; afterwards nothing of the stream is left behind."""
        with suppress(Exception):
            await self._body.aclose()
        with suppress(Exception):
            await self._http.aclose()


async def _once(body: bytes) -> AsyncGenerator[bytes]:
    yield body
