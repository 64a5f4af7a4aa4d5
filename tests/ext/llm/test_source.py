"""Letting go of the connection, on every way out."""

import asyncio
import gc
import gzip
from collections.abc import AsyncGenerator, Callable

import httpx2
import pytest

from miniagents import (
    AssistantMessage,
    LLMProtocolError,
    MessageSequencePromise,
    MiniAgents,
)
from miniagents.ext.llm import ServerEvent, WireError
from miniagents.ext.llm._source import Source
from miniagents.ext.llm._sse import MAX_EVENT
from tests.support.sse_server import (
    hold,
    serve,
    sse,
)
from tests.support.wires import KEY, WIRES, Wire, asking

pytestmark = pytest.mark.parametrize("wire", WIRES, ids=repr)

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


async def test_released_by_an_error_before_the_first_token(wire: Wire) -> None:
    """So does an error that comes before anything else has."""
    async with asking(wire, sse(wire.idle, wire.malformed(b"{nonsense"), hold)) as asked:
        with pytest.raises(LLMProtocolError):
            await asked.inquire()
        (connection,) = asked.server.connections
        async with asyncio.timeout(5):
            await connection.gone.wait()


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


@pytest.mark.parametrize("stream", [True, False])
async def test_read_by_somebody_else(wire: Wire, *, stream: bool) -> None:
    """A body that was read already, by a transport of a test or a hook of the client, is read from there."""
    del wire
    source = Source(_Handed(b"data: 1\n\n"), stream=stream, request_id_header="x-request-id")
    assert [ServerEvent("", b"1" if stream else b"data: 1\n\n")] == await source.next()
    assert await source.next() == [] if stream else source.ended
    await source.release()


class _Packed:
    """A response of which the body comes packed, and is nothing but spaces when it is unpacked."""

    def __init__(self, size: int) -> None:
        headers = {"content-encoding": "gzip"}
        self.http_response = httpx2.Response(200, content=_sent(gzip.compress(b" " * size)), headers=headers)


async def _sent(body: bytes) -> AsyncGenerator[bytes]:
    yield body


async def test_a_body_has_a_cap(wire: Wire) -> None:
    """A whole body that is larger than any answer is refused while it is unpacked."""
    del wire
    source = Source(_Packed(MAX_EVENT + 1), stream=False, request_id_header="x-request-id")
    with pytest.raises(WireError, match="the answer is larger than any answer"):
        await source.next()
    await source.release()
    source = Source(_Packed(MAX_EVENT), stream=False, request_id_header="x-request-id")
    (event,) = await source.next()
    assert (MAX_EVENT, True) == (len(event.data), source.ended)
    await source.release()
