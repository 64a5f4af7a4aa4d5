"""Deadlocks: finds runs that wait for themselves.

A wait costs two assignments: before a task waits, it notes what it waits for (:func:`record_wait`). While any
task of a context waits, a watch regularly checks all notes, and what each awaited stream waits for in turn.
On an ordinary event loop it checks twice a second, and counts only waits that it also saw the time before. On
a loop with virtual time it checks when the loop is idle, just before time jumps.

What it can report with these notes:

* A circle in which every run waits in its **own task**, and no run has another task or callback that could
  still reply for it, is a certain deadlock: ``DeadlockError`` is raised in one of its runs.
* A circle that goes through a task that a run has **made** (``gather``, a task group), or through its
  subscription to its own replies, is only logged, once, with its names: asyncio does not show whether the run
  waits for that task, or for what the subscriber does.
* Waits for anything else (events, queues, locks) are not seen.

The watch finds out by itself whether a run has another task: what a run makes inherits its context variables,
and in these a token of the run (:class:`RunToken`). When a circle is suspected, the run's own task gets a new
token. If anything still holds the old token, another task or callback of the run is alive.
"""

import asyncio
import logging
from asyncio import Future, TimerHandle
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context as Variables
from typing import Final, Protocol, cast
from weakref import WeakKeyDictionary

from miniagents.values import DeadlockError

from ._context import Context
from ._lifetime import CURRENT_TOKEN, Awaited, TaskLife
from ._protocols import Producer

logger = logging.getLogger("miniagents")

INTERVAL: Final = 0.45  # seconds between two checks; the second check of a wait, within a second, counts
SHARE: Final = 50  # checking takes at most one part in so many of the time


class IdleLoop(Protocol):
    """An event loop that reports when nothing on it is ready, before time goes on."""

    def call_when_idle(self, callback: Callable[[], bool]) -> None:
        """Call ``callback`` each time nothing is ready; it returns whether to check again before waiting."""
        ...

    def forget_idle(self, callback: Callable[[], bool]) -> None:
        """Stop calling ``callback``."""
        ...


def record_wait(buffer: Awaited, future: "Future[None]") -> None:
    """Note that the running task is about to wait for ``buffer`` through ``future``.

    Args:
        buffer: the stream that has to grow or to end.
        future: the Future that the task is going to await.
    """
    token = CURRENT_TOKEN.get()
    if token is None:
        return
    producer = token.producer
    if token.stop is not None and not _is_stopped(buffer):
        token.stop.end()
    task = asyncio.current_task()
    if producer.task is task:
        producer.waiting = future
        producer.waiting_for = buffer
    elif task is None or producer.task is None or not producer.context.in_loop_thread():
        return  # the run has ended, or this is another thread
    else:
        if producer.waits_aside is None:
            producer.waits_aside = WeakKeyDictionary()
        producer.waits_aside[task] = buffer, future
    context = producer.context
    if context.watch is None:
        _watch(context)
    else:  # without a call: once per token of a live source
        context.watch.changed = True


def _is_stopped(buffer: Awaited) -> bool:
    """Whether what writes ``buffer`` is being stopped, directly or through processors."""
    producer, seen = buffer.producer, set[int]()
    while producer is not None and not isinstance(producer, TaskLife) and id(producer) not in seen:
        seen.add(id(producer))
        producer = producer.blocked_by()
    return isinstance(producer, TaskLife) and producer.stop is not None


def record_subscription(buffer: Awaited) -> "Future[None] | None":
    """Note that the current run subscribes to ``buffer``, if the run itself has to act before that can end.

    The run may wait for what its subscriber does; asyncio does not show whether it does.

    Args:
        buffer: the stream.

    Returns:
        To be cancelled when the subscription ends; None if nothing was noted.
    """
    token = CURRENT_TOKEN.get()
    if token is None or token.producer.task is None or not token.producer.context.in_loop_thread():
        return None
    run, producer = token.producer, cast("object", buffer.producer)
    seen: set[int] = set()
    while producer is not None and producer is not run and id(producer) not in seen:
        seen.add(id(producer))
        producer = cast("Producer", producer).blocked_by()
    if producer is not run:
        return None
    future = run.context.future()
    run.subscriptions = {**(run.subscriptions or {}), future: buffer}
    _watch(run.context)
    return future


def _watch(context: Context) -> None:
    """Have the waits of ``context`` checked."""
    if context.watch is None:
        if context.ended:  # so the task belongs to this run no more
            return
        context.watch = DeadlockWatch(context)
    context.watch.changed = True


