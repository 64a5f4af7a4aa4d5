"""Tasks that live within one call."""

import asyncio
from collections.abc import Iterable, Sequence


async def first_good(tasks: "Sequence[asyncio.Task[bool]]") -> int | None:
    """The place of the first task that returns True, None if none does.

    Of several that are ready at once the one that stands before the others. What a task raises is raised.
    """
    waiting = set(tasks)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for place, task in enumerate(tasks):
            if task in done and task.result():
                return place
    return None


async def ended(tasks: "Iterable[asyncio.Task[object]]") -> None:
    """Cancel all tasks and wait for their end, so that none outlives the call that made it."""
    ending = tuple(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
