"""Deadlocks: runs that wait for themselves, found when nothing moves.

A wait costs two assignments: the task that is going to wait notes what it waits for (:func:`record_wait`).
As long as any task of a context waits, a watch looks now and then at all notes, and at what each awaited
stream waits for in turn. On an ordinary event loop it looks twice a second, and takes a wait into account
that was there the last time, too; on one with virtual time it looks when the loop is idle, which is when
time is about to jump.

It claims only what these notes tell:

* A circle in which every run waits in its **own task**, and no run of it has another task or callback that
  could still reply for it, cannot be left: ``DeadlockError`` is raised in one of its runs.
* A circle that goes through a task that a run has **made** (``gather``, a task group) is logged once with its
  names and not raised: whether the run waits for that task is asyncio's secret.
* Anything else (events, queues, locks) is not seen.

Whether a run has another task is known without asking asyncio: what a run makes inherits its context
variables, and in these a token of the run (:class:`RunToken`). When a circle is suspected, the run's own task
is given a new token; if somebody still holds the old one, another task or callback of the run is alive.
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

INTERVAL: Final = 0.45  # seconds between two looks: a wait is found stuck by its second look, within a second
SHARE: Final = 50  # of the time at most one part in so many is spent on looking


class Awaited(Protocol):
    """A stream that is waited for."""

    @property
    def producer(self) -> Producer | None:
        """What has to act before it can grow or end."""
        ...


class RunToken:
    """What everything that a run starts inherits: by this it is known whose it is.

    Args:
        producer: the run, or another task that produces a stream.
    """

    __slots__ = ("__weakref__", "producer")

    def __init__(self, producer: "WaitingTask") -> None:
        self.producer: WaitingTask = producer


CURRENT_TOKEN: ContextVar[RunToken | None] = ContextVar("miniagents_token", default=None)
"""The token of the run in which this is, or that started what is running here; None outside of every run."""


class IdleLoop(Protocol):
    """An event loop that tells when nothing on it is ready, before time goes on."""

    def call_when_idle(self, callback: Callable[[], bool]) -> None:
        """Call ``callback`` each time nothing is ready; it tells whether to look again before waiting."""
        ...

    def forget_idle(self, callback: Callable[[], bool]) -> None:
        """Call ``callback`` no more."""
        ...


class WaitingTask:
    """What a task that produces a stream notes of its waits.

    Attributes:
        context: owns the task.
        task: the asyncio task, None before it begins and after it has ended.
        variables: the context variables of the task, None after it has ended.
        waiting: the Future that its own task awaits, or has awaited last.
        waiting_for: the stream that this is about.
        waits_aside: the same of tasks that it has made.
    """

    __slots__ = ("_former", "context", "variables", "waiting", "waiting_for", "waits_aside")

    task: "asyncio.Task[None] | None"

    def __init__(self, context: Context) -> None:
        self.context: Context = context
        self.variables: Variables | None = copy_context()
        self.waiting: Future[None] | None = None
        self.waiting_for: Awaited | None = None
        self.waits_aside: WeakKeyDictionary[object, tuple[Awaited, Future[None]]] | None = None
        self._former: tuple[ReferenceType[RunToken], ...] = ()  # tokens that its helpers still hold

    def mark_as_current(self) -> None:
        """The task has begun: what is started in it from now on inherits its token.

        Not before: ten thousand tasks that wait for their first step would be thirty thousand objects more
        for the garbage collector to look at.
        """
        CURRENT_TOKEN.set(RunToken(self))

    @property
    def name(self) -> str:
        """How it is called in errors and logs."""
        raise NotImplementedError

    def blocked_by(self) -> Producer | None:
        """The producer of what its own task waits for, None if that does not wait for a stream."""
        if self.waiting is None or self.waiting_for is None or self.waiting.done():
            return None
        return self.waiting_for.producer

    def open_waits_aside(self) -> "list[tuple[Awaited, Future[None]]]":
        """What tasks that it has made wait for right now, and how."""
        waits = () if self.waits_aside is None else tuple(self.waits_aside.values())
        return [(buffer, future) for buffer, future in waits if not future.done()]

    def has_helpers(self) -> bool:
        """Whether anything but its own task carries its token: a task that it made, a callback."""
        if self.variables is None:
            return False
        former = (*self._former, ref(cast("RunToken", self.variables[CURRENT_TOKEN])))
        self.variables.run(CURRENT_TOKEN.set, RunToken(self))
        self._former = tuple(token for token in former if token() is not None)
        return bool(self._former)

    def forget_waits(self) -> None:
        """Note that it has ended. Its variables know it: what has ended should need no garbage collector."""
        self.waiting = self.waiting_for = self.waits_aside = self.variables = None
        self._former = ()


def current_producer() -> WaitingTask | None:
    """The task that produces a stream and in which this is, or that has made the task in which this is."""
    token = CURRENT_TOKEN.get()
    return None if token is None else token.producer


def record_wait(buffer: Awaited, future: "Future[None]") -> None:
    """Note that the running task is about to wait for ``buffer`` through ``future``.

    Args:
        buffer: what has to grow or to end.
        future: what the task is going to await.
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
        return  # the run has ended, or this is in another thread
    else:
        if producer.waits_aside is None:
            producer.waits_aside = WeakKeyDictionary()
        producer.waits_aside[task] = buffer, future
    watch = cast("DeadlockWatch | None", producer.context.watch)
    if watch is None:
        if producer.context.ended:  # and has left this run behind
            return
        producer.context.watch = watch = DeadlockWatch(producer.context)
    watch.changed = True


