"""A wait of a task that a run has made.

Crosses rooms: the runs are drivers; circles of agents are in tests/agents/test_deadlocks.py.
"""

import asyncio

from miniagents.streams import Driver, Log, Scope, until_closed
from miniagents.values import DeadlockError
from tests.support.sources import turns


def open_scope() -> Scope:
    """A scope that is open here."""
    scope = Scope()
    scope.open()
    return scope


async def test_found_when_the_run_awaits_the_task() -> None:
    """A task may wait for its own run; once the run awaits the task, the task is told, and so is the run."""
    scope = open_scope()
    log: Log[int] = Log(scope)
    go = asyncio.Event()
    told: list[str] = []

    async def body() -> None:
        task = asyncio.create_task(until_closed(log))
        await go.wait()
        assert not task.done(), "until now it was no circle"
        try:
            await task
        except DeadlockError as error:
            told.append(str(error))

    Driver("A", scope, log, log).start(body)
    await turns(5)
    go.set()
    await scope.drain()
    assert ["A → A"] == told
    scope.close()


async def test_a_wait_that_is_over() -> None:
    """A wait that was given up closes no circle, though the run awaits the task that had waited."""
    scope = open_scope()
    log: Log[int] = Log(scope)
    given_up: list[bool] = []

    async def patient() -> None:
        try:
            async with asyncio.timeout(0.001):
                await until_closed(log)
        except TimeoutError:
            given_up.append(True)
        await asyncio.sleep(0)

    async def body() -> None:
        task = asyncio.create_task(patient())
        await asyncio.sleep(0.01)
        await task

    Driver("A", scope, log, log).start(body)
    await scope.drain()
    assert ([True], None) == (given_up, log.error)
    scope.close()


async def test_a_task_that_outlives_its_run() -> None:
    """A task that its run has left behind waits as anybody else does."""
    scope = open_scope()
    log: Log[int] = Log(scope)
    other: Log[int] = Log(scope)
    tasks: list[asyncio.Task[None]] = []

    async def waits() -> None:
        await until_closed(log)
        await until_closed(other)

    async def body() -> None:
        tasks.append(asyncio.create_task(waits()))
        await asyncio.sleep(0)

    Driver("A", scope, log, log).start(body)
    await scope.drain()
    await turns()
    other.finish()
    await asyncio.gather(*tasks)
    scope.close()


async def test_a_run_that_is_about_to_make_a_step() -> None:
    """A run that has steps to make before it awaits the task is followed through all of them."""
    scope = open_scope()
    log: Log[int] = Log(scope)
    told: list[str] = []

    async def body() -> None:
        task = asyncio.create_task(until_closed(log))
        for _ in range(5):
            await asyncio.sleep(0)
        try:
            await task
        except DeadlockError as error:
            told.append(str(error))

    Driver("A", scope, log, log).start(body)
    await scope.drain()
    assert ["A → A"] == told
    scope.close()


async def test_a_refused_wait_is_over() -> None:
    """A task that was told of a circle, and goes on, does not count as one that waits any more."""
    scope = open_scope()
    log, other = Log[int](scope), Log[int](scope)
    go = asyncio.Event()
    told: list[str] = []

    async def waits() -> None:
        await asyncio.sleep(0)  # by now the run awaits this task
        try:
            await until_closed(log)
        except DeadlockError as error:
            told.append(str(error))
        await go.wait()

    async def body() -> None:
        await asyncio.create_task(waits())

    async def asks() -> None:
        await until_closed(log)

    Driver("A", scope, log, log).start(body)
    await turns(5)
    assert ["A → A"] == told
    driver = log.producer
    assert driver is not None
    blocking = driver.blocked_by()
    assert blocking is None or [] == list(getattr(blocking, "waits", []))
    Driver("B", scope, other, other).start(asks)
    await turns(3)
    go.set()
    await scope.drain()
    assert (None, None) == (log.error, other.error)
    scope.close()


async def test_followed_once() -> None:
    """Each thing that a followed run awaits has one callback of it, however often there was a look."""
    scope = open_scope()
    log: Log[int] = Log(scope)
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(20)]

    async def body() -> None:
        waiting = asyncio.create_task(until_closed(log))
        await asyncio.sleep(0)
        await asyncio.gather(*futures)
        waiting.cancel()

    Driver("A", scope, log, log).start(body)
    await turns(3)
    for future in futures[:-1]:
        future.set_result(None)
        await turns(3)
    assert len(getattr(futures[-1], "_callbacks")) <= 3  # noqa: B009 - what asyncio does not show
    futures[-1].set_result(None)
    await scope.drain()
    scope.close()
