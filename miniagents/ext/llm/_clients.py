"""One client for each place to ask, kept by the context and closed with it.

Building a client blocks for 30 to 170 ms, and a client that is used on two event loops breaks. A context
lives on one event loop, so what it keeps is safe to use again, and nothing outlives it.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol, TypeVar
from urllib.request import getproxies

from miniagents.promising import PromisingContext

from ._settings import Endpoint

__all__ = ["NO_KEY", "ClientRoom", "no_certificates"]

NO_KEY: Final = "no-key"
"""What is sent to a server that needs no key: the SDKs insist on one."""

_TO_CLOSE: Final = 5.0


class Closable(Protocol):
    """A client of an SDK."""

    def close(self) -> Awaitable[object]:
        """Close its connections."""
        ...


C = TypeVar("C", bound=Closable)


class ClientRoom:
    """The clients of one context.

    Example:
        >>> from miniagents import MiniAgents
        >>> class Client:
        ...     async def close(self):
        ...         print("closed")
        >>> async def main():
        ...     room = ClientRoom.of(MiniAgents.current())
        ...     endpoint = Endpoint("acme", "https://api.acme.example", None)
        ...     first = room.get(endpoint, Client, lambda endpoint: Client())
        ...     print(room.get(endpoint, Client, lambda endpoint: Client()) is first)
        >>> MiniAgents().run(main())
        True
        closed
    """

    def __init__(self) -> None:
        self._clients: dict[Endpoint, Closable] = {}

    @classmethod
    def of(cls, context: PromisingContext) -> "ClientRoom":
        """Return the room of a context; it is made, and its closing arranged, when it is first asked for.

        Args:
            context: whose end closes the clients.
        """
        room = context.resources.get(cls)
        if not isinstance(room, cls):
            room = context.resources[cls] = cls()
            context.on_close(room.close)
        return room

    def get(self, endpoint: Endpoint, kind: type[C], build: Callable[[Endpoint], C]) -> C:
        """Return the client for an endpoint, built if there is none.

        Args:
            endpoint: where and with which key; the key is compared, and never shown.
            kind: the client's class.
            build: makes one.
        """
        client = self._clients.get(endpoint)
        if not isinstance(client, kind):
            client = self._clients[endpoint] = build(endpoint)
        return client

    async def close(self) -> None:
        """Close all clients; one that cannot be closed in 5 s is left to the loop's end."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            with suppress(Exception):
                async with asyncio.timeout(_TO_CLOSE):
                    await client.close()


def no_certificates(endpoint: Endpoint) -> ssl.SSLContext | None:
    """Return TLS settings that trust nobody, for an endpoint that needs none; None if it may need some.

    Most of the time that building a client takes goes into loading certificates, which a server behind plain
    ``http://`` does not use. A redirect to ``https://`` fails then, and is not trusted blindly.

    Args:
        endpoint: where to ask.

    Example:
        >>> no_certificates(Endpoint("acme", "https://api.acme.example", None)) is None
        True
    """
    if endpoint.base_url.startswith("http://") and "http" not in getproxies():
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return None
