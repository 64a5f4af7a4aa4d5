"""`stream_response`: the replies of an agent as the body of an HTTP response, in any of the protocols."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from typing_extensions import override

from ._feeds import Feed
from ._frames import BATCH, SHUT_DOWN, Positioned, RunEnded
from ._open_responses import OpenResponses
from ._openai_chat import ChatCompletionEncoder
from ._openai_responses import ResponseEncoder
from ._protocols import PLAIN, Encoder
from ._source import ErrorText, FrameSource, Replies
from ._vercel import VercelEncoder

PING_EVERY: Final = 15.0  # seconds
_STALL_LIMIT: Final = 60.0  # seconds without reading, after which a client is disconnected
WAITING_LIMIT: Final = 1_000_000
"""Characters of an attached run that may wait for a slow client."""


ProtocolName: TypeAlias = Literal["sse", "ndjson", "text", "vercel", "openai", "responses"]
"""The protocols of `stream_response`."""

ENCODERS: Final[Mapping[str, Callable[[], Encoder]]] = MappingProxyType(
    {**PLAIN, "vercel": VercelEncoder, "openai": ChatCompletionEncoder, "responses": ResponseEncoder}
)
"""Protocol -> what makes an encoder."""


def stream_response(
    replies: Replies,
    protocol: ProtocolName | Encoder = "sse",
    *,
    headers: Mapping[str, str] | None = None,
    limit: int = WAITING_LIMIT,
    ping: float = PING_EVERY,
    error_text: ErrorText | None = None,
    background: BackgroundTask | None = None,
) -> Response:
    """Return a response that streams the replies of an agent; if the client leaves, the agent is stopped.

    Args:
        replies: the result of ``agent.inquire(...)``, or one message of it.
        protocol: "sse", "ndjson", "text", "vercel", "openai" (chat completions), "responses", or an encoder.
        headers: of the response, besides those of the protocol.
        limit: characters that may wait for a slow client; with more, the run is stopped.
        ping: seconds of silence after which a ping is sent.
        error_text: makes the sentence for clients from an error.
        background: runs after the response.

    Raises:
        ValueError: there is no such protocol.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     async def send(message):
        ...         print(message.get("body", b"").decode(), end="")
        ...     response = stream_response(scripted_model("Hi").inquire(), "text")
        ...     await response({"type": "http"}, asyncio.Event().wait, send)
        >>> MiniAgents().run(main())
        Hi
    """
    if isinstance(protocol, str):
        if protocol not in ENCODERS:
            raise ValueError(f"{protocol!r} is not a protocol; give one of {', '.join(ENCODERS)}.")
        protocol = ENCODERS[protocol]()
    feed = FrameSource(replies, limit=limit, error_text=error_text)
    return FrameResponse(feed, protocol, headers=headers, ping=ping, background=background)


class FrameResponse(Response):
    """Writes the frames of a feed as they come, until the last one or until the client leaves.

    Args:
        feed: gives the frames.
        encoder: encodes them in a protocol; an object for this response alone.
        headers: headers besides those of the protocol.
        ping: seconds of silence after which a ping is sent.
        background: runs after the response.
    """

    def __init__(
        self,
        feed: Feed,
        encoder: Encoder,
        *,
        headers: Mapping[str, str] | None = None,
        ping: float = PING_EVERY,
        background: BackgroundTask | None = None,
    ) -> None:
        self.status_code = 200
        self.media_type = encoder.media_type
        self.background = background
        self.init_headers({**encoder.headers, **(headers or {})})
        self._feed = feed
        self._encoder = encoder
        self._ping = ping
        self._loop: asyncio.AbstractEventLoop  # of the call
        self._more: asyncio.Future[None] | None = None  # what the writer waits for
        self._fresh = True  # there may be frames to take
        self._taken: Sequence[Positioned] = ()  # that are not written yet
        self._gone = False  # the client has left
        self._cut = False  # the server is about to end
        self._position = 0  # of the last frame that was written
        self._sent = 0.0  # loop time of the last thing that was handed over
        self._sending = False
        self._ping_due = False
        self._stalled = False
        self._writer: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle  # of the call

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") == "HEAD":  # Starlette has it go where GET goes
            self._feed.close()
            await send(self._start())
            await send({"type": "http.response.body", "body": b""})
            return
        self._loop = loop = asyncio.get_running_loop()
        self._writer = asyncio.current_task()
        responses = self._feed.context.shared(OpenResponses)
        watcher = loop.create_task(self._watch(receive))
        self._sent = loop.time()
        self._timer = loop.call_at(self._sent + self._ping, self._look)
        try:
            self._feed.open(self._wake)
            responses.add(self.cut)
            await self._write(send)
        except asyncio.CancelledError:
            if not self._stalled:
                await self._end_now(send)
                raise
            if self._writer is not None:
                self._writer.uncancel()
        except OSError:  # how some servers say that the client has left
            pass
        finally:
            self._feed.close()
            responses.discard(self.cut)
            self._timer.cancel()
            self._writer = None
            watcher.cancel()
            await asyncio.wait((watcher,))
        if self.background is not None:
            await self.background()

    def cut(self) -> None:
        """End the response now, because the server ends; an attached run ends with it."""
        self._cut = True
        if isinstance(self._feed, FrameSource):
            self._feed.close(SHUT_DOWN)
        self._wake()

    # -- writing -----------------------------------------------------------------------------------------

    def _start(self) -> Message:
        return {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}

    async def _write(self, send: Send) -> None:
        self._sending = True
        await send(self._start())
        self._sending = False
        encoder = self._encoder
        if first := encoder.begin():
            await self._send(send, first)
        while not self._gone:
            if frames := self._next():
                data, ended = self._encoded(frames)
                if ended:
                    await self._send(send, data, last=True)
                    return
                if data:
                    await self._send(send, data)
                if len(frames) == BATCH:
                    await asyncio.sleep(0)  # the other tasks have their turn
            elif self._cut or self._feed.left:
                await self._end_now(send)
                return
            elif self._ping_due:
                self._ping_due = False
                if data := encoder.ping():
                    await self._send(send, data)
            else:
                self._more = self._loop.create_future()
                await self._more

    def _next(self) -> Sequence[Positioned]:
        """The next frames, at most `BATCH`."""
        if self._fresh and not self._taken:
            self._taken = self._feed.take()
            self._fresh = len(self._taken) >= BATCH  # there may be more, for which the feed does not wake it
        some, self._taken = self._taken[:BATCH], self._taken[BATCH:]
        return some

    def _encoded(self, frames: Sequence[Positioned]) -> tuple[bytes, bool]:
        """The bytes to send, and whether they are the last."""
        encode = self._encoder.encode
        self._position, last = frames[-1]
        ended = isinstance(last, RunEnded)
        if len(frames) == 1 and not ended:  # the most frequent case
            return encode(self._position, last), False
        data = [encode(position, frame) for position, frame in frames]
        if ended:
            data.append(self._encoder.finish())
        return b"".join(data), ended

    async def _send(self, send: Send, data: bytes, *, last: bool = False) -> None:
        self._sending = True
        await send({"type": "http.response.body", "body": data, "more_body": not last})
        self._sending = False
        self._sent = self._loop.time()

    async def _end_now(self, send: Send) -> None:
        """End the response before its run ends; tell this to clients that do not reconnect by themselves."""
        if self._sending or self._gone:
            return
        data = b""
        if isinstance(self._feed, FrameSource) or not self._encoder.reconnects:
            data = self._encoder.encode(self._position + 1, SHUT_DOWN) + self._encoder.finish()
        with suppress(OSError):
            await self._send(send, data, last=True)

    # -- what wakes the writer ---------------------------------------------------------------------------

    def _wake(self) -> None:
        self._fresh = True
        more = self._more
        if more is not None:
            self._more = None
            if not more.done():
                more.set_result(None)

    async def _watch(self, receive: Receive) -> None:
        """Notice at once when the client leaves, also while nothing is sent: `send` may never report it."""
        while not self._gone:
            message = await receive()
            if message["type"] == "http.disconnect":
                self._gone = True
                self._feed.close()
                self._wake()

    def _look(self) -> None:
        """Check whether a ping is due, or the client has not read for too long."""
        loop = self._loop
        now = loop.time()
        due = self._sent + (_STALL_LIMIT if self._sending else self._ping)
        if now < due:
            self._timer = loop.call_at(due, self._look)
        elif not self._sending:
            self._ping_due = True
            self._wake()
            self._timer = loop.call_later(self._ping, self._look)
        elif self._writer is not None:
            self._stalled = True
            self._writer.cancel()
