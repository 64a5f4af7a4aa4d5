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
from contextvars import Context as Variables, ContextVar, copy_context
from typing import Final, Protocol, cast
from weakref import ReferenceType, WeakKeyDictionary, ref

from miniagents.values import DeadlockError

from ._context import Context
from ._protocols import Producer

logger = logging.getLogger("miniagents")

INTERVAL: Final = 0.45  # seconds between two checks; the second check of a wait, within a second, counts
SHARE: Final = 50  # checking takes at most one part in so many of the time


class Awaited(Protocol):
    """A stream that a task waits for."""

    @property
    def producer(self) -> Producer | None:
        """The producer, which has to act before the stream can grow or end."""
        ...


class RunToken:
    """A token that everything a run starts inherits; it shows to which run a task or callback belongs.

    Args:
        producer: the run, or another task that produces a stream.
    """

    __slots__ = ("__weakref__", "producer")

    def __init__(self, producer: "WaitingTask") -> None:
        self.producer: WaitingTask = producer


CURRENT_TOKEN: ContextVar[RunToken | None] = ContextVar("miniagents_token", default=None)
"""The token of the current run, or of the run that started the current task; None outside of every run."""


class IdleLoop(Protocol):
    """An event loop that reports when nothing on it is ready, before time goes on."""

    def call_when_idle(self, callback: Callable[[], bool]) -> None:
        """Call ``callback`` each time nothing is ready; it returns whether to check again before waiting."""
        ...

    def forget_idle(self, callback: Callable[[], bool]) -> None:
        """Stop calling ``callback``."""
        ...


class WaitingTask:
    """The notes of a task that produces a stream about its waits.

    Attributes:
        context: the owner of the task.
        task: the asyncio task, None before it begins and after it has ended.
        variables: the context variables of the task, None after it has ended.
        waiting: the Future that its own task awaits, or has awaited last.
        waiting_for: the stream for which it waits.
        waits_aside: the waits of tasks that it has made.
        subscriptions: its subscriptions to streams that wait for it, each until it is disposed of.
    """

    __slots__ = ("_former", "context", "subscriptions", "variables", "waiting", "waiting_for", "waits_aside")

    task: "asyncio.Task[None] | None"

    def __init__(self, context: Context) -> None:
        self.context: Context = context
        self.variables: Variables | None = copy_context()
        self.waiting: Future[None] | None = None
        self.waiting_for: Awaited | None = None
        self.waits_aside: WeakKeyDictionary[object, tuple[Awaited, Future[None]]] | None = None
        self.subscriptions: dict[Future[None], Awaited] | None = None
        self._former: tuple[ReferenceType[RunToken], ...] = ()  # tokens that its helpers still hold

    def mark_as_current(self) -> None:
        """Note that the task has begun: everything that it starts from now on inherits its token.

        Not before: for ten thousand tasks that wait for their first step, the garbage collector would have to
        traverse thirty thousand objects more.
        """
        CURRENT_TOKEN.set(RunToken(self))

    @property
    def name(self) -> str:
        """Its name in errors and logs."""
        raise NotImplementedError

    def blocked_by(self) -> Producer | None:
        """The producer of the stream for which its own task waits; None if it waits for no stream."""
        if self.waiting is None or self.waiting_for is None or self.waiting.done():
            return None
        return self.waiting_for.producer

    def open_waits_aside(self) -> "list[tuple[Awaited, Future[None]]]":
        """Return the present waits of tasks that it has made."""
        waits = [] if self.waits_aside is None else list(self.waits_aside.values())
        if self.subscriptions and self.blocked_by() is None:  # else its own task waits for something else
            waits += [(buffer, future) for future, buffer in self.subscriptions.items()]
        return [(buffer, future) for buffer, future in waits if not future.done()]

    def has_helpers(self) -> bool:
        """Return whether anything but its own task has its token: a task that it made, or a callback."""
        if self.variables is None:
            return False
        former = (*self._former, ref(cast("RunToken", self.variables[CURRENT_TOKEN])))
        self.variables.run(CURRENT_TOKEN.set, RunToken(self))
        self._former = tuple(token for token in former if token() is not None)
        return bool(self._former)

    def forget_waits(self) -> None:
        """Note that it has ended. Its variables refer to it; dropping them avoids a garbage collection."""
        self.waiting = self.waiting_for = self.waits_aside = self.subscriptions = self.variables = None
        self._former = ()


def current_producer() -> WaitingTask | None:
    """Return the producing task in which the caller runs, or that has made the task of the caller."""
    token = CURRENT_TOKEN.get()
    return None if token is None else token.producer


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
    _watch(producer.context)


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

    __slots__ = ("_context", "_last", "_logged", "_loop", "_suspects", "_timer", "changed")

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

    def _waits(self) -> "Iterator[Future[None]]":
        """Return the Futures that tasks of the context, and tasks that they have made, await for a stream."""
        for task in cast("Iterable[WaitingTask]", self._context.tasks):
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
        for task in cast("Iterable[WaitingTask]", tuple(self._context.tasks)):
            if task.waiting in self._last and id(task) not in seen:
                circle = _circle(task, seen)
                if circle is not None:
                    told = self._judge(circle) or told
        aside = [
            task
            for task in cast("Iterable[WaitingTask]", self._context.tasks)
            if task.waits_aside or task.subscriptions
        ]
        for circle in _circles_aside(aside, self._last):
            self._log(circle)
        return told

    def _judge(self, circle: "list[Producer]") -> bool:
        runs = [each for each in circle if isinstance(each, WaitingTask) and _has_task(each)]
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


def _circle(start: WaitingTask, seen: set[int]) -> "list[Producer] | None":
    """Return the circle of producers in or for which ``start`` waits; None if there is no new one."""
    way: list[Producer] = []
    places: dict[int, int] = {}
    producer: Producer | None = cast("Producer", start)
    while producer is not None:
        place = places.get(id(producer))
        if place is not None:
            circle = way[place:]
            tasks = (
                at
                for at, each in enumerate(circle)
                if isinstance(each, WaitingTask) and each.task is not None
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


def _has_task(producer: Producer) -> bool:
    """Return whether a producer is a run with a task, in which an error can be raised."""
    return isinstance(producer, WaitingTask) and producer.task is not None


def _circles_aside(runs: "Iterable[WaitingTask]", lasting: "set[Future[None]]") -> "Iterator[list[Producer]]":
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
    if isinstance(producer, WaitingTask):
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
        if isinstance(producer, WaitingTask):
            return None  # the watch sees the waits of tasks
        producer = producer.blocked_by()
    return None
