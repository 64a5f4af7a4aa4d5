"""Circles of waiting: what a run notes of its waits, and what the watch makes of these notes.

Circles of agents are in tests/agents/test_deadlocks.py.
"""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import cast

import pytest

from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._deadlocks import waits_for
from miniagents.streams._lifetime import TaskLife, current_producer
from miniagents.streams._protocols import Producer
from miniagents.streams._readers import iterate, until_closed
from miniagents.streams._run_task import ProducerTask
from miniagents.testing import virtual_time
from miniagents.values import DeadlockError
from tests.support.sources import turns

Body = Callable[[], Coroutine[object, object, None]]


def open_context() -> Context:
    """A context of the running loop."""
    context = Context(shutdown_timeout=1)
    context.open()
    return context


def start(context: Context, name: str, body: Body) -> ReplayBuffer[int]:
    """The buffer that a new run ends."""
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    ProducerTask(name, buffer, buffer).start(body)
    return buffer


async def ended(context: Context) -> None:
    """Wait for every run, and end."""
    await context.drain()
    context.close()


def watched(context: Context) -> bool:
    """Whether anything looks for circles."""
    return context.watch is not None


class Link:
    """A producer that waits for another one."""

    def __init__(self, name: str, blocked_by: Producer | None = None) -> None:
        self.name = name
        self.waits_for = blocked_by

    def blocked_by(self) -> Producer | None:
        """Whom it waits for."""
        return self.waits_for

    def cancel(self) -> None:
        """Nothing to stop."""

    def abandon(self) -> None:
        """Nothing to stop."""


# -- links without a task ------------------------------------------------------------------------------


def test_no_circle_of_links() -> None:
    """What does not come back to the one that is going to read is no circle."""
    waiter = Link("A")
    assert waits_for(None, waiter) is None
    assert waits_for(Link("B", Link("C")), waiter) is None


def test_the_names_between() -> None:
    """The names of all between are told, in order; links have none."""
    waiter = Link("A")
    assert [] == waits_for(waiter, waiter)
    assert ["B", "C"] == waits_for(Link("B", Link("", Link("C", waiter))), waiter)


def test_a_circle_of_other_links() -> None:
    """A circle that the one that is going to read is no part of ends the search."""
    first = Link("B")
    first.waits_for = Link("C", first)
    assert waits_for(first, Link("A")) is None


async def test_a_task_between_links() -> None:
    """Behind a task the search ends: what tasks wait for is seen by the watch."""
    context = open_context()
    waiter = Link("A")
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    task = ProducerTask("T", buffer, buffer)
    assert waits_for(cast("Producer", task), waiter) is None
    context.close()


# -- what is noted -------------------------------------------------------------------------------------


async def test_what_a_run_waits_for() -> None:
    """A run is blocked by the producer of what its own task waits for, only as long as it waits."""
    context, go = open_context(), asyncio.Event()
    source = start(context, "source", cast("Body", go.wait))
    reading = start(context, "reading", lambda: until_closed(source))
    await turns()
    run = reading.producer
    assert isinstance(run, ProducerTask)
    assert run.blocked_by() is source.producer is not None
    go.set()
    await until_closed(reading)
    assert (None, None, None) == (run.blocked_by(), run.waiting, run.waiting_for)
    await ended(context)


async def test_what_its_tasks_wait_for() -> None:
    """What a task that it has made waits for is noted beside, and forgotten with the wait."""
    context, go, runs = open_context(), asyncio.Event(), list[TaskLife]()
    source = start(context, "source", cast("Body", go.wait))

    async def body() -> None:
        run = current_producer()
        assert run is not None
        runs.append(run)
        await asyncio.gather(until_closed(source))
        runs.append(run)
        assert [] == run.open_waits_aside()

    start(context, "making", body)
    await turns(3)
    assert [source] == [buffer for buffer, _ in runs[0].open_waits_aside()]
    assert runs[0].blocked_by() is None
    go.set()
    await ended(context)
    assert 2 == len(runs)


@pytest.mark.loop(virtual=True)
async def test_helpers() -> None:
    """A task, a timer and a callback of a run carry its token, at every look; one that is alone has none."""
    context, runs, steps = open_context(), list[TaskLife](), asyncio.Queue[Callable[[], object]]()
    kept: list[object] = []

    async def body() -> None:
        run = current_producer()
        assert run is not None
        runs.append(run)
        while True:
            kept.append((await steps.get())())

    start(context, "run", body)
    await turns()
    loop = asyncio.get_running_loop()
    seen: list[list[bool]] = []
    for begin in (
        lambda: asyncio.create_task(asyncio.Event().wait()),
        lambda: loop.call_later(1, list),
        contextvars.copy_context,
    ):
        seen.append([runs[0].has_helpers() for _ in range(3)])
        steps.put_nowait(cast("Callable[[], object]", begin))
        await turns(3)
        seen.append([runs[0].has_helpers() for _ in range(3)])
        helper = kept.pop()
        if isinstance(helper, asyncio.Task):
            helper.cancel()
        del helper
        await asyncio.sleep(2)
    seen.append([runs[0].has_helpers() for _ in range(3)])
    assert [[False] * 3, [True] * 3] * 3 + [[False] * 3] == seen
    await context.cancel_all()
    context.close()


