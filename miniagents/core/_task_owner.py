"""What owns running tasks: it waits for all of them, or cancels all of them."""

import asyncio
import logging
from asyncio import CancelledError
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from sys import modules
from typing import Final, Protocol, cast
from weakref import WeakSet

from typing_extensions import override

from ._loop_bound import LoopBound

_CANCELLED: Final = "%s had not ended drain_timeout=%s seconds after the end of their context: cancelled."

logger = logging.getLogger("miniagents")

NAMED: Final = 5  # tasks in a warning


class OwnedTask(Protocol):
    """A running task that a context owns."""

    @property
    def name(self) -> str:
        """How it is called in logs."""
        ...

    @property
    def task(self) -> "asyncio.Task[object] | None":
        """The task itself."""
        ...

    def cancel(self) -> None:
        """Stop it now."""
        ...

    def drain(self) -> None:
        """Let it run on without regard to how far its readers are."""
        ...


class Finishable(Protocol):
    """Something that is still being fed."""

    def finish(self) -> None:
        """Nothing more will come; idempotent."""
        ...


class CancelScopes(Protocol):
    """What is used of anyio, if the program uses it."""

    def CancelScope(self, *, shield: bool) -> AbstractContextManager[object]:  # noqa: N802 - its name
        """A block in which no scope further out cancels."""
        ...


def _shield() -> AbstractContextManager[object]:
    """What keeps a cancel scope of anyio from cancelling in every turn of the event loop."""
    anyio = modules.get("anyio")  # imported by whoever has such a scope, or by nobody
    return nullcontext() if anyio is None else cast("CancelScopes", anyio).CancelScope(shield=True)


class TaskOwner(LoopBound):
    """Owns tasks from their begin to their end.

    Args:
        shutdown_timeout: seconds that cancelled tasks get for their cleanup.
        drain_timeout: seconds that :meth:`drain` waits for the tasks; None: for ever.

    Attributes:
        draining: it waits for its tasks to end, so that no source is paused any more.
        drain_timeout: seconds that :meth:`drain` waits for the tasks; None: for ever.
        shutdown_timeout: seconds that cancelled tasks get for their cleanup.
        tasks: every task that it owns.
    """

    def __init__(self, *, shutdown_timeout: float, drain_timeout: float | None) -> None:
        super().__init__()
        self.shutdown_timeout: float = shutdown_timeout
        self.drain_timeout: float | None = drain_timeout
        self.draining: bool = False
        self.tasks: set[OwnedTask] = set()
        self._idle: asyncio.Future[None] | None = None
        self._open: WeakSet[Finishable] = WeakSet()
        self._finished_early: dict[object, OwnedTask] = {}  # runs that go on, by replies that are closed
        self._closed_replies: dict[OwnedTask, list[object]] = {}

    @override
    def open(self) -> None:
        super().open()
        self.draining = False

    def add(self, task: OwnedTask) -> None:
        """Own a task until :meth:`discard`.

        Args:
            task: one that is about to begin.
        """
        self.tasks.add(task)

    def discard(self, task: OwnedTask) -> None:
        """Own a task no more.

        Args:
            task: one that has ended.
        """
        self.tasks.discard(task)
        for replies in self._closed_replies.pop(task, ()):
            self._finished_early.pop(replies, None)
        if not self.tasks and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def note_finished_early(self, run: OwnedTask, replies: object) -> None:
        """Note, until its end, that a run has closed its replies, and goes on.

        Args:
            run: which one.
            replies: their buffer.
        """
        self._finished_early[replies] = run
        self._closed_replies.setdefault(run, []).append(replies)

    def cancel_finished_early(self, replies: object) -> None:
        """Stop the run that has closed these replies and may still go on, if there is such a run.

        Args:
            replies: their buffer.

        Raises:
            WrongLoopError: there is one, and this call comes from another event loop or thread.
        """
        if replies in self._finished_early:
            self.check_place()
            self._finished_early.pop(replies).cancel()

    def finish_at_end(self, sink: Finishable) -> None:
        """Finish ``sink`` when the context drains, at the latest.

        Args:
            sink: what is fed from outside of every task, so that no end of a task ends it; held weakly.
        """
        self._open.add(sink)

    async def drain(self) -> None:
        """Wait until every task of this context has ended by itself, those started meanwhile included.

        Not longer than ``drain_timeout``: what runs then goes on, and is left to :meth:`cancel_all`.
        """
        self.draining = True
        self._release_all()
        limit = self.drain_timeout
        deadline = None if limit is None else self.loop.time() + limit
        while self.tasks:
            left = None if deadline is None else deadline - self.loop.time()
            if left is not None and left <= 0:
                if limit:  # else nobody was to be waited for
                    logger.warning(
                        _CANCELLED,
                        _listed(sorted(task.name for task in self.tasks)),
                        limit,
                    )
                return
            self._idle = self.loop.create_future()
            try:
                await asyncio.wait((self._idle,), timeout=left)
            finally:
                self._idle = None

    def _release_all(self) -> None:
        # Not where it is waited for: the last sink and the last task would be held while others end, and what
        # they hold would never be abandoned.
        for sink in tuple(self._open):
            sink.finish()
        for task in tuple(self.tasks):
            task.drain()

    async def cancel_all(self) -> None:
        """Cancel every task and wait for the cleanup of all, ``shutdown_timeout`` seconds at most.

        A cancellation of the caller that comes meanwhile waits until that is done, and is raised then: a
        cancel scope of anyio cancels again and again, in every turn of the event loop. It would leave tasks
        behind, and keep the loop busy until they have ended.

        Raises:
            CancelledError: the caller was cancelled meanwhile.
        """
        deadline = self.loop.time() + self.shutdown_timeout
        cancelled: CancelledError | None = None
        with ExitStack() as shield:
            while stopping := tuple(self.tasks):  # once more for those that a clean-up has started
                for each in stopping:
                    each.cancel()
                tasks = [each.task for each in stopping if each.task is not None]
                if tasks:
                    try:
                        await asyncio.wait(tasks, timeout=max(0, deadline - self.loop.time()))
                    except CancelledError as error:
                        if cancelled is None:
                            shield.enter_context(_shield())
                        cancelled = error
                if self.loop.time() >= deadline:
                    break
        self._report_stuck(self.tasks)
        if cancelled is not None:
            raise cancelled

    def _report_stuck(self, tasks: Iterable[OwnedTask]) -> None:
        for task in tasks:
            logger.error(
                "%s did not end within shutdown_timeout=%s seconds after it was cancelled; "
                "it is left behind. Look for a `finally` or `except CancelledError` in it that waits.",
                task.name,
                self.shutdown_timeout,
            )


def _listed(names: list[str]) -> str:
    """The names of tasks, or the first ones and how many there are."""
    return (
        ", ".join(names)
        if len(names) <= NAMED
        else f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"
    )
