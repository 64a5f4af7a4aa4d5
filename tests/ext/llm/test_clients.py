"""Clients are built once for each place to ask, and closed with their context."""

import pytest
from pydantic import SecretStr
from typing_extensions import override

from miniagents import MiniAgents
from miniagents.ext.llm import ClientRoom, Endpoint, no_certificates


class Client:
    """A client that can only be closed."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.closed = False

    async def close(self) -> None:
        """Note it."""
        self.closed = True


class Broken(Client):
    """A client that cannot even be closed."""

    @override
    async def close(self) -> None:
        """Fail."""
        await super().close()
        raise OSError


def endpoint(key: str = "key", url: str = "https://one") -> Endpoint:
    """Make an endpoint."""
    return Endpoint("acme", url, SecretStr(key))


async def test_built_once() -> None:
    """The same endpoint has the same client; another key or address has another."""
    async with MiniAgents() as context:
        room = ClientRoom.of(context)
        client = room.get(endpoint(), Client, Client)
        assert ClientRoom.of(context).get(endpoint(), Client, Client) is client
        assert room.get(endpoint(key="other"), Client, Client) is not client
        assert room.get(endpoint(url="https://two"), Client, Client) is not client


async def test_closed_with_the_context() -> None:
    """When the context ends its clients are closed, also beside one that cannot be."""
    async with MiniAgents() as context:
        room = ClientRoom.of(context)
        clients = [
            room.get(endpoint(key), kind, kind) for key, kind in (("a", Client), ("b", Broken), ("c", Client))
        ]
        assert not any(client.closed for client in clients)
    assert all(client.closed for client in clients)


async def test_contexts_share_nothing() -> None:
    """A nested context has clients of its own, which do not outlive it."""
    async with MiniAgents() as outer:
        client = ClientRoom.of(outer).get(endpoint(), Client, Client)
        async with MiniAgents() as inner:
            assert ClientRoom.of(inner).get(endpoint(), Client, Client) is not client
        assert not client.closed


async def test_no_key_is_shown() -> None:
    """Neither the room nor what it is keyed by shows a key."""
    async with MiniAgents() as context:
        room = ClientRoom.of(context)
        room.get(endpoint("canary-key"), Client, Client)
        assert "canary-key" not in repr(vars(room))
        assert "canary-key" not in repr(context.resources)


def test_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates are loaded where TLS may be needed: for https, and for a proxy in front of http."""
    assert no_certificates(endpoint(url="https://one")) is None
    trust = no_certificates(endpoint(url="http://one"))
    assert trust is not None
    assert trust.get_ca_certs() == []
    assert trust.check_hostname
    monkeypatch.setenv("http_proxy", "https://proxy")
    assert no_certificates(endpoint(url="http://one")) is None