class DeadlockWatch:
    """Looks for circles among the waits of one context, while there are waits.

    Args:
        context: the context whose tasks it checks.

    Attributes:
        changed: whether a wait was noted since the last check.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._loop = context.loop
        # Futures and not tasks, so that an ended task is not held until the next check.
        self._last: set[Future[None]] = set()
        self._logged: set[tuple[str, ...]] = set()
        self._timer: TimerHandle | None = None
        self._suspects = False  # a circle has helpers, which may end without another wait
        self.changed: bool = True
        idle = self._idle_loop()
        if idle is None:
            self._timer = self._loop.call_later(INTERVAL, self._look, context=Variables())
        else:
            idle.call_when_idle(self._look_when_idle)

    def _idle_loop(self) -> IdleLoop | None:
        return cast("IdleLoop", self._loop) if hasattr(self._loop, "call_when_idle") else None

    def stop(self) -> None:
        """Stop checking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        idle = self._idle_loop()
        if idle is not None:
            idle.forget_idle(self._look_when_idle)
        self._context.watch = None

    def _look_when_idle(self) -> bool:
        if not self.changed and not self._suspects:
            return False
        self.changed = False
        self._suspects = False
        self._last = set(self._waits())
        return self._find()

    def _look(self) -> None:
        begun = self._loop.time()
        waits = set(self._waits())
        if not waits and not self._context.tasks:
            self.stop()  # the next wait starts it again
            return
        self._last &= waits
        if self._last:
            self._find()
        self._last = waits
        pause = max(INTERVAL, SHARE * (self._loop.time() - begun))
        self._timer = self._loop.call_later(pause, self._look, context=Variables())

    def _runs(self) -> list[TaskLife]:
        """Return the tasks of the context that write streams; calls of threads write none."""
        return [task for task in self._context.tasks if isinstance(task, TaskLife)]

    def _waits(self) -> "Iterator[Future[None]]":
        """Return the Futures that tasks of the context, and tasks that they have made, await for a stream."""
        for task in self._runs():
            future = task.waiting
            if future is not None and not future.done():
                yield future
            if task.waits_aside or task.subscriptions:
                yield from (future for _, future in task.open_waits_aside())

    # -- circles -----------------------------------------------------------------------------------------

    def _find(self) -> bool:
        """Check every wait that is old enough, each stream once; return whether a run got an error."""
        seen: set[int] = set()
        told = False
        for task in self._runs():
            if task.waiting in self._last and id(task) not in seen:
                circle = _circle(task, seen)
                if circle is not None:
                    told = self._judge(circle) or told
        aside = [task for task in self._runs() if task.waits_aside or task.subscriptions]
        for circle in _circles_aside(aside, self._last):
            self._log(circle)
        return told

    def _judge(self, circle: "list[Producer]") -> bool:
        runs = [each for each in circle if isinstance(each, TaskLife) and each.task is not None]
        if not all(run.waiting in self._last for run in runs):
            return False  # one of them has just begun to wait: check again later
        if any(run.has_helpers() for run in runs):
            self._suspects = True
            self._log(circle)
            return False
        run = runs[0]
        if run.waiting is None or run.waiting.done():
            return False
        run.waiting.set_exception(DeadlockError(_told(circle)))
        return True

    def _log(self, circle: "list[Producer]") -> None:
        names = tuple(each.name for each in circle if each.name)
        # The same circle, whichever run it begins with, is logged once.
        at = names.index(min(names)) if names else 0
        same = names[at:] + names[:at]
        if same not in self._logged:
            self._logged.add(same)
            logger.warning(
                "%s: these may wait for each other for ever. At least one of them has made a task or a "
                "subscription, which waits or may still reply; if the run itself waits for that, await "
                "something else.",
                _told(circle),
            )


def _circle(start: TaskLife, seen: set[int]) -> "list[Producer] | None":
    """Return the circle of producers in or for which ``start`` waits; None if there is no new one."""
    way: list[Producer] = []
    places: dict[int, int] = {}
    producer: Producer | None = cast("Producer", start)
    while producer is not None:
        place = places.get(id(producer))
        if place is not None:
            circle = way[place:]
            tasks = (
                at for at, each in enumerate(circle) if isinstance(each, TaskLife) and each.task is not None
            )
            first = next(tasks, None)
            return None if first is None else circle[first:] + circle[:first]
        if id(producer) in seen:
            return None
        seen.add(id(producer))
        places[id(producer)] = len(way)
        way.append(producer)
        producer = producer.blocked_by()
    return None


def _circles_aside(runs: "Iterable[TaskLife]", lasting: "set[Future[None]]") -> "Iterator[list[Producer]]":
    """Yield circles in which a run waits in a task that it has made, one for each wait that closes any.

    Args:
        runs: the runs that have made waiting tasks.
        lasting: the waits that are old enough; a task that gets a piece now and then is not stuck.
    """
    done: set[int] = set()
    for run in runs:
        if id(run) in done:
            continue
        # Depth first, each wait once: the producers on the path, the waits of each that are left, whether
        # aside.
        way: list[Producer] = [cast("Producer", run)]
        left = [_blockers(way[0], lasting)]
        places, asides = {id(run): 0}, [False]
        while way:
            producer, aside = next(left[-1], (None, False))
            if producer is None:
                gone = way.pop()
                left.pop()
                asides.pop()
                del places[id(gone)]
                done.add(id(gone))
            elif id(producer) in places:
                place = places[id(producer)]
                if aside or any(asides[place + 1 :]):
                    yield way[place:]
            elif id(producer) not in done:
                places[id(producer)] = len(way)
                way.append(producer)
                asides.append(aside)
                left.append(_blockers(producer, lasting))


def _blockers(producer: Producer, lasting: "set[Future[None]]") -> "Iterator[tuple[Producer, bool]]":
    """Yield the producers that block a producer, each with whether a task that it has made waits for it."""
    blocking = producer.blocked_by()
    if blocking is not None:
        yield blocking, False
    if isinstance(producer, TaskLife):
        for buffer, future in producer.open_waits_aside():
            if buffer.producer is not None and future in lasting:
                yield buffer.producer, True


def _told(circle: "list[Producer]") -> str:
    names = [each.name for each in circle if each.name]
    return " → ".join([*names, *names[:1]])


def waits_for(producer: Producer | None, waiter: Producer) -> "list[str] | None":
    """Return the names between ``producer`` and ``waiter`` if the first waits for the second through streams.

    Otherwise None. For streams that are written from others without a task: such a stream would read itself
    for ever.

    Args:
        producer: the producer of the stream to read.
        waiter: the reader.
    """
    names: list[str] = []
    seen: set[int] = set()
    while producer is not None and id(producer) not in seen:
        if producer is waiter:
            return names
        seen.add(id(producer))
        if producer.name:
            names.append(producer.name)
        if isinstance(producer, TaskLife):
            return None  # the watch sees the waits of tasks
        producer = producer.blocked_by()
    return None
