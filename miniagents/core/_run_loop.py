"""A blocking run on an event loop of its own, which ends in order, whatever it ends by."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")


def run_loop(main: Callable[[], Coroutine[object, object, T]]) -> T:
    """Run ``main()`` as ``asyncio.run`` does.

    What leaves the loop at once and not through ``main`` (``SystemExit`` and ``KeyboardInterrupt`` raised in
    some task) cancels ``main`` first and waits for its end. ``asyncio.run`` would cancel all tasks side by
    side: those that a context owns would be cancelled once more by it, in the middle of their clean-up.
    """
    begun: list[asyncio.Task[object]] = []

    async def noted() -> T:
        task = asyncio.current_task()
        if task is not None:
            begun.append(task)
        return await main()

    with asyncio.Runner() as runner:
        try:
            return runner.run(noted())
        except BaseException:
            for task in begun:
                if not task.done():
                    task.cancel()
                    runner.get_loop().run_until_complete(asyncio.wait([task]))
            raise
