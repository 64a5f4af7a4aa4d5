"""``Gauge``: demand through the operators of reactivex, which have no word for it.

An operator passes the scheduler of its subscriber on to whatever it subscribes to, now or later. So the loop
scheduler of a terminal (what reads a pipe in the end) carries the terminal's gauge, and each source of ours
below finds it there. A source that can wait asks it how much room there is, and waits while there is none.

The rules:

1. There is no room if at least ``limit`` items were delivered to the terminal and not read.
2. An Observable as the newest item does not count: its reader needs the source.
3. A reader that waits for an item releases the other terminals that its task reads, for 1,024 items more
   each: what it waits for may come from them.
4. `connect` (share, publish, replay) takes a source out of its gauge: the first of several subscribers must
   not decide for all.
5. A terminal that leaves releases all sources.
6. A terminal that drops items, or fails at one too many, has no gauge. One that blocks waits for its reader
   for ever, and each source looks for room after each item, or each 64th of the capacity.
7. **A default never hangs.** A reader that stands still for a while, but neither in `asyncio.sleep` nor at a
   stream of ours, may wait for what a later item would bring. So there is more room for it then, four times
   as much after each further wait that is twice as long, until it goes on; a warning names the pipe once.
"""

import asyncio
import logging
from asyncio import Task, TimerHandle, get_running_loop
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextvars import Context as Variables, ContextVar, copy_context
from operator import length_hint
from types import AsyncGeneratorType, CellType, FunctionType, MethodType
from typing import Final, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary, WeakSet, ref

from reactivex import Observable, abc
from reactivex.subject import Subject
from typing_extensions import override

from miniagents.values import frames_within

from ._buffer import ReplayBuffer
from ._lifetime import Lifetime, goes_on
from ._scheduler import LoopScheduler
from ._threads import running_loop

T = TypeVar("T")

PATIENCE: Final = 1.0  # seconds; see rule 7
_MOST_PATIENCE: Final = 64.0  # seconds between two looks at a reader that sleeps
NO_LIMIT: Final = 1 << 60
_MORE: Final = 1_024  # items; see rule 3
_SHARE: Final = 64  # of the capacity of `Overflow.block`: see rule 6

logger = logging.getLogger("miniagents")


class Held(Protocol):
    """A source that waits."""

    @property
    def name(self) -> str:
        """Its name in a warning."""
        ...

    def go_on(self) -> None:
        """Look again whether there is room."""
        ...


