"""The client, the response, the bytes of its body: what lies between an SDK and the decoders."""

import asyncio
import gc
import gzip
import ssl
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import httpx2
import pytest
from openai import AsyncOpenAI
from pydantic import SecretStr
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    LLMConnectionError,
    LLMProtocolError,
    MessageSequencePromise,
    MiniAgents,
)
from miniagents.errors import GuardError
from miniagents.ext.llm import ServerEvent, WireError, _transport
from miniagents.ext.llm._settings import Endpoint
from miniagents.ext.llm._sse import MAX_EVENT
from miniagents.ext.llm._transport import ClientPool, EventSource, http_client, own_client, shared_client
from miniagents.ext.llm.openai import openai_agent
from miniagents.values import LLMConfigError
from tests.support.sse_server import (
    answer,
    hold,
    serve,
    sse,
)
from tests.support.wires import KEY, WIRES, Wire, asking

CERTIFICATE = Path(__file__).parents[2] / "support" / "localhost.pem"
on_each_wire = pytest.mark.parametrize("wire", WIRES, ids=repr)


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
        pool = context.shared(ClientPool)
        client = pool.get(endpoint(), Client, Client)
        assert context.shared(ClientPool).get(endpoint(), Client, Client) is client
        assert pool.get(endpoint(key="other"), Client, Client) is not client
        assert pool.get(endpoint(url="https://two"), Client, Client) is not client


async def test_closed_with_the_context() -> None:
    """When the context ends its clients are closed, also beside one that cannot be."""
    async with MiniAgents() as context:
        pool = context.shared(ClientPool)
        clients = [
            pool.get(endpoint(key), kind, kind) for key, kind in (("a", Client), ("b", Broken), ("c", Client))
        ]
        assert not any(client.closed for client in clients)
    assert all(client.closed for client in clients)


async def test_contexts_share_clients() -> None:
    """A context inside another uses its clients, and what it adds is closed with the outermost."""
    async with MiniAgents():
        async with MiniAgents():
            client = shared_client(endpoint(), Client, Client)
        async with MiniAgents():
            assert shared_client(endpoint(), Client, Client) is client
        assert shared_client(endpoint(), Client, Client) is client
        assert not client.closed
    assert client.closed


async def test_no_key_is_shown() -> None:
    """Neither the pool nor what it is keyed by shows a key."""
    async with MiniAgents() as context:
        pool = context.shared(ClientPool)
        pool.get(endpoint("canary-key"), Client, Client)
        assert "canary-key" not in repr(vars(pool))
        assert "canary-key" not in repr(vars(context))


@pytest.mark.parametrize("installed", [True, False])
def test_http_client(monkeypatch: pytest.MonkeyPatch, *, installed: bool) -> None:
    """With aiohttp, the client is the fast one; certificates are loaded for https, and for a proxy."""
    monkeypatch.setattr(_transport, "find_spec", {"aiohttp": object() if installed else None}.get)

    def make(url: str) -> tuple[str, ssl.SSLContext | bool]:
        def fast(*, verify: ssl.SSLContext | bool = True) -> tuple[str, ssl.SSLContext | bool]:
            return "fast", verify

        def plain(*, verify: ssl.SSLContext | bool = True) -> tuple[str, ssl.SSLContext | bool]:
            return "plain", verify

        return http_client(endpoint(url=url), fast, plain)

    kind = "fast" if installed else "plain"
    assert (kind, True) == make("https://one")
    made, trust = make("http://one")
    assert made == kind
    assert isinstance(trust, ssl.SSLContext)
    assert trust.get_ca_certs() == []
    assert trust.check_hostname
    monkeypatch.setenv("http_proxy", "https://proxy")
    assert (kind, True) == make("http://one")


