"""A mailbox: whoever pushes puts in, from whatever thread; one reader takes out, on its event loop.

Rule of this room: **it never holds more than its capacity**, and what cannot be kept is dealt with by the
policy that was named, never in silence.
"""

import contextvars
import logging
import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from miniagents.values import StreamOverflowError

from ._log import ReplayBuffer
from ._overflow import Overflow

T = TypeVar("T")

logger = logging.getLogger("miniagents")


class BoundedQueue(Generic[T]):
    """What has been pushed and not been read yet.

    Args:
        buffer: tells the reader of news and of the end; nothing is written to it.
        overflow: how much is kept, and what becomes of the rest.

    Attributes:
        dropped: how many items were dropped so far.
    """

    __slots__ = ("_changed", "_closed", "_items", "_log", "_overflow", "_told", "_variables", "dropped")

    def __init__(self, buffer: ReplayBuffer[object], overflow: Overflow) -> None:
        self._log = buffer
        self._overflow = overflow
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._told = False
        self._variables = contextvars.copy_context()
        self.dropped = 0

    # -- the side of the source, on any thread -----------------------------------------------------------

    def put(self, item: T) -> None:
        """Take one item, or do with it what the policy says."""
        lost: list[T] = []
        refused: StreamOverflowError | None = None
        with self._changed:
            if len(self._items) >= self._overflow.capacity and not self._closed:
                if self._overflow.policy == "drop_oldest":
                    lost.append(self._items.popleft())
                    self.dropped += 1
                elif self._overflow.policy == "fail" or self._log.context.in_loop_thread():
                    refused = _refusal(self._overflow)
                else:
                    self._changed.wait_for(self._has_room)
            if self._closed:
                return
            if refused is None:
                self._items.append(item)
            else:
                self._closed = True
        if refused is not None:
            self._log.context.on_loop_thread(self._log.fail)(refused)
        else:
            self._tell()
        for each in lost:
            self._tell_dropped(each)

    def is_open(self, _: object = None) -> bool:
        """Whether there is any use in pushing."""
        return not self._closed

    def _has_room(self) -> bool:
        return len(self._items) < self._overflow.capacity

    def _tell(self) -> None:
        if self._log.context.in_loop_thread():
            self._log.tell()
        elif not self._told:  # one call for however many items came before the loop had its turn
            self._told = True
            self._log.context.call_soon(self._told_now)

    def _told_now(self) -> None:
        self._told = False
        self._log.tell()

    def _tell_dropped(self, item: T) -> None:
        if self._overflow.on_drop is None:
            return
        try:
            self._variables.copy().run(self._overflow.on_drop, item)
        except Exception:
            logger.exception("on_drop raised; the stream is not affected.")

    # -- the side of the reader, on its event loop -------------------------------------------------------

    def take(self) -> Iterator[T]:
        """Everything that is there, the oldest first; each item makes room when it is taken."""
        while True:
            with self._changed:
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item

    def close(self) -> None:
        """The reader has left: nothing is taken any more, nobody is kept waiting. Idempotent."""
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
        "reader: Overflow.block cannot make it wait there, the reader would never get its turn. Push from "
        "another thread, or choose Overflow.drop_oldest or Overflow.fail, or make it an async iterable."
    )
