"""``follow_until``: passes items on until a signal comes."""

import asyncio
from collections.abc import Awaitable
from inspect import isawaitable, iscoroutine
from typing import Final, Protocol, TypeVar, cast, runtime_checkable

from reactivex import Observable, abc
from reactivex.disposable import Disposable, SingleAssignmentDisposable

from ._safe_observer import SafeObserver
from ._scheduler import LoopScheduler

T = TypeVar("T")

_SPENT: Final = (
    "The coroutine that until was given was cancelled with the last subscription, and cannot be awaited "
    "again; give until an asyncio.Event or a task."
)


@runtime_checkable
class Waitable(Protocol):
    """Something to wait for again and again, such as an ``asyncio.Event``."""

    async def wait(self) -> object:
        """Wait until it is set."""
        ...


class Signal:
    """What ends a stream: awaited once, for all subscriptions that there are at a time.

    Args:
        source: an event, or an awaitable.

    Attributes:
        spent: a coroutine was cancelled with the last subscription, so the signal can come no more.

    Raises:
        TypeError: it is neither.
    """

    def __init__(self, source: Waitable | Awaitable[object]) -> None:
        if not isawaitable(source) and not isinstance(cast("object", source), Waitable):
            raise TypeError(
                f"until was given a value of type {type(source).__name__}; give it an asyncio.Event, a "
                "Future, a task or a coroutine. For an Observable use `take_until` of reactivex."
            )
        self._source = source
        self._waiting: asyncio.Future[object] | None = None
        self._users = 0
        self.spent: bool = False

    def begin(self) -> "asyncio.Future[object]":
        """Return the Future that is done when the signal has come."""
        self._users += 1
        if self._waiting is None or (self._waiting.cancelled() and isinstance(self._source, Waitable)):
            source = self._source
            if isinstance(source, Waitable):
                if self.has_come():
                    self._waiting = asyncio.get_running_loop().create_future()
                    self._waiting.set_result(None)
                else:
                    self._waiting = asyncio.ensure_future(source.wait())
            else:
                self._waiting = cast("asyncio.Future[object]", asyncio.ensure_future(source))
        return self._waiting

    def has_come(self) -> bool:
        """Return whether an event is set, before what waits for it has had its turn."""
        is_set = getattr(self._source, "is_set", None)
        return callable(is_set) and bool(is_set())

    def end(self) -> None:
        """Stop waiting when nothing needs the signal any more; Futures and tasks belong to others."""
        self._users -= 1
        if self._users or self._waiting is None:
            return
        if isinstance(self._source, Waitable):
            self._waiting.cancel()
            self._waiting = None
        elif iscoroutine(self._source):
            self.spent = self._waiting.cancel()


def follow_until(
    signal: Signal, source: Observable[T], observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None
) -> Disposable:
    """Pass items on until the signal comes.

    Args:
        signal: ends it.
        source: where the items come from.
        observer: gets them.
        scheduler: of the subscription.
    """
    if signal.spent:
        observer.on_error(RuntimeError(_SPENT))
        return Disposable()
    waiting = signal.begin()
    subscription = SingleAssignmentDisposable()

    def next_item(item: T) -> None:
        if signal.has_come():
            subscriber.complete()
        else:
            subscriber.next(item)

    def end(waiting: "asyncio.Future[object]") -> None:
        error = None if waiting.cancelled() else waiting.exception()
        if isinstance(error, Exception):
            subscriber.fail(error)
        else:
            subscriber.complete()

    def leave() -> None:
        waiting.remove_done_callback(end)
        signal.end()
        subscription.dispose()

    subscriber = SafeObserver(observer, leave)
    if waiting.done():
        end(waiting)
    else:
        waiting.add_done_callback(end)
        scheduler = LoopScheduler() if scheduler is None else scheduler
        subscription.disposable = source.subscribe(
            next_item, subscriber.fail, subscriber.complete, scheduler=scheduler
        )
    return Disposable(subscriber.dispose)
