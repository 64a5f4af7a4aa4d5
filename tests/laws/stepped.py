"""An event loop with virtual time and a drawn order that stops at a given step to let a test do something.

A step is one callback of the loop: of a task that goes on, of a Future that is done, of a timer. So between
any two of them something can be cancelled, as finely as asyncio knows.
"""

import asyncio
import weakref
from collections.abc import Callable
from contextvars import Context
from functools import partial
from random import Random
from typing import TypeVarTuple, cast

from typing_extensions import override

from miniagents.testing import VirtualClock
from tests.support.shuffled import ShuffledVirtualLoop

__all__ = ["SteppedLoop"]

Ts = TypeVarTuple("Ts")


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
        self._known: set[int] = set()
        self._stop_at = -1
        self._stop: Callable[[], None] | None = None
        super().__init__(random, VirtualClock()._now)

    @property
    def tasks(self) -> list[asyncio.Task[object]]:
        """All tasks that have not ended, in the order in which they were made, the same every time."""
        return [task for ref in self._tasks if (task := ref()) is not None and not task.done()]

    @override
    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        # Not in `create_task`: the library makes its tasks by themselves. What each has is a first step.
        owner: object = getattr(callback, "__self__", None)
        task = cast("asyncio.Task[object]", owner) if isinstance(owner, asyncio.Task) else None
        if task is not None and id(task) not in self._known:
            self._known.add(id(task))
            self._tasks.append(weakref.ref(task, partial(self._forget, id(task))))
        return super().call_soon(callback, *args, context=context)

    def _forget(self, key: int, gone: object) -> None:
        self._known.discard(key)
        self._tasks.remove(cast("weakref.ref[asyncio.Task[object]]", gone))

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
