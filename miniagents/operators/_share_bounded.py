"""``share_bounded``: one subscription for all, at the pace of its readers."""

from collections.abc import Callable
from typing import Literal, TypeVar

from reactivex import Observable

from miniagents.streams._shared import shared
from miniagents.values import check_count, check_seconds

T = TypeVar("T")


def share_bounded(
    replay: int | None = 0, grace: float = 0.0, pace: Literal["fastest", "slowest"] = "fastest"
) -> Callable[[Observable[T]], Observable[T]]:
    """``Observable[T] -> Observable[T]``: one subscription to the source, for all subscribers.

    A source of this library waits if none has room, unlike with ``ops.share()``.

    * When does it start? At the first subscription.
    * How often? Once for all. Anew after the last has left and ``grace`` is over, if it has not ended.
    * What is kept? The last ``replay`` items, and what a slower reader has not read.
    * What does ``break`` do? It changes nothing for the others.
    * When does an error come? After all items before it, for each subscriber.

    Args:
        replay: how many of the last items a late subscriber gets; None for all.
        grace: seconds for which the source goes on without subscribers; infinity: to its end.
        pace: ``"fastest"`` or ``"slowest"``: whom the source waits for.

    Raises:
        ValueError, TypeError: a number or the pace is none.
        WrongLoopError: another event loop has it.

    Example:
        >>> import asyncio
        >>> import reactivex as rx
        >>> from miniagents.operators import share_bounded, to_async_iter
        >>> async def main() -> None:
        ...     shared = rx.of("one", "two").pipe(share_bounded(replay=1))
        ...     print([item async for item in to_async_iter(shared)])
        ...     print([item async for item in to_async_iter(shared)])
        >>> asyncio.run(main())
        ['one', 'two']
        ['two']
    """
    check_count("share_bounded", "replay", replay, least=0)
    check_seconds("share_bounded", "grace", grace)
    if pace not in {"fastest", "slowest"}:
        raise ValueError(f"pace is {pace!r}; it is 'fastest' or 'slowest'.")

    def operator(source: Observable[T]) -> Observable[T]:
        return shared(source, replay, grace, pace)

    return operator
