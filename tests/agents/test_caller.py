"""Who has opened a call and not finished it.

Crosses rooms: the deadlocks that are found by it are in tests/agents/test_deadlocks.py.
"""

import asyncio
from weakref import ref

import pytest

from miniagents import InteractionContext, MiniAgents, miniagent
from miniagents.agents._caller import Caller
from miniagents.core import CURRENT_PRODUCER, ProducerTask


class Call:
    """Stands for a call."""


@pytest.mark.loop(virtual=True)
async def test_who_alone_can_send() -> None:
    """The run blocks the call as long as nothing but a variable of it holds the call, and the run goes on."""
    seen: list[bool] = []
    callers: list[tuple[Caller, ProducerTask]] = []

    @miniagent
    async def calling_agent(_: InteractionContext) -> None:
        run = CURRENT_PRODUCER.get()
        assert run is not None
        call = Call()
        caller = Caller(run, ref(call))
        callers.append((caller, run))
        seen.append(caller.blocked_by() is run)
        await asyncio.sleep(0.01)
        other = [call]
        seen.append(caller.blocked_by() is None)
        del call
        seen.append(caller.blocked_by() is None)
        other.clear()
        seen.append(caller.blocked_by() is None)

    async with MiniAgents():
        calling_agent.inquire()
        await asyncio.sleep(0.005)
        ((caller, run),) = callers
        assert caller.blocked_by() is run
    assert [True] * 4 == seen
    assert caller.blocked_by() is None
    caller.cancel()
    caller.abandon()
    assert "" == caller.name
