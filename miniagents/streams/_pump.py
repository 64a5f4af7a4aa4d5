"""The pump: the loop that reads an async iterable and writes its pieces into a stream; and a bounded queue.

Rule of this module: **a source is always closed**, also after a cancellation and after an error of the
consumer of its pieces. The pump runs at most ``prefetch`` pieces ahead of the fastest reader; then it waits
and does not read the source.
"""

import contextvars
import logging
import re
import sys
import threading
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Final, Generic, Literal, cast, overload

from reactivex import Observable
from typing_extensions import TypeVar

from miniagents.values import StreamOverflowError, check_count

from ._buffer import ReplayBuffer
from ._gauge import source_waits

T = TypeVar("T")
D = TypeVar("D")
D_contra = TypeVar("D_contra", contravariant=True, default=object)


async def pump(source: AsyncIterable[T], buffer: ReplayBuffer[object], put: Callable[[T], object]) -> None:
    """Call ``put`` with every piece of ``source``, in order, at the pace of the readers of ``buffer``.

    Args:
        source: iterated once; its iterator is always closed.
        buffer: the stream that ``put`` writes.
        put: takes one piece; it may also be called when ``buffer`` has just ended.

    Example:
        >>> import asyncio
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import Context
        >>> from miniagents.streams._pump import pump
        >>> async def numbers():
        ...     for number in range(3):
        ...         yield number
        >>> buffer = ReplayBuffer(Context())
        >>> asyncio.run(pump(numbers(), buffer, lambda number: buffer.append(number * 10)))
        >>> buffer.items
        [0, 10, 20]
    """
    iterator = _iterator_of(source)
    items = buffer.items
    try:
        async for piece in iterator:
            put(piece)
            # One comparison a piece: `limit` is reached when it has to pause, to yield to the loop, or to
            # end. It comes before the next read of the source, which may be expensive.
            if len(items) >= buffer.check_at and not await buffer.may_go_on():
                break
    finally:
        await close(iterator)


async def fill(buffer: ReplayBuffer[T], source: AsyncIterable[T]) -> None:
    """Append every piece of ``source`` to ``buffer``; otherwise as :func:`pump`.

    This is the hot path of a token, so ``buffer.append`` is inlined: this saves a call per token, 0.3 of the
    cost of a bare ``async for``.

    Args:
        buffer: the buffer to fill; it is not ended.
        source: iterated once; its iterator is always closed.

    Example:
        >>> import asyncio
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import Context
        >>> from miniagents.streams._pump import fill
        >>> async def numbers():
        ...     for number in range(3):
        ...         yield number
        >>> buffer = ReplayBuffer(Context())
        >>> asyncio.run(fill(buffer, numbers()))
        >>> buffer.items
        [0, 1, 2]
    """
    iterator = _iterator_of(source)
    items = buffer.items
    limit = buffer.check_at
    ticks = repeat(None, limit - len(items) - 1)
    try:
        async for piece in iterator:
            items.append(piece)
            if buffer.notify_next:
                if buffer.closed:  # nothing may follow the end; no reader has seen this piece yet
                    items.pop()
                buffer.notify()
                if buffer.check_at != limit:
                    limit = buffer.check_at
                    ticks = repeat(None, limit - len(items))
            # This counts to `limit` in C; comparing the length of `items` would make an int for each piece.
            for _ in ticks:
                break
            else:
                if not await buffer.may_go_on():
                    break
                limit = buffer.check_at
                ticks = repeat(None, limit - len(items) - 1)
    finally:
        await close(iterator)


def _iterator_of(source: AsyncIterable[T]) -> AsyncIterator[T]:
    """Return the iterator of what a function has returned that users gave to make a stream."""
    try:
        return aiter(source)
    except TypeError:
        given = cast("object", source)
        if isinstance(given, AsyncIterable):
            raise
        name = type(given).__name__
        if isinstance(given, Coroutine):
            given.close()  # else Python warns that nothing awaited it
        raise TypeError(
            f"The function that makes the stream returned a value of type {name}; "
            "write an async function with `yield`."
        ) from None


async def until_requested(buffer: ReplayBuffer[object]) -> None:
    """Wait, after a piece was written, until ``buffer`` has demand again, or has ended.

    Args:
        buffer: the stream that the caller writes.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import current_context
        >>> from miniagents.streams._pump import until_requested
        >>> async def main():
        ...     buffer = ReplayBuffer(current_context())
        ...     buffer.append("one")
        ...     await until_requested(buffer)
        ...     print(buffer.credit())
        >>> MiniAgents(prefetch=5).run(main())
        4
    """
    if len(buffer.items) >= buffer.check_at:
        await buffer.may_go_on()


