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

from pydantic import SecretStr

from miniagents.core import PromisingContext
from miniagents.values import LLMConfigError

from ._settings import Endpoint

__all__ = ["NO_KEY", "ClientRoom", "no_certificates", "own_client", "shared_client"]

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


def own_client(
    client: object, kind: type[C], agent: str, api_key: SecretStr | str | None, base_url: str | None
) -> C | None:
    """Return the client that the user gave to an agent; None if there is none.

    Args:
        client: what was given for it.
        kind: the class of the SDK.
        agent: the name of the agent, for errors.
        api_key: the key, which only goes without a client.
        base_url: the address; the same.

    Raises:
        LLMConfigError: a client and also one of the others, or no client of this SDK.

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
        raise LLMConfigError(f"{agent} was given client and also api_key or base_url; the client has both")
    if not isinstance(client, kind):
        package = kind.__module__.partition(".")[0]
        raise LLMConfigError(f"client is of type {type(client).__name__}; give {package}.{kind.__name__}")
    return client


def shared_client(endpoint: Endpoint, kind: type[C], build: Callable[[Endpoint], C]) -> C:
    """Return the client for an endpoint that all calls of the active context share.

    Args:
        endpoint: where and with which key.
        kind: the client's class.
        build: makes the first one.

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
    return ClientRoom.of(PromisingContext.current()).get(endpoint, kind, build)


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
