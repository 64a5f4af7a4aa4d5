"""A model that keeps us waiting, over a real socket; `test_matrix.py` has the ways in which it may."""

import asyncio

import pytest

from miniagents import (
    MiniAgents,
)
from tests.support.sse_server import (
    hold,
    raw,
    serve,
    sse,
)
from tests.support.wires import KEY, WIRES, Wire, error_of

pytestmark = pytest.mark.parametrize("wire", WIRES, ids=repr)


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
