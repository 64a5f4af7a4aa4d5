"""The body of an error is read within bounds: no server can fill the memory or hold a call up with one."""

import asyncio
import time
import tracemalloc
import zlib
from collections.abc import Iterator, Sequence

import httpx2
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from miniagents import LLMStatusError, MiniAgents
from miniagents.ext.llm import _error_bodies
from miniagents.ext.llm._error_bodies import bound_errors
from tests.support.sse_server import Exchange, Script, Step, answer, cut, hold, repeat, reset, serve
from tests.support.wires import ANTHROPIC, CHAT, KEY, RESPONSES, WIRES, Asked, Wire, asking

on_each_wire = pytest.mark.parametrize("wire", WIRES, ids=repr)

MB = 2**20
ENOUGH = 8 * MB
"""Bytes that an error may take while it is read, the SDK's own included."""


def refusal(*steps: Step, encoding: str = "identity", status: int = 400) -> Script:
    """Refuse with a body of these steps."""

    async def script(exchange: Exchange) -> None:
        headers = {
            "Content-Type": "application/json",
            "Transfer-Encoding": "chunked",
            "Content-Encoding": encoding,
        }
        await exchange.head(status, headers)
        for step in steps:
            await (exchange.chunk(step) if isinstance(step, bytes) else step(exchange))
        await exchange.chunk(b"")
        exchange.keep = True

    return script


def bomb(wbits: int) -> Iterator[bytes]:
    """256 MB of a text in JSON, packed into a few hundred kB."""
    packer = zlib.compressobj(9, wbits=wbits)
    yield packer.compress(b'{"error": {"message": "a bomb: ') + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b"x" * MB) + packer.flush(zlib.Z_FULL_FLUSH)
    yield from [block] * 256


async def traced(asked: Asked) -> tuple[str, int]:
    """Be refused twice; return the sentence of the second time, and the most memory that it took."""
    with pytest.raises(LLMStatusError):  # the client is made, and the SDK has imported what it needs
        await asked.inquire()
    tracemalloc.start()
    try:
        with pytest.raises(LLMStatusError) as caught:
            await asked.inquire()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.status == 400
    return str(caught.value), peak


async def refused(wire: Wire, steps: Sequence[Step], encoding: str) -> tuple[str, int]:
    """The same with a body of these steps."""
    async with asking(wire, answer(400, {}), refusal(*steps, encoding=encoding)) as asked:
        return await traced(asked)


@on_each_wire
@pytest.mark.parametrize(("encoding", "wbits"), [("gzip", 31), ("deflate", 15)])
async def test_bomb(wire: Wire, encoding: str, wbits: int) -> None:
    """A small body that unpacks to a large one costs little memory and time, and its beginning is told."""
    steps = tuple(bomb(wbits))
    began = time.perf_counter()
    told, peak = await refused(wire, steps, encoding)
    assert "refused with status 400, a bomb: [data]; " in told
    assert peak < ENOUGH
    assert time.perf_counter() - began < 3.0


@pytest.mark.parametrize(
    ("wire", "kind"), [(CHAT, AsyncOpenAI), (RESPONSES, AsyncOpenAI), (ANTHROPIC, AsyncAnthropic)]
)
async def test_bomb_for_a_client_of_ones_own(
    wire: Wire, kind: type[AsyncOpenAI] | type[AsyncAnthropic]
) -> None:
    """A client of the user's own is kept from it too."""
    async with (
        serve(answer(400, {}), refusal(*bomb(31), encoding="gzip")) as server,
        kind(api_key=KEY, base_url=server.url + wire.path, max_retries=0) as client,
        MiniAgents(),
    ):
        asked = Asked(server, wire.agent.fork(model="m", client=client))
        told, peak = await traced(asked)
    assert "refused with status 400, a bomb" in told
    assert peak < ENOUGH


@on_each_wire
@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br"])
async def test_packed_in_another_way(wire: Wire, encoding: str) -> None:
    """A body in an encoding that the client did not request is not unpacked, whatever is installed."""
    told, peak = await refused(wire, [b"\x28\xb5\x2f\xfd" + bytes(1000)], encoding)
    assert f"the body is compressed as '{encoding}', which the request did not ask for" in told
    assert peak < ENOUGH


@on_each_wire
async def test_endless(wire: Wire) -> None:
    """A body without an end is left when enough of it has come, and its connection is closed."""
    async with asking(wire, refusal(b'{"detail": "No. ', repeat(b"x" * MB, 0.0))) as asked:
        with pytest.raises(LLMStatusError, match=r"refused with status 400, No\. "):
            await asked.inquire()
        await asked.server.connections[0].gone.wait()


@on_each_wire
async def test_slow(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that does not end is waited for a few seconds; what has come of it is the reason."""
    monkeypatch.setattr(_error_bodies, "_SECONDS", 0.1)
    async with asking(wire, refusal(b'{"detail": "No, and', hold)) as asked:
        async with asyncio.timeout(5):
            with pytest.raises(LLMStatusError, match="refused with status 400, No, and; "):
                await asked.inquire()
        await asked.server.connections[0].gone.wait()


@on_each_wire
@pytest.mark.parametrize("step", [reset, cut])
async def test_broken(wire: Wire, step: Script) -> None:
    """A connection that breaks inside the body takes nothing from the status, which is what counts."""
    async with asking(wire, refusal(b'{"detail": "No', step), max_retries=2) as asked:
        with pytest.raises(LLMStatusError, match="refused with status 400"):
            await asked.inquire()
        assert len(asked.server.requests) == 1


@on_each_wire
async def test_connection_is_used_again(wire: Wire) -> None:
    """A connection whose error was read to its end serves the next request."""
    async with asking(wire, answer(400, {"detail": "No."})) as asked:
        for _ in range(2):
            with pytest.raises(LLMStatusError, match=r"No\."):
                await asked.inquire()
        assert len(asked.server.connections) == 1


class Client:
    """A client of an SDK, which has one of the HTTP library."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._client = http


async def test_only_ours() -> None:
    """A client of the user's own is bound once, and for requests of ours; others read what they want."""
    big = b"x" * (2**18 + 1)
    transport = httpx2.MockTransport(lambda _: httpx2.Response(400, stream=httpx2.ByteStream(big)))
    async with httpx2.AsyncClient(transport=transport) as http:
        for _ in range(2):
            bound_errors(Client(http), only_ours=True)
        assert len(http.event_hooks["response"]) == 1
        ours = await http.get("http://a.example", headers={"accept-encoding": "identity"})
        assert len(ours.content) == 2**18
        assert (await http.get("http://a.example")).content == big


async def test_read_before() -> None:
    """A body that another hook has read stays as it is."""

    async def read(response: httpx2.Response) -> None:
        await response.aread()

    big = b"x" * (2**18 + 1)
    transport = httpx2.MockTransport(lambda _: httpx2.Response(400, stream=httpx2.ByteStream(big)))
    async with httpx2.AsyncClient(transport=transport, event_hooks={"response": [read]}) as http:
        bound_errors(http)
        assert (await http.get("http://a.example")).content == big


def test_no_hooks() -> None:
    """What has no hooks stays as it is."""
    bound_errors(object())
