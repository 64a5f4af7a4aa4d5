"""``until``: ends a stream when an event is set."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from reactivex import Observable, abc

from miniagents.streams._until import Signal, Waitable, follow_until

T = TypeVar("T")


def until(signal: Waitable | Awaitable[object]) -> Callable[[Observable[T]], Observable[T]]:
    """``Observable[T] -> Observable[T]``: the items until an event is set, or an awaitable is done.

    It ends after the item that is being emitted, and unsubscribes from the source: the way to shut down a
    pipeline. With an Observable as the signal, use ``take_until`` of reactivex.

    * When does it start? At each subscription. If the signal has come before, it ends at once.
    * How often? Once per subscription; the awaitable is awaited once for all.
    * What is kept? Nothing.
    * What does ``break`` do? It unsubscribes from the source. A coroutine is cancelled with the last
      subscription, and another one then fails; a Future or a task is not.
    * When does an error come? At once: an error of the source, or of the awaitable.

    Args:
        signal: an ``asyncio.Event``, any other object whose ``wait()`` is a coroutine, a Future, a task or a
            coroutine.

    Raises:
        TypeError: the signal cannot be awaited.

    Example:
        >>> import asyncio
        >>> import reactivex as rx
        >>> from miniagents.operators import to_async_iter, until
        >>> async def main() -> None:
        ...     stop = asyncio.Event()
        ...     async for tick in to_async_iter(rx.interval(0.01).pipe(until(stop))):
        ...         print(tick)
        ...         if tick == 2:
        ...             stop.set()
        >>> asyncio.run(main())
        0
        1
        2
    """
    shared = Signal(signal)

    def operator(source: Observable[T]) -> Observable[T]:
        def subscribe(
            observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            return follow_until(shared, source, observer, scheduler)

        return Observable(subscribe)

    return operator
