"""Runs that would wait for themselves.

Crosses rooms: the circle goes through runs, replies, joined messages and pumps.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from miniagents import (
    AgentCall,
    DeadlockError,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgents,
    join_messages,
    miniagent,
)
from tests.support.sources import turns

Inquiries = dict[str, MessageSequencePromise[Message]]
Call = AgentCall[Message, Message]


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
        with pytest.raises(DeadlockError):
            await inquiries["A"]


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


Wait = Callable[[Inquiries, list[str]], Awaitable[None]]


async def one_by_one(box: Inquiries, whom: list[str]) -> None:
    """Await each."""
    for name in whom:
        await box[name]


async def later(box: Inquiries, whom: list[str]) -> None:
    """Await each, when whatever else waits does so already."""
    await asyncio.sleep(0.005)
    await one_by_one(box, whom)


async def by_messages(box: Inquiries, whom: list[str]) -> None:
    """Read each, message by message."""
    for name in whom:
        async for promise in box[name]:
            await promise


async def gathered(box: Inquiries, whom: list[str]) -> None:
    """All at once."""
    await asyncio.gather(*(box[name] for name in whom))


async def in_tasks(box: Inquiries, whom: list[str]) -> None:
    """A task for each, awaited only when all of them wait."""
    tasks = [asyncio.create_task(one_by_one(box, [name])) for name in whom]
    await asyncio.sleep(0.01)
    try:
        for task in tasks:
            await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.exception()


async def in_a_group(box: Inquiries, whom: list[str]) -> None:
    """A task group, whose block goes on for a moment."""
    try:
        async with asyncio.TaskGroup() as group:
            for name in whom:
                group.create_task(one_by_one(box, [name]))
            await asyncio.sleep(0.01)
    except* DeadlockError as found:
        error = found.exceptions[0]
    else:
        return
    raise error


async def with_a_timeout(box: Inquiries, whom: list[str]) -> None:
    """Each with a timeout."""
    for name in whom:
        await asyncio.wait_for(box[name], 600)


async def behind_a_shield(box: Inquiries, whom: list[str]) -> None:
    """All, in a task that is shielded."""
    await asyncio.shield(asyncio.create_task(gathered(box, whom)))


WAITS: list[Wait] = [
    one_by_one,
    later,
    by_messages,
    gathered,
    in_tasks,
    in_a_group,
    with_a_timeout,
    behind_a_shield,
]


class Plans:
    """Who waits for whom, and how; where the promises are put."""

    def __init__(self, edges: dict[str, list[str]], waits: dict[str, Wait]) -> None:
        self.edges = edges
        self.waits = waits
        self.inquiries: Inquiries = {}


@miniagent
async def planned_agent(ctx: InteractionContext, plans: Plans, name: str) -> None:
    """Wait as is planned, then reply."""
    await asyncio.sleep(0)
    if plans.edges[name]:
        await plans.waits[name](plans.inquiries, plans.edges[name])
    ctx.reply(name)


def start_all(plans: Plans) -> None:
    """Start a run for each name."""
    for name in plans.edges:
        plans.inquiries[name] = planned_agent.described(alias=name).inquire(None, plans, name)


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("wait", WAITS)
async def test_in_every_way_of_waiting(wait: Wait) -> None:
    """Its own reply, awaited in whatever way of asyncio, is a deadlock of the run that awaits it."""
    async with MiniAgents():
        plans = Plans({"A": ["A"]}, {"A": wait})
        start_all(plans)
        with pytest.raises(DeadlockError) as caught:
            await plans.inquiries["A"]
        assert str(caught.value) == "A → A"


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("first", WAITS)
@pytest.mark.parametrize("second", WAITS)
async def test_two_in_every_way(first: Wait, second: Wait) -> None:
    """Two that await each other, each in any way, are told, and neither hangs."""
    async with MiniAgents():
        plans = Plans({"A": ["B"], "B": ["A"]}, {"A": first, "B": second})
        start_all(plans)
        for name in "AB":
            with pytest.raises(DeadlockError) as caught:
                await plans.inquiries[name]
            assert str(caught.value) in ("A → B → A", "B → A → B")


def stuck(edges: dict[str, list[str]]) -> set[str]:
    """The names from which a circle can be reached: those that can never reply."""
    left = {name: set(whom) for name, whom in edges.items()}
    while free := [name for name, whom in left.items() if not whom & left.keys()]:
        for name in free:
            del left[name]
    return {*left}


@pytest.mark.loop(virtual=True)
@settings(max_examples=150)
@given(st.data())
async def test_any_graph(data: st.DataObject) -> None:
    """Whoever waits for whom, in whatever way: all reply but those who wait for a circle, which is named."""
    names = "ABCDEF"[: data.draw(st.integers(1, 6))]
    edges = {name: data.draw(st.lists(st.sampled_from(names), max_size=2, unique=True)) for name in names}
    ways = {name: data.draw(st.sampled_from(WAITS)) for name in names}
    async with MiniAgents():
        plans = Plans(edges, ways)
        start_all(plans)
        outcomes = await asyncio.gather(*plans.inquiries.values(), return_exceptions=True)
    replied = {name for name, outcome in zip(names, outcomes, strict=True) if str(outcome) == name}
    assert {*names} - stuck(edges) == replied
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, DeadlockError)
            circle = str(outcome).split(" → ")
            assert circle[0] == circle[-1]
            assert all(after in edges[name] for name, after in pairwise(circle))


async def test_what_the_context_waits_for() -> None:
    """A run that keeps its replies open for its own replies is told so."""
    box: Inquiries = {}

    @miniagent(alias="A")
    async def keeping_agent(ctx: InteractionContext) -> None:
        await asyncio.sleep(0)
        ctx.wait_for(box["a"])

    async with MiniAgents():
        box["a"] = keeping_agent.inquire()
        with pytest.raises(DeadlockError, match="A → A"):
            await box["a"]


async def test_a_task_may_wait_for_its_run() -> None:
    """A task that waits for the run that made it, and that the run does not await, is no circle."""
    box: Inquiries = {}
    seen: list[str] = []

    @miniagent
    async def watched_agent(ctx: InteractionContext) -> None:
        async def watch() -> None:
            seen.append(str(await box["a"]))

        tasks.append(asyncio.create_task(watch()))
        await asyncio.sleep(0.01)
        ctx.reply("done")

    tasks: list[asyncio.Task[None]] = []
    async with MiniAgents():
        box["a"] = watched_agent.inquire()
        assert "done" == str(await box["a"])
        await asyncio.gather(*tasks)
    assert ["done"] == seen


@miniagent(alias="LISTENER")
async def listening_agent(ctx: InteractionContext) -> None:
    """Reply when all has been said."""
    ctx.reply(f"{len(await ctx.messages)} messages")


@pytest.mark.parametrize("moment", [None, 0, 0.01])
async def test_an_unfinished_call(moment: float | None) -> None:
    """Who awaits the replies to a call that only they could finish is told so."""

    @miniagent(alias="CALLER")
    async def calling_agent(_: InteractionContext) -> None:
        call = listening_agent.initiate_inquiry().send_message("one")
        if moment is not None:
            await asyncio.sleep(moment)
        await call.reply_sequence(finish_call=False)

    async with MiniAgents():
        with pytest.raises(DeadlockError) as caught:
            await calling_agent.inquire()
        names = str(caught.value)
        assert names in ("CALLER → LISTENER → CALLER", "LISTENER → CALLER → LISTENER")


async def by_a_task(call: Call, ctx: InteractionContext) -> None:
    """A task of the run sends more."""

    async def feed() -> None:
        await asyncio.sleep(0.01)
        call.send_message("two").finish()

    ctx.wait_for(feed())


async def by_a_callback(call: Call, _: InteractionContext) -> None:
    """The event loop is going to finish it."""
    asyncio.get_running_loop().call_later(0.01, call.finish)


async def by_another_run(call: Call, _: InteractionContext) -> None:
    """Another run was given it."""

    @miniagent
    async def finishing_agent(_: InteractionContext, it: Call) -> None:
        await asyncio.sleep(0.01)
        it.finish()

    finishing_agent.inquire(it=call)


@pytest.mark.parametrize("moment", [None, 0, 0.005])
@pytest.mark.parametrize("others", [by_a_task, by_a_callback, by_another_run])
async def test_a_call_that_others_finish(
    others: Callable[[Call, InteractionContext], Awaitable[None]], moment: float | None
) -> None:
    """Who awaits the replies to a call that somebody else can still finish waits for them."""

    @miniagent
    async def calling_agent(ctx: InteractionContext) -> None:
        call = listening_agent.initiate_inquiry().send_message("one")
        await others(call, ctx)
        if moment is not None:
            await asyncio.sleep(moment)
        ctx.reply(await call.reply_sequence(finish_call=False))

    async with MiniAgents():
        assert f"{1 + (others is by_a_task)} messages" == str(await calling_agent.inquire())


@pytest.mark.logs("Executing")  # one long step
async def test_many_at_once() -> None:
    """A run that gathers 1,000 inquiries, read by a run that it asks, is no circle and takes no long look."""

    @miniagent
    async def echo_agent(ctx: InteractionContext) -> None:
        ctx.reply(await ctx.messages)

    @miniagent
    async def gathering_agent(ctx: InteractionContext) -> None:
        replies = await asyncio.gather(*(echo_agent.inquire(str(number)) for number in range(1_000)))
        ctx.reply(replies)

    async with MiniAgents():
        assert 1_000 == len(await gathering_agent.inquire())


async def test_an_unfinished_call_of_a_run_that_nobody_reads(caplog: pytest.LogCaptureFixture) -> None:
    """A run that nobody reads is told of its circle too, so that its context comes to an end."""

    @miniagent(alias="CALLER")
    async def calling_agent(_: InteractionContext) -> None:
        call = listening_agent.initiate_inquiry().send_message("one")
        await turns(3)  # by now the one that is called waits for more
        await call.reply_sequence(finish_call=False)

    async with MiniAgents():
        calling_agent.inquire()
    assert "CALLER → LISTENER → CALLER" in caplog.text
