"""The observable face of a buffer.

Rule of this room: **a subscriber gets what a reader gets**: every piece from the first on, in order, one at a
time, in the contextvars of whoever subscribed; then at most one terminal; then nothing, and it is let go. A
subscriber that raises hurts nobody but itself.

It is an ``Observable``, so every reactivex operator works on it. ``subscribe`` is our own: the list is the
replay buffer and there is no lock, no trampoline and no auto-detach layer per piece.
"""

import contextvars
import logging
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from reactivex import Observable, abc
from reactivex.scheduler import CurrentThreadScheduler
from typing_extensions import override

from ._log import ReplayBuffer

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

logger = logging.getLogger("miniagents")


def _ignore(*_: object) -> None: ...


class Stream(Observable[T_co]):
    """The pieces of a buffer as an Observable: hot, replayed from the first piece to every subscriber.

    * When does it start? It does not: the buffer is filled whether anybody subscribes or not.
    * How often? The buffer is written once; every subscriber gets all of it, in its own contextvars.
    * What is kept? Nothing here; the buffer keeps every piece.
    * What does ``break`` do? Disposing is idempotent, lets the subscriber go and harms nobody else.
    * When does an error come? After every piece that came before it.

    Args:
        buffer: what is shown.
        owner: kept alive as long as this face or a subscription lives (the promise).
        items: what is shown of it, if it keeps more lists than one.

    Example:
        >>> from miniagents.core import ReplayBuffer, Stream, Context
        >>> face = Stream(ReplayBuffer(Context(), ["one", "two"], closed=True), owner=None)
        >>> with face.subscribe(print), face.subscribe(lambda piece: print(piece.upper())):
        ...     pass
        one
        two
        ONE
        TWO
    """

    def __init__(self, buffer: ReplayBuffer[T_co], owner: object, items: list[T_co] | None = None) -> None:
        super().__init__()
        self._log = buffer
        self._items = buffer.items if items is None else items
        self._owner = owner

    @override
    def subscribe(
        self,
        on_next: abc.ObserverBase[T_co] | abc.OnNext[T_co] | None = None,
        on_error: abc.OnError | None = None,
        on_completed: abc.OnCompleted | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        """Replay what has come, then push what comes; see :class:`reactivex.Observable`."""
        if isinstance(on_next, abc.ObserverBase) or hasattr(on_next, "on_next"):
            observer = cast("abc.ObserverBase[T_co]", on_next)
            on_next, on_error, on_completed = observer.on_next, observer.on_error, observer.on_completed
        subscription = Subscription(
            self._log, self._items, self._owner, on_next or _ignore, on_error, on_completed or _ignore
        )
        trampoline = CurrentThreadScheduler.singleton()
        if trampoline.schedule_required():
            subscription.start()
        else:
            # Inside the subscription of a longer pipeline: its disposables are in place once that has
            # returned, so that `take(1)` of a long replay can stop it.
            trampoline.schedule(subscription.start_later)
        return subscription


class Subscription(abc.DisposableBase, Generic[T]):
    """One subscriber's position in a buffer; disposing it is idempotent and lets everything go."""

    __slots__ = (
        "_busy",
        "_context",
        "_items",
        "_log",
        "_on_completed",
        "_on_error",
        "_on_next",
        "_owner",
        "position",
    )

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        buffer: ReplayBuffer[T],
        items: list[T],
        owner: object,
        on_next: Callable[[T], None],
        on_error: Callable[[Exception], None] | None,
        on_completed: Callable[[], None],
    ) -> None:
        self._log: ReplayBuffer[T] | None = buffer
        self._items = items
        self._owner: object = owner
        self._on_next: Callable[[T], None] = on_next
        self._on_error = on_error
        self._on_completed = on_completed
        self.position = 0
        self._busy = True
        self._context = contextvars.copy_context()
        buffer.attach(self)

    def start(self) -> None:
        """Deliver what is there already; what the subscriber raises reaches the one who subscribed."""
        self._busy = False
        try:
            self._deliver()
        except BaseException:
            self.dispose()
            raise
        if self._log is not None:
            self._log.let_go()

    def start_later(self, scheduler: abc.SchedulerBase, state: object = None) -> None:
        """:meth:`start` as an action of a scheduler."""
        del scheduler, state
        self.start()

    def deliver(self) -> None:
        """Deliver what is new; what the subscriber raises ends this subscription only."""
        if self._busy or self._log is None:
            return
        try:
            self._context.run(self._deliver)
        except Exception:
            logger.exception(
                "A subscriber raised; it was unsubscribed, the stream goes on for everybody else."
            )
            self.dispose()

    def _deliver(self) -> None:
        self._busy = True
        try:
            while (buffer := self._log) is not None:
                items = self._items
                if self.position < len(items):
                    item = items[self.position]
                    self.position += 1
                    self._on_next(item)
                elif buffer.closed:
                    self._terminate(buffer)
                else:
                    return
        finally:
            self._busy = False

    def _terminate(self, buffer: ReplayBuffer[T]) -> None:
        on_error, on_completed = self._on_error, self._on_completed
        if buffer.error is not None and on_error is not None:
            buffer.mark_error_handled()  # first: if nobody else holds the stream, leaving it drops it
        self.dispose()
        if buffer.error is None:
            on_completed()
        elif on_error is not None:
            buffer.context.passing = (buffer.error, buffer.chain)
            try:
                on_error(buffer.error)
            finally:
                buffer.context.passing = None

    @override
    def dispose(self) -> None:
        """Leave: no further call, no reference kept."""
        buffer, self._log = self._log, None
        if buffer is None:
            return
        buffer.detach(self)
        self._owner = None
        self._items = []
        self._on_next = self._on_completed = _ignore
        self._on_error = None
