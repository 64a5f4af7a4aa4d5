"""``map_async`` and ``switch_map_async``: call an async function with each item."""

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from functools import partial
from inspect import isawaitable
from typing import TypeVar

from reactivex import Observable, abc

from miniagents.streams._adapters import results_of_calls
from miniagents.streams._concurrent_map import AsyncCall, ConcurrencyLimits, map_concurrently
from miniagents.streams._switch import Switch
from miniagents.values import name_of

T = TypeVar("T")
R = TypeVar("R")


def map_async(
    f: Callable[[T], Awaitable[R]], concurrency: int = 8, ordered: bool = True
) -> Callable[[Observable[T]], Observable[R]]:
    """``Observable[T] -> Observable[R]``: what an async function returns for each item.

    * When does it start? At each subscription.
    * How often? One call for each item.
    * What is kept? At most ``concurrency`` running calls, with unread results ``prefetch``; the source waits.
    * What does ``break`` do? It cancels all running calls and closes the source.
    * When does an error come? The first call that fails ends the results, after those of all items before it
      (``ordered=False``: at once). An error of the source comes after the results.

    Args:
        f: called with each item, in the context variables of the subscriber.
        concurrency: how many calls may run at once.
        ordered: False: as they end.

    Raises:
        ValueError, TypeError: the concurrency is less than 1, or no integer.
        TypeError: ``f`` cannot be called.

    Example:
        >>> import asyncio
        >>> import reactivex as rx
        >>> from miniagents.operators import map_async, to_async_iter
        >>> async def fetch(page: int) -> str:
        ...     return f"page {page}"
        >>> async def main() -> list[str]:
        ...     pages = rx.of(1, 2, 3).pipe(map_async(fetch, concurrency=2))
        ...     return [page async for page in to_async_iter(pages)]
        >>> asyncio.run(main())
        ['page 1', 'page 2', 'page 3']
    """
    _check_function("map_async", f)
    limits = ConcurrencyLimits(concurrency=concurrency, ordered=ordered, stop=True)
    name = f"map_async({name_of(f)})"

    def operator(source: Observable[T]) -> Observable[R]:
        return results_of_calls(source, concurrency, None, lambda items: _results(items, f, limits, name))

    return operator


async def _results(
    items: AsyncIterable[T], function: Callable[[T], Awaitable[R]], limits: ConcurrencyLimits, name: str
) -> AsyncGenerator[R]:
    first = _awaited(function, name)

    def begin(item: T, index: int) -> AsyncCall[R]:
        return AsyncCall(function if index else first, item, name)

    calls = map_concurrently(items, begin, limits, name)
    try:
        async for call in calls:
            yield call.value
    finally:
        await calls.aclose()


def switch_map_async(f: Callable[[T], Awaitable[R]]) -> Callable[[Observable[T]], Observable[R]]:
    """``Observable[T] -> Observable[R]``: each item cancels the call of the one before.

    For what only the newest item needs, such as the search for a text that is being typed. RxJS calls this
    ``switchMap``, Kotlin ``mapLatest``.

    * When does it start? At each subscription.
    * How often? One call for each item; only the newest one runs.
    * What is kept? Nothing.
    * What does ``break`` do? It cancels the running call and unsubscribes from the source.
    * When does an error come? At once: an error of a call or of the source ends the results, and cancels the
      running call. When the source has completed, the running call is still awaited.

    Args:
        f: called with each item, in the context variables of the subscriber.

    Returns:
        An operator.

    Raises:
        TypeError: ``f`` cannot be called.

    Example:
        >>> import asyncio
        >>> import reactivex as rx
        >>> from miniagents.operators import switch_map_async, to_async_iter
        >>> async def search(text: str) -> str:
        ...     await asyncio.sleep(0.01)
        ...     return f"results for {text!r}"
        >>> async def main() -> list[str]:
        ...     results = rx.of("a", "ag", "agent").pipe(switch_map_async(search))
        ...     return [each async for each in to_async_iter(results)]
        >>> asyncio.run(main())
        ["results for 'agent'"]
    """
    _check_function("switch_map_async", f)
    name = f"switch_map_async({name_of(f)})"

    def operator(source: Observable[T]) -> Observable[R]:
        def subscribe(
            observer: abc.ObserverBase[R], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            return Switch(partial(AsyncCall[R], _awaited(f, name), name=name), observer).follow(
                source, scheduler
            )

        return Observable(subscribe)

    return operator


def _check_function(operator: str, function: object) -> None:
    """Check what an operator calls.

    Raises:
        TypeError: it cannot be called.
    """
    if not callable(function):
        raise TypeError(
            f"{operator} was given a value of type {type(function).__name__}; give it an async function, "
            "which is called with each item."
        )


def _awaited(function: Callable[[T], Awaitable[R]], name: str) -> Callable[[T], Awaitable[R]]:
    """Return the function, with an error that names it if it is not async."""

    def call(item: T) -> Awaitable[R]:
        result = function(item)
        if not isawaitable(result):
            raise TypeError(
                f"{name}: the function returned a value of type {type(result).__name__}; give it an async "
                "function, or use map of reactivex for this one."
            )
        return result

    return call
