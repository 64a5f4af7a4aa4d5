"""Reading a buffer: piece by piece, or the whole at its end.

A reader waits on a Future of its own and is counted only while it reads, so one that leaves harms no other.

A source that gives a piece in every turn of the event loop is not worth a Future a piece: its reader waits
one turn and looks again, for a sixth of the instructions less. It waits on a Future if nothing came, and does
so at once, without that turn, up to `REST` times as long as turns are waited in vain: a slow source pays for
a turn too many once in `REST` pieces.
"""

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from itertools import islice
from typing import Final, TypeVar, cast

from ._buffer import NoReplayBuffer, ReaderPosition, ReplayBuffer
from ._deadlocks import current_producer, record_wait
from ._producer_task import ProducerTask

T = TypeVar("T")

REST = 64


class _NextTurn:
    """Awaited, it lets the event loop turn once; ``asyncio.sleep(0)`` makes a coroutine and a generator."""

    __slots__ = ()

    def __await__(self) -> Iterator[None]:
        return iter(_ONE_YIELD)


_ONE_YIELD: Final = (None,)
NEXT_TURN: Final = cast("Awaitable[None]", _NextTurn())  # any iterator will do for `await`
"""Awaited, it lets the event loop turn once, as ``asyncio.sleep(0)`` does, for a sixth of what that costs."""

_LIST_ITERATOR: object = type(iter([]))
_reposition = cast("Callable[[Iterator[object], int], None]", getattr(_LIST_ITERATOR, "__setstate__"))  # noqa: B009 - typeshed does not know it


def iterate(buffer: ReplayBuffer[T], owner: object, items: list[T] | None = None) -> AsyncGenerator[T]:
    """The pieces of ``buffer`` from the first on, as they come; then its error, if it has one.

    The generator is started here, up to a first yield that no reader sees, with the event loop's finalizer
    hooks switched off. So a reader that is dropped in the middle (a ``break``) is closed at that very moment
    and not some loop turns later, which is how a source is stopped at once when its last reader leaves.

    Args:
        buffer: what is read.
        owner: kept alive as long as somebody reads (the promise).
        items: what is read of it, if it keeps more lists than one.

    Returns:
        A reader of its own; a second call gives a second reader, from the first piece on.

    Example:
        >>> import asyncio
        >>> from miniagents.core import ReplayBuffer, Context, iterate
        >>> buffer = ReplayBuffer(Context(), ["one", "two"], closed=True)
        >>> async def main():
        ...     print([piece async for piece in iterate(buffer, None)])
        >>> asyncio.run(main())
        ['one', 'two']
    """
    if isinstance(buffer, NoReplayBuffer):
        return started(_read_without_replay(buffer, owner))
    return started(_read(buffer, owner, buffer.items if items is None else items))


