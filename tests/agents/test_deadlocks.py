"""Runs that would wait for themselves, and runs that only look so.

Crosses modules: the circle goes through runs, replies, joined messages and pumps.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from itertools import pairwise

import anyio
import pytest
from hypothesis import given, settings, strategies as st

from miniagents import (
    AgentCall,
    DeadlockError,
    InquiryCancelledError,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgents,
    join_messages,
    miniagent,
)
from tests.support.amounts import amount
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


@pytest.mark.loop(virtual=True)
async def test_its_own_reply() -> None:
    """A run that awaits its own replies is told so."""
    async with MiniAgents():
        inquiries = start("AA")
        with pytest.raises(DeadlockError) as caught:
            await inquiries["A"]
        assert str(caught.value) == "A → A"


@pytest.mark.loop(virtual=True)
async def test_two_runs() -> None:
    """Of two runs that await each other, one is told, the other one gets that error, and nothing hangs."""
    async with MiniAgents():
        inquiries = start("AB", "BA")
        errors = await asyncio.gather(*inquiries.values(), return_exceptions=True)
    assert isinstance(errors[0], DeadlockError)
    assert errors[0] is errors[1]
    assert str(errors[0]) in {"A → B → A", "B → A → B"}


@pytest.mark.loop(virtual=True)
async def test_three_runs() -> None:
    """The circle of three is named in the order of waiting."""
    async with MiniAgents():
        inquiries = start("AB", "BC", "CA")
        errors = await asyncio.gather(*inquiries.values(), return_exceptions=True)
    assert 1 == len({id(error) for error in errors})
    assert str(errors[0]) in {"A → B → C → A", "B → C → A → B", "C → A → B → C"}


@pytest.mark.gate("waits a second")
@pytest.mark.logs("No reader ever saw this error")  # of B, which may be the one that is told
async def test_within_a_second() -> None:
    """On an ordinary event loop the circle is found within a second."""
    async with MiniAgents():
        inquiries = start("AB", "BA")
        begun = time.monotonic()
        with pytest.raises(DeadlockError):
            await inquiries["A"]
        assert time.monotonic() - begun < 1.5  # half a second more for a machine that has much to do


@pytest.mark.loop(virtual=True)
async def test_a_circle_that_nobody_reads(caplog: pytest.LogCaptureFixture) -> None:
    """Runs without a reader are told of their circle, too, so that their context comes to an end."""
    async with MiniAgents():
        start("AB", "BA")
    (record,) = caplog.records
    assert "No reader ever saw this error: DeadlockError" in record.getMessage()


@pytest.mark.loop(virtual=True)
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


@pytest.mark.loop(virtual=True)
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


@pytest.mark.loop(virtual=True)
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


@pytest.mark.loop(virtual=True)
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


@pytest.mark.loop(virtual=True)
async def test_with_errors_as_messages() -> None:
    """With `errors_as_messages` a circle is found and is a message."""
    async with MiniAgents(errors_as_messages=True):
        inquiries = start("AA")
        assert [str(message) for message in await inquiries["A"]] == ["DeadlockError: A → A"]


@pytest.mark.loop(virtual=True)
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


async def by_tokens(box: Inquiries, whom: list[str]) -> None:
    """All tokens of each."""
    for name in whom:
        await box[name].tokens


async def by_each_token(box: Inquiries, whom: list[str]) -> None:
    """Each token of each."""
    for name in whom:
        async for _ in box[name].tokens:
            pass


async def by_the_messages(box: Inquiries, whom: list[str]) -> None:
    """The messages of each, as a stream."""
    for name in whom:
        await box[name].messages


async def by_parts(box: Inquiries, whom: list[str]) -> None:
    """All parts of each."""
    for name in whom:
        await box[name].parts


async def by_the_final(box: Inquiries, whom: list[str]) -> None:
    """The last message of each."""
    for name in whom:
        await box[name].final


async def gathered(box: Inquiries, whom: list[str]) -> None:
    """All at once."""
    await asyncio.gather(*(box[name] for name in whom))


async def in_a_task(box: Inquiries, whom: list[str]) -> None:
    """In a task, which is stopped with this one."""
    task = asyncio.create_task(one_by_one(box, whom))
    try:
        await task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def in_a_group(box: Inquiries, whom: list[str]) -> None:
    """A task group."""
    try:
        async with asyncio.TaskGroup() as group:
            for name in whom:
                group.create_task(one_by_one(box, [name]))
    except* (DeadlockError, InquiryCancelledError) as found:
        error = found.exceptions[0]
    else:
        return
    raise error


async def in_a_group_of_anyio(box: Inquiries, whom: list[str]) -> None:
    """A task group of anyio."""
    try:
        async with anyio.create_task_group() as group:
            for name in whom:
                group.start_soon(one_by_one, box, [name])
    except* (DeadlockError, InquiryCancelledError) as found:
        error = found.exceptions[0]
    else:
        return
    raise error


OWN: list[Wait] = [
    *(one_by_one, later, by_messages),
    *(by_tokens, by_each_token, by_the_messages, by_parts, by_the_final),
]
ASIDE: list[Wait] = [gathered, in_a_task, in_a_group, in_a_group_of_anyio]


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
@pytest.mark.parametrize("wait", OWN)
async def test_in_every_way_of_waiting(wait: Wait) -> None:
    """Its own reply, awaited by whatever face, is a deadlock of the run that awaits it."""
    async with MiniAgents():
        plans = Plans({"A": ["A"]}, {"A": wait})
        start_all(plans)
        with pytest.raises(DeadlockError) as caught:
            await plans.inquiries["A"]
        assert str(caught.value) == "A → A"


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("second", OWN)
async def test_two_in_every_way(second: Wait) -> None:
    """Two that await each other, each by any face, are told, and neither hangs."""
    for first in OWN:
        async with MiniAgents():
            plans = Plans({"A": ["B"], "B": ["A"]}, {"A": first, "B": second})
            start_all(plans)
            for name in "AB":
                with pytest.raises(DeadlockError) as caught:
                    await plans.inquiries[name]
                assert str(caught.value) in ("A → B → A", "B → A → B")


def circles(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The circles that were logged."""
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    return [record.getMessage().split(":")[0] for record in warnings]


