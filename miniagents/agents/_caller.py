"""Who has opened a call and not finished it: the run that is called may wait for more messages of that.

Rule of this room: **a deadlock is only what nobody can undo.** The caller blocks the call if it alone can
still send: the call is held by nothing but the variables of its own task.
"""

import asyncio
import gc
import inspect
import sys
import types
from typing import TypeAlias, cast
from weakref import ReferenceType

from miniagents.core import Producer, ProducerTask

Running: TypeAlias = "types.CoroutineType[object, object, object]"


class Caller:
    """Feeds the input of a run that was called by another run, as long as the call is open.

    Args:
        run: the one that has opened the call.
        call: what it sends with.
    """

    __slots__ = ("_call", "_run")

    name = ""  # it has that of the run, which is the next one in a chain of waiting

    def __init__(self, run: ProducerTask, call: ReferenceType[object]) -> None:
        self._run = run
        self._call = call

    def blocked_by(self) -> Producer | None:
        """The run, if nobody else can send: what that waits for is waited for here."""
        task = self._run.task
        if task is None or task.done():
            return None
        return self._run if _is_variable_of(task, self._call) else None

    def cancel(self) -> None:
        """The input is not wanted any more; the caller goes on."""

    abandon = cancel


def _is_variable_of(task: "asyncio.Task[None]", reference: ReferenceType[object]) -> bool:
    """Whether what is referred to is held once, by a variable of what ``task`` runs."""
    call = reference()
    if call is None or sys.getrefcount(call) > _HELD_ONCE:  # first: to look for who holds it takes long
        return False
    holders: list[object] = [*gc.get_referrers(call)]
    if task is asyncio.current_task():  # of what is running right now some variables are seen, some are not
        return all(map(_is_running, holders))
    awaited: object = task.get_coro()
    while inspect.iscoroutine(awaited):
        if any(each is awaited for each in holders):
            return True
        awaited = cast("Running", awaited).cr_await
    return False


def _is_running(holder: object) -> bool:
    return inspect.iscoroutine(holder) and cast("Running", holder).cr_running


_HELD_ONCE = 3  # by whoever holds it, by the variable here, and while it is counted
