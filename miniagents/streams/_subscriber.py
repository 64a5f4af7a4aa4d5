"""``Subscriber``: what an operator of ours that has no task tells its observer."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from reactivex import abc

T = TypeVar("T")

logger = logging.getLogger("miniagents")


class Subscriber(Generic[T]):
    """Tells one observer items and one end; an observer that raises is unsubscribed, and harms nothing else.

    Args:
        observer: what is told.
        leave: unsubscribes from the source; called once, before the end is told.
    """

    __slots__ = ("_leave", "_observer")

    def __init__(self, observer: abc.ObserverBase[T], leave: Callable[[], object]) -> None:
        self._observer: abc.ObserverBase[T] | None = observer
        self._leave: Callable[[], object] | None = leave

    @property
    def left(self) -> bool:
        """Whether it has ended, or was unsubscribed."""
        return self._observer is None

    def next(self, item: T) -> None:
        """Tell an item."""
        if self._observer is not None:
            self._tell(partial(self._observer.on_next, item))

    def fail(self, error: Exception) -> None:
        """Tell an error, and leave."""
        observer = self.leave()
        if observer is not None:
            self._tell(partial(observer.on_error, error))

    def complete(self) -> None:
        """Tell the end, and leave."""
        observer = self.leave()
        if observer is not None:
            self._tell(observer.on_completed)

    def dispose(self) -> None:
        """Leave, and tell nothing more."""
        self.leave()

    def leave(self) -> abc.ObserverBase[T] | None:
        """Leave; return the observer if it had not left."""
        observer, self._observer = self._observer, None
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()
        return observer

    def _tell(self, event: Callable[[], None]) -> None:
        try:
            event()
        except Exception:
            logger.exception("A subscriber raised; it was unsubscribed.")
            self.leave()
