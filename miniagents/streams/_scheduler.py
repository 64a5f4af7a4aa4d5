"""The loop scheduler: the time of reactivex on an event loop.

The schedulers of reactivex measure wall time, and its operators with time start a thread for each timer. This
one has the clock of the loop, so `debounce` or `interval` starts no thread, takes no time under virtual time,
and calls back where everything else runs. Work without a delay stays on the trampoline of the thread, as with
the default scheduler of reactivex: a source that emits all its items while it is subscribed to still does.

Operators pass the scheduler of a subscription on to what they subscribe to, so it suffices to pass it once.
"""

from asyncio import Handle, get_running_loop
from contextvars import copy_context
from copy import copy
from datetime import datetime, timedelta
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, TypeVar, cast

from reactivex import abc, typing
from reactivex.disposable import Disposable, MultipleAssignmentDisposable
from reactivex.internal.basic import default_now
from reactivex.internal.constants import UTC_ZERO
from reactivex.scheduler import CurrentThreadScheduler
from reactivex.scheduler.periodicscheduler import PeriodicScheduler
from reactivex.scheduler.scheduleditem import ScheduledItem
from typing_extensions import override

from ._threads import running_loop

if TYPE_CHECKING:
    from ._gauge import Gauge

S = TypeVar("S")

_SECOND = timedelta(seconds=1)


def loop_scheduler() -> PeriodicScheduler:
    """Return a scheduler with the time of the running event loop, for ``subscribe`` of plain reactivex.

    The places of this library that subscribe to an Observable pass one already. Use it where you subscribe
    yourself: ``pipe.subscribe(print, scheduler=loop_scheduler())``. Then ``interval``, ``debounce``,
    ``buffer_with_time`` and all other operators with time use timers of the loop; no thread is started.

    * Delayed work runs in the context variables that are set where this function is called.
    * Work without a delay runs at once, as with the default scheduler of reactivex.
    * It may be used from other threads.
    * Its ``now`` runs with the clock of the loop; under virtual time it begins in 1970.

    Raises:
        RuntimeError: no event loop is running.

    Example:
        >>> import asyncio
        >>> import reactivex as rx
        >>> from reactivex import operators as ops
        >>> from miniagents.streams import loop_scheduler
        >>> from miniagents.testing import virtual_time
        >>> async def main():
        ...     ticks = rx.interval(60).pipe(ops.take(3))
        ...     ticks.subscribe(print, scheduler=loop_scheduler())
        ...     await asyncio.sleep(200)
        >>> with virtual_time():
        ...     asyncio.run(main())
        0
        1
        2
    """
    if running_loop() is None:
        raise RuntimeError(
            "loop_scheduler() was called where no event loop is running; call it inside an async function, "
            "where you subscribe."
        )
    return LoopScheduler()


class LoopScheduler(PeriodicScheduler):
    """What :func:`loop_scheduler` returns; for one subscription, and everything that it subscribes to.

    Args:
        gauge: how much room there is where the pipe ends; None if nothing limits it.
    """

    def __init__(self, gauge: "Gauge | None" = None) -> None:
        super().__init__()
        self.gauge: Gauge | None = gauge
        self._loop = get_running_loop()
        self._thread = get_ident()
        self._variables = copy_context()
        self._trampoline = CurrentThreadScheduler.singleton().get_trampoline()
        # Dates that users give are those of the calendar, but a test must not depend on today's.
        virtual = hasattr(self._loop, "call_when_idle")
        elapsed = timedelta(seconds=self._loop.time())
        self._epoch: datetime = UTC_ZERO if virtual else default_now() - elapsed

    @property
    @override
    def now(self) -> datetime:
        """The time of the loop as a date, in whole microseconds."""
        return self._epoch + timedelta(seconds=self._loop.time())

    @override
    def schedule(self, action: abc.ScheduledAction[S], state: S | None = None) -> abc.DisposableBase:
        """Run an action at once, or after the undelayed one that is running."""
        # In its order among the work of other schedulers.
        item: ScheduledItem = ScheduledItem(_ALWAYS, (self, state), action, default_now())
        if get_ident() == self._thread:
            self._trampoline.run(item)
        else:
            CurrentThreadScheduler.singleton().get_trampoline().run(item)
        return item.disposable

    @override
    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run an action in a turn of the loop, after a delay in seconds."""
        return self.schedule_absolute(self.now + self.to_timedelta(duetime), action, state)

    @override
    def schedule_absolute(
        self, duetime: typing.AbsoluteTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run an action in a turn of the loop, at a time."""
        # By dates in whole microseconds, so that what is due at the same time has the same time.
        due = max(self.to_datetime(duetime), self.now)
        begun = MultipleAssignmentDisposable()  # of the timer, then of what the action begins

        def start() -> None:
            if not begun.is_disposed:
                when = (due - self._epoch) / _SECOND
                handle = self._loop.call_at(when, run, context=self._variables.copy())
                begun.disposable = Disposable(partial(self._cancel, handle))

        def run() -> None:
            if not begun.is_disposed:
                begun.disposable = self.invoke_action(action, state)

        if get_ident() == self._thread:
            start()
        else:
            self._loop.call_soon_threadsafe(start, context=self._variables)
        return begun

    @override
    def schedule_periodic(
        self, period: typing.RelativeTime, action: typing.ScheduledPeriodicAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run an action again and again; a tick that is late does not delay the ones after it."""
        step = self.to_timedelta(period)
        due = self.now + step
        running = MultipleAssignmentDisposable()

        def tick(_: abc.SchedulerBase, state: S | None = None) -> None:
            nonlocal due
            if running.is_disposed:
                return
            try:
                state = action(state)
            except BaseException:
                running.dispose()
                raise
            due = max(due + step, self.now)
            running.disposable = self.schedule_absolute(due, tick, state)

        running.disposable = self.schedule_absolute(due, tick, state)
        return running

    def with_gauge(self, gauge: "Gauge") -> "LoopScheduler":
        """Return the same scheduler with another gauge."""
        other = copy(self)
        other.gauge = gauge
        return other

    def _cancel(self, handle: Handle) -> None:
        """Cancel a timer, from any thread."""
        if get_ident() == self._thread:
            handle.cancel()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(handle.cancel)


class _Always:
    """The clock of undelayed work: it is always due."""

    __slots__ = ()

    now: datetime = datetime.max.replace(tzinfo=UTC_ZERO.tzinfo)

    def invoke_action(
        self, action: abc.ScheduledAction[S], state: "tuple[LoopScheduler, S | None]"
    ) -> abc.DisposableBase | None:
        """Do the work with its own scheduler; return what disposes of what it has begun."""
        begun = action(*state)
        return begun if isinstance(begun, abc.DisposableBase) else None


_ALWAYS = cast("PeriodicScheduler", _Always())  # the trampoline needs no more of a scheduler
