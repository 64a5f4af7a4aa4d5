"""``share_bounded``: one subscription for all, at the pace of its readers."""

from collections.abc import Callable
from typing import Literal, TypeVar

from reactivex import Observable

from miniagents.streams._shared import Shared

T = TypeVar("T")


def share_bounded(
    replay: int | None = 0, grace: float = 0.0, pace: Literal["fastest", "slowest"] = "fastest"
) -> Callable[[Observable[T]], Observable[T]]:
    """``Observable[T] -> Observable[T]``: one subscription to the source, for all subscribers.

    ``ops.share()`` of reactivex does not know how fast its subscribers read, so its source never waits. Here
    a source of this library waits, while nothing has room for more.

    * When does it start? At the first subscription.
    * How often? Once for all subscribers that there are. When the last one has left, and ``grace`` is over,
      the next one starts it anew. After the end of the source, a late one gets what is kept, and the end.
    * What is kept? The last ``replay`` items. With ``pace="fastest"`` a slower reader keeps what it has not
      read yet; with ``pace="slowest"`` no reader keeps more than ``prefetch`` (of the context).
    * What does ``break`` do? A reader that leaves changes nothing for the others.
    * When does an error come? After all items before it, for each subscriber.

    Args:
        replay: how many of the last items a late subscriber gets first; None for all.
        grace: how long the source goes on without subscribers, in seconds.
        pace: whom the source waits for: the fastest reader, or the slowest one. A plain `subscribe` takes
            everything at once: it is the fastest, and nothing waits for it.

    Returns:
        An operator.

    Raises:
        ValueError: a number is less than 0, or the pace is neither.

    Example:
        >>> import asyncio
        >>> import reactivex as rx
        >>> from reactivex import operators as ops
        >>> from miniagents.operators import share_bounded, to_async_iter
        >>> async def read(name: str, ticks: rx.Observable[int]) -> None:
        ...     async for tick in to_async_iter(ticks):
        ...         print(name, tick)
        >>> async def main() -> None:
        ...     ticks = rx.interval(0.02).pipe(ops.take(3), share_bounded(replay=1))
        ...     first = asyncio.create_task(read("first", ticks))
        ...     await asyncio.sleep(0.05)
        ...     await asyncio.gather(first, read("late", ticks))
        >>> asyncio.run(main())
        first 0
        first 1
        late 1
        first 2
        late 2
    """
    if replay is not None and replay < 0:
        raise ValueError(f"replay is {replay}; it is a number of items, or None for all.")
    if not grace >= 0:
        raise ValueError(f"grace is {grace}; it is a number of seconds, at least 0.")
    if pace not in {"fastest", "slowest"}:
        raise ValueError(f"pace is {pace!r}; it is 'fastest' or 'slowest'.")

    def operator(source: Observable[T]) -> Observable[T]:
        return Shared(source, replay, grace, pace)

    return operator
