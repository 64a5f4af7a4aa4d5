"""Readers of a buffer: piece by piece, or the whole at its end.

A reader waits on a Future of its own and is counted only while it reads, so a reader that leaves affects no
other.

If a source yields a piece in every turn of the event loop, a Future for each piece costs too much: its reader
waits one turn and looks again, which takes a sixth fewer instructions. If nothing came in that turn, it waits
on a Future, and for the next pieces it uses a Future at once: for one piece first, and for twice as many
after each further turn without a piece, up to `REST`. So a slow source costs one turn too many once in `REST`
pieces.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterator
from functools import partial
from itertools import islice
from typing import Final, TypeVar, cast

from ._buffer import NoReplayBuffer, ReaderPosition, ReplayBuffer
from ._deadlocks import record_wait
from ._gauge import TERMINALS
from ._lifetime import Lifetime, current_producer
from ._run_task import ProducerTask
from ._stops import Stop

T = TypeVar("T")

REST = 64
_LEVELS: Final = 16
"""So many levels of tasks that a run has made a cancellation of the run goes down, one in a turn."""


class _NextTurn:
    """An awaitable for one turn of the event loop, without the coroutine of ``asyncio.sleep(0)``."""

    __slots__ = ()

    def __await__(self) -> Iterator[None]:
        return iter(_ONE_YIELD)


_ONE_YIELD: Final = (None,)
NEXT_TURN: Final = cast("Awaitable[None]", _NextTurn())  # any iterator will do for `await`
"""Await it for one turn of the event loop, as with ``asyncio.sleep(0)``, at a sixth of the cost."""

_LIST_ITERATOR: object = type(iter([]))
_reposition = cast("Callable[[Iterator[object], int], None]", getattr(_LIST_ITERATOR, "__setstate__"))  # noqa: B009 - typeshed does not know it


def iterate(buffer: ReplayBuffer[T], owner: object, items: list[T] | None = None) -> AsyncGenerator[T]:
    """Yield the pieces of ``buffer`` from the first one on, as they come; then raise its error, if any.

    This function starts the generator, up to a first yield that no reader sees, with the event loop's
    finalizer hooks switched off. So a reader that is dropped in the middle (a ``break``) is closed at that
    moment and not some loop turns later. This is how a source is stopped at once when its last reader leaves.

    Args:
        buffer: the buffer to read.
        owner: the promise; the reader keeps it alive.
        items: the list to read, if the buffer has more than one.

    Returns:
        A new reader, which begins with the first piece.

    Example:
        >>> import asyncio
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import Context
        >>> from miniagents.streams._readers import iterate
        >>> buffer = ReplayBuffer(Context(), ["one", "two"], closed=True)
        >>> async def main():
        ...     print([piece async for piece in iterate(buffer, None)])
        >>> asyncio.run(main())
        ['one', 'two']
    """
    if isinstance(buffer, NoReplayBuffer):
        reader = started(_read_without_replay(buffer, owner))
    else:
        reader = started(_read(buffer, owner, buffer.items if items is None else items))
    terminals = TERMINALS.get()
    if terminals is not None:
        terminals.read_with(reader, buffer)
    return reader


def started(generator: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """Run ``generator`` up to its first yield, with the event loop's finalizer hooks switched off for it.

    Args:
        generator: no reader gets what it yields first; until then it must not await anything.

    Returns:
        The same generator: dropping it closes it at that moment, so its clean-up must not await.

    Example:
        >>> import asyncio
        >>> from miniagents.streams._readers import started
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
        # `next` with a default makes no StopIteration: it costs a third less than `send`.
        next(generator.__anext__().__await__(), None)
    finally:
        sys.set_asyncgen_hooks(*hooks)
    return generator


async def _read(  # noqa: C901 - calls of helpers would cost more than the branches
    buffer: ReplayBuffer[T], owner: object, items: list[T]
) -> AsyncGenerator[T]:
    buffer.reader_came()
    position = 0
    hot = 0  # before this position the reader waits one turn first; behind it, `wait` requests more
    rest = backoff = 1
    turns = 0  # how often in a row there was more to read without waiting
    half = buffer.context.prefetch >> 1
    try:
        yield owner  # type: ignore[misc]  # taken by `iterate`; never seen by a reader
        while True:
            # A plain `for` over a list iterator is the fastest read there is (it sees what is appended
            # meanwhile), and `__setstate__` puts a new one where the exhausted one stopped.
            # Only the pieces that are here now: if the reader itself causes new ones, the loop would never
            # end.
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
            # `until_done`, inlined without its coroutine and calls: this runs once per token of a live
            # source.
            future = buffer.wait()
            record_wait(buffer, future)
            try:
                await future
            except BaseException:
                buffer.stop_waiting(future)
                raise
            rest -= 1
            if rest <= 0:
                hot = buffer.requested - half
    finally:
        buffer.reader_left()
    if buffer.error is not None:
        await settled(buffer)
    raise_error(buffer, items)


