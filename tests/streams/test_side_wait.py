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
