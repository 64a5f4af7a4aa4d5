"""``chunk``: items together, by number and by time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, SerialDisposable, SingleAssignmentDisposable

from miniagents.streams import loop_scheduler
from miniagents.streams._safe_observer import SafeObserver
from miniagents.values import check_count, check_seconds

T = TypeVar("T")


def chunk(
    size: int | None = None, seconds: float | None = None
) -> Callable[[Observable[T]], Observable[Sequence[T]]]:
    """``Observable[T] -> Observable[Sequence[T]]``: consecutive items together; a chunk is never empty.

    A chunk is complete when it has ``size`` items, or ``seconds`` after its first item, whichever comes
    first. (``buffer_with_time_or_count`` of reactivex counts from the end of the chunk before, so it emits
    empty ones.)

    * When does it start? At each subscription.
    * How often? Once per subscription.
    * What is kept? The items of one chunk.
    * What does ``break`` do? Disposing drops the chunk that is not complete.
    * When does an error come? After a last chunk of the items before it; so does the end.

    Args:
        size: the most items in a chunk, at least 1; None: any number.
        seconds: how long a chunk waits for more items, in seconds, more than 0; None: for ever.

    Returns:
        An operator.

    Raises:
        ValueError, TypeError: neither is given, or one is not such a number.

    Example:
        >>> import asyncio
        >>> import reactivex as rx
        >>> from miniagents.operators import chunk, to_async_iter
        >>> async def main() -> None:
        ...     async for numbers in to_async_iter(rx.range(5).pipe(chunk(2))):
        ...         print(numbers)
        >>> asyncio.run(main())
        (0, 1)
        (2, 3)
        (4,)
    """
    if size is None and seconds is None:
        raise ValueError("chunk needs a size, a time, or both: chunk(100), chunk(seconds=0.5).")
    check_count("chunk", "size", size, least=1)
    check_seconds("chunk", "seconds", seconds)
    if seconds == 0:
        raise ValueError(f"The seconds of chunk are {seconds}; they must be more than 0.")
    longest = None if seconds == inf else seconds

    def operator(source: Observable[T]) -> Observable[Sequence[T]]:
        def subscribe(
            observer: abc.ObserverBase[Sequence[T]], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            if scheduler is None and longest is not None:
                scheduler = loop_scheduler()
            subscription = SingleAssignmentDisposable()
            timer = SerialDisposable()
            leaving = CompositeDisposable(subscription, timer)
            chunks = _Chunks(SafeObserver(observer, leaving.dispose), size, longest, scheduler, timer)
            subscription.disposable = source.subscribe(
                chunks.add, chunks.fail, chunks.complete, scheduler=scheduler
            )
            return leaving

        return Observable(subscribe)

    return operator


@dataclass(slots=True, eq=False)
class _Chunks(Generic[T]):
    """The chunk of one subscription."""

    _subscriber: SafeObserver[Sequence[T]]
    _size: int | None
    _seconds: float | None
    _scheduler: abc.SchedulerBase | None
    _timer: SerialDisposable
    _items: list[T] = field(default_factory=list[T], init=False)

    def add(self, item: T) -> None:
        """Add one item."""
        self._items.append(item)
        if len(self._items) == self._size:
            self._emit()
        elif len(self._items) == 1 and self._seconds is not None and self._scheduler is not None:
            self._timer.disposable = self._scheduler.schedule_relative(self._seconds, self._time_is_up)

    def _time_is_up(self, _scheduler: abc.SchedulerBase, _state: object = None) -> None:
        self._emit()

    def _emit(self) -> None:
        self._timer.disposable = None
        items, self._items = tuple(self._items), []
        if items:
            self._subscriber.next(items)

    def fail(self, error: Exception) -> None:
        """End with an error."""
        self._emit()
        self._subscriber.fail(error)

    def complete(self) -> None:
        """End."""
        self._emit()
        self._subscriber.complete()
