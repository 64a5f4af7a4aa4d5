"""``SafeObserver``: what an operator without a task calls; an observer that raises harms nothing else."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from reactivex import abc

T = TypeVar("T")

logger = logging.getLogger("miniagents")


class SafeObserver(Generic[T]):
    """Passes items and one end to an observer; one that raises is unsubscribed, and harms nothing else.

    Args:
        observer: of the subscriber.
        leave: unsubscribes from the source; called once, before the end is passed on.
    """

    def __init__(self, observer: abc.ObserverBase[T], leave: Callable[[], object]) -> None:
        self._observer: abc.ObserverBase[T] | None = observer
        self._leave: Callable[[], object] | None = leave

    @property
    def left(self) -> bool:
        """Whether it has ended, or was unsubscribed."""
        return self._observer is None

    def next(self, item: T) -> None:
        """Pass an item on."""
        if self._observer is not None:
            self._call(partial(self._observer.on_next, item))

    def fail(self, error: Exception) -> None:
        """Pass an error on, and leave."""
        observer = self.leave()
        if observer is not None:
            self._call(partial(observer.on_error, error))

    def complete(self) -> None:
        """Pass the end on, and leave."""
        observer = self.leave()
        if observer is not None:
            self._call(observer.on_completed)

    def dispose(self) -> None:
        """Leave, and pass nothing more on."""
        self.leave()

    def leave(self) -> abc.ObserverBase[T] | None:
        """Leave; return the observer if it had not left."""
        observer, self._observer = self._observer, None
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()
        return observer

    def _call(self, event: Callable[[], None]) -> None:
        try:
            event()
        except Exception:
            logger.exception("A subscriber raised; it was unsubscribed.")
            self.leave()
