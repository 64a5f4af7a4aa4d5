"""Closes connections without a request, so that they do not block other clients."""

import asyncio
from functools import partial
from typing import Final, cast

from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

_PATIENCE: Final = 20.0
_MOST: Final = 200


class SilentConnections:
    """Connections that wait for a request: for the first one, or for the next one after an answer.

    Args:
        patience: seconds until such a connection is closed; the headers of a request must come in this time.
        most: how many such connections there may be; with one more, the oldest is closed.
    """

    def __init__(self, *, patience: float = _PATIENCE, most: int = _MOST) -> None:
        self._patience = patience
        self._most = most
        self._timers: dict[asyncio.Transport, asyncio.TimerHandle] = {}  # the longest silent one first

    def add(self, transport: asyncio.Transport) -> None:
        """Note that a connection waits for a request.

        Args:
            transport: the transport of the connection.
        """
        if transport not in self._timers:
            loop = asyncio.get_running_loop()
            self._timers[transport] = loop.call_later(self._patience, self._cut, transport)
            if len(self._timers) > self._most:
                self._cut(next(iter(self._timers)))

    def discard(self, transport: asyncio.Transport) -> None:
        """Note that a request has come, or that the connection is closed.

        Args:
            transport: the transport of the connection.
        """
        timer = self._timers.pop(transport, None)
        if timer is not None:
            timer.cancel()

    def _cut(self, transport: asyncio.Transport) -> None:
        self.discard(transport)
        transport.abort()


def protocol_of(silent: SilentConnections) -> type[asyncio.Protocol]:
    """Return the protocol class of HTTP for uvicorn.

    Args:
        silent: closes connections without a request.
    """
    return cast("type[asyncio.Protocol]", partial(_Connection, silent))


class _Connection(H11Protocol):
    """uvicorn's protocol of HTTP, which reports when it waits for a request."""

    def __init__(self, silent: SilentConnections, *args: object, **settings: object) -> None:
        super().__init__(*args, **settings)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] # as uvicorn gives them
        self._silent = silent

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._silent.add(transport)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._silent.discard(self.transport)
        super().connection_lost(exc)

    def _look(self) -> None:
        """Update whether the connection waits for a request."""
        if self.transport.is_closing():
            return
        cycle = cast("object", self.cycle)
        if cycle is None or self.cycle.response_complete:
            self._silent.add(self.transport)
        else:
            self._silent.discard(self.transport)
