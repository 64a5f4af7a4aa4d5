"""Clients are built once for each place to ask, and closed with their context."""

import pytest
from pydantic import SecretStr
from typing_extensions import override

from miniagents import MiniAgents
from miniagents.ext.llm import Endpoint, no_certificates, own_client, shared_client
from miniagents.ext.llm._clients import ClientRoom
from miniagents.values import LLMConfigError


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


async def test_calls_of_a_context_share_a_client() -> None:
    """Whoever asks for the client of a place in the active context is given the same one."""
    async with MiniAgents() as context:
        client = shared_client(endpoint(), Client, Client)
        assert client is shared_client(endpoint(), Client, Client)
        assert client is ClientRoom.of(context).get(endpoint(), Client, Client)
    assert client.closed


def test_a_client_of_the_user_is_taken_as_it_is() -> None:
    """A client of the SDK's class is what was given, of a class made from it too; None is none."""
    client = Broken(endpoint())
    assert own_client(client, Client, "acme_agent", None, None) is client
    assert own_client(None, Client, "acme_agent", "key", "https://one") is None


@pytest.mark.parametrize(
    ("api_key", "base_url"), [("key", None), (SecretStr("key"), None), (None, "https://one")]
)
def test_a_client_has_its_key_and_address(api_key: SecretStr | str | None, base_url: str | None) -> None:
    """Who gives a client and a key or an address as well is told which agent it was, and not the key."""
    expected = "acme_agent was given client and also api_key or base_url; the client has both"
    with pytest.raises(LLMConfigError, match=f"^{expected}$"):
        own_client(Client(endpoint()), Client, "acme_agent", api_key, base_url)


def test_what_is_no_client_is_refused() -> None:
    """Something else is refused with the class that would be right, named as one imports it."""
    with pytest.raises(LLMConfigError, match=r"^client is of type str; give tests\.Client$"):
        own_client("key", Client, "acme_agent", None, None)
