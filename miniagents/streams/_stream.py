"""``Stream``: the pieces of a buffer, as an Observable, as an async iterable, and as an awaitable tuple.

A subscriber gets what a reader gets: every piece from the first on, in order, one at a time, in the
subscriber's contextvars; then at most one terminal event, after which it is released. A subscriber that
raises does not affect the others.

It is an ``Observable``, so every reactivex operator works on it. It overrides ``subscribe``: the list is the
replay buffer, and there is no lock, no trampoline and no auto-detach layer per piece.
"""

import logging
from asyncio import CancelledError
from collections.abc import AsyncGenerator, Callable, Generator
from typing import TYPE_CHECKING, Generic, NoReturn, Self, TypeVar, cast

from reactivex import Observable, abc
from reactivex.scheduler import CurrentThreadScheduler
from typing_extensions import override

from ._buffer import ReplayBuffer
from ._deadlocks import record_subscription
from ._gauge import Gauge, gauge_of, variables_of
from ._lifetime import Lease
from ._readers import iterate, raise_error, settled, until_closed, waits
from ._unhandled import PassingError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

logger = logging.getLogger("miniagents")


def _ignore(*_: object) -> None: ...


class Stream(Observable[T_co]):
    """The pieces of a stream, which can be read in three ways; ``promise.tokens`` is one.

    ``stream.pipe(...)`` and ``stream.subscribe(...)`` use it as an Observable; ``async for piece in stream``
    reads it; ``await stream`` is a tuple of all pieces (of other Observables: the last one).

    * When does it start? The source runs already; a derived stream is made at its first read.
    * How often? Once, for any number of readers.
    * What is kept? Every piece, as long as the stream, its promise or a reader exists.
    * What does ``break`` do? It ends that reader. When none is left and none can come any more, the source is
      stopped.
    * When does an error come? After every piece before it; every reader gets the same exception object.

    Args:
        source: the buffer, or a function that makes it at the first read.
        items: the list to read, if the buffer has several.

    Example:
        >>> from miniagents import Message, MiniAgents
        >>> async def write(metadata_so_far):
        ...     yield "Hel"
        ...     yield "lo"
        >>> async def main():
        ...     tokens = Message.promise(write).tokens
        ...     print(await tokens, [token async for token in tokens])
        ...     with tokens.subscribe(print):
        ...         pass
        >>> MiniAgents().run(main())
        ('Hel', 'lo') ['Hel', 'lo']
        Hel
        lo
    """

    def __init__(
        self, source: ReplayBuffer[T_co] | Callable[[], ReplayBuffer[T_co]], items: list[T_co] | None = None
    ) -> None:
        super().__init__()
        self._items = items
        self._make: Callable[[], ReplayBuffer[T_co]] | None = None
        self._lease: Lease | None = None  # a lease on the buffer; never the promise, which holds this stream
        if callable(source):
            self._make = source
        else:
            self._lease = Lease(source)

    @property
    def shown(self) -> ReplayBuffer[T_co]:
        """Return the buffer, for code of this layer; make it now if it does not exist yet."""
        if self._lease is None and self._make is not None:
            self._lease = Lease(self._make())
            self._make = None  # the new buffer's producer holds the original one
        return cast("ReplayBuffer[T_co]", cast("Lease", self._lease).buffer)

    def __aiter__(self) -> AsyncGenerator[T_co]:
        """Return an async iterator of the pieces, from the first one on, as they come."""
        buffer = self.shown
        return iterate(buffer, self._lease, self._items)

    if not TYPE_CHECKING:  # for type checkers no Observable has it; without it `for` would never end

        def __iter__(self) -> NoReturn:
            raise TypeError(
                f"A {type(self).__name__} has no items yet: read it with `async for`, or await it first."
            )

        def __copy__(self) -> Self:
            return self

        def __deepcopy__(self, memo: dict[int, object]) -> Self:
            return self

        def __reduce__(self) -> NoReturn:
            raise TypeError("A Stream cannot be pickled: await it, and pickle the tuple that it gives.")

    @override
    def __await__(self) -> Generator[object, None, tuple[T_co, ...]]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride] # the last item is no whole
        """Wait for the last piece and return all pieces."""
        buffer = self.shown
        return waits(_all(buffer, self._lease, buffer.items if self._items is None else self._items))

    @override
    def subscribe(
        self,
        on_next: abc.ObserverBase[T_co] | abc.OnNext[T_co] | None = None,
        on_error: abc.OnError | None = None,
        on_completed: abc.OnCompleted | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        """Push the pieces that have come, then each new one; see :class:`reactivex.Observable`."""
        if isinstance(on_next, abc.ObserverBase) or hasattr(on_next, "on_next"):
            observer = cast("abc.ObserverBase[T_co]", on_next)
            on_next, on_error, on_completed = observer.on_next, observer.on_error, observer.on_completed
        buffer = self.shown
        items = buffer.items if self._items is None else self._items
        subscription = Subscription(
            buffer,
            items,
            self._lease,
            on_next or _ignore,
            on_error,
            on_completed or _ignore,
            None if scheduler is None else gauge_of(scheduler, on_next),
        )
        trampoline = CurrentThreadScheduler.singleton()
        if trampoline.schedule_required():
            subscription.start()
        else:
            # Inside the subscription of a longer pipeline its disposables are in place only after that has
            # returned, so that `take(1)` of a long replay can stop it.
            trampoline.schedule(subscription.start_later)
        return subscription


class TokenStream(Stream[str]):
    """A stream of text tokens; where messages are accepted, it is one message, not one for each token."""


async def _all(buffer: ReplayBuffer[T], lease: object, items: list[T]) -> tuple[T, ...]:
    """Return all the pieces; keep ``lease`` until they have come."""
    buffer.keep_all()
    await until_closed(buffer)
    await settled(buffer)
    raise_error(buffer, items)
    whole = tuple(items)
    del lease  # if it was the last one, the items are dropped
    return whole


class Subscription(abc.DisposableBase, Generic[T]):
    """One subscriber's position in a buffer; ``dispose`` is idempotent and releases everything."""

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        buffer: ReplayBuffer[T],
        items: list[T],
        lease: object,
        on_next: Callable[[T], None],
        on_error: Callable[[Exception], None] | None,
        on_completed: Callable[[], None],
        gauge: Gauge | None,
    ) -> None:
        self._buffer: ReplayBuffer[T] | None = buffer
        self._items = items
        self._lease: object = lease
        self._on_next: Callable[[T], None] = on_next
        self._on_error = on_error
        self._on_completed = on_completed
        self.position = 0
        self._busy = True
        self._gauge = gauge
        self._room = 0  # how many pieces may be delivered before a look at the gauge
        self._variables = variables_of(gauge)
        self._circle = None if buffer.closed else record_subscription(buffer)
        buffer.attach(self, unbounded=gauge is None)

    def start(self) -> None:
        """Deliver the pieces that have come; ``subscribe`` raises an error of the subscriber."""
        self._busy = False
        try:
            self._deliver()
        except BaseException:
            self.dispose()
            raise
        if self._buffer is not None:
            self._buffer.drop_read()

    def start_later(self, scheduler: abc.SchedulerBase, state: object = None) -> None:
        """:meth:`start` as an action of a scheduler."""
        del scheduler, state
        self.start()

    def deliver(self) -> None:
        """Deliver the new pieces; an error of the subscriber ends this subscription only."""
        if self._busy or self._buffer is None:
            return
        try:
            self._variables.run(self._deliver)
        except (Exception, CancelledError):  # not a cancellation of what writes the stream
            logger.exception(
                "A subscriber raised; it was unsubscribed, and the stream goes on for all others."
            )
            self.dispose()

    def _deliver(self) -> None:
        self._busy = True
        try:
            while (buffer := self._buffer) is not None:
                items = self._items
                if self.position < len(items):
                    if self._gauge is not None and not self._has_room(self._gauge):
                        return
                    item = items[self.position]
                    self.position += 1
                    self._on_next(item)
                elif buffer.closed:
                    self._terminate(buffer)
                elif self._gauge is None or not self._requests(buffer, self._gauge):
                    return
        finally:
            self._busy = False

    # -- a subscription of a pipe that can wait -----------------------------------------------------------

    @property
    def name(self) -> str:
        """Its name in a warning."""
        return "a stream"

    def _has_room(self, gauge: Gauge) -> bool:
        """Return whether the pipe takes another piece; if not, :meth:`go_on` is called when it does."""
        if self._room <= 0:
            room = gauge.room()
            if room <= 0:
                gauge.hold(self)
                return False
            self._room = max(1, room // 2)
        self._room -= 1
        return True

    def _requests(self, buffer: ReplayBuffer[T], gauge: Gauge) -> bool:
        """Request what the pipe takes now; return whether something came at once, which was held."""
        room = gauge.room()  # not `_room`: if that is old, nothing is requested, and nothing comes to go on
        if room <= 0:
            gauge.hold(self)
            return False
        buffer.request(self.position + room, waiting=True)
        return self.position < len(self._items) or buffer.closed

    def go_on(self) -> None:
        """Deliver what has come meanwhile, and request more."""
        if self._buffer is not None:
            self._buffer.context.dispatch(self.deliver)

    def _terminate(self, buffer: ReplayBuffer[T]) -> None:
        on_error, on_completed, lease = self._on_error, self._on_completed, self._lease
        self.dispose()
        if buffer.error is None:
            withdrawn = buffer.withdrawn(self._items)
            if withdrawn is None:
                on_completed()
            elif on_error is not None:
                on_error(withdrawn)
        elif on_error is not None:
            passing = buffer.context.passing = PassingError(buffer.error, buffer.chain)
            try:
                on_error(buffer.error)
            finally:
                buffer.context.passing = None
                if passing.passed_on:
                    buffer.pass_error_on()
                else:
                    buffer.mark_error_handled()
        del lease  # if nothing else held the stream, its error was not logged before it was handled

    @override
    def dispose(self) -> None:
        """Unsubscribe: the subscriber is not called again, and no reference to it is kept."""
        buffer, self._buffer = self._buffer, None
        if buffer is None:
            return
        buffer.detach(self, unbounded=self._gauge is None)
        if self._gauge is not None:
            self._gauge.forget(self)
        if self._circle is not None:
            self._circle.cancel()
        self._lease = None
        self._items = []
        self._on_next = self._on_completed = _ignore
        self._on_error = None