async def close(iterator: object) -> None:
    """Close an async iterator, if it has ``aclose``.

    Args:
        iterator: the iterator of a source; a generator that has not ended runs its clean-up here.

    Example:
        >>> import asyncio
        >>> from miniagents.streams._pump import close
        >>> async def numbers():
        ...     try:
        ...         yield 1
        ...     finally:
        ...         print("closed")
        >>> async def main():
        ...     iterator = numbers()
        ...     print(await anext(iterator))
        ...     await close(iterator)
        >>> asyncio.run(main())
        1
        closed
    """
    aclose = getattr(iterator, "aclose", None)
    if aclose is not None:
        await aclose()


# -- bounded queue --------------------------------------------------------------------------------------
#
# A bounded queue between producers on any thread and one reader on its event loop. It never holds more than
# its capacity. The policy decides what happens to further items; none is dropped without a log or an error.


logger = logging.getLogger("miniagents")

INTERVAL: Final = 1.0  # seconds between two looks of a thread that waits whether the event loop waits for it
_RLOCK: Final = type(threading.RLock())
_HOLDER: Final = re.compile(r"owner=(\d+)")
_LOCKED: Final = (
    "Overflow.block makes a thread wait for the reader, and the event loop of the reader waits for a lock "
    "that the thread holds: that of merge, combine_latest, with_latest_from or another operator. Let the "
    "thread wait before that operator, directly behind its source: "
    "from_async(to_async_iter(source, overflow=Overflow.block(100)))."
)


@dataclass(frozen=True, slots=True)
class Overflow(Generic[D_contra]):
    """How many unread items are kept, and what happens to one more; made by one of its class methods.

    An async iterable is paused. An Observable pushes, so the choices are: block the thread that pushes, drop
    the oldest or the newest items, or end the stream with an error.

    Attributes:
        policy: ``block``, ``drop_oldest``, ``drop_newest`` or ``fail``.
        capacity: how many unread items are kept, in items.
        on_drop: called with each item that is dropped.

    Raises:
        ValueError: the capacity is less than 1.

    Example:
        >>> import asyncio
        >>> import reactivex as rx
        >>> from miniagents.streams import Overflow, to_async_iter
        >>> async def main() -> list[int]:
        ...     dropped: list[int] = []
        ...     latest = Overflow.drop_oldest(2, on_drop=dropped.append)
        ...     kept = [number async for number in to_async_iter(rx.of(1, 2, 3, 4), overflow=latest)]
        ...     print(f"dropped {dropped}")
        ...     return kept
        >>> asyncio.run(main())
        dropped [1, 2]
        [3, 4]
    """

    policy: Literal["block", "drop_oldest", "drop_newest", "fail"]
    capacity: int = 1024
    on_drop: Callable[[D_contra], object] | None = None

    def __post_init__(self) -> None:
        """Check the capacity."""
        check_count("Overflow", "capacity", self.capacity)
        if self.capacity < 1:
            raise ValueError(
                f"The capacity of Overflow.{self.policy} is {self.capacity}; at least 1 item must be kept."
            )

    @classmethod
    def block(cls, capacity: int = 1024) -> "Overflow":
        """Block the thread of the source until there is space; no item is lost.

        A source of this library waits, too. Several sources may each make one item for which there is no
        space, or a 64th of the capacity; and what an operator makes of one item (`flat_map`) comes at once.

        Any other source that pushes on the reader's own event loop, also one behind `share` or `delay` of
        reactivex, would wait for itself for ever, so its stream fails with ``StreamOverflowError`` when the
        queue is full. So does one whose thread waits with a lock that the event loop needs, as behind
        ``merge``: put `block` before that.

        Args:
            capacity: how many unread items are kept, in items.
        """
        return Overflow("block", capacity)

    @overload
    @classmethod
    def drop_oldest(cls, capacity: int = 1024, *, on_drop: None = None) -> "Overflow": ...
    @overload
    @classmethod
    def drop_oldest(cls, capacity: int = 1024, *, on_drop: Callable[[D], object]) -> "Overflow[D]": ...
    @classmethod
    def drop_oldest(
        cls, capacity: int = 1024, *, on_drop: Callable[[D], object] | None = None
    ) -> "Overflow[D]":
        """Drop the oldest unread item for each new one; for prices, positions and other data that expire.

        Args:
            capacity: how many unread items are kept, in items.
            on_drop: called with each dropped item, on the thread that pushed. When the stream ends, a warning
                with the number of dropped items is logged too.
        """
        return Overflow("drop_oldest", capacity, on_drop)

    @overload
    @classmethod
    def drop_newest(cls, capacity: int = 1024, *, on_drop: None = None) -> "Overflow": ...
    @overload
    @classmethod
    def drop_newest(cls, capacity: int = 1024, *, on_drop: Callable[[D], object]) -> "Overflow[D]": ...
    @classmethod
    def drop_newest(
        cls, capacity: int = 1024, *, on_drop: Callable[[D], object] | None = None
    ) -> "Overflow[D]":
        """Drop each new item while there is no space; for jobs and requests, of which the first ones count.

        Args:
            capacity: how many unread items are kept, in items.
            on_drop: called with each dropped item, on the thread that pushed. When the stream ends, a warning
                with the number of dropped items is logged too.
        """
        return Overflow("drop_newest", capacity, on_drop)

    @classmethod
    def fail(cls, capacity: int = 1024) -> "Overflow":
        """End the stream with ``StreamOverflowError`` at one item too many, after the items that are kept.

        Args:
            capacity: how many unread items are kept, in items.
        """
        return Overflow("fail", capacity)


