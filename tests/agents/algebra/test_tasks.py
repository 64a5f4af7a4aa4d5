"""Tasks that live within one call."""

import asyncio

import pytest

from miniagents.agents._algebra._tasks import ended, first_good


async def after(seconds: float, *, good: bool) -> bool:
    """Say something after a while."""
    await asyncio.sleep(seconds)
    return good


@pytest.mark.loop(virtual=True)
async def test_the_first_good_one() -> None:
    """The first that says True is it, after any that say False; of two at once the one that stands first."""
    for tasks, place in (
        (((1, False), (3, True), (2, True)), 2),
        (((2, True), (2, True)), 0),
        (((1, False), (2, False)), None),
        ((), None),
    ):
        running = [asyncio.ensure_future(after(seconds, good=good)) for seconds, good in tasks]
        assert await first_good(running) == place
        await ended(running)


async def test_what_a_task_raises() -> None:
    """What a task raises is raised."""

    async def broken() -> bool:
        raise KeyError("broken")

    with pytest.raises(KeyError):
        await first_good([asyncio.ensure_future(broken())])


async def test_ending() -> None:
    """All have ended when it returns, with what they had to clean up."""
    cleaned: list[int] = []
    begun = asyncio.Semaphore(0)

    async def stubborn() -> bool:
        begun.release()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(1)
        return True

    tasks = [asyncio.ensure_future(stubborn()) for _ in range(3)]
    for _ in tasks:
        await begun.acquire()
    await ended(tasks)
    assert cleaned == [1] * 3
    assert all(task.cancelled() for task in tasks)
