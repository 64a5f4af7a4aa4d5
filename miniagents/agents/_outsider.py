"""Who holds a call open outside of every run, and may come to wait for what it keeps from ending.

Rule of this room: **what is not sure is no deadlock.** A task of the program waits for itself if it awaits
all replies of a run that waits for the next message, which this task alone could send: a variable of what it
runs is all that holds the call. Neither of the two stands in a ``with`` block that might be a time limit, and
the task is inside the context, so that this cannot end and finish the call.

asyncio tells nobody when such a task waits. So while the run waits for a message, there is a look after each
step of the task.
"""

import asyncio
import gc
import inspect
import sys
from asyncio import Future, Task
from collections.abc import Iterator, Sequence
from types import BuiltinMethodType, FunctionType, MethodType, MethodWrapperType
from typing import Final, cast
from weakref import ReferenceType, WeakSet, ref

from typing_extensions import TypeVar

from miniagents.promising import Flattener
from miniagents.streams import Driver, Log, Producer, Scope
from miniagents.values import DeadlockError

T = TypeVar("T")

_HELD_ONCE: Final = 3  # by whoever holds it, by the variable here, and while it is counted
_ROUTINES: Final = (MethodType, FunctionType, BuiltinMethodType, MethodWrapperType)
_ALL: Final = "_whole"  # what awaits a sequence to its end


def watch_outsider(flattener: Flattener, call: ReferenceType[object], replies: Log[T]) -> None:
    """Have it found when the running task, outside of every run, waits for itself.

    Args:
        flattener: writes the input of the run that was called.
        call: what sends to it, and is open.
        replies: those of the run; the task may read them from now on.
    """
    task = None if asyncio._get_running_loop() is None else asyncio.current_task()  # noqa: SLF001 - unlike the public one it never raises
    if task is not None and flattener.feeder is None and flattener.context.on_own_thread():
        flattener.feeder = Outsider(ref(task), call, cast("Log[object]", replies))


class Outsider:
    """Feeds the input of a run that was called outside of every run, as long as the call is open.

    Args:
        task: the one that may read the replies while it holds the call.
        call: what it sends with.
        replies: those of the run.
    """

    __slots__ = ("_call", "_followed", "_looking", "_replies", "_task")

    name = ""

    def __init__(
        self,
        task: ReferenceType[Task[object]],
        call: ReferenceType[object],
        replies: Log[object],
    ) -> None:
        self._task = task
        self._call = call
        self._replies = replies
        self._followed: WeakSet[Future[object]] = WeakSet()
        self._looking = False
        run = self._run()
        if run is not None:
            run.calls = True  # others than the readers of its replies may wait for it: this one may, later
            self._look_soon()

    def blocked_by(self) -> Producer | None:
        """Nobody, as far as can be told while somebody runs; there is a look when all stand still."""
        self._look_soon()
        return None

    def cancel(self) -> None:
        """The input is not wanted any more; the caller goes on."""

    abandon = cancel

    def _run(self) -> Driver | None:
        producer = self._replies.producer
        while producer is not None and not isinstance(producer, Driver):  # errors become messages on the way
            producer = producer.blocked_by()
        return producer

    def _look_soon(self) -> None:
        if not self._looking and not self._replies.scope.ended:
            self._looking = True
            self._replies.scope.loop.call_soon(self._look)

    def _look(self, *_: object) -> None:
        self._looking = False
        run, task = self._run(), self._task()
        if run is None or run.task is None or task is None or task.done() or not self._feeds(run):
            return
        awaited = cast("Future[object] | None", getattr(task, "_fut_waiter", None))
        if awaited is None or awaited.done():
            self._look_soon()  # it is going to make a step
        elif self._waits_for_all(task) and not any(map(_ends_a_block, _standing_in(run.task))):
            own = task.get_name()
            awaited.set_exception(DeadlockError(f"{own} → {run.name} → {own}"))
        elif awaited not in self._followed:
            self._followed.add(awaited)
            awaited.add_done_callback(self._look)

    def _feeds(self, run: Driver) -> bool:
        """Whether the run waits for a message that the holder of the call would have to send."""
        producer = run.blocked_by()
        while producer is not None and not isinstance(producer, Driver | Outsider):
            producer = producer.blocked_by()
        return producer is self

    def _waits_for_all(self, task: "Task[object]") -> bool:
        """Whether the task awaits all replies, inside the context, and nothing else holds the call."""
        call = self._call()
        if call is None or sys.getrefcount(call) > _HELD_ONCE:
            return False
        (holder, *_) = gc.get_referrers(call)
        scope = self._replies.scope
        inside = held = False
        standing_in = [*_standing_in(task)]
        for each in standing_in:
            held = held or each is holder
            for referent in gc.get_referents(each):
                if _is_end_of_block(referent):
                    context = getattr(referent, "__self__", None)
                    inside = inside or context is scope
                    if held and not isinstance(context, Scope):
                        return False
        return inside and held and self._is_read_by(standing_in)

    def _is_read_by(self, standing_in: Sequence[object]) -> bool:
        """Whether the last of these await the end of all replies, and not that of one of them."""
        names = [each.cr_code.co_name if inspect.iscoroutine(each) else "" for each in standing_in]
        if _ALL not in names:
            return False
        within = filter(inspect.iscoroutine, standing_in[names.index(_ALL) :])
        return all(any(each is self._replies for each in gc.get_referents(one)) for one in within)


def _standing_in(task: "Task[object] | Task[None]") -> Iterator[object]:
    """All coroutines, generators, and what stands between them, that a task is in, the outermost first."""
    link: object = task.get_coro()
    while link is not None and not isinstance(link, Future):
        yield link
        if inspect.iscoroutine(link):
            link = link.cr_await
        elif inspect.isasyncgen(link):
            link = link.ag_await
        elif inspect.isgenerator(link):
            link = link.gi_yieldfrom
        else:  # made by `__await__`, or one step of an async generator
            link = next(filter(_is_inner, gc.get_referents(link)), None)


def _is_inner(each: object) -> bool:
    return isinstance(each, Future) or any(
        kind(each) for kind in (inspect.iscoroutine, inspect.isasyncgen, inspect.isgenerator)
    )


def _ends_a_block(each: object) -> bool:
    return any(map(_is_end_of_block, gc.get_referents(each)))


def _is_end_of_block(each: object) -> bool:
    """Whether it is what a ``with`` block is going to call at its end."""
    return isinstance(each, _ROUTINES) and each.__name__ in {"__exit__", "__aexit__"}