class BoundedQueue(Generic[T]):
    """The items that were pushed and have not been read yet.

    Args:
        buffer: wakes the reader for new items and for the end; nothing is written to it.
        overflow: how many items are kept, and what happens to further ones.

    Attributes:
        dropped: how many items were dropped so far.
        items: what has not been read.
    """

    def __init__(self, buffer: ReplayBuffer[object], overflow: Overflow[T]) -> None:
        self._buffer = buffer
        self._overflow = overflow
        self.items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._told = False
        self._refused: StreamOverflowError | None = None
        self._loop = buffer.context.loop
        self._reader = threading.get_ident()
        self._variables = contextvars.copy_context()
        self.dropped = 0

    # -- the side of the source, on any thread -----------------------------------------------------------

    def put(self, item: T) -> None:
        """Add one item, or apply the policy to it."""
        lost: list[T] = []
        refused: StreamOverflowError | None = None
        with self._changed:
            if not (self._has_space() or self._closed):
                refused = self._make_space(item, lost)
            if self._closed:
                return
            self.dropped += len(lost)
            if refused is not None:
                self._refused = refused
                self._closed = True
            elif not lost or self._overflow.policy == "drop_oldest":
                self.items.append(item)
        if refused is not None:
            self._buffer.context.on_loop_thread(self.finish)()
        else:
            self._tell()
        for each in lost:
            self._tell_dropped(each)

    def is_open(self, _: object = None) -> bool:
        """Return whether items are still accepted."""
        return not self._closed

    def _make_space(self, item: T, lost: list[T]) -> StreamOverflowError | None:
        """Apply the policy: note what is lost, or wait; return an error if the item is refused."""
        policy = self._overflow.policy
        if policy == "drop_oldest":
            lost.append(self.items.popleft())
        elif policy == "drop_newest":
            lost.append(item)
        elif policy == "block" and not self._buffer.context.in_loop_thread():
            return self._wait_for_space()
        elif policy == "fail" or not source_waits():
            return _refusal(self._overflow)
        return None

    def _wait_for_space(self) -> StreamOverflowError | None:
        """Block this thread until there is space; return an error if there can be none."""
        stand: object = None
        while not self._changed.wait_for(self._has_space, INTERVAL):
            if self._loop.is_closed():  # the reader was kept, but can read no more
                self._closed = True
                return None
            before, stand = stand, _stand(self._reader)
            if stand is not None and stand == before:
                return StreamOverflowError(_LOCKED)
        return None

    def _has_space(self) -> bool:
        return len(self.items) < self._overflow.capacity

    def finish(self) -> None:
        """End the stream, on its event loop; with an error if an item was refused."""
        if self._refused is None:
            self._buffer.finish()
        else:
            self._buffer.fail(self._refused)

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
                if not self.items:
                    return
                item = self.items.popleft()
                self._changed.notify_all()
            yield item

    def close(self) -> None:
        """Close it when the reader has left: ignore further items, unblock all producers. Idempotent."""
        with self._changed:
            self._closed = True
            self.items.clear()
            self._changed.notify_all()
        if self.dropped:
            logger.warning(
                "%d unread items were dropped, as Overflow.%s(%d) says.",
                self.dropped,
                self._overflow.policy,
                self._overflow.capacity,
            )


def _stand(thread: int) -> dict[int, tuple[int, int]] | None:
    """Return where a thread stands if it waits for an `RLock` of this one; also through other threads.

    Only operators of reactivex are known to wait where they stand; other code may do anything else there.
    """
    own = threading.get_ident()
    frames = sys._current_frames()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - documented
    del frames[own]  # this frame, which would refer to itself
    stands: dict[int, tuple[int, int]] = {}
    left = [thread]
    while left:
        each = left.pop()
        if each == own:
            return stands
        frame = frames.get(each)
        module = "" if frame is None else str(frame.f_globals.get("__name__", ""))
        if frame is None or each in stands or not module.startswith("reactivex."):
            continue
        stands[each] = id(frame), frame.f_lasti
        for value in cast("tuple[object, ...]", tuple(frame.f_locals.values())):
            # Not `isinstance`, which would ask an item that stands for another object.
            lock: object = getattr(value, "lock", None) if issubclass(type(value), Observable) else value
            holder = _HOLDER.search(repr(lock)) if isinstance(lock, _RLOCK) else None
            if holder is not None:
                left.append(int(holder[1]))
    return None


def _refusal(overflow: Overflow[T]) -> StreamOverflowError:
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