async def hangs(plans: Plans) -> None:
    """Wait for a long time, in which no run ends, and stop them all."""
    await asyncio.sleep(1_000)
    assert not any(inquiry.done for inquiry in plans.inquiries.values())
    for inquiry in plans.inquiries.values():
        inquiry.cancel()
    await turns(10)


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("wait", ASIDE)
async def test_through_a_task(wait: Wait, caplog: pytest.LogCaptureFixture) -> None:
    """Its own reply, awaited through a task that the run has made, is logged once and not raised."""
    async with MiniAgents():
        plans = Plans({"A": ["A"]}, {"A": wait})
        start_all(plans)
        await hangs(plans)
    assert ["A → A"] == circles(caplog)


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("first", [one_by_one, by_tokens, *ASIDE])
@pytest.mark.parametrize("second", ASIDE)
async def test_two_through_a_task(first: Wait, second: Wait, caplog: pytest.LogCaptureFixture) -> None:
    """Two that await each other, one or both through a task, are logged once and not raised."""
    async with MiniAgents():
        plans = Plans({"A": ["B"], "B": ["A"]}, {"A": first, "B": second})
        start_all(plans)
        await hangs(plans)
    (circle,) = circles(caplog)
    assert circle in ("A → B → A", "B → A → B")


def stuck(edges: dict[str, list[str]]) -> set[str]:
    """The names from which a circle can be reached: those that can never reply."""
    left = {name: set(whom) for name, whom in edges.items()}
    while free := [name for name, whom in left.items() if not whom & left.keys()]:
        for name in free:
            del left[name]
    return {*left}


@pytest.mark.loop(virtual=True)
@pytest.mark.logs("these may wait for each other", "failed after its replies were closed")
@settings(max_examples=amount(20, 150))
@given(st.data())
async def test_any_graph(data: st.DataObject) -> None:
    """Agents wait for each other in every way: all reply but those who wait for a circle.

    What is raised is a circle of own tasks, and no such circle is left.
    """
    names = "ABCDEF"[: data.draw(st.integers(1, 6))]
    edges = {name: data.draw(st.lists(st.sampled_from(names), max_size=2, unique=True)) for name in names}
    ways = {name: data.draw(st.sampled_from(OWN) | st.sampled_from(ASIDE)) for name in names}
    outcomes: dict[str, object] = {}
    async with MiniAgents():
        plans = Plans(edges, ways)
        start_all(plans)
        await asyncio.sleep(1_000)
        for name, inquiry in plans.inquiries.items():
            outcomes[name] = None
            if inquiry.done:
                (outcomes[name],) = await asyncio.gather(inquiry, return_exceptions=True)
        for inquiry in plans.inquiries.values():
            inquiry.cancel()
    assert {*names} - stuck(edges) == {name for name, outcome in outcomes.items() if str(outcome) == name}
    for outcome in outcomes.values():
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, DeadlockError)
            circle = str(outcome).split(" → ")
            assert circle[0] == circle[-1]
            assert all(after in edges[name] and ways[name] in OWN for name, after in pairwise(circle))
    for name in names:
        seen: set[str] = set()
        at = name
        while outcomes[at] is None and ways[at] in OWN:
            assert at not in seen, f"{at} waits in a circle of own tasks, and was not told"
            seen.add(at)
            at = next(whom for whom in edges[at] if outcomes[whom] is None)


