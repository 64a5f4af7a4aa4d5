"""``to_async_iter``: an Observable becomes an async iterator."""

from collections.abc import AsyncGenerator
from typing import TypeVar

from reactivex import Observable, operators as ops

from ._cursor import raise_error, started
from ._log import ReplayBuffer
from ._mailbox import BoundedQueue
from ._overflow import Overflow
from ._scope import Context

T = TypeVar("T")


def to_async_iter(observable: Observable[T], *, overflow: Overflow | None = None) -> AsyncGenerator[T]:
    """Show an Observable as an async iterator of its items.

    * When does it start? It subscribes when the first item is asked for.
    * How often? Once: an async iterator is read once. Make another one to subscribe again.
    * What is kept? What came since the reader last asked: all of it, since an Observable cannot be paused and
      nothing is lost in silence. With ``overflow`` no more than its capacity.
    * What does ``break`` do? It disposes the subscription at once.
    * When does an error come? After every item that came before it.

    Args:
        observable: hot or cold; it may push from any thread.
        overflow: how many unread items may wait, and what becomes of one too many; see :class:`Overflow`.

    Returns:
        An async generator of the items.

    Raises:
        StreamOverflowError: more came than may wait, and the policy is to fail, or it is to block and the
            source pushes on the event loop of the reader.

    Example:
        >>> import asyncio
        >>> import reactivex as rx
        >>> from miniagents.core import to_async_iter
        >>> async def main() -> list[int]:
        ...     return [number async for number in to_async_iter(rx.of(1, 2, 3))]
        >>> asyncio.run(main())
        [1, 2, 3]
    """
    return started(_read(observable) if overflow is None else _read_bounded(observable, overflow))


async def _read(observable: Observable[T]) -> AsyncGenerator[T]:
    yield observable  # type: ignore[misc]  # taken by `started`; never seen by a reader
    buffer: ReplayBuffer[T] = ReplayBuffer(_here())
    on_loop_thread = (
        buffer.context.on_loop_thread
    )  # an Observable may emit from any thread, as the timers of reactivex do
    subscription = observable.subscribe(
        on_loop_thread(buffer.append), on_loop_thread(buffer.fail), on_loop_thread(buffer.finish)
    )
    try:
        while True:
            batch, buffer.items = buffer.items, []
            for item in batch:
                yield item
            if batch:
                continue
            if buffer.closed:
                break
            await buffer.wait_for_more()
    finally:
        subscription.dispose()
    raise_error(buffer)


async def _read_bounded(observable: Observable[T], overflow: Overflow) -> AsyncGenerator[T]:
    yield observable  # type: ignore[misc]  # taken by `started`; never seen by a reader
    buffer: ReplayBuffer[object] = ReplayBuffer(_here())
    on_loop_thread = buffer.context.on_loop_thread
    mailbox: BoundedQueue[T] = BoundedQueue(buffer, overflow)
    # Also a source that pushes all it has while it is being subscribed to must learn that it is not wanted.
    wanted = observable.pipe(ops.take_while(mailbox.is_open))
    subscription = wanted.subscribe(mailbox.put, on_loop_thread(buffer.fail), on_loop_thread(buffer.finish))
    try:
        while True:
            for item in mailbox.take():
                yield item
            if buffer.closed:
                break
            await buffer.wait_for_more()
    finally:
        subscription.dispose()
        mailbox.close()
    raise_error(buffer)


def _here() -> Context:
    """A context in which nothing is started: it only lends the event loop."""
    context = Context()
    context.open()
    return context
