"""Blocking work of one object, off the event loop, one call after another.

A thread cannot be stopped in the middle of a write, and should not be. So a call that has begun is waited
for, also when its task is cancelled (a moment, at most the timeout of the file lock). A call that still waits
for its turn is cancelled at once and does nothing.
"""

import asyncio
import contextvars
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from miniagents.values import SafeErrors

logger = logging.getLogger(__name__)
logger.addFilter(SafeErrors())

P = ParamSpec("P")
R = TypeVar("R")


class SerialExecutor:
    """Runs functions in a thread, in the order of the calls."""

    def __init__(self) -> None:
        # A lock belongs to one event loop, the object may outlive many.
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function in a thread when all earlier calls are done, and return what it returns.

        Raises:
            asyncio.CancelledError: the task was cancelled; the function has run whole, or not at all.
        """
        loop = asyncio.get_running_loop()
        async with self._turns.setdefault(loop, asyncio.Lock()):
            context = contextvars.copy_context()
            # A plain future, no task: code that cancels all tasks does not cancel it.
            work = loop.run_in_executor(None, lambda: context.run(function, *args, **kwargs))
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                await _ended(work)
                raise


async def _ended(work: "asyncio.Future[R]") -> None:
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            continue  # cancelled again; the answer is the same
    if not work.cancelled() and (error := work.exception()):
        logger.error("an error of a call that was cancelled", exc_info=error)