class DeadlockWatch:
    """Looks for circles among the waits of one context, as long as there are any.

    Args:
        context: whose tasks are looked at.

    Attributes:
        changed: a wait was noted since the last look.
    """

    __slots__ = ("_context", "_last", "_logged", "_loop", "_suspects", "_timer", "changed")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._loop = context.loop
        # Futures and not tasks: what has ended must not be held until the next look.
        self._last: set[Future[None]] = set()
        self._logged: set[tuple[str, ...]] = set()
        self._timer: TimerHandle | None = None
        self._suspects = False  # there is a circle with helpers, which may end without a wait
        self.changed: bool = True
        idle = self._idle_loop()
        if idle is None:
            self._timer = self._loop.call_later(INTERVAL, self._look, context=Variables())
        else:
            idle.call_when_idle(self._look_when_idle)

    def _idle_loop(self) -> IdleLoop | None:
        return cast("IdleLoop", self._loop) if hasattr(self._loop, "call_when_idle") else None

    def stop(self) -> None:
        """Look no more."""
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
            self.stop()  # the next wait begins anew
            return
        self._last &= waits
        if self._last:
            self._find()
        self._last = waits
        pause = max(INTERVAL, SHARE * (self._loop.time() - begun))
        self._timer = self._loop.call_later(pause, self._look, context=Variables())

    def _waits(self) -> "Iterator[Future[None]]":
        """What the tasks of the context, and tasks that they have made, await that wait for a stream."""
        for task in cast("Iterable[WaitingTask]", self._context.tasks):
            future = task.waiting
            if future is not None and not future.done():
                yield future
            if task.waits_aside:
                yield from (future for _, future in task.open_waits_aside())

    # -- circles -----------------------------------------------------------------------------------------

    def _find(self) -> bool:
        """Look at every wait that is old enough, each stream between them once; whether a run was told."""
        seen: set[int] = set()
        told = False
        for task in cast("Iterable[WaitingTask]", tuple(self._context.tasks)):
            if task.waiting in self._last and id(task) not in seen:
                circle = _circle(task, seen)
                if circle is not None:
                    told = self._judge(circle) or told
        aside = [task for task in cast("Iterable[WaitingTask]", self._context.tasks) if task.waits_aside]
        for circle in _circles_aside(aside, self._last):
            self._log(circle)
        return told

    def _judge(self, circle: "list[Producer]") -> bool:
        runs = [each for each in circle if isinstance(each, WaitingTask) and _has_task(each)]
        if not all(run.waiting in self._last for run in runs):
            return False  # one of them has just begun to wait: look again later
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
        # Wherever it begins it is the same circle.
        at = names.index(min(names)) if names else 0
        same = names[at:] + names[:at]
        if same not in self._logged:
            self._logged.add(same)
            logger.warning(
                "%s: these may wait for each other for ever. At least one of them has made a task, which "
                "waits or may still reply; if the run itself waits for that task, await something else.",
                _told(circle),
            )


def _circle(start: WaitingTask, seen: set[int]) -> "list[Producer] | None":
    """The circle of producers that ``start`` waits in or for; None if there is none, or it is known."""
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
    """Whether a producer is a run with a task, which can be told; a run without is a link with a name."""
    return isinstance(producer, WaitingTask) and producer.task is not None


def _circles_aside(runs: "Iterable[WaitingTask]", lasting: "set[Future[None]]") -> "Iterator[list[Producer]]":
    """Circles in which a run waits in a task that it has made; one for each wait that closes any.

    Args:
        runs: which have made tasks that wait.
        lasting: the waits that are old enough; a task that is handed a piece every now and then is well.
    """
    done: set[int] = set()
    for run in runs:
        if id(run) in done:
            continue
        # Depth first, each wait once: who is on the way, the waits of each that are left, whether aside.
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
    """What blocks a producer, and whether that is a wait of a task that it has made."""
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
    """The names of those between, if ``producer`` waits, through links of streams, for ``waiter``; else None.

    For what is written from another stream without a task: it would follow itself for ever.

    Args:
        producer: of the stream that is going to be read.
        waiter: what is going to read it.
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
            return None  # the watch sees what tasks wait for
        producer = producer.blocked_by()
    return None
