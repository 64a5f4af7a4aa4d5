"""A model that keeps us waiting, over a real socket."""

import asyncio

import pytest

from miniagents import (
    LLMTimeoutError,
    MiniAgents,
)
from tests.support.sse_server import (
    hold,
    raw,
    repeat,
    serve,
    sse,
)
from tests.support.wires import KEY, WIRES, Wire, error_of

pytestmark = pytest.mark.parametrize("wire", WIRES, ids=repr)


async def test_no_answer(wire: Wire) -> None:
    """A server that says nothing is given up after `first_token_timeout`."""
    error = await error_of(wire, raw(hold), first_token_timeout=0.1)
    assert isinstance(error, LLMTimeoutError)
    assert "first_token_timeout" in str(error)


@pytest.mark.parametrize("silent", [True, False])
async def test_stall(wire: Wire, silent: bool) -> None:
    """A stall is given up after `stall_timeout`; comments, pings and empty events do not feed it."""
    how = hold if silent else repeat(wire.idle, 0.01)
    error = await error_of(wire, sse(*wire.begun("Hel"), how), stall_timeout=0.15)
    assert isinstance(error, LLMTimeoutError)
    assert "stall_timeout" in str(error)
    assert error.partial_text == "Hel"


async def test_keep_alives_before_the_first_token(wire: Wire) -> None:
    """A server that only keeps the connection alive is given up after `first_token_timeout`."""
    error = await error_of(wire, sse(repeat(wire.idle, 0.01)), first_token_timeout=0.15)
    assert "first_token_timeout" in str(error)


async def test_total_timeout(wire: Wire) -> None:
    """A stream that goes on for ever is given up after `total_timeout`."""
    script = sse(*wire.begun("x"), repeat(wire.piece("x"), 0.01))
    error = await error_of(wire, script, total_timeout=0.3)
    assert isinstance(error, LLMTimeoutError)
    assert "total_timeout" in str(error)
    assert set(error.partial_text) == {"x"}


async def test_total_timeout_of_a_whole_answer(wire: Wire) -> None:
    """Without streaming `total_timeout` alone bounds the call."""
    error = await error_of(wire, raw(hold), stream=False, total_timeout=0.1, first_token_timeout=0.01)
    assert "total_timeout" in str(error)


async def test_slow_reader(wire: Wire) -> None:
    """While its reader holds a stream back, the clock stands still."""
    script = sse(*wire.begun(*"abcdefgh"), wire.end)
    async with serve(script) as server, MiniAgents(prefetch=1):
        agent = wire.agent.fork(model="m", base_url=server.url + wire.path, api_key=KEY)
        await agent.inquire("Hello")  # so that the client is there
        never = asyncio.Event()
        text = ""
        async for reply in agent.inquire("Hello", stall_timeout=0.2, total_timeout=0.2):
            async for piece in reply:
                if piece in "bf":
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(never.wait(), 0.25)
                text += piece
    assert text == "abcdefgh"
