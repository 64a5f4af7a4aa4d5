"""The only pump from async iterables.

Rule of this module: **a source is closed on every way out**, also by cancellation and by an error of the
consumer of its pieces. It runs at most ``prefetch`` pieces ahead of the fastest reader, then it waits without
asking the source.
"""

from collections.abc import AsyncIterable, Callable
from itertools import repeat
from typing import Protocol, TypeVar

from ._buffer import ReplayBuffer

T = TypeVar("T")


async def pump(source: AsyncIterable[T], buffer: ReplayBuffer[object], put: Callable[[T], object]) -> None:
    """Move every piece of ``source`` into ``put``, in order, paced by the readers of ``buffer``.

    Args:
        source: iterated once; its iterator is closed whatever happens.
        buffer: where the pieces end up after a transformation.
        put: takes one piece; also one that the source gives when ``buffer`` has just ended.

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
            # One comparison a piece: `limit` stands for pausing, for yielding to the loop, and for the end.
            # It comes before the source is asked again, which may do much for one more piece.
            if len(items) >= buffer.check_at and not await buffer.may_go_on():
                break
    finally:
        await close(iterator)


async def fill(buffer: ReplayBuffer[T], source: AsyncIterable[T]) -> None:
    """Move every piece of ``source`` into ``buffer`` itself; otherwise as :func:`pump`.

    This is the hot path of a token, so ``buffer.append`` stands here written out: a call per token less, 0.3
    of what a bare ``async for`` costs.

    Args:
        buffer: what is filled; it is not ended.
        source: iterated once; its iterator is closed whatever happens.

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
                if buffer.closed:  # nothing follows the terminal; no reader has looked yet
                    items.pop()
                buffer.notify()
                if buffer.check_at != limit:
                    limit = buffer.check_at
                    ticks = repeat(None, limit - len(items))
            # Counts down to `limit` in C: to compare the length of `items` would make a number a piece.
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
    """Notes of when pieces come.

    Attributes:
        look_at: how many pieces there are when :meth:`look` is to be called.
    """

    look_at: int

    @property
    def times(self) -> list[float]:
        """When each piece came."""
        ...

    def drop_last(self) -> None:
        """The last piece came too late and is none."""
        ...

    def look(self, piece: str, /) -> None:
        """So many pieces have come, and this is the last one."""
        ...


async def fill_and_note(
    buffer: ReplayBuffer[str], source: AsyncIterable[str], notes: Notes, clock: Callable[[], float]
) -> None:
    """:func:`fill`, and note when each piece comes.

    Two loops, so that who is not observed pays nothing.

    Args:
        buffer: what is filled; it is not ended.
        source: iterated once; its iterator is closed whatever happens.
        notes: take the times.
        clock: tells them.
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
                if len(items) >= notes.look_at and not buffer.closed:  # at its end all was told
                    notes.look(piece)
                if len(items) >= buffer.check_at and not await buffer.may_go_on():
                    break
                limit = min(buffer.check_at, notes.look_at)
                ticks = repeat(None, limit - len(items) - 1)
    finally:
        await close(iterator)


async def until_requested(buffer: ReplayBuffer[object]) -> None:
    """Wait, after a piece was written, until more is wanted of ``buffer``, or it has ended.

    Args:
        buffer: what the caller writes by hand.

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
    """Close an async iterator, if it can be closed.

    Args:
        iterator: what a source is read with; a generator that has not ended runs its clean-up here.

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
