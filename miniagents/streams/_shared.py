"""``shared``: one subscription for several subscribers, whose demand the source knows."""

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Generic, Literal, TypeAlias, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable, SerialDisposable, SingleAssignmentDisposable
from typing_extensions import override

from miniagents.values import WrongLoopError

from ._context import context_here
from ._gauge import NO_LIMIT, Gauge, gauge_of
from ._safe_observer import SafeObserver
from ._scheduler import LoopScheduler
from ._threads import running_loop

T = TypeVar("T")

Pace: TypeAlias = Literal["fastest", "slowest"]


class SharedGauge(Gauge):
    """The gauge of several subscribers: that of the fastest or of the slowest one.

    Args:
        limit: how many unread items there may be.
        pace: whom the source waits for.

    Attributes:
        gauges: that of each subscriber; None for one that takes everything.
    """

    name = "share_bounded"

    def __init__(self, limit: int, pace: Pace) -> None:
        super().__init__(limit)
        self._pace = pace
        self.gauges: list[Gauge | None] = []

    @override
    def room(self) -> int:
        if self.open:
            return NO_LIMIT
        rooms = [NO_LIMIT if gauge is None else gauge.room() for gauge in self.gauges]
        if not rooms:
            return NO_LIMIT  # it goes on until its grace is over
        return max(rooms) if self._pace == "fastest" else min(rooms)

    @override
    def _wait(self) -> None:
        for gauge in self.gauges:
            if gauge is not None and gauge.room() <= 0:
                gauge.hold(self)

    def join(self, gauge: Gauge | None) -> None:
        """Count one more subscriber."""
        self.gauges.append(gauge)
        self.go_on()

    def part(self, gauge: Gauge | None) -> None:
        """Count a subscriber no more."""
        if gauge in self.gauges:
            self.gauges.remove(gauge)
        if gauge is not None:
            gauge.forget(self)
        self.go_on()


def shared(source: Observable[T], replay: int | None, grace: float, pace: Pace) -> Observable[T]:
    """Return the source, subscribed to once for all subscribers that there are.

    Args:
        source: what is shared.
        replay: how many of the last items a late subscriber gets; None: all.
        grace: seconds that the subscription lives on without subscribers.
        pace: whom the source waits for.
    """
    run: _Run[T] | None = None

    def forget() -> None:
        nonlocal run
        run = None

    def subscribe(
        observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        nonlocal run
        if run is not None:
            return run.join(observer, scheduler)
        begun = run = _Run[T](replay, grace, pace, forget)
        leaving = begun.join(observer, scheduler)
        begun.follow(source, scheduler)
        return leaving

    return Observable(subscribe)


class _Run(Generic[T]):
    """One subscription to the source, and its subscribers."""

    def __init__(self, replay: int | None, grace: float, pace: Pace, forget: Callable[[], None]) -> None:
        context = context_here()
        self._gauge = SharedGauge(context.prefetch, pace)
        self._loop = context.loop
        self._on_loop_thread = context.on_loop_thread
        self._kept: deque[T] = deque(maxlen=replay)
        self._grace = grace
        self._forget = forget
        self._subscribers: dict[SafeObserver[T], None] = {}
        self._joining: list[list[T]] = []  # the kept items of each `join` that runs, the innermost one last
        self._ended: Callable[[SafeObserver[T]], None] | None = None
        self._subscription = SingleAssignmentDisposable()
        self._timer = SerialDisposable()
        self._scheduler = LoopScheduler(self._gauge)

    def follow(self, source: Observable[T], scheduler: abc.SchedulerBase | None) -> None:
        """Subscribe to the source, which may push from any thread."""
        if scheduler is None or isinstance(scheduler, LoopScheduler):
            scheduler = self._scheduler
        self._subscription.disposable = source.subscribe(
            self._on_loop_thread(self._next),
            self._on_loop_thread(self._fail),
            self._on_loop_thread(self._complete),
            scheduler=scheduler,
        )

    def join(self, observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None) -> abc.DisposableBase:
        """Add a subscriber, which gets the items that are kept.

        Raises:
            WrongLoopError: the source has not ended, and was subscribed to on another event loop or thread.
        """
        if self._ended is None and running_loop() is not self._loop:
            raise WrongLoopError
        gauge = gauge_of(scheduler, observer)
        subscriber = SafeObserver(observer, lambda: self._part(subscriber, gauge))
        self._timer.disposable = None
        first = [*self._kept]
        self._joining.append(first)
        for item in first:  # the list may grow: what a subscriber does may cause the next item
            subscriber.next(item)
        self._joining.pop()
        if self._ended is not None:
            self._ended(subscriber)
        else:
            self._subscribers[subscriber] = None
            self._gauge.join(gauge)
        if subscriber.left:  # it raised
            self._part(subscriber, gauge)
        return Disposable(subscriber.dispose)

    def _part(self, subscriber: SafeObserver[T], gauge: Gauge | None) -> None:
        if subscriber not in self._subscribers:
            return
        del self._subscribers[subscriber]
        self._gauge.part(gauge)
        if self._subscribers or self._joining or self._ended is not None:
            return
        if self._grace == 0:
            self._stop()
        elif self._grace < inf:
            self._timer.disposable = self._scheduler.schedule_relative(self._grace, self._time_is_up)

    def _time_is_up(self, _scheduler: abc.SchedulerBase, _state: object = None) -> None:
        self._stop()

    def _stop(self) -> None:
        self._forget()
        self._gauge.close()
        self._subscription.dispose()

    def _next(self, item: T) -> None:
        if self._kept.maxlen != 0:
            self._kept.append(item)
        for first in self._joining:
            first.append(item)
        for subscriber in tuple(self._subscribers):
            subscriber.next(item)

    def _fail(self, error: Exception) -> None:
        self._end(lambda subscriber: subscriber.fail(error))

    def _complete(self) -> None:
        self._end(lambda subscriber: subscriber.complete())

    def _end(self, end: Callable[[SafeObserver[T]], None]) -> None:
        self._ended = end
        self._timer.disposable = None
        for subscriber in tuple(self._subscribers):
            end(subscriber)
