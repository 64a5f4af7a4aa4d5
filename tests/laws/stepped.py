"""An event loop with virtual time and a drawn order that stops at a given step to let a test do something.

A step is one callback of the loop: of a task that goes on, of a Future that is done, of a timer. So between
any two of them something can be cancelled, as finely as asyncio knows.
"""

import asyncio
import weakref
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from random import Random
from typing import TypeVar

from typing_extensions import override

from miniagents.testing import VirtualClock
from tests.support.shuffled import ShuffledVirtualLoop

__all__ = ["SteppedLoop"]

T = TypeVar("T")


class SteppedLoop(ShuffledVirtualLoop):
    """The loop.

    Args:
        random: draws the order of the tasks.

    Attributes:
        steps: how many there were since :meth:`stop_at`.
    """

    def __init__(self, random: Random) -> None:
        self.steps = 0
        self._tasks: list[weakref.ref[asyncio.Task[object]]] = []
        self._stop_at = -1
        self._stop: Callable[[], None] | None = None
        super().__init__(random, VirtualClock()._now)

    @property
    def tasks(self) -> list[asyncio.Task[object]]:
        """All tasks that have not ended, in the order in which they were made, the same every time."""
        return [task for ref in self._tasks if (task := ref()) is not None and not task.done()]

    @override
    def create_task(
        self,
        coro: Generator[object, None, T] | Coroutine[object, object, T],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        task = super().create_task(coro, name=name, context=context)
        self._tasks.append(weakref.ref(task))
        return task

    def stop_at(self, step: int, action: Callable[[], None]) -> None:
        """Count anew from now on, and do ``action`` before that step."""
        self.steps, self._stop_at, self._stop = 0, step, action

    @override
    def _next(self) -> None:
        if self.steps == self._stop_at and self._stop is not None:
            action, self._stop = self._stop, None
            action()
        self.steps += 1
        super()._next()
