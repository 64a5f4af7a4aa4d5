"""A wait of a task that a run has made: an inquiry in ``asyncio.gather``, ``create_task``, ``wait_for``.

Rule of this room: **the run waits only if it awaits that task**, which asyncio does not announce. So where a
circle would close, the run is followed: after each step that it makes, there is a look at what it awaits.
"""

from asyncio import Future, Task
from typing import Protocol
from weakref import WeakSet

from miniagents.values import DeadlockError

from ._awaited import awaits, leaves
from ._log import ReplayBuffer
from ._producer import Producer
from ._waits import Junction, chain_to, follow_loose


class Owning(Producer, Protocol):
    """The run that has made the task."""

    @property
    def task(self) -> "Task[None] | None":
        """Its own task, None when it has ended."""
        ...


class TaskWait:
    """One task of a run, waiting for a buffer.

    Args:
        run: whose task it is.
        task: the one that waits.
        buffer: what has to grow or to end.
        future: what the task awaits.
    """

    __slots__ = ("_followed", "_future", "_log", "_run", "_task")

    def __init__(
        self, run: Owning, task: "Task[object]", buffer: ReplayBuffer[object], future: "Future[None]"
    ) -> None:
        self._run = run
        self._task = task
        self._log = buffer
        self._future = future
        self._followed: WeakSet[Future[object]] | None = None

    @property
    def over(self) -> bool:
        """The task does not wait any more."""
        return self._future.done()

    @property
    def producer(self) -> Producer | None:
        """Whom it waits for."""
        return self._log.producer

    @property
    def firm(self) -> bool:
        """The run itself waits for the task."""
        task = self._run.task
        return task is not None and not task.done() and awaits(task, self._task)

    def check(self) -> None:
        """Look whether this wait closes a circle, or would.

        Raises:
            DeadlockError: the run waits for the task, and what the task waits for cannot come before the run
                goes on.
        """
        junctions: list[Junction] = []
        chain = chain_to(self._run, self._log.producer, junctions)
        if chain is not None and self.firm:
            raise deadlock(self._run, chain)
        if chain is not None or follow_loose(self._run, junctions):
            self.attach()

    def attach(self) -> None:
        """Look again after each step of the run, until the task does not wait any more. Idempotent."""
        if self._followed is None:
            self._followed = WeakSet()
            self._look()

    def _look(self, *_: object) -> None:
        task, followed = self._run.task, self._followed
        if self.over or task is None or task.done() or followed is None:
            return
        if self.firm:
            chain = chain_to(self._run, self._log.producer)
            if chain is not None:
                self._future.set_exception(deadlock(self._run, chain))
                return
        awaited = leaves(task)
        if awaited is None:  # it is going to make a step
            self._log.context.loop.call_soon(self._look)
            return
        for future in awaited:
            if future not in followed:
                followed.add(future)
                future.add_done_callback(self._look)


def deadlock(run: Producer, chain: list[str]) -> DeadlockError:
    """The error of a run that would wait for itself.

    Args:
        run: the one that closes the circle.
        chain: the names of those between.
    """
    return DeadlockError(" → ".join([run.name, *chain, run.name]))