async def test_a_run_that_has_ended_has_no_helpers() -> None:
    """Of a run that has ended nothing is known, whatever task it has left behind."""
    context, runs, tasks = open_context(), list[TaskLife](), list[asyncio.Task[None]]()

    async def body() -> None:
        run = current_producer()
        assert run is not None
        runs.append(run)
        tasks.append(asyncio.create_task(asyncio.sleep(0.01)))

    start(context, "run", body)
    await ended(context)
    assert not runs[0].has_helpers()
    await tasks[0]


async def test_outside_of_every_run() -> None:
    """Outside of every run nothing is noted, and nothing is watched."""
    context = open_context()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    asyncio.get_running_loop().call_soon(buffer.finish)
    await until_closed(buffer)
    assert current_producer() is None
    assert not watched(context)
    context.close()


# -- the watch -----------------------------------------------------------------------------------------


async def test_no_watch_without_a_wait() -> None:
    """A run that waits for no stream costs no watch; the first wait begins it, the end stops it."""
    context, go = open_context(), asyncio.Event()
    source = start(context, "source", cast("Body", go.wait))
    await turns()
    assert not watched(context)
    start(context, "reading", lambda: until_closed(source))
    await turns()
    assert watched(context)
    go.set()
    await ended(context)
    assert not watched(context)


@pytest.mark.gate("seconds of real time")
async def test_the_watch_ends_with_the_runs() -> None:
    """When no run is left, the watch ends by itself within two looks; the next wait begins another one."""
    context = open_context()
    for _ in range(2):
        go = asyncio.Event()
        source = start(context, "source", cast("Body", go.wait))
        reading = start(context, "reading", lambda source=source: until_closed(source))  # type: ignore[misc]
        await turns()
        assert watched(context)
        go.set()
        await until_closed(reading)
        await asyncio.sleep(1.5)
        assert not watched(context)
    await ended(context)


@pytest.mark.loop(virtual=True)
async def test_waiting_for_oneself() -> None:
    """A run that waits for its own stream gets a `DeadlockError` that says so, at once in virtual time."""
    context, loop = open_context(), asyncio.get_running_loop()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    begun = loop.time()
    ProducerTask("A", buffer, buffer).start(lambda: until_closed(buffer))
    with pytest.raises(DeadlockError, match=r"^A → A"):
        await anext(iterate(buffer, None))
    assert begun == loop.time()
    await ended(context)


@pytest.mark.gate("waits a second")
@pytest.mark.parametrize("debug", [True, False])
def test_within_a_second(*, debug: bool) -> None:
    """On an ordinary event loop the circle is found within a second."""

    async def main() -> float:
        context, loop = open_context(), asyncio.get_running_loop()
        buffer: ReplayBuffer[int] = ReplayBuffer(context)
        begun = loop.time()
        ProducerTask("A", buffer, buffer).start(lambda: until_closed(buffer))
        with pytest.raises(DeadlockError, match=r"^A → A"):
            await anext(iterate(buffer, None))
        await ended(context)
        return loop.time() - begun

    with asyncio.Runner(debug=debug) as runner:
        assert 0.4 < runner.run(main()) < 1.5  # half a second more for a machine that has much to do


@pytest.mark.loop(virtual=True)
async def test_three_runs() -> None:
    """A circle is raised in one of its runs, as the chain of names; the others go on with that."""
    context = open_context()
    buffers = {name: ReplayBuffer[int](context) for name in "ABC"}
    caught: list[str] = []

    def waits(name: str, other: str) -> Body:
        async def body() -> None:
            try:
                await until_closed(buffers[other])
            except DeadlockError as error:
                caught.append(f"{name}: {error}")

        return body

    for name, other in ("AB", "BC", "CA"):
        ProducerTask(name, buffers[name], buffers[name]).start(waits(name, other))
    await ended(context)
    assert 1 == len(caught)
    assert caught[0] in {"A: A → B → C → A", "B: B → C → A → B", "C: C → A → B → C"}


@pytest.mark.loop(virtual=True)
async def test_a_circle_through_a_link() -> None:
    """A link between two runs is no run: it has no name, and is not raised in."""
    context = open_context()
    own: ReplayBuffer[int] = ReplayBuffer(context)
    linked: ReplayBuffer[int] = ReplayBuffer(context)
    task = ProducerTask("A", own, own)
    linked.produce_with(Link("", cast("Producer", task)))
    task.start(lambda: until_closed(linked))
    with pytest.raises(DeadlockError, match=r"^A → A"):
        await anext(iterate(own, None))
    linked.finish()
    await ended(context)


