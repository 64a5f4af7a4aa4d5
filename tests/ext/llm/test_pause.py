"""A model's HTTP stream is paused: while no reader wants more, the socket is not read.

Crosses modules: the prefetch of a context reaches through messages and agents down to the socket of the SDK.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from miniagents import (
    InteractionContext,
    MessageSequencePromise,
    MiniAgents,
    identity,
    miniagent,
    partial_text,
)
from tests.support.sse_server import Exchange, ScriptedServer, Step, cut, serve, sse
from tests.support.wires import KEY, WIRES, Wire

pytestmark = pytest.mark.parametrize("wire", WIRES, ids=repr)

PIECES = 2_000
SIZE = 2_000
PREFETCH = 20
ALL = PIECES * SIZE  # four million bytes, many times what the buffers between the two programs take


@dataclass
class Meter:
    """Says a long answer, as fast as the client takes it, and counts what has gone.

    Attributes:
        sent: bytes of the answer that the client, or a buffer of the system, has taken.
        begun: the first piece has gone.
        ended: the client has taken everything.
    """

    wire: Wire
    sent: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, exchange: Exchange) -> None:
        """Say it (a step)."""
        writer = exchange.connection.writer
        writer.transport.set_write_buffer_limits(0)
        raw_socket = writer.get_extra_info("socket")
        raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
        piece = self.wire.piece("x" * SIZE)
        for _ in range(PIECES):
            await exchange.chunk(piece)
            self.sent += SIZE
            self.begun.set()
        self.ended.set()

    @property
    def steps(self) -> tuple[Step, ...]:
        """The whole answer."""
        return (*self.wire.begun(), self, self.wire.end)

    async def at_rest(self) -> int:
        """Wait until nothing goes any more, for as long as a thousand turns of the loop; return what went."""
        before = -1
        while before != self.sent:
            before = self.sent
            for _ in range(1_000):
                await asyncio.sleep(0)
            await asyncio.sleep(0.05)  # the other end of the socket is the kernel's, which has no event
        return self.sent


@miniagent
async def passing_agent(ctx: InteractionContext) -> None:
    """Stands between, and passes on."""
    ctx.reply(ctx.messages)


@asynccontextmanager
async def asking(wire: Wire) -> AsyncGenerator[tuple[Meter, ScriptedServer, object]]:
    """A server that says it all, and a client of the SDK whose socket has a small buffer."""
    meter = Meter(wire)
    options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**18)]
    http = httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(socket_options=options))
    async with serve(sse(*meter.steps)) as server, http:
        kind = AsyncAnthropic if wire.name == "anthropic" else AsyncOpenAI
        yield meter, server, kind(api_key=KEY, base_url=server.url + wire.path, http_client=http)


def asked(wire: Wire, client: object, *, through: bool = False) -> MessageSequencePromise:
    """Ask, maybe through other agents and a join."""
    agent = wire.agent.fork(model="m", client=client)
    if not through:
        return agent.inquire("Hello")
    replies = (agent | passing_agent | identity).inquire("Hello")
    return passing_agent.inquire(replies.as_single_promise())


@pytest.mark.gate("half a second for each wire")
@pytest.mark.parametrize("through", [False, True], ids=["directly", "through agents"])
async def test_the_socket_is_not_read(wire: Wire, *, through: bool) -> None:
    """Who reads slowly holds the server up: it cannot send more than buffers take, and goes on later."""
    async with asking(wire) as (meter, _, client), MiniAgents(prefetch=PREFETCH):
        promise = await anext(aiter(asked(wire, client, through=through)))
        tokens = aiter(promise)
        text = await anext(tokens)
        at_first = await meter.at_rest()
        assert 0 < at_first < ALL / 2
        assert not meter.ended.is_set()
        while len(text) < 2 * PREFETCH * SIZE:
            text += await anext(tokens)
        assert await meter.at_rest() < ALL / 2
        async for token in tokens:
            text += token
        await meter.ended.wait()
    assert "x" * ALL == text


async def test_what_came_before_the_connection_broke(wire: Wire) -> None:
    """However late a reader reads, it gets all that came before the connection broke, then the error."""
    said = [f"{number} " for number in range(200)]
    async with (
        serve(sse(*wire.begun(*said), cut)) as server,
        MiniAgents(prefetch=1),
        wire.agent.fork(model="m", api_key=KEY, base_url=server.url + wire.path, max_retries=0).inquire(
            "Hi"
        ) as replies,
    ):
        tokens = aiter(replies.tokens)
        await anext(tokens)
        await server.connections[0].gone.wait()
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionError) as caught:
            await replies
    assert "".join(said) == partial_text(caught.value)


@pytest.mark.gate("a third of a second for each wire")
async def test_who_awaits_it_all(wire: Wire) -> None:
    """A stream that is paused, because its reader is slow, goes on when the whole is awaited."""
    async with asking(wire) as (meter, _, client), MiniAgents(prefetch=PREFETCH):
        replies = asked(wire, client)
        await anext(aiter(replies.tokens))
        assert await meter.at_rest() < ALL / 2
        (message,) = await replies
        assert "x" * ALL == message.text


@pytest.mark.gate("a third of a second for each wire")
async def test_the_end_of_the_context(wire: Wire) -> None:
    """A stream that is paused is read to its end when its context ends, and stays readable."""
    async with asking(wire) as (meter, _, client):
        async with MiniAgents(prefetch=PREFETCH):
            replies = asked(wire, client)
            await anext(aiter(replies.tokens))
            assert await meter.at_rest() < ALL / 2
        assert meter.ended.is_set()
        assert ALL == len(str(await replies))


@pytest.mark.gate("a third of a second for each wire")
async def test_leaving_while_it_is_paused(wire: Wire) -> None:
    """Who leaves a stream that is paused has the connection released, without another byte being read."""
    async with asking(wire) as (meter, server, client), MiniAgents(prefetch=PREFETCH):
        tokens = aiter(await anext(aiter(asked(wire, client))))
        await anext(tokens)
        await meter.at_rest()
        del tokens
        await server.connections[0].gone.wait()
        assert meter.sent < ALL / 2
