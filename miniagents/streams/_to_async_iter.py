"""``to_async_iter``: an Observable becomes an async iterator."""

from collections.abc import AsyncGenerator
from typing import TypeVar

from reactivex import Observable

from ._cursor import raise_error, started
from ._log import Log
from ._scope import Scope

T = TypeVar("T")


def to_async_iter(observable: Observable[T]) -> AsyncGenerator[T]:
    """Show an Observable as an async iterator of its items.

    * When does it start? It subscribes when the first item is asked for.
    * How often? Once: an async iterator is read once. Make another one to subscribe again.
    * What is kept? What came since the reader last asked, without a bound: an Observable cannot be paused.
    * What does ``break`` do? It disposes the subscription at once.
    * When does an error come? After every item that came before it.

    Args:
        observable: hot or cold.

    Returns:
        An async generator of the items.

    Example:
        >>> import asyncio
        >>> import reactivex as rx
        >>> from miniagents.streams import to_async_iter
        >>> async def main() -> list[int]:
        ...     return [number async for number in to_async_iter(rx.of(1, 2, 3))]
        >>> asyncio.run(main())
        [1, 2, 3]
    """
    return started(_read(observable))


async def _read(observable: Observable[T]) -> AsyncGenerator[T]:
    yield observable  # type: ignore[misc]  # taken by `started`; never seen by a reader
    scope = Scope()  # nothing is started in it: it only lends the event loop
    scope.open()
    log: Log[T] = Log(scope)
    log.error_seen = True  # this reader is the only one, and it is about to be told
    # An Observable may emit from any thread, as the timers of reactivex do.
    subscription = observable.subscribe(
        scope.at_home(log.append), scope.at_home(log.fail), scope.at_home(log.finish)
    )
    try:
        while True:
            batch, log.items = log.items, []
            for item in batch:
                yield item
            if batch:
                continue
            if log.closed:
                break
            await log.starve()
    finally:
        subscription.dispose()
    raise_error(log)