@pytest.mark.loop(virtual=True)
async def test_two_circles() -> None:
    """Each of two circles is raised in one run of its own."""
    context, caught = open_context(), list[str]()
    buffers = {name: ReplayBuffer[int](context) for name in "ABCD"}

    def waits(other: str) -> Body:
        async def body() -> None:
            try:
                await until_closed(buffers[other])
            except DeadlockError as error:
                caught.append(str(error))

        return body

    for name, other in ("AB", "BA", "CD", "DC"):
        ProducerTask(name, buffers[name], buffers[name]).start(waits(other))
    await ended(context)
    assert 2 == len(caught)
    assert {frozenset("AB"), frozenset("CD")} == {frozenset(each.split(" → ")) for each in caught}


@pytest.mark.loop(virtual=True)
async def test_a_wait_that_is_over_closes_no_circle(caplog: pytest.LogCaptureFixture) -> None:
    """A run that has stopped waiting, by a timeout, is not in the way of others."""
    context = open_context()
    first, second = ReplayBuffer[int](context), ReplayBuffer[int](context)
    gave_up = asyncio.Event()

    async def first_body() -> None:
        try:
            async with asyncio.timeout(60):
                await until_closed(second)
        except TimeoutError:
            gave_up.set()
        await asyncio.sleep(60)

    async def second_body() -> None:
        await gave_up.wait()
        await until_closed(first)

    ProducerTask("first", first, first).start(first_body)
    ProducerTask("second", second, second).start(second_body)
    await until_closed(second)
    assert (None, []) == (second.error, caplog.records)
    await ended(context)


@pytest.mark.loop(virtual=True)
async def test_who_was_told_waits_no_more() -> None:
    """A run that was told of a circle, and goes on, does not count as one that waits any more."""
    context, go, told = open_context(), asyncio.Event(), list[str]()
    buffer, other = ReplayBuffer[int](context), ReplayBuffer[int](context)

    async def body() -> None:
        try:
            await until_closed(buffer)
        except DeadlockError as error:
            told.append(str(error))
        await go.wait()

    ProducerTask("A", buffer, buffer).start(body)
    await asyncio.sleep(1)
    assert ["A → A"] == told
    run = buffer.producer
    assert run is not None
    assert run.blocked_by() is None
    ProducerTask("B", other, other).start(lambda: until_closed(buffer))
    await asyncio.sleep(5)
    go.set()
    await ended(context)
    assert (None, None) == (buffer.error, other.error)


async def _gathered(task: "asyncio.Task[None]") -> None:
    await asyncio.gather(task)


async def _awaited(task: "asyncio.Task[None]") -> None:
    await task


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("wait", [_gathered, _awaited])
async def test_a_task_of_the_run(
    wait: Callable[["asyncio.Task[None]"], Coroutine[object, object, None]], caplog: pytest.LogCaptureFixture
) -> None:
    """A circle through a task that the run has made is logged once with its names, and not raised."""
    context = open_context()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    told: list[Exception] = []

    async def waits() -> None:
        try:
            await until_closed(buffer)
        except Exception as error:  # noqa: BLE001 - whatever it is, it should not be there
            told.append(error)

    async def body() -> None:
        task = asyncio.create_task(waits())
        try:
            async with asyncio.timeout(30):
                await wait(task)
        except TimeoutError:
            pass
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    with caplog.at_level(logging.WARNING, "miniagents"):
        ProducerTask("A", buffer, buffer).start(body)
        await ended(context)
    (record,) = caplog.records
    assert record.getMessage().startswith("A → A: these may wait for each other for ever.")
    assert (None, []) == (buffer.error, told)


@pytest.mark.loop(virtual=True)
async def test_helpers_that_may_reply(caplog: pytest.LogCaptureFixture) -> None:
    """A run that waits for itself while a task of it goes on to reply is let go on; at most it is logged."""
    context = open_context()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    got: list[int] = []

    async def replies() -> None:
        for number in range(3):
            await asyncio.sleep(60)
            buffer.append(number)

    async def body() -> None:
        task = asyncio.create_task(replies())
        async for number in iterate(buffer, None):
            got.append(number)
            if number == 2:
                break
        await task

    with caplog.at_level(logging.WARNING, "miniagents"):
        ProducerTask("A", buffer, buffer).start(body)
        await ended(context)
    assert ([0, 1, 2], None) == (got, buffer.error)
    assert 1 == len(caplog.records)


