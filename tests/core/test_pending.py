"""What a task has to wait for when its work is done."""

import asyncio
from asyncio import Future

import pytest

from miniagents.core._pending import release, settle


async def _never(ended: list[str], name: str) -> object:
    try:
        return await asyncio.Event().wait()
    finally:
        ended.append(name)


async def test_what_is_added_meanwhile_is_waited_for_too() -> None:
    """Settling ends when there is nothing more, not when what was there at its beginning has ended."""
    second = asyncio.get_running_loop().create_future()
    owed: list[Future[object]] = []

    async def first() -> object:
        owed.append(second)
        return None

    owed.append(asyncio.ensure_future(first()))
    settling = asyncio.ensure_future(settle(owed))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not settling.done()
    second.set_result(None)
    await settling
    assert [] == owed


async def test_the_first_error_is_raised_and_the_rest_stays() -> None:
    """What failed is raised, and what comes after it can still be released."""
    ended: list[str] = []
    failing: Future[object] = asyncio.get_running_loop().create_future()
    failing.set_exception(ValueError("of the first"))
    rest: Future[object] = asyncio.ensure_future(_never(ended, "second"))
    owed: list[Future[object]] = [failing, rest]
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="of the first"):
        await settle(owed)
    assert [failing, rest] == owed
    await release(owed)
    assert (["second"], []) == (ended, owed)


async def test_what_is_released_has_ended() -> None:
    """Each is cancelled, and its clean-up is waited for, also when one of them has failed meanwhile."""
    ended: list[str] = []

    async def fails() -> object:
        try:
            return await asyncio.Event().wait()
        finally:
            raise ValueError("in its clean-up")

    owed: list[Future[object]] = [
        asyncio.ensure_future(_never(ended, "one")),
        asyncio.ensure_future(fails()),
        asyncio.ensure_future(_never(ended, "two")),
    ]
    await asyncio.sleep(0)
    await release(owed)
    assert ({"one", "two"}, []) == (set(ended), owed)
