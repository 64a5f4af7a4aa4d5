"""Runs that would wait for themselves.

Crosses rooms: the circle goes through runs, replies, joined messages and pumps.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from miniagents import (
    DeadlockError,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgents,
    join_messages,
    miniagent,
)

Inquiries = dict[str, MessageSequencePromise[Message]]


class Box:
    """Where promises are put that runs look up later."""

    def __init__(self) -> None:
        self.inquiries: Inquiries = {}


@miniagent
async def waiting_agent(ctx: InteractionContext, box: Box, name: str) -> None:
    """Await what is there under its name, when all are there."""
    await asyncio.sleep(0)
    ctx.reply(await box.inquiries[name])


def start(*edges: str) -> Inquiries:
    """Start a run for each edge: "AB" is a run A that awaits B."""
    box = Box()
    for edge in edges:
        who, whom = edge[0], edge[1]
        box.inquiries[who] = waiting_agent.described(alias=who).inquire(None, box, whom)
    return box.inquiries


async def test_its_own_reply() -> None:
    """A run that awaits its own replies is told so."""
    async with MiniAgents():
        inquiries = start("AA")
        with pytest.raises(DeadlockError) as caught:
            await inquiries["A"]
        assert str(caught.value) == "A → A"


@pytest.mark.loop(fifo=True)  # who begins last closes the circle
async def test_two_runs() -> None:
    """Of two runs that await each other, the one that closes the circle is told, and nothing hangs."""
    async with MiniAgents():
        inquiries = start("AB", "BA")
        with pytest.raises(DeadlockError) as caught:
            await inquiries["B"]
        assert str(caught.value) == "B → A → B"
        with pytest.raises(DeadlockError) as other:
            await inquiries["A"]
    assert other.value is caught.value


@pytest.mark.loop(fifo=True)  # who begins last closes the circle
async def test_three_runs() -> None:
    """The circle of three is named in the order of waiting."""
    async with MiniAgents():
        inquiries = start("AB", "BC", "CA")
        with pytest.raises(DeadlockError) as caught:
            await inquiries["C"]
        assert str(caught.value) == "C → A → B → C"


async def test_no_circle() -> None:
    """Many that wait for one are no circle."""
    async with MiniAgents():
        go_on = asyncio.Event()

        @miniagent
        async def source_agent(ctx: InteractionContext) -> None:
            await go_on.wait()
            ctx.reply("there")

        inquiries = start("AS", "BS", "CA", "DC")
        inquiries["S"] = source_agent.inquire()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        go_on.set()
        assert [str(await inquiry) for inquiry in inquiries.values()] == ["there"] * 5


async def test_through_another_agent() -> None:
    """A circle through the input of another agent is found, too."""
    box: Inquiries = {}

    @miniagent
    async def echo_agent(ctx: InteractionContext) -> None:
        ctx.reply(ctx.messages)

    @miniagent(alias="OUTER")
    async def outer_agent(ctx: InteractionContext) -> None:
        await asyncio.sleep(0)
        ctx.reply(await echo_agent.inquire(box["outer"]))

    async with MiniAgents():
        box["outer"] = outer_agent.inquire()
        with pytest.raises(DeadlockError, match="OUTER"):
            await box["outer"]


async def test_through_a_joined_message() -> None:
    """A circle through a message that is joined of the own replies is found."""
    box: Inquiries = {}

    @miniagent(alias="A")
    async def joining_agent(ctx: InteractionContext) -> None:
        await asyncio.sleep(0)
        await join_messages(box["a"])

    async with MiniAgents():
        box["a"] = joining_agent.inquire()
        with pytest.raises(DeadlockError) as caught:
            await box["a"]
        assert str(caught.value) == "A → A"


async def test_through_a_pump() -> None:
    """A circle through an async generator that was replied is found."""
    box: Inquiries = {}

    async def pumped() -> AsyncIterator[Message]:
        for message in await box["a"]:
            yield message

    @miniagent(alias="A")
    async def pumping_agent(ctx: InteractionContext) -> None:
        ctx.reply(pumped())

    async with MiniAgents():
        box["a"] = pumping_agent.inquire()
        with pytest.raises(DeadlockError):
            await box["a"]


async def test_with_errors_as_messages() -> None:
    """With `errors_as_messages` a circle is found and is a message."""
    async with MiniAgents(errors_as_messages=True):
        inquiries = start("AA")
        assert [str(message) for message in await inquiries["A"]] == ["DeadlockError: A → A"]


async def test_a_reply_to_oneself() -> None:
    """A run that replies its own replies is told so, instead of waiting for ever."""
    box: Inquiries = {}

    @miniagent(alias="A")
    async def self_agent(ctx: InteractionContext) -> None:
        await asyncio.sleep(0)
        ctx.reply(["before", box["a"]])

    async with MiniAgents():
        box["a"] = self_agent.inquire()
        with pytest.raises(DeadlockError):
            await box["a"]
