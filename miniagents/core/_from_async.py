"""``from_async``: an async iterable becomes an Observable."""

import logging
from collections.abc import AsyncIterable, Callable
from contextvars import copy_context
from functools import partial
from typing import Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from ._driver import ProducerTask
from ._log import BURST, ReplayBuffer
from ._pump import pump
from ._scope import current_context

T = TypeVar("T")

logger = logging.getLogger("miniagents")


def from_async(source: AsyncIterable[T]) -> Observable[T]:
    """Show an async iterable as an Observable of its items.

    * When does it start? When someone subscribes, as a task of the active context.
    * How often? Once per subscription. (An async *generator object* can be iterated only once; give an object
      whose ``__aiter__`` makes a new iterator if several may subscribe.)
    * What is kept? Nothing.
    * What does ``break`` do? Whatever disposes the subscription cancels the task and closes the iterator.
    * When does an error come? After every item that came before it.

    Args:
        source: what is iterated.

    Returns:
        A cold Observable.

    Raises:
        NoActiveContextError: on subscribing, when no context is active.

    Example:
        >>> import asyncio
        >>> from miniagents import MiniAgents
        >>> from miniagents.core import from_async
        >>> async def numbers():
        ...     for number in range(3):
        ...         await asyncio.sleep(0)
        ...         yield number
        >>> MiniAgents().run(from_async(numbers()))
        [0, 1, 2]
    """

    def subscribe(
        observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        del scheduler  # the event loop of the context is the only one there is
        context = current_context()
        status: ReplayBuffer[object] = ReplayBuffer(context)
        sink = _ObserverSink(observer, status)
        driver = ProducerTask("from_async", context, status, sink, part=True)
        driver.start(lambda: pump(source, status, sink.append))

        def leave() -> None:
            sink.detach()  # first: who has left is not told that it was cancelled
            driver.cancel()

        return Disposable(leave)

    return Observable(subscribe)


class _ObserverSink(Generic[T]):
    """Hands what is pumped to one observer, in the contextvars of whoever subscribed.

    So what the observer begins belongs to whoever subscribed, and does not end with this pump.
    """

    __slots__ = ("_context", "_count", "_observer", "_status")

    def __init__(self, observer: abc.ObserverBase[T], status: ReplayBuffer[object]) -> None:
        self._observer: abc.ObserverBase[T] | None = observer
        self._status = status
        self._count = 0
        self._context = copy_context()

    def append(self, item: T) -> None:
        if self._observer is None:
            return
        try:
            self._context.run(self._observer.on_next, item)
        except Exception:
            logger.exception("A subscriber raised; it was unsubscribed and the source is closed.")
            self.detach()
            self._status.finish()  # the pump looks up and leaves
            return
        self._count += 1
        if self._count % BURST == 0:
            # Nothing is buffered that could fill up, so this asks for the look at the loop.
            self._status.limit = 0

    def detach(self) -> None:
        self._observer = None

    def finish(self) -> None:
        observer, self._observer = self._observer, None
        self._status.finish()
        if observer is not None:
            self._end(observer.on_completed)

    def fail(self, error: Exception) -> None:
        observer, self._observer = self._observer, None
        self._status.finish()
        if observer is not None:
            self._end(partial(observer.on_error, error))

    abort = fail

    def _end(self, tell: Callable[[], None]) -> None:
        try:
            self._context.run(tell)
        except Exception:
            logger.exception("A subscriber raised when it was told the end.")
