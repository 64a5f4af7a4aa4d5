"""What asyncio knows of who awaits whom."""

import asyncio
from asyncio import Future, Task
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from miniagents.core import _awaited
from miniagents.core._awaited import leaves
from tests.support.sources import turns


def awaits(task: "Task[object] | Future[object]", other: "Task[object]") -> bool:
    """Whether the one awaits the other."""
    return _awaited.awaits(cast("Task[object]", task), other)


Wait = Callable[["Task[None]"], Awaitable[object]]


async def within_a_group(task: "Task[None]") -> None:
    """A task group is left only when its tasks are done."""
    async with asyncio.TaskGroup() as group:
        group.create_task(awaited(task))


async def awaited(task: "Task[None]") -> None:
    """Await it."""
    await task


async def through_a_task(task: "Task[None]") -> None:
    """Await a task that gathers it with others."""
    await asyncio.create_task(gathered(task))


async def gathered(task: "Task[None]") -> None:
    """Gather it with another one."""
    await asyncio.gather(asyncio.sleep(0), task)


async def waited(task: "Task[None]") -> None:
    """Wait for all of several."""
    await asyncio.wait([task])


async def the_last_of_any(task: "Task[None]") -> None:
    """Wait for any of one."""
    await asyncio.wait([task], return_when=asyncio.FIRST_COMPLETED)


async def with_a_timeout(task: "Task[None]") -> None:
    """Wait with a timeout."""
    await asyncio.wait_for(task, 60)


async def shielded(task: "Task[None]") -> None:
    """Await it behind a shield."""
    await asyncio.shield(task)


WAITS = [awaited, gathered, waited, the_last_of_any, with_a_timeout, shielded, within_a_group, through_a_task]


async def any_of_several(task: "Task[None]") -> None:
    """Wait for any of several."""
    other = asyncio.create_task(asyncio.sleep(0.01))
    await asyncio.wait([task, other], return_when=asyncio.FIRST_COMPLETED)


async def by_an_event(task: "Task[None]") -> None:
    """Wait for what somebody's own callback sets, as it may be set by others."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def set_done(*_: object) -> None:
        if not done.done():
            done.set_result(None)

    task.add_done_callback(set_done)
    asyncio.get_running_loop().call_later(0.01, set_done)
    await done


async def not_at_all(task: "Task[None]") -> None:
    """Only know how to cancel it, and how to be cancelled by it."""
    me = asyncio.current_task()
    assert me is not None
    task.add_done_callback(lambda _: me.cancelled())
    await asyncio.sleep(0.01)


async def in_an_open_group(task: "Task[None]") -> None:
    """A task group whose block goes on."""
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(shielded(task))
        await asyncio.sleep(0.01)
        waiting.cancel()


async def held() -> "tuple[asyncio.Event, Task[None]]":
    """A task that goes on when the event is set."""
    go = asyncio.Event()

    async def wait() -> None:
        await go.wait()

    task = asyncio.create_task(wait())
    await turns()
    return go, task


@pytest.mark.parametrize("wait", WAITS)
async def test_awaited(wait: Wait) -> None:
    """A task that awaits another one, in whatever way of asyncio, is known to."""
    go, task = await held()
    waiting = asyncio.ensure_future(wait(task))
    await turns(5)
    assert awaits(waiting, task)
    assert not awaits(task, waiting)
    go.set()
    await waiting
    await task


@pytest.mark.parametrize("wait", [any_of_several, by_an_event, not_at_all, in_an_open_group])
async def test_not_awaited(wait: Wait) -> None:
    """A task that may go on without the other one does not await it."""
    go, task = await held()
    waiting = asyncio.ensure_future(wait(task))
    await turns(5)
    assert not awaits(waiting, task)
    await waiting
    go.set()
    await task


async def test_leaves() -> None:
    """What a task awaits in the end is what its tasks await; who is about to go on awaits nothing."""
    go, task = await held()
    outer = asyncio.create_task(through_a_task(task))
    await turns(5)
    found = leaves(outer)
    assert found is not None
    assert found == leaves(task)
    assert 1 == len(found)
    go.set()
    assert leaves(task) is None
    await outer
    await task


async def test_a_callback_of_a_task_is_no_wait() -> None:
    """A task that is merely cancelled when another one is done does not await that."""
    first, second = (asyncio.create_task(asyncio.sleep(60)) for _ in range(2))
    await turns()
    first.add_done_callback(second.cancel)
    assert not awaits(second, first)
    first.cancel()
    await asyncio.wait((first, second))


async def test_what_is_awaited_on_two_ways() -> None:
    """What a task awaits on two ways is found once."""
    future: Future[object] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await asyncio.gather(asyncio.gather(future), asyncio.gather(future))

    task: Task[object] = asyncio.create_task(wait())
    await turns()
    assert [future] == leaves(task)
    future.set_result(None)
    await task