async def _read_without_replay(buffer: NoReplayBuffer[T], owner: object) -> AsyncGenerator[T]:
    buffer.reader_came()
    reader = ReaderPosition()
    buffer.enter(reader)
    try:
        yield owner  # type: ignore[misc]  # taken by `iterate`; never seen by a reader
        while True:
            while reader.position < len(buffer.items):
                yield buffer.take(reader)  # no name, which would keep the piece until the next one comes
            if buffer.closed:
                break
            await until_done(buffer, buffer.wait())
    finally:
        buffer.quit(reader)
        buffer.reader_left()
    await settled(buffer)
    raise_error(buffer)


async def until_done(buffer: ReplayBuffer[T], future: "asyncio.Future[None]") -> None:
    """Wait for a new piece or the end of ``buffer``.

    Args:
        buffer: a buffer that the caller has read to its present end.
        future: what the buffer has returned to wait for.

    Raises:
        DeadlockError: the wait would be a deadlock; see ``_deadlocks``.

    Example:
        >>> import asyncio
        >>> from miniagents import MiniAgents
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import current_context
        >>> from miniagents.streams._readers import until_done
        >>> async def main():
        ...     buffer = ReplayBuffer(current_context())
        ...     asyncio.get_running_loop().call_soon(buffer.append, "one")
        ...     await until_done(buffer, buffer.wait())
        ...     print(buffer.items)
        >>> MiniAgents().run(main())
        ['one']
    """
    record_wait(buffer, future)
    try:
        await future
    except BaseException:
        buffer.stop_waiting(future)
        raise


async def until_closed(buffer: ReplayBuffer[T]) -> None:
    """Wait until ``buffer`` has ended, with or without an error, without being woken for each piece.

    Args:
        buffer: the buffer; its pump no longer waits for slower readers.

    Raises:
        DeadlockError: the wait would be a deadlock; see ``_deadlocks``.

    Example:
        >>> import asyncio
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import current_context
        >>> from miniagents.streams._readers import until_closed
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
        await until_done(buffer, future)
    finally:
        buffer.reader_left()


def waits(coroutine: Coroutine[object, object, T]) -> Generator[object, None, T]:
    """Await a coroutine, for an ``__await__``, in a frame that shows a task to wait for a stream of ours.

    Args:
        coroutine: waits for a stream; ``coroutine.__await__()`` alone shows no frame of it.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import current_context
        >>> from miniagents.streams._readers import until_closed, waits
        >>> async def main():
        ...     buffer = ReplayBuffer(current_context(), closed=True)
        ...     print(list(waits(until_closed(buffer))))
        >>> MiniAgents().run(main())
        []
    """
    return (yield from coroutine.__await__())


def open_stop(buffer: Lifetime[T]) -> Stop | None:
    """Return what has stopped ``buffer``, if it may still stop what reads that; None if it stops no more."""
    stop = None if buffer.error is None else buffer.context.stopped.get(buffer)
    return None if stop is None or stop.is_through() else stop


async def settled(buffer: ReplayBuffer[T]) -> None:
    """Let the reading run be stopped first, if what it reads was stopped together with it.

    A run that is to be stopped gets its own cancellation, and does not handle that of what it reads.

    Args:
        buffer: it has ended, and its reader has left it.
    """
    stop, run = open_stop(buffer), current_producer()
    if stop is None or run is None:
        return
    if run.stop is not None:  # its clean-up reads: the stop itself waits for that
        for _ in range(_LEVELS):
            await NEXT_TURN
        return
    while not stop.is_through():
        through = buffer.context.future()
        stop.when_through(partial(_resolve, through))
        await through


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def raise_error(buffer: ReplayBuffer[T], items: object = None) -> None:
    """Raise the error of a closed ``buffer``, the same object, if it has one.

    Every reader gets a new traceback; otherwise it would grow with each reader and keep their frames alive.

    Args:
        buffer: the buffer; from now on its error counts as seen.
        items: the list that was read; if it was withdrawn, that is an error too.

    Raises:
        Exception: the error of the buffer, of any type.

    Example:
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import Context
        >>> from miniagents.streams._readers import raise_error
        >>> buffer = ReplayBuffer(Context())
        >>> buffer.fail(ValueError("the source broke"))
        >>> raise_error(buffer)
        Traceback (most recent call last):
            ...
        ValueError: the source broke
    """
    if buffer.error is None:
        withdrawn = buffer.withdrawn(items)
        try:
            if withdrawn is not None:
                raise withdrawn
        finally:
            del withdrawn  # its traceback has this frame: a circle that would keep the reader alive
        return
    producer = current_producer()
    if isinstance(producer, ProducerTask) and not producer.ended:
        producer.receive(buffer, buffer.error)
    else:
        buffer.mark_error_handled()
    buffer.raise_error()
