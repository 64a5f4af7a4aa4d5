"""A wait of a task that a run has made.

Crosses rooms: the runs are drivers; circles of agents are in tests/agents/test_deadlocks.py.
"""

import asyncio

from miniagents.core import Context, ProducerTask, ReplayBuffer, until_closed
from miniagents.values import DeadlockError
from tests.support.sources import turns


def open_scope() -> Context:
    """A context that is open here."""
    context = Context()
    context.open()
    return context


async def test_found_when_the_run_awaits_the_task() -> None:
    """A task may wait for its own run; once the run awaits the task, the task is told, and so is the run."""
    context = open_scope()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    go = asyncio.Event()
    told: list[str] = []

    async def body() -> None:
        task = asyncio.create_task(until_closed(buffer))
        await go.wait()
        assert not task.done(), "until now it was no circle"
        try:
            await task
        except DeadlockError as error:
            told.append(str(error))

    ProducerTask("A", context, buffer, buffer).start(body)
    await turns(5)
    go.set()
    await context.drain()
    assert ["A → A"] == told
    context.close()


async def test_a_wait_that_is_over() -> None:
    """A wait that was given up closes no circle, though the run awaits the task that had waited."""
    context = open_scope()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    given_up: list[bool] = []

    async def patient() -> None:
        try:
            async with asyncio.timeout(0.001):
                await until_closed(buffer)
        except TimeoutError:
            given_up.append(True)
        await asyncio.sleep(0)

    async def body() -> None:
        task = asyncio.create_task(patient())
        await asyncio.sleep(0.01)
        await task

    ProducerTask("A", context, buffer, buffer).start(body)
    await context.drain()
    assert ([True], None) == (given_up, buffer.error)
    context.close()


async def test_a_task_that_outlives_its_run() -> None:
    """A task that its run has left behind waits as anybody else does."""
    context = open_scope()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    other: ReplayBuffer[int] = ReplayBuffer(context)
    tasks: list[asyncio.Task[None]] = []

    async def waits() -> None:
        await until_closed(buffer)
        await until_closed(other)

    async def body() -> None:
        tasks.append(asyncio.create_task(waits()))
        await asyncio.sleep(0)

    ProducerTask("A", context, buffer, buffer).start(body)
    await context.drain()
    await turns()
    other.finish()
    await asyncio.gather(*tasks)
    context.close()


async def test_a_run_that_is_about_to_make_a_step() -> None:
    """A run that has steps to make before it awaits the task is followed through all of them."""
    context = open_scope()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    told: list[str] = []

    async def body() -> None:
        task = asyncio.create_task(until_closed(buffer))
        for _ in range(5):
            await asyncio.sleep(0)
        try:
            await task
        except DeadlockError as error:
            told.append(str(error))

    ProducerTask("A", context, buffer, buffer).start(body)
    await context.drain()
    assert ["A → A"] == told
    context.close()


async def test_a_refused_wait_is_over() -> None:
    """A task that was told of a circle, and goes on, does not count as one that waits any more."""
    context = open_scope()
    buffer, other = ReplayBuffer[int](context), ReplayBuffer[int](context)
    go = asyncio.Event()
    told: list[str] = []

    async def waits() -> None:
        await asyncio.sleep(0)  # by now the run awaits this task
        try:
            await until_closed(buffer)
        except DeadlockError as error:
            told.append(str(error))
        await go.wait()

    async def body() -> None:
        await asyncio.create_task(waits())

    async def asks() -> None:
        await until_closed(buffer)

    ProducerTask("A", context, buffer, buffer).start(body)
    await turns(5)
    assert ["A → A"] == told
    driver = buffer.producer
    assert driver is not None
    blocking = driver.blocked_by()
    assert blocking is None or [] == list(getattr(blocking, "waits", []))
    ProducerTask("B", context, other, other).start(asks)
    await turns(3)
    go.set()
    await context.drain()
    assert (None, None) == (buffer.error, other.error)
    context.close()


async def test_followed_once() -> None:
    """Each thing that a followed run awaits has one callback of it, however often there was a look."""
    context = open_scope()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(20)]

    async def body() -> None:
        waiting = asyncio.create_task(until_closed(buffer))
        await asyncio.sleep(0)
        await asyncio.gather(*futures)
        waiting.cancel()

    ProducerTask("A", context, buffer, buffer).start(body)
    await turns(3)
    for future in futures[:-1]:
        future.set_result(None)
        await turns(3)
    assert len(getattr(futures[-1], "_callbacks")) <= 3  # noqa: B009 - what asyncio does not show
    futures[-1].set_result(None)
    await context.drain()
    context.close()
