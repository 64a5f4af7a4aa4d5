"""Connections: those that ask for nothing do not take the place of others."""

import asyncio
import socket
from functools import partial
from typing import Final, cast

from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["SilentConnections", "protocol_of"]

_PATIENCE: Final = 20.0
_MOST: Final = 200


class SilentConnections:
    """Connections on which no request has come yet, or none since the last answer.

    Args:
        patience: seconds that a request may take to come, its headers included.
        most: how many there may be; one more, and the one that is silent the longest is cut.
    """

    def __init__(self, *, patience: float = _PATIENCE, most: int = _MOST) -> None:
        self._patience = patience
        self._most = most
        self._timers: dict[asyncio.Transport, asyncio.TimerHandle] = {}  # the longest silent one first

    def add(self, transport: asyncio.Transport) -> None:
        """Note that a request is waited for.

        Args:
            transport: of the connection.
        """
        if transport not in self._timers:
            loop = asyncio.get_running_loop()
            self._timers[transport] = loop.call_later(self._patience, self._cut, transport)
            if len(self._timers) > self._most:
                self._cut(next(iter(self._timers)))

    def discard(self, transport: asyncio.Transport) -> None:
        """Note that a request has come, or that the connection is gone.

        Args:
            transport: of the connection.
        """
        timer = self._timers.pop(transport, None)
        if timer is not None:
            timer.cancel()

    def _cut(self, transport: asyncio.Transport) -> None:
        self.discard(transport)
        transport.abort()


def protocol_of(silent: SilentConnections) -> type[asyncio.Protocol]:
    """Return what uvicorn speaks HTTP with.

    Args:
        silent: told of each connection.
    """
    return cast("type[asyncio.Protocol]", partial(_Connection, silent))


class _Connection(H11Protocol):
    """HTTP as uvicorn speaks it."""

    def __init__(self, silent: SilentConnections, *args: object, **settings: object) -> None:
        super().__init__(*args, **settings)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] # as uvicorn gives them
        self._silent = silent

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        connection = cast("socket.socket | None", transport.get_extra_info("socket"))
        if connection is not None:  # asyncio does it only if the listening socket was made in a certain way
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
        """See whether a request is being answered."""
        if self.transport.is_closing():
            return
        cycle = cast("object", self.cycle)
        if cycle is None or self.cycle.response_complete:
            self._silent.add(self.transport)
        else:
            self._silent.discard(self.transport)
