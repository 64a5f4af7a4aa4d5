"""Where the events of one answer come from, and how the connection is let go.

An SDK stream that is left in the middle keeps its connection until a garbage collection, and its nested
generators are finished by tasks of the event loop. So it is closed here on every way out, and then run to its
end, which the closed connection makes an immediate one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final, Protocol, runtime_checkable

from ._faults import headers_of
from ._look import look

__all__ = ["EventStream", "Source"]

_FOR_THE_END: Final = 0.1


@runtime_checkable
class EventStream(Protocol):
    """What an SDK's async stream is to us: events to iterate over, and a way to let go."""

    def __aiter__(self) -> AsyncIterator[object]: ...

    async def close(self) -> None:
        """Release the HTTP connection."""
        ...


class Source:
    """The events of an answer: those of a stream, or the whole answer as the only one.

    Args:
        answer: what the SDK returned.
        request_id_header: the name of the response header with the request's id.
    """

    def __init__(self, answer: object, request_id_header: str) -> None:
        self._stream = answer if isinstance(answer, EventStream) else None
        self._events = aiter(answer) if isinstance(answer, EventStream) else _once(answer)
        headers = headers_of(answer)
        self.content_type = str(headers.get("content-type", ""))
        request_id = headers.get(request_id_header) or look(answer, "_request_id")
        self.request_id = request_id if isinstance(request_id, str) else None
        self.count = 0

    @property
    def is_event_stream(self) -> bool:
        """Whether the response says that it is an event stream."""
        return self.content_type.partition(";")[0].strip().lower() == "text/event-stream"

    async def next(self) -> object:
        """Return the next event; raise `StopAsyncIteration` after the last one."""
        event = await anext(self._events)
        self.count += 1
        return event

    async def release(self) -> None:
        """Let the connection go; afterwards nothing of the stream is left behind."""
        if self._stream is None:
            return
        with suppress(Exception):
            await self._stream.close()
        with suppress(Exception):
            # The limit is for streams that are not the SDK's and go on after their end.
            async with asyncio.timeout(_FOR_THE_END):
                async for _ in self._events:
                    pass


async def _once(answer: object) -> AsyncIterator[object]:
    yield answer