@pytest.mark.loop(virtual=True)
@pytest.mark.logs("these may wait for each other")
async def test_a_helper_that_has_ended() -> None:
    """When the task that could have replied has ended, the circle is found."""
    context = open_context()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)

    async def body() -> None:
        asyncio.get_running_loop().call_later(30, list)
        await until_closed(buffer)

    ProducerTask("A", buffer, buffer).start(body)
    with pytest.raises(DeadlockError, match="A → A"):
        async with asyncio.timeout(600):
            await anext(iterate(buffer, None))
    await ended(context)


@pytest.mark.gate("waits a second")
async def test_a_wait_of_a_task_that_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """A wait that was given up closes no circle, though the run awaits the task that had waited."""
    context, given_up = open_context(), list[bool]()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)

    async def patient() -> None:
        try:
            async with asyncio.timeout(0.001):
                await until_closed(buffer)
        except TimeoutError:
            given_up.append(True)
        await asyncio.sleep(1)

    async def body() -> None:
        await asyncio.create_task(patient())

    ProducerTask("A", buffer, buffer).start(body)
    await ended(context)
    assert ([True], None, []) == (given_up, buffer.error, caplog.records)


async def test_a_task_may_wait_for_its_run() -> None:
    """A task that a run made may wait for the run: the run itself goes on, so it is no deadlock."""
    context, tasks = open_context(), list[asyncio.Task[int]]()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)

    async def first() -> int:
        return await anext(iterate(buffer, None))

    async def body() -> None:
        tasks.append(asyncio.create_task(first()))
        await asyncio.sleep(0)
        buffer.append(1)

    ProducerTask("A", buffer, buffer).start(body)
    await context.drain()
    assert 1 == await tasks[0]
    context.close()


async def test_a_task_that_outlives_its_run() -> None:
    """A task that its run has left behind waits as anybody else does."""
    context = open_context()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    other: ReplayBuffer[int] = ReplayBuffer(context)
    tasks: list[asyncio.Task[None]] = []

    async def waits() -> None:
        await until_closed(buffer)
        await until_closed(other)

    async def body() -> None:
        tasks.append(asyncio.create_task(waits()))
        await asyncio.sleep(0)

    ProducerTask("A", buffer, buffer).start(body)
    await context.drain()
    await turns()
    other.finish()
    await asyncio.gather(*tasks)
    context.close()


async def test_a_task_that_outlives_its_context() -> None:
    """A task of a run may wait in another context, also when the context of its run has ended."""
    context, other = open_context(), open_context()
    buffer: ReplayBuffer[int] = ReplayBuffer(other)
    tasks: list[asyncio.Task[None]] = []
    go = asyncio.Event()

    async def waits() -> None:
        await go.wait()
        await until_closed(buffer)

    async def body() -> None:
        tasks.append(asyncio.create_task(waits()))

    start(context, "A", body)
    await ended(context)
    go.set()
    await turns()
    buffer.finish()
    await tasks[0]
    other.close()


async def test_a_wait_in_another_thread() -> None:
    """What a run begins on an event loop of another thread does not touch the loop of the run."""
    context, seen = open_context(), list[object]()

    def elsewhere() -> None:
        async def main() -> None:
            other = open_context()
            buffer: ReplayBuffer[int] = ReplayBuffer(other)
            asyncio.get_running_loop().call_soon(buffer.finish)
            await until_closed(buffer)
            other.close()
            seen.append(context.watch)

        asyncio.run(main())

    start(context, "A", lambda: asyncio.to_thread(elsewhere))
    await ended(context)
    assert [None] == seen
    await asyncio.get_running_loop().shutdown_default_executor()


def test_two_runs_of_virtual_time() -> None:
    """A context that is entered again, on another loop with virtual time, is watched there again."""
    context = Context()
    for _ in range(2):
        with virtual_time():

            async def main() -> None:
                context.open()
                buffer: ReplayBuffer[int] = ReplayBuffer(context)
                ProducerTask("A", buffer, buffer).start(lambda: until_closed(buffer))
                with pytest.raises(DeadlockError):
                    await anext(iterate(buffer, None))
                await ended(context)

            asyncio.run(main())


@pytest.mark.loop(virtual=True)
async def test_long_chains() -> None:
    """A chain of 1,000 runs that wait for each other is looked at without recursion, and raised once."""
    context, count, found = open_context(), 1_000, list[str]()
    buffers = [ReplayBuffer[int](context) for _ in range(count)]

    def waits(number: int) -> Body:
        async def body() -> None:
            try:
                await until_closed(buffers[(number + 1) % count])
            except DeadlockError as error:
                found.append(str(error))

        return body

    for number in range(count):
        ProducerTask(str(number), buffers[number], buffers[number]).start(waits(number))
    await ended(context)
    (circle,) = found
    assert count + 1 == len(circle.split(" → "))
