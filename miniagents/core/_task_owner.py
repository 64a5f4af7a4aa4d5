"""`TaskOwner`: an owner of running tasks, which waits for all of them or cancels all of them."""

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
        """Its name in logs."""
        ...

    @property
    def task(self) -> "asyncio.Task[object] | None":
        """The asyncio task."""
        ...

    def cancel(self) -> None:
        """Stop it now."""
        ...

    def drain(self) -> None:
        """Let it run to its end, however far its readers are."""
        ...


class Finishable(Protocol):
    """A sink that is still open."""

    def finish(self) -> None:
        """End it: nothing more will come; idempotent."""
        ...


class CancelScopes(Protocol):
    """The part of anyio that is used here, if the program uses anyio."""

    def CancelScope(self, *, shield: bool) -> AbstractContextManager[object]:  # noqa: N802 - anyio's name
        """Return a block in which outer scopes do not cancel."""
        ...


def _shield() -> AbstractContextManager[object]:
    """Return a block that keeps anyio's cancel scopes from cancelling in every turn of the event loop."""
    anyio = modules.get("anyio")  # a program that uses such scopes has imported it
    return nullcontext() if anyio is None else cast("CancelScopes", anyio).CancelScope(shield=True)


class TaskOwner(LoopBound):
    """Owns tasks from their beginning to their end.

    Args:
        shutdown_timeout: seconds that cancelled tasks get for their cleanup.
        drain_timeout: seconds that :meth:`drain` waits for the tasks; None: for ever.

    Attributes:
        draining: whether it waits for its tasks to end; then no source is paused any more.
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
        self._finished_early: dict[object, OwnedTask] = {}  # runs by their closed replies
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
        """Stop owning a task.

        Args:
            task: one that has ended.
        """
        self.tasks.discard(task)
        for replies in self._closed_replies.pop(task, ()):
            self._finished_early.pop(replies, None)
        if not self.tasks and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def note_finished_early(self, run: OwnedTask, replies: object) -> None:
        """Note that a run has closed its replies and goes on; the note is kept until the run ends.

        Args:
            run: the run.
            replies: their buffer.
        """
        self._finished_early[replies] = run
        self._closed_replies.setdefault(run, []).append(replies)

    def cancel_finished_early(self, replies: object) -> None:
        """Stop the run that has closed these replies, if it still goes on.

        Args:
            replies: their buffer.

        Raises:
            WrongLoopError: such a run exists, and this call comes from another event loop or thread.
        """
        if replies in self._finished_early:
            self.check_place()
            self._finished_early.pop(replies).cancel()

    def finish_at_end(self, sink: Finishable) -> None:
        """Finish ``sink`` when the context drains, if it is still open then.

        Args:
            sink: a sink that no task writes, so that no end of a task ends it; held weakly.
        """
        self._open.add(sink)

    async def drain(self) -> None:
        """Wait until every task of this context has ended by itself, including those that start meanwhile.

        It waits ``drain_timeout`` seconds at most; :meth:`cancel_all` must stop what still runs then.
        """
        self.draining = True
        self._release_all()
        limit = self.drain_timeout
        deadline = None if limit is None else self.loop.time() + limit
        while self.tasks:
            left = None if deadline is None else deadline - self.loop.time()
            if left is not None and left <= 0:
                if limit:  # else there was no task to wait for
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
        # A function of its own: in the waiting function, local names would hold the last sink and the last
        # task while others end, and streams that these hold would never be abandoned.
        for sink in tuple(self._open):
            sink.finish()
        for task in tuple(self.tasks):
            task.drain()

    async def cancel_all(self) -> None:
        """Cancel every task and wait for their cleanup, ``shutdown_timeout`` seconds at most.

        If the caller is cancelled meanwhile, this method first finishes and then raises the cancellation. A
        cancel scope of anyio cancels again and again, in every turn of the event loop; it would leave tasks
        behind, and keep the loop busy until they have ended.

        Raises:
            CancelledError: the caller was cancelled meanwhile.
        """
        deadline = self.loop.time() + self.shutdown_timeout
        cancelled: CancelledError | None = None
        with ExitStack() as shield:
            while stopping := tuple(self.tasks):  # a second time for tasks that a clean-up has started
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
                "the context ends without it. Look for a `finally` or `except CancelledError` that waits.",
                task.name,
                self.shutdown_timeout,
            )


def _listed(names: list[str]) -> str:
    """Return the names of tasks, or the first names and how many more there are."""
    return (
        ", ".join(names)
        if len(names) <= NAMED
        else f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"
    )