class Gauge:
    """How much room a terminal has for further items.

    Args:
        limit: how many unread items there may be.
    """

    def __init__(self, limit: int) -> None:
        self.behind: WeakSet[QueueGauge] = WeakSet()
        self.limit = limit
        self.open: bool = False
        self.held: dict[Held, None] = {}
        self._extra = 0
        self._loop = get_running_loop()
        self._timer: TimerHandle | None = None
        self._patience = PATIENCE
        self._last: object = None
        self._warned = False

    # -- the terminal --------------------------------------------------------------------------------------

    def unread(self) -> int:
        """Return how many items were delivered and not read."""
        raise NotImplementedError

    def excused(self) -> bool:
        """Return whether there is room although it is full."""
        return False

    def reader(self) -> "Task[object] | None":
        """Return the task that reads; None if it is not known, or waits for a stream of ours that goes on."""
        return None

    def read(self) -> object:
        """Return what differs once the reader has taken a further item, if that is known."""
        return None

    def look(self) -> None:
        """Release the sources if there is room again; called when an item was read."""
        self.taken()
        if self.held and 2 * self.unread() <= self.limit:
            self.release()

    def look_behind(self) -> None:
        """Release the sources behind which less waits now."""
        for gauge in tuple(self.behind):
            gauge.look()

    def taken(self) -> None:
        """Note that the reader goes on."""
        self._extra = 0
        self._last = None

    def close(self) -> None:
        """Release all sources, for ever: the terminal has left, or takes everything."""
        self.open = True
        self.release()

    def release(self) -> None:
        """Let all sources look again."""
        self._be_patient()
        held, self.held = self.held, {}
        for each in held:
            each.go_on()

    def _be_patient(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._last = None
            self._patience = PATIENCE

    # -- the sources ---------------------------------------------------------------------------------------

    def room(self) -> int:
        """Return how many items may be delivered now; 0: the source must wait."""
        if self.open:
            return NO_LIMIT
        room = self.limit + self._extra - self.unread()
        if room > 0:
            return room
        return 1 if self.excused() else 0

    def hold(self, source: Held) -> None:
        """Note that a source waits until it is released."""
        self.held[source] = None
        self._wait()

    def go_on(self) -> None:
        """Look again whether there is room, for the sake of a gauge behind which this one waits."""
        if self.held and self.room() > 0:
            self.release()
        elif self.held:
            self._wait()

    def _wait(self) -> None:
        """See after a while whether the reader goes on."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._patience, self._lose_patience, context=Variables())

    def forget(self, source: Held) -> None:
        """Forget a source that has left."""
        self.held.pop(source, None)
        if not self.held and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _lose_patience(self) -> None:
        self._timer = None
        place = _place(self.reader())
        stands = place, self.read()
        if place is not None and stands == self._last:
            self._extra = max(4 * self._extra, self.limit, self.unread())
            self._patience *= 2
            if not self._warned:
                self._warned = True
                logger.warning(
                    "%s had to wait, because %d items were delivered and not read; but the reader waits for "
                    "something else. It may be a later item, so the source goes on, and memory may grow.",
                    " and ".join(sorted({each.name for each in self.held})),
                    self.unread(),
                )
            patience = self._patience
            self.release()
            self._patience, self._last = patience, stands
        else:
            self._patience = self._patience if place is not None else min(2 * self._patience, _MOST_PATIENCE)
            self._last = stands
            self._wait()


def _place(task: "Task[object] | None") -> object:
    """Return where a task stands; None if it has ended, sleeps, or waits for a stream of ours."""
    if task is None or task.done():
        return None
    frames = [*frames_within(task.get_coro())]
    if not frames:
        return None
    frame = frames[-1]
    module = str(frame.f_globals.get("__name__", ""))
    sleeps = frame.f_code.co_name == "sleep" and module.startswith("asyncio.")
    return None if sleeps or module.startswith("miniagents.") else (id(frame), frame.f_lasti)


_PUSHING: ContextVar["tuple[ref[Gauge], ref[Variables]] | None"] = ContextVar(
    "miniagents_pushing", default=None
)


def variables_of(gauge: Gauge | None) -> Variables:
    """Return a copy of the context variables for what a source pushes; `source_waits` asks them.

    Args:
        gauge: that of the source; None if nothing limits it.
    """
    variables = copy_context()
    if gauge is not None:
        variables.run(_PUSHING.set, (ref(gauge), ref(variables)))
    return variables


def source_waits() -> bool:
    """Return whether the source that pushes now can wait, and will wait after this item."""
    pushing = _PUSHING.get()
    gauge, variables = (None, None) if pushing is None else (pushing[0](), pushing[1]())
    if gauge is None or variables is None or gauge.room() > 0:
        return False
    try:
        variables.run(bool)
    except RuntimeError:  # it is entered: the source pushes
        return True
    return False  # a task or a timer that an item has begun has a copy


class TaskTerminals:
    """The terminals that one task reads, and the one whose next item it waits for.

    Attributes:
        readers: its readers of other streams of ours, and these.
    """

    def __init__(self, task: "Task[object] | None") -> None:
        self.task = None if task is None else ref(task)
        self.gauges: WeakSet[TerminalGauge] = WeakSet()
        self.hungry: TerminalGauge | None = None
        self.readers: WeakKeyDictionary[AsyncGenerator[object], Lifetime[object]] = WeakKeyDictionary()

    def read_with(self, reader: AsyncGenerator[T], stream: Lifetime[T]) -> None:
        """Note a new reader, if it is of this task: a frame does not show for what its `async for` waits."""
        loop = running_loop()  # None in a thread of the task
        if self.task is not None and loop is not None and self.task() is asyncio.current_task(loop):
            self.readers[reader] = cast("Lifetime[object]", stream)

    def standing(self) -> "Task[object] | None":
        """Return the task; None if there is none, or if it waits for a stream of ours that goes on."""
        for reader, stream in self.readers.items():
            if cast("AsyncGeneratorType[object]", reader).ag_running and goes_on(stream.producer):
                return None
        return None if self.task is None else self.task()


TERMINALS: ContextVar[TaskTerminals | None] = ContextVar("miniagents_terminals", default=None)


def _terminals_here() -> TaskTerminals:
    task = asyncio.current_task()
    terminals = TERMINALS.get()
    if terminals is None or terminals.task is None or terminals.task() is not task:
        terminals = TaskTerminals(task)
        TERMINALS.set(terminals)
    return terminals


class TerminalGauge(Gauge):
    """The gauge of an async iterator over an Observable.

    Args:
        limit: how many unread items there may be.
        items: the items that were delivered.
    """

    def __init__(self, limit: int, items: Sequence[T] | deque[T]) -> None:
        super().__init__(limit)
        self._items: Sequence[object] | deque[object] = cast("deque[object]", items)
        self.batch: Iterator[object] = iter(())
        self._newest: object = None
        self._terminals: TaskTerminals | None = None

    def take(self, batch: list[T]) -> Iterator[T]:
        """Return an iterator of items that the reader takes one by one; it counts as read what it yields."""
        if batch:
            self._newest = batch[-1]
            if self.held:
                self.read_here()
        taken = iter(batch)
        self.batch = taken
        return taken

    @override
    def read(self) -> object:
        return self.batch, length_hint(self.batch)

    @override
    def unread(self) -> int:
        return len(self._items) + length_hint(self.batch)

    @override
    def excused(self) -> bool:
        newest = self._items[-1] if self._items else self._newest
        if isinstance(newest, Observable):
            return True
        terminals = self._terminals
        if terminals is None or self.unread() >= self.limit + _MORE:
            return False
        return terminals.hungry not in {None, self}

    @override
    def reader(self) -> "Task[object] | None":
        terminals = self._terminals
        return None if terminals is None or terminals.hungry is self else terminals.standing()

    def read_here(self) -> None:
        """Note the task that reads from now on."""
        terminals = self._terminals = _terminals_here()
        terminals.gauges.add(self)

    def wait(self) -> TaskTerminals:
        """Note that the reader waits for an item; the caller sets `hungry` to None after it."""
        if self.held:
            self.look()
        if self.behind:
            self.look_behind()
        terminals = _terminals_here()
        if terminals is not self._terminals:
            self.read_here()
        terminals.hungry = self
        if len(terminals.gauges) > 1:
            for gauge in tuple(terminals.gauges):
                if gauge is not self and gauge.held:
                    gauge.go_on_for_another()
        return terminals

    def go_on_for_another(self) -> None:
        """Look again whether there is room, since the reader waits for an item of another terminal now."""
        self._be_patient()
        self.go_on()

    @override
    def close(self) -> None:
        super().close()
        if self._terminals is not None:
            self._terminals.gauges.discard(self)
            if self._terminals.hungry is self:
                self._terminals.hungry = None


class BlockingGauge(TerminalGauge):
    """The gauge of an async iterator with `Overflow.block`."""

    @override
    def room(self) -> int:
        return min(super().room(), 1 + self.limit // _SHARE)

    @override
    def _wait(self) -> None:
        """Wait for ever, as a thread does."""


class BufferGauge(Gauge):
    """The gauge of a buffer that is written from an Observable: its own demand, and that of what it leads to.

    Args:
        buffer: the buffer.
    """

    def __init__(self, buffer: ReplayBuffer[T]) -> None:
        super().__init__(buffer.context.prefetch)
        self._buffer: ReplayBuffer[object] = buffer  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue] - only counted
        buffer.written_by(self)

    @override
    def unread(self) -> int:
        return self.limit - self._buffer.room()

    @override
    def look(self) -> None:
        self.taken()
        if self.held and self.room() > 0:
            self.release()

    @override
    def reader(self) -> "Task[object] | None":
        return self._buffer.reading_task()


class QueueGauge(Gauge):
    """The gauge of one source in front of operators that keep its items until another source has some.

    Args:
        end: that of the terminal.
        queues: where items of the source wait.
    """

    name = "a source that is ahead of another one"

    def __init__(self, end: Gauge, queues: list[list[object]]) -> None:
        super().__init__(end.limit)
        self._end = end
        self._queues = queues
        end.behind.add(self)

    @override
    def unread(self) -> int:
        return max(len(queue) for queue in self._queues)

    @override
    def room(self) -> int:
        return min(super().room(), self._end.room())

    @override
    def _wait(self) -> None:
        if self._end.room() <= 0:
            self._end.hold(self)
        super()._wait()

    @override
    def forget(self, source: Held) -> None:
        super().forget(source)
        if not self.held:
            self._end.forget(self)

    @override
    def look(self) -> None:
        if self.held and 2 * self.unread() <= self.limit:
            self.taken()
            self.go_on()

    @override
    def look_behind(self) -> None:
        self._end.look_behind()

    @override
    def _lose_patience(self) -> None:
        # The other source may wait for what a later item of this one brings: a few more, less and less often.
        self._timer = None
        self.look()
        if not self.held:
            return
        if self._end.room() > 0 and self._last == self.unread():
            self._extra += self.limit
            patience = 2 * self._patience
            self.release()
            self._patience = patience
        else:
            self._last = self.unread()
            self._wait()


def gauge_of(scheduler: abc.SchedulerBase | None, observer: object) -> Gauge | None:
    """Return the gauge of the terminal that a new subscription ends in; None if nothing limits it.

    Args:
        scheduler: that of the subscription.
        observer: that of the subscription, or its `on_next`.
    """
    if not isinstance(scheduler, LoopScheduler) or scheduler.gauge is None:
        return None
    queues = _queues_behind(observer)
    if queues is None:
        return None
    return QueueGauge(scheduler.gauge, queues) if queues else scheduler.gauge


def _queues_behind(observer: object) -> list[list[object]] | None:
    """Return where items wait behind some operators of reactivex; None if a `Subject` gets them.

    A Subject is what `connect` subscribes with. Operators keep their observers in closures: no frame has to
    be looked at, and what is not known counts as not shared. `zip` and `merge(max_concurrent)` keep the items
    of a source that is ahead of the others, without a limit.
    """
    queues: list[list[object]] = []
    seen: set[int] = set()
    left: list[object] = [observer]
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, MethodType):
            each = each.__self__
            if isinstance(each, Subject):
                return None
        if isinstance(each, abc.ObserverBase):
            observer = cast("object", each)
            left += [getattr(observer, name) for name in _FOLLOWED if hasattr(observer, name)]
        elif isinstance(each, FunctionType) and each.__module__.startswith("reactivex."):
            cells = zip(each.__code__.co_freevars, each.__closure__ or (), strict=False)
            held = {name: cell.cell_contents for name, cell in cells if cell != _EMPTY}
            # A Subject here was given by a user, as the stream that ends another one.
            left += [one for one in held.values() if not isinstance(_owner_of(one), Subject)]
            queue = _queue_of(each.__module__, held)
            if queue is not None:
                queues.append(queue)
    return queues


def _queue_of(module: str, held: Mapping[str, object]) -> list[object] | None:
    """Return the list in which an operator of reactivex keeps what waits for another source."""
    queue: object = None
    if module == "reactivex.observable.zip" and isinstance(held.get("queues"), list):
        place, queues = held.get("i"), cast("list[object]", held["queues"])
        queue = queues[place] if isinstance(place, int) else None
    elif module == "reactivex.operators._merge" and isinstance(held.get("max_concurrent"), int):
        queue = held.get("queue")
    return cast("list[object]", queue) if isinstance(queue, list) else None


def _owner_of(function: object) -> object:
    return function.__self__ if isinstance(function, MethodType) else function


_EMPTY: Final = CellType()
_FOLLOWED: Final = ("_on_next", "observer")