def started(generator: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """``generator`` run up to its first yield, with the event loop's finalizer hooks switched off for it.

    Args:
        generator: no reader sees what it yields first; until then it must not await anything.

    Returns:
        The same generator: dropping it closes it at that very moment, so its clean-up must not await.

    Example:
        >>> import asyncio
        >>> from miniagents.core import started
        >>> async def numbers():
        ...     yield
        ...     try:
        ...         yield 1
        ...     finally:
        ...         print("closed")
        >>> async def main():
        ...     async for number in started(numbers()):
        ...         break
        ...     print("left")
        >>> asyncio.run(main())
        closed
        left
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        # `next` with a default makes no StopIteration of what is yielded: a third less than `send`.
        next(generator.__anext__().__await__(), None)
    finally:
        sys.set_asyncgen_hooks(*hooks)
    return generator


async def _read(  # noqa: C901 - calls would cost more than the branches
    buffer: ReplayBuffer[T], owner: object, items: list[T]
) -> AsyncGenerator[T]:
    buffer.reader_came()
    position = 0
    hot = 0  # before this position a turn is waited first; from it on, the source is told to run on
    rest = backoff = 1
    turns = 0  # how often in a row there was more without waiting
    half = buffer.context.prefetch >> 1
    try:
        yield owner  # type: ignore[misc]  # taken by `iterate`; never seen by a reader
        while True:
            # A plain `for` over a list iterator is the fastest read there is (it sees what is appended
            # meanwhile), and `__setstate__` puts a new one where the exhausted one stopped.
            # Only what is there now: one who writes what is read, as it is read, would be read without end.
            batch = iter(items)
            if position:
                _reposition(batch, position)
            end = len(items)
            for item in islice(batch, end - position):
                yield item
            position = end
            if len(items) > end:
                turns += 1
                if turns >= REST:
                    turns = 0
                    await NEXT_TURN  # so that timeouts and cancellation run
                continue
            if buffer.closed:
                break
            turns = 0
            if position < hot:
                await NEXT_TURN
                if len(items) > position or buffer.closed:
                    backoff = 1
                    continue
                hot = 0
                rest = backoff = min(2 * backoff, REST)
            # What `until_more` does, without its coroutine and its calls: once per token of a live source.
            future = buffer.wait()
            record_wait(buffer, future)
            try:
                await future
            except BaseException:
                buffer.stop_waiting(future)
                raise
            rest -= 1
            if rest <= 0 and buffer.upstream is None:  # else it is written when a reader says that it waits
                hot = buffer.requested - half
    finally:
        buffer.reader_left()
    raise_error(buffer)


async def _read_without_replay(buffer: NoReplayBuffer[T], owner: object) -> AsyncGenerator[T]:
    buffer.reader_came()
    reader = ReaderPosition()
    buffer.enter(reader)
    try:
        yield owner  # type: ignore[misc]  # taken by `iterate`; never seen by a reader
        while True:
            while reader.position < len(buffer.items):
                yield buffer.take(reader)  # by no name: it would be kept until the next one is there
            if buffer.closed:
                break
            await until_more(buffer)
    finally:
        buffer.quit(reader)
        buffer.reader_left()
    raise_error(buffer)


async def until_more(buffer: ReplayBuffer[T]) -> None:
    """Wait until ``buffer`` has more than one reader has read, or the end.

    Args:
        buffer: what the reader has read to its present end.

    Raises:
        DeadlockError: the run that waits would have to go on for that; see ``_deadlocks`` for when.

    Example:
        >>> import asyncio
        >>> from miniagents import MiniAgents
        >>> from miniagents.core import ReplayBuffer, current_context, until_more
        >>> async def main():
        ...     buffer = ReplayBuffer(current_context())
        ...     asyncio.get_running_loop().call_soon(buffer.append, "one")
        ...     await until_more(buffer)
        ...     print(buffer.items)
        >>> MiniAgents().run(main())
        ['one']
    """
    future = buffer.wait()
    record_wait(buffer, future)
    try:
        await future
    except BaseException:
        buffer.stop_waiting(future)
        raise


async def until_closed(buffer: ReplayBuffer[T]) -> None:
    """Wait for the terminal of ``buffer``, whatever it is, without being woken per piece.

    Args:
        buffer: what is waited for; its pump no longer waits for slower readers.

    Raises:
        DeadlockError: the run that waits would have to go on for that; see ``_deadlocks`` for when.

    Example:
        >>> import asyncio
        >>> from miniagents.core import ReplayBuffer, current_context, until_closed
        >>> from miniagents import MiniAgents
        >>> async def main():
        ...     buffer = ReplayBuffer(current_context())
        ...     asyncio.get_running_loop().call_soon(buffer.finish)
        ...     await until_closed(buffer)
        ...     print(buffer.closed)
        >>> MiniAgents().run(main())
        True
    """
    if buffer.closed:
        return
    future = buffer.wait_for_end()
    buffer.reader_came()
    try:
        record_wait(buffer, future)
        await future
    except BaseException:
        buffer.stop_waiting(future)
        raise
    finally:
        buffer.reader_left()


def raise_error(buffer: ReplayBuffer[T]) -> None:
    """Raise the error of a closed ``buffer``, the very object, if it has one.

    The traceback starts anew for every reader; it would otherwise grow with each and keep their frames alive.

    Args:
        buffer: what has been read; from now on its error counts as seen.

    Raises:
        Exception: the error of the buffer, whatever its type.

    Example:
        >>> from miniagents.core import ReplayBuffer, Context, raise_error
        >>> buffer = ReplayBuffer(Context())
        >>> buffer.fail(ValueError("the source broke"))
        >>> raise_error(buffer)
        Traceback (most recent call last):
            ...
        ValueError: the source broke
    """
    if buffer.error is None:
        return
    producer = current_producer()
    if isinstance(producer, ProducerTask):
        producer.received = buffer.error, buffer.chain
    buffer.raise_error()