def test_an_aiohttp_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the SDK cannot use the aiohttp that is installed, its usual client is used."""
    monkeypatch.setattr(_transport, "find_spec", {"aiohttp": object()}.get)

    def fast(*, verify: ssl.SSLContext | bool = True) -> str:
        raise RuntimeError("To use the aiohttp client you must have installed the package with the extra")

    def plain(*, verify: ssl.SSLContext | bool = True) -> str:
        return "plain"

    assert "plain" == http_client(endpoint(), fast, plain)


@pytest.mark.parametrize("installed", [True, False])
@on_each_wire
async def test_proxy_and_tls(wire: Wire, monkeypatch: pytest.MonkeyPatch, *, installed: bool) -> None:
    """Over aiohttp and without it, the proxy and the certificates of the environment are used."""
    if not installed:
        monkeypatch.setattr(_transport, "find_spec", {"aiohttp": None}.get)
    asyncio.get_running_loop().set_debug(False)  # else it logs that a client has refused the certificate
    good = sse(*wire.good("Hi"))
    async with serve(good) as proxy, MiniAgents():
        monkeypatch.setenv("http_proxy", proxy.url)
        model = wire.agent.fork(model="m-1", api_key=KEY, max_retries=0)
        assert "Hi" == str(await model.inquire("Hello", base_url="http://acme.test" + wire.path))
        assert proxy.requests[0].path.startswith("http://acme.test/")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(CERTIFICATE)
    async with serve(good, tls=tls) as server, MiniAgents():
        address = server.url + wire.path
        with pytest.raises(LLMConnectionError, match="certificate verify failed"):
            await model.inquire("Hello", base_url=address)
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    async with serve(good, tls=tls) as server, MiniAgents():
        assert "Hi" == str(await model.inquire("Hello", base_url=server.url + wire.path))


async def test_calls_of_a_context_share_a_client() -> None:
    """Each caller who asks for the client of a place in the active context is given the same one."""
    async with MiniAgents() as context:
        client = shared_client(endpoint(), Client, Client)
        assert client is shared_client(endpoint(), Client, Client)
        assert client is context.shared(ClientPool).get(endpoint(), Client, Client)
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
    expected = "acme_agent got client and also api_key or base_url; give client alone: it has both"
    with pytest.raises(LLMConfigError, match=f"^{expected}$"):
        own_client(Client(endpoint()), Client, "acme_agent", api_key, base_url)


def test_what_is_no_client_is_refused() -> None:
    """Something else is refused with the class that would be right, named as one imports it."""
    with pytest.raises(LLMConfigError, match=r"^client is of type str; give tests\.Client$"):
        own_client("key", Client, "acme_agent", None, None)


ENOUGH = 0.1
"""Seconds within which a connection must be released."""


def _cancelled(replies: MessageSequencePromise[AssistantMessage]) -> None:
    replies.cancel()


def _dropped(replies: MessageSequencePromise[AssistantMessage]) -> None:
    pass


async def _read_one_token(replies: MessageSequencePromise[AssistantMessage]) -> None:
    async for reply in replies:
        async for _ in reply:
            return


@on_each_wire
@pytest.mark.parametrize("leave", [_cancelled, _dropped])
async def test_released(
    wire: Wire, leave: Callable[[MessageSequencePromise[AssistantMessage]], None]
) -> None:
    """Cancelling, and dropping what was read, release the connection at once."""
    async with asking(wire, sse(*wire.begun("Hel"), hold)) as asked:
        replies = asked.inquire()
        await _read_one_token(replies)
        left_at = asyncio.get_running_loop().time()
        leave(replies)
        del replies
        gc.collect()
        (connection,) = asked.server.connections
        await connection.gone.wait()
        assert connection.gone_at is not None
        assert connection.gone_at - left_at < ENOUGH


@on_each_wire
async def test_released_before_the_answer(wire: Wire) -> None:
    """Cancelling while the server has not said anything yet releases the connection at once."""
    arrived = asyncio.Event()

    async def script(exchange: object) -> None:
        arrived.set()
        await hold(exchange)  # type: ignore[arg-type]  # it is an Exchange

    async with asking(wire, script) as asked:
        replies = asked.inquire()
        await arrived.wait()
        left_at = asyncio.get_running_loop().time()
        replies.cancel()
        (connection,) = asked.server.connections
        await connection.gone.wait()
        assert connection.gone_at is not None
        assert connection.gone_at - left_at < ENOUGH


@on_each_wire
async def test_released_by_an_error(wire: Wire) -> None:
    """An error in the stream releases the connection at once, also if the server holds on to it."""
    async with asking(wire, sse(*wire.begun("Hel"), wire.malformed(b"{nonsense"), hold)) as asked:
        with pytest.raises(LLMProtocolError):
            await asked.inquire()
        ended_at = asyncio.get_running_loop().time()
        (connection,) = asked.server.connections
        await connection.gone.wait()
        assert connection.gone_at is not None
        assert connection.gone_at - ended_at < ENOUGH


@on_each_wire
@pytest.mark.parametrize("replacement", [None, "No."])
async def test_released_by_a_guard(wire: Wire, replacement: str | None) -> None:
    """After a guard has tripped, nothing more is read from the server: the connection is released at once."""
    async with serve(sse(*wire.begun("The code is "), wire.piece("4711"), hold)) as server, MiniAgents():
        agent = wire.agent.fork(model="m", api_key=KEY, base_url=server.url + wire.path)
        replies = agent.guard(
            during=lambda text: "a secret" if "4711" in text else None, hold=4, replacement=replacement
        ).inquire("?")
        if replacement is None:
            with pytest.raises(GuardError, match="a secret"):
                await replies
        else:
            assert replacement == str(await replies)
        tripped_at = asyncio.get_running_loop().time()
        (connection,) = server.connections
        await connection.gone.wait()
        assert connection.gone_at is not None
        assert connection.gone_at - tripped_at < ENOUGH


@on_each_wire
async def test_released_by_an_error_before_the_first_token(wire: Wire) -> None:
    """So does an error that comes before anything else has."""
    async with asking(wire, sse(wire.idle, wire.malformed(b"{nonsense"), hold)) as asked:
        with pytest.raises(LLMProtocolError):
            await asked.inquire()
        (connection,) = asked.server.connections
        async with asyncio.timeout(5):
            await connection.gone.wait()


@on_each_wire
async def test_connection_is_used_again(wire: Wire) -> None:
    """A second inquiry goes over the connection of the first one, which was read to its end."""
    async with asking(wire, sse(*wire.good("Hello"))) as asked:
        await asked.inquire()
        await asked.inquire()
        assert len(asked.server.requests) == 2
        assert len(asked.server.connections) == 1


async def _leave_in_the_middle(wire: Wire, url: str) -> None:
    async with MiniAgents():
        async for reply in wire.agent.inquire("Hello", model="m", base_url=url + wire.path, api_key=KEY):
            async for _ in reply:
                raise ZeroDivisionError


@on_each_wire
async def test_context_ends_by_an_error(wire: Wire) -> None:
    """A context that is left by an error cancels the call and closes the connection."""
    async with serve(sse(*wire.begun("Hel"), hold)) as server:
        with pytest.raises(ZeroDivisionError):
            await _leave_in_the_middle(wire, server.url)
        await server.connections[0].gone.wait()


class _Handed:
    """What an SDK hands out when its client has a transport that answers by itself."""

    def __init__(self, body: bytes) -> None:
        self.http_response = httpx2.Response(200, content=body, headers={"content-encoding": "identity"})


async def read(source: EventSource) -> list[ServerEvent]:
    """All events of a response."""
    events: list[ServerEvent] = []
    async for data in source.body:
        events += source.feed(data)
    return events + source.end()


@pytest.mark.parametrize("stream", [True, False])
async def test_read_before(*, stream: bool) -> None:
    """A body that was read already, by a transport of a test or a hook of the client, is read from there."""
    source = EventSource(_Handed(b"data: 1\n\n"), stream=stream, request_id_header="x-request-id")
    assert [ServerEvent("", b"1" if stream else b"data: 1\n\n")] == await read(source)
    assert (source.ended, source.spoke, source.may_be_cut) == (True, True, stream)
    await source.release()


class _Packed:
    """A response of which the body comes packed, and is nothing but spaces when it is unpacked."""

    def __init__(self, size: int) -> None:
        headers = {"content-encoding": "gzip"}
        self.http_response = httpx2.Response(200, content=_sent(gzip.compress(b" " * size)), headers=headers)


async def _sent(body: bytes) -> AsyncGenerator[bytes]:
    yield body


class _Body(httpx2.AsyncByteStream):
    """A body that notes when it is closed."""

    closed = False

    @override
    async def __aiter__(self) -> AsyncGenerator[bytes]:
        yield b"data: {}\n\n"

    @override
    async def aclose(self) -> None:
        self.closed = True


async def test_an_answer_that_cannot_be_unpacked() -> None:
    """If a server compresses an answer as the request did not allow, the call closes the response."""
    body = _Body()
    headers = {"content-type": "text/event-stream", "content-encoding": "br"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, stream=body))
    async with httpx2.AsyncClient(transport=transport) as http, MiniAgents():
        client = AsyncOpenAI(api_key="k", base_url="http://x.example", http_client=http)
        with pytest.raises(LLMProtocolError, match="compressed as 'br'"):
            await openai_agent.inquire("Hi", client=client, model="m")
        assert body.closed


async def test_a_body_has_a_cap() -> None:
    """A whole body that is larger than any answer is refused while it is unpacked."""
    source = EventSource(_Packed(MAX_EVENT + 1), stream=False, request_id_header="x-request-id")
    with pytest.raises(WireError, match="the answer is larger than the limit"):
        await read(source)
    await source.release()
    source = EventSource(_Packed(MAX_EVENT), stream=False, request_id_header="x-request-id")
    (event,) = await read(source)
    assert (MAX_EVENT, True) == (len(event.data), source.ended)
    await source.release()


@on_each_wire
async def test_a_small_body_that_becomes_large(wire: Wire) -> None:
    """While a body that is small and becomes large is read, other tasks run, so a time limit ends it."""
    packed = gzip.compress(b": ping\n\n" * 2**20 + b"".join(wire.good("Hel", "lo")))  # 20 kB of 8 MB
    headers = {"Content-Encoding": "gzip"}
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    large = answer(200, packed, headers, "text/event-stream")
    async with asking(wire, sse(*wire.good("Hel", "lo")), large) as asked:
        await asked.inquire()  # the client is made
        task = asyncio.create_task(others())
        async for message in asked.inquire():
            before = turns
            assert "Hello" == str(await message)
            assert turns - before >= 100  # of 128 steps
        task.cancel()
