"""A bounded queue between producers on any thread and one reader on its event loop.

It never holds more than its capacity. The policy decides what happens to further items; none is dropped
without a log or an error.
"""

import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, Literal, Self, TypeVar

from miniagents.values import StreamOverflowError, lazy_dataclass

from ._buffer import ReplayBuffer

T = TypeVar("T")

logger = logging.getLogger("miniagents")


@lazy_dataclass(frozen=True, slots=True)
class Overflow:
    """How many unread items are kept, and what happens to one more; made by one of its three class methods.

    An async iterable is paused. An Observable pushes, so there are three choices: block the thread that
    pushes, drop items, or end the stream with an error.

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
        """Check the capacity."""
        if self.capacity < 1:
            msg = f"The capacity of Overflow.{self.policy} is {self.capacity}; at least 1 item must be kept."
            raise ValueError(msg)

    @classmethod
    def block(cls, capacity: int = 1024) -> Self:
        """Block the thread of the source until there is space; no item is lost.

        This needs a source on another thread. A source that pushes on the reader's own event loop would wait
        for itself for ever, so its stream fails with ``StreamOverflowError`` when the queue is full.

        Args:
            capacity: how many unread items are kept, in items.
        """
        return cls("block", capacity)

    @classmethod
    def drop_oldest(cls, capacity: int = 1024, *, on_drop: Callable[[object], object] | None = None) -> Self:
        """Drop the oldest unread item for each new one; for prices, positions and other data that expire.

        Args:
            capacity: how many unread items are kept, in items.
            on_drop: called with each dropped item, on the thread that pushed. When the stream ends, a warning
                with the number of dropped items is logged too.
        """
        return cls("drop_oldest", capacity, on_drop)

    @classmethod
    def fail(cls, capacity: int = 1024) -> Self:
        """End the stream with ``StreamOverflowError`` at one item too many, after the items that are kept.

        Args:
            capacity: how many unread items are kept, in items.
        """
        return cls("fail", capacity)


class BoundedQueue(Generic[T]):
    """The items that were pushed and have not been read yet.

    Args:
        buffer: wakes the reader for new items and for the end; nothing is written to it.
        overflow: how many items are kept, and what happens to further ones.

    Attributes:
        dropped: how many items were dropped so far.
    """

    __slots__ = ("_buffer", "_changed", "_closed", "_items", "_overflow", "_told", "_variables", "dropped")

    def __init__(self, buffer: ReplayBuffer[object], overflow: Overflow) -> None:
        self._buffer = buffer
        self._overflow = overflow
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._told = False
        self._variables = contextvars.copy_context()
        self.dropped = 0

    # -- the side of the source, on any thread -----------------------------------------------------------

    def put(self, item: T) -> None:
        """Add one item, or apply the policy to it."""
        lost: list[T] = []
        refused: StreamOverflowError | None = None
        with self._changed:
            if len(self._items) >= self._overflow.capacity and not self._closed:
                if self._overflow.policy == "drop_oldest":
                    lost.append(self._items.popleft())
                    self.dropped += 1
                elif self._overflow.policy == "fail" or self._buffer.context.in_loop_thread():
                    refused = _refusal(self._overflow)
                else:
                    self._changed.wait_for(self._has_space)
            if self._closed:
                return
            if refused is None:
                self._items.append(item)
            else:
                self._closed = True
        if refused is not None:
            self._buffer.context.on_loop_thread(self._end)(refused)
        else:
            self._tell()
        for each in lost:
            self._tell_dropped(each)

    def is_open(self, _: object = None) -> bool:
        """Return whether items are still accepted."""
        return not self._closed

    def _has_space(self) -> bool:
        return len(self._items) < self._overflow.capacity

    def _end(self, error: StreamOverflowError) -> None:
        self._buffer.fail(error)

    def _tell(self) -> None:
        if self._buffer.context.in_loop_thread():
            self._buffer.notify()
        elif not self._told:  # one call for all items that came before the loop had a turn
            self._told = True
            self._buffer.context.call_soon(self._told_now)

    def _told_now(self) -> None:
        self._told = False
        self._buffer.notify()

    def _tell_dropped(self, item: T) -> None:
        if self._overflow.on_drop is None:
            return
        try:
            self._variables.copy().run(self._overflow.on_drop, item)
        except Exception:
            logger.exception("on_drop raised; the stream is not affected.")

    # -- the side of the reader, on its event loop -------------------------------------------------------

    def take(self) -> Iterator[T]:
        """Yield all items, the oldest first; each item makes space when it is taken."""
        while True:
            with self._changed:
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item

    def close(self) -> None:
        """Close it when the reader has left: ignore further items, unblock all producers. Idempotent."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
        if self.dropped:
            logger.warning(
                "%d unread items were dropped, as Overflow.drop_oldest(%d) says.",
                self.dropped,
                self._overflow.capacity,
            )


def _refusal(overflow: Overflow) -> StreamOverflowError:
    if overflow.policy == "fail":
        return StreamOverflowError(
            f"{overflow.capacity} unread items are kept, and the source pushed one more. Read faster, or "
            "give Overflow.fail a larger capacity, or choose Overflow.drop_oldest or Overflow.block."
        )
    return StreamOverflowError(
        f"{overflow.capacity} unread items are kept, and the source pushed one more on the event loop of its "
        "reader: Overflow.block cannot make it wait there, because the reader would never run. Push from "
        "another thread, or choose Overflow.drop_oldest or Overflow.fail, or make it an async iterable."
    )
