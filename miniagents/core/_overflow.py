"""``Overflow``: what becomes of items that nobody has had time to read, where the source cannot be paused."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self


@dataclass(frozen=True, slots=True)
class Overflow:
    """How many unread items are kept, and what happens to one more; made by one of its three names.

    An async iterable is simply not asked for more. An Observable pushes: it can only be made to wait (if it
    pushes from another thread), lose something, or be given up.

    Attributes:
        policy: ``block``, ``drop_oldest`` or ``fail``.
        capacity: how many unread items are kept, in items.
        on_drop: called with each item that is dropped.

    Raises:
        ValueError: the capacity is less than 1.

    Example:
        >>> import asyncio
        >>> import reactivex as rx
        >>> from miniagents.core import Overflow, to_async_iter
        >>> async def main() -> list[int]:
        ...     dropped: list[object] = []
        ...     latest = Overflow.drop_oldest(2, on_drop=dropped.append)
        ...     kept = [number async for number in to_async_iter(rx.of(1, 2, 3, 4), overflow=latest)]
        ...     print(f"dropped {dropped}")
        ...     return kept
        >>> asyncio.run(main())
        dropped [1, 2]
        [3, 4]
    """

    policy: Literal["block", "drop_oldest", "fail"]
    capacity: int = 1024
    on_drop: Callable[[object], object] | None = None

    def __post_init__(self) -> None:
        """Refuse a capacity that keeps nothing."""
        if self.capacity < 1:
            msg = f"The capacity of Overflow.{self.policy} is {self.capacity}; at least 1 item must be kept."
            raise ValueError(msg)

    @classmethod
    def block(cls, capacity: int = 1024) -> Self:
        """Make the source wait: its thread stands still until there is room, nothing is lost.

        Only a thread can wait: a source that pushes on the reader's own event loop would wait for itself for
        ever, so its stream fails with ``StreamOverflowError`` when it is full.

        Args:
            capacity: how many unread items are kept, in items.
        """
        return cls("block", capacity)

    @classmethod
    def drop_oldest(cls, capacity: int = 1024, *, on_drop: Callable[[object], object] | None = None) -> Self:
        """Drop the oldest unread item for each one too many: for prices, positions, whatever grows old.

        Args:
            capacity: how many unread items are kept, in items.
            on_drop: called with each dropped item, on the thread that pushed. How many were dropped in all is
                also logged as a warning when the stream ends.
        """
        return cls("drop_oldest", capacity, on_drop)

    @classmethod
    def fail(cls, capacity: int = 1024) -> Self:
        """End the stream with ``StreamOverflowError`` at one item too many, after those that are kept.

        Args:
            capacity: how many unread items are kept, in items.
        """
        return cls("fail", capacity)