@pytest.mark.loop(virtual=True)
async def test_what_the_context_waits_for(caplog: pytest.LogCaptureFixture) -> None:
    """A run that keeps its replies open for its own replies is named in the log."""
    box: Inquiries = {}

    @miniagent(alias="A")
    async def keeping_agent(ctx: InteractionContext) -> None:
        await asyncio.sleep(0)
        ctx.wait_for(box["a"])

    async with MiniAgents():
        box["a"] = keeping_agent.inquire()
        await asyncio.sleep(1_000)
        assert not box["a"].done
        box["a"].cancel()
    assert ["A → A"] == circles(caplog)


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


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("moment", [None, 0, 0.01])
async def test_an_unfinished_call(moment: float | None, caplog: pytest.LogCaptureFixture) -> None:
    """Who awaits the replies to a call that it has not finished waits: anybody may still finish that."""
    calls: list[Call] = []

    @miniagent(alias="CALLER")
    async def calling_agent(ctx: InteractionContext) -> None:
        calls.append(listening_agent.initiate_inquiry().send_message("one"))
        if moment is not None:
            await asyncio.sleep(moment)
        ctx.reply(await calls[0].reply_sequence(finish_call=False))

    async with MiniAgents():
        replies = calling_agent.inquire()
        await asyncio.sleep(1_000)
        assert not replies.done
        calls[0].send_message("two").finish()
        assert "2 messages" == str(await replies)
    assert [] == caplog.records


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


# -- healthy programs ------------------------------------------------------------------------------------


@pytest.mark.loop(virtual=True)
async def test_a_translation_of_its_own_replies(caplog: pytest.LogCaptureFixture) -> None:
    """A run may show a translation of its replies, which a task of it gives, however long each takes."""
    box: Inquiries = {}
    shown: list[str] = []

    @miniagent
    async def translating_agent(ctx: InteractionContext) -> None:
        async for promise in ctx.message_promises:
            ctx.reply(f"{await promise}!")

    @miniagent(alias="SHOWING")
    async def showing_agent(ctx: InteractionContext) -> None:
        async def give() -> None:
            for number in range(4):
                await asyncio.sleep(3)
                ctx.reply(str(number))

        giving = asyncio.create_task(give())
        async for promise in translating_agent.inquire(box["showing"]):
            shown.append(str(await promise))
            if len(shown) == 4:
                break
        await giving

    async with MiniAgents():
        box["showing"] = showing_agent.inquire()
        assert ["0", "1", "2", "3"] == [str(message) for message in await box["showing"]]
    assert ["0!", "1!", "2!", "3!"] == shown
    assert len(caplog.records) <= 1


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("face", ["messages", "tokens"])
async def test_a_slow_stream_that_was_replied(face: str, caplog: pytest.LogCaptureFixture) -> None:
    """A run may show what it replies while a slow stream that it gave to `ctx.reply` goes on."""
    box: Inquiries = {}
    shown: list[str] = []

    async def slow() -> AsyncIterator[str]:
        for number in range(4):
            await asyncio.sleep(3)
            yield f"{number}"

    @miniagent(alias="SHOWING")
    async def showing_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(lambda _: slow()))
        if face == "tokens":
            async for token in box["showing"].tokens:
                shown.append(token)
                if len(shown) == 4:
                    break
        else:
            async for promise in box["showing"]:
                shown.extend([token async for token in promise])
                break

    async with MiniAgents():
        box["showing"] = showing_agent.inquire()
        assert "0123" == str(await box["showing"])
    assert ["0", "1", "2", "3"] == shown
    assert [] == caplog.records


@pytest.mark.loop(virtual=True)
async def test_runs_that_sleep(caplog: pytest.LogCaptureFixture) -> None:
    """Runs that wait for each other in a line, and for the clock, are no circle, however long it takes."""
    names = [f"{number}" for number in range(20)]

    @miniagent
    async def sleeping_agent(ctx: InteractionContext, depth: int) -> None:
        await asyncio.sleep(depth * 7)
        if depth:
            ctx.reply(await sleeping_agent.inquire(depth=depth - 1))
        await asyncio.sleep(11)
        ctx.reply(f"{depth}")

    async with MiniAgents():
        assert names == [str(message) for message in await sleeping_agent.inquire(depth=19)]
    assert [] == caplog.records


@pytest.mark.logs("these may wait for each other")
@pytest.mark.gate("seconds of real time")
async def test_a_second_of_waiting() -> None:
    """On an ordinary event loop, too, a run that shows what a task of it replies is not killed."""
    box: Inquiries = {}
    shown: list[str] = []

    @miniagent(alias="SHOWING")
    async def showing_agent(ctx: InteractionContext) -> None:
        async def give() -> None:
            for number in range(2):
                await asyncio.sleep(1.2)
                ctx.reply(str(number))

        giving = asyncio.create_task(give())
        async for promise in box["showing"]:
            shown.append(str(await promise))
            if len(shown) == 2:
                break
        await giving

    async with MiniAgents():
        box["showing"] = showing_agent.inquire()
        assert ["0", "1"] == [str(message) for message in await box["showing"]]
    assert ["0", "1"] == shown
