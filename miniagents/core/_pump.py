"""The pump: the loop that reads an async iterable and writes its pieces into a stream.

Rule of this module: **a source is always closed**, also after a cancellation and after an error of the
consumer of its pieces. The pump runs at most ``prefetch`` pieces ahead of the fastest reader; then it waits
and does not read the source.
"""

from collections.abc import AsyncIterable, Callable
from itertools import repeat
from typing import Protocol, TypeVar

from ._buffer import ReplayBuffer

T = TypeVar("T")


async def pump(source: AsyncIterable[T], buffer: ReplayBuffer[object], put: Callable[[T], object]) -> None:
    """Call ``put`` with every piece of ``source``, in order, at the pace of the readers of ``buffer``.

    Args:
        source: iterated once; its iterator is always closed.
        buffer: the stream that ``put`` writes.
        put: takes one piece; it may also be called when ``buffer`` has just ended.

    Example:
        >>> import asyncio
        >>> from miniagents.core import ReplayBuffer, Context, pump
        >>> async def numbers():
        ...     for number in range(3):
        ...         yield number
        >>> buffer = ReplayBuffer(Context())
        >>> asyncio.run(pump(numbers(), buffer, lambda number: buffer.append(number * 10)))
        >>> buffer.items
        [0, 10, 20]
    """
    iterator = aiter(source)
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
        >>> from miniagents.core import ReplayBuffer, Context, fill
        >>> async def numbers():
        ...     for number in range(3):
        ...         yield number
        >>> buffer = ReplayBuffer(Context())
        >>> asyncio.run(fill(buffer, numbers()))
        >>> buffer.items
        [0, 1, 2]
    """
    iterator = aiter(source)
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


class Notes(Protocol):
    """Notes of the times at which pieces came.

    Attributes:
        look_at: the number of pieces at which :meth:`look` must be called.
    """

    look_at: int

    @property
    def times(self) -> list[float]:
        """The time of each piece."""
        ...

    def drop_last(self) -> None:
        """Remove the last time: its piece came after the end."""
        ...

    def look(self, piece: str, /) -> None:
        """Take note that so many pieces have come, and of the last one."""
        ...


async def fill_and_note(
    buffer: ReplayBuffer[str], source: AsyncIterable[str], notes: Notes, clock: Callable[[], float]
) -> None:
    """Do what :func:`fill` does, and note the time of each piece.

    It is a second loop, so that observing costs nothing if there are no observers.

    Args:
        buffer: the buffer to fill; it is not ended.
        source: iterated once; its iterator is always closed.
        notes: takes the times.
        clock: returns the time.
    """
    iterator = aiter(source)
    items, note = buffer.items, notes.times.append
    limit = min(buffer.check_at, notes.look_at)
    ticks = repeat(None, limit - len(items) - 1)
    try:
        async for piece in iterator:
            items.append(piece)
            note(clock())
            if buffer.notify_next:
                if buffer.closed:
                    items.pop()
                    notes.drop_last()
                buffer.notify()
                if buffer.check_at < limit:
                    limit = buffer.check_at
                    ticks = repeat(None, limit - len(items))
            for _ in ticks:
                break
            else:
                if len(items) >= notes.look_at and not buffer.closed:  # at the end all times were reported
                    notes.look(piece)
                if len(items) >= buffer.check_at and not await buffer.may_go_on():
                    break
                limit = min(buffer.check_at, notes.look_at)
                ticks = repeat(None, limit - len(items) - 1)
    finally:
        await close(iterator)


async def until_requested(buffer: ReplayBuffer[object]) -> None:
    """Wait, after a piece was written, until ``buffer`` has demand again, or has ended.

    Args:
        buffer: the stream that the caller writes.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.core import ReplayBuffer, current_context, until_requested
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
        >>> from miniagents.core import close
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
