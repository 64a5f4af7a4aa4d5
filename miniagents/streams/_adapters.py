"""``from_async`` and ``to_async_iter``: async iterables as Observables, and back."""

import logging
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine
from functools import partial
from itertools import islice
from types import AsyncGeneratorType
from typing import Generic, NamedTuple, TypeVar, cast

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable
from typing_extensions import override

from miniagents.values import name_of

from ._buffer import ReplayBuffer
from ._context import Context, context_here, current_context, plain_context
from ._demand import BURST, UNBOUNDED
from ._gauge import BlockingGauge, Gauge, TerminalGauge, gauge_of, variables_of
from ._observers import Observer, RunEvent
from ._protocols import Producer
from ._pump import BoundedQueue, Overflow, pump
from ._readers import raise_error, started
from ._run_task import ProducerTask
from ._scheduler import LoopScheduler
from ._stream import Stream

# -- async adapters -------------------------------------------------------------------------------------

T = TypeVar("T")
R = TypeVar("R")

logger = logging.getLogger("miniagents")


def from_async(source: AsyncIterable[T]) -> Observable[T]:
    """Turn an async iterable into an Observable of its items.

    * When does it start? At each subscription, as a task of the active context. Without one it is a task of
      the running event loop, which the subscription owns.
    * How often? Once per subscription. An async *generator object* can be iterated only once: another
      subscription gets an error (``rx.defer(lambda _: from_async(rows()))`` makes a new one each time).
    * What is kept? Nothing.
    * What does ``break`` do? Disposing the subscription cancels the task and closes the iterator.
    * When does an error come? After every item that came before it.

    Args:
        source: the async iterable.

    Returns:
        A cold Observable.

    Raises:
        TypeError: ``source`` is no async iterable.
        NoActiveContextError: on subscribing, when the active context has ended, or no event loop is running.

    Example:
        >>> import asyncio
        >>> from miniagents import MiniAgents
        >>> from miniagents.streams import from_async
        >>> async def numbers():
        ...     for number in range(3):
        ...         await asyncio.sleep(0)
        ...         yield number
        >>> MiniAgents().run(from_async(numbers()))
        [0, 1, 2]
    """
    if not isinstance(cast("object", source), AsyncIterable):
        name = name_of(source)
        what = f"call it: from_async({name}())" if callable(source) else "give it an async iterable"
        raise TypeError(f"from_async({name}): this cannot be read with `async for`; {what}.")
    was_read = False

    def subscribe(
        observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        context = context_here()
        status: ReplayBuffer[object] = ReplayBuffer(context)
        name = getattr(source, "__qualname__", type(source).__qualname__)
        read_before = RuntimeError(
            f"from_async({name}): this async generator was read before, and can be read once. "
            "Make a new one for each subscription: rx.defer(lambda _: from_async(...))."
        )
        if was_read:
            observer.on_error(read_before)
            return Disposable()
        sink = _ObserverSink(observer, status, gauge_of(scheduler, observer), name)
        driver = ProducerTask("from_async", status, sink, part=True)

        def read() -> Coroutine[object, object, None]:
            nonlocal was_read
            if was_read:  # by a subscription of the same turn
                raise read_before
            was_read = isinstance(source, AsyncGeneratorType)
            return pump(source, status, sink.append)

        driver.start(read)

        def leave() -> None:
            sink.detach()  # must be first: an observer that has left gets no cancellation error
            driver.cancel()

        return Disposable(leave)

    return Observable(subscribe)


class _ObserverSink(Generic[T]):
    """Passes each piece to one observer, in the subscriber's contextvars.

    So the runs that the observer begins belong to the subscriber, and do not end with this pump.
    """

    def __init__(
        self, observer: abc.ObserverBase[T], status: ReplayBuffer[object], gauge: Gauge | None, source: str
    ) -> None:
        self._observer: abc.ObserverBase[T] | None = observer
        self._status = status
        self._gauge = gauge
        self._source = source
        self._count = 0
        # Other sources of the same pipe get a turn before this one could fill it alone.
        self._burst = BURST if gauge is None else min(BURST, gauge.limit)
        self._turn_at = self._burst
        self._look_at = self._burst if gauge is None else min(self._burst, max(1, gauge.room() // 2))
        self._variables = variables_of(gauge)

    @property
    def name(self) -> str:
        """The name of the source."""
        return f"from_async({self._source})"

    def append(self, item: T) -> None:
        if self._observer is None:
            return
        try:
            self._variables.run(self._observer.on_next, item)
        except Exception:
            logger.exception("A subscriber raised; it was unsubscribed and the source is closed.")
            self.detach()
            self._status.finish()  # so that the pump ends
            return
        self._count += 1
        if self._count >= self._look_at:
            self._look()

    def _look(self) -> None:
        """Give the event loop a turn, or wait for room; and decide after how many items to look again."""
        room = BURST if self._gauge is None else self._gauge.room()
        if self._gauge is not None:
            self._gauge.look_behind()
        if room == 0 and self._gauge is not None and self._observer is not None:
            self._gauge.hold(self)
            self._status.set_backlog(UNBOUNDED)
        if self._count >= self._turn_at:
            # There is no buffer that could fill up, so a counter decides when the event loop gets a turn.
            self._turn_at = self._count + self._burst
            self._status.look_up_next()
        # Look again when half of the room is full, since other sources fill it too. A look costs: if at most
        # a quarter is left, look when all of it is full.
        self._look_at = min(
            self._turn_at, self._count + (room // 2 if 4 * room > self._burst else max(1, room))
        )

    def go_on(self) -> None:
        """Read the source further."""
        self._status.set_backlog(0)

    def detach(self) -> None:
        self._observer = None
        if self._gauge is not None:  # which is kept: operators may push their last items at the end
            self._gauge.forget(self)

    def finish(self) -> None:
        observer = self._observer
        self.detach()
        self._status.finish()
        if observer is not None:
            self._end(observer.on_completed)

    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        del chain  # an observer gets only the error
        observer = self._observer
        self.detach()
        self._status.finish()
        if observer is not None:
            self._status.context.unhandled.forget(error)  # the observer gets it
            self._end(partial(observer.on_error, error))

    abort = fail

    def _end(self, tell: Callable[[], None]) -> None:
        try:
            self._variables.run(tell)
        except Exception:
            logger.exception("A subscriber raised in its on_completed or on_error.")


def to_async_iter(observable: Observable[T], *, overflow: Overflow[T] | None = None) -> AsyncGenerator[T]:
    """Turn an Observable into an async iterator of its items.

    * When does it start? It subscribes when the first item is requested.
    * How often? Once. Call this function again to subscribe again.
    * What is kept? The items that have not been read. A source of this library below the operators
      (`from_async`, the replies of an agent) waits while `prefetch` items (1,024) have not been read; any
      other Observable cannot be paused. With ``overflow``, at most its capacity.
    * What does ``break`` do? It disposes the subscription at once.
    * When does an error come? After every item that came before it.

    Args:
        observable: hot or cold; it may push from any thread.
        overflow: how many unread items are kept at most, and what happens to one more; see :class:`Overflow`.

    Raises:
        StreamOverflowError: more items came than ``overflow`` allows, and its policy is to fail; or it is to
            block, and the source pushes on the event loop of the reader, or holds a lock that this needs.
        TypeError: what is given is no Observable.

    Example:
        >>> import asyncio
        >>> import reactivex as rx
        >>> from miniagents.streams import to_async_iter
        >>> async def main() -> list[int]:
        ...     return [number async for number in to_async_iter(rx.of(1, 2, 3))]
        >>> asyncio.run(main())
        [1, 2, 3]
    """
    if not isinstance(cast("object", observable), Observable):
        readable = isinstance(cast("object", observable), AsyncIterable)
        hint = "read it with `async for` as it is" if readable else "give it an Observable"
        raise TypeError(f"to_async_iter({name_of(observable)}): this is no Observable; {hint}.")
    # A stream of ours is read as it is: it can be paused, and keeps its items anyway.
    if overflow is None and isinstance(observable, Stream):
        return aiter(observable)
    return started(_read(partial(_subscribed, observable, overflow)))


def results_of_calls(
    source: Observable[T],
    concurrency: int,
    overflow: Overflow[T] | None,
    results: Callable[[AsyncIterable[T]], AsyncIterable[R]],
) -> Observable[R]:
    """Return an Observable of what is made of each item by calls, which begin later than the item comes.

    A subscription subscribes to the source at once, so that it misses no item of a hot one.

    Args:
        source: as for `to_async_iter`.
        concurrency: how many calls may run; as many items may wait for theirs, or an eighth of `prefetch`.
        overflow: how many items may wait otherwise.
        results: reads the items once.
    """

    def subscribe(
        observer: abc.ObserverBase[R], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        if overflow is None and isinstance(source, Stream):
            return from_async(results(aiter(source))).subscribe(observer, scheduler=scheduler)
        begun = _subscribed(source, overflow, concurrency)
        items = started(_read(lambda: begun))
        leaving = from_async(results(items)).subscribe(observer, scheduler=scheduler)
        return CompositeDisposable(leaving, Disposable(begun.leave))

    return Observable(subscribe)


class _Subscribed(NamedTuple, Generic[T]):
    """A subscription of a reader, and what it fills."""

    buffer: ReplayBuffer[T]
    gauge: TerminalGauge
    subscription: abc.DisposableBase
    queue: BoundedQueue[T] | None = None

    def leave(self) -> None:
        """End it; idempotent."""
        self.gauge.close()
        self.subscription.dispose()
        if self.queue is not None:
            self.queue.close()


def _subscribed(
    observable: Observable[T], overflow: Overflow[T] | None, limit: int | None = None
) -> _Subscribed[T]:
    """Subscribe; `limit` is how many calls the items are for, if these begin later than the items come."""
    buffer: ReplayBuffer[T] = ReplayBuffer(plain_context())
    prefetch = buffer.context.prefetch
    # An Observable may emit from any thread, as the timers of reactivex do.
    on_loop_thread = buffer.context.on_loop_thread
    if overflow is None:
        # The results of calls wait, too: with an eighth for items, a source is at most twice that far ahead.
        ahead = prefetch if limit is None else min(max(limit, prefetch // 8), prefetch)
        gauge = TerminalGauge(ahead, buffer.items)
        subscription = observable.subscribe(
            on_loop_thread(buffer.append),
            on_loop_thread(buffer.fail),
            on_loop_thread(buffer.finish),
            scheduler=LoopScheduler(gauge),
        )
        return _Subscribed(buffer, gauge, subscription)
    queue: BoundedQueue[T] = BoundedQueue(cast("ReplayBuffer[object]", buffer), overflow)
    gauge = BlockingGauge(overflow.capacity, queue.items)
    from reactivex import operators as ops  # noqa: PLC0415 - it takes a tenth of the time of all imports

    # A source that pushes all its items during `subscribe` must also be able to see that it is disposed of.
    subscription = observable.pipe(ops.take_while(queue.is_open)).subscribe(
        queue.put,
        on_loop_thread(buffer.fail),
        on_loop_thread(queue.finish),
        # What drops items, or fails at one too many, never holds a source.
        scheduler=LoopScheduler(gauge if overflow.policy == "block" else None),
    )
    return _Subscribed(buffer, gauge, subscription, queue)


async def _read(  # noqa: C901, PLR0912 - calls of helpers would cost more than the branches
    subscribed: Callable[[], _Subscribed[T]],
) -> AsyncGenerator[T]:
    yield subscribed  # type: ignore[misc]  # taken by `started`; never seen by a reader
    begun = subscribed()
    buffer, gauge, queue = begun.buffer, begun.gauge, begun.queue
    gauge.read_here()
    try:
        while True:
            if queue is not None:
                for item in queue.take():
                    if gauge.held:
                        gauge.look()
                    yield item
            elif batch := buffer.take_all():
                taken = gauge.take(batch)
                # A look before each half: one for each item would cost a tenth of it.
                for item in islice(taken, len(batch) // 2):
                    yield item
                for item in taken:
                    if gauge.held:
                        gauge.look()
                    yield item
                    break
                for item in taken:
                    yield item
                continue
            if buffer.closed:
                break
            terminals = gauge.wait()
            try:
                if not (gauge.unread() or buffer.closed):  # a stream that goes on pushes at once what it has
                    await buffer.wait()
            finally:
                terminals.hungry = None
    finally:
        begun.leave()
    raise_error(buffer)


# -- run events -----------------------------------------------------------------------------------------
#
# ``run_events``: the events of the runs of a context, as a stream.


def run_events() -> Stream[RunEvent]:
    """Return a stream of the events of all runs that begin from now on in the active context or inside it.

    The stream ends when the context has ended. Read it in a task of your own: a run of the same context that
    waits for the end of this stream keeps the context from ending. Each part is an event of its own, which
    costs more than an :class:`Observer` that takes parts in batches. When the last reader has left, no more
    events are stored.

    Raises:
        NoActiveContextError: no context is active.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> from miniagents.observers import run_events
        >>> @miniagent
        ... async def hello(ctx):
        ...     ctx.reply("Hello")
        >>> async def main():
        ...     events = run_events()
        ...     await hello.inquire()
        ...     async for event in events:
        ...         print(type(event).__name__, event.run.alias)
        ...         if type(event).__name__ == "RunEnded":
        ...             break
        >>> MiniAgents().run(main())
        RunBegan HELLO
        PartSeen HELLO
        PartsCame HELLO
        RunEnded HELLO
    """
    context = current_context()
    buffer: ReplayBuffer[RunEvent] = ReplayBuffer(context)
    buffer.expect_reader()  # so that it is stopped if it is dropped unread
    recorder = _Recorder(context, buffer)
    buffer.produce_with(recorder)
    context.observe(recorder)
    context.on_close(recorder.context_ended)
    return Stream(buffer)


class _Recorder(Observer):
    """An observer that writes each event into a buffer; it is the producer of that buffer.

    Args:
        context: the context that it observes.
        buffer: the buffer that it writes.
    """

    batch = 1  # each part in an event of its own
    name = "run_events"

    def __init__(self, context: Context, buffer: ReplayBuffer[RunEvent]) -> None:
        self._context = context
        self._buffer = buffer

    @override
    def on_event(self, event: RunEvent, /) -> None:
        self._buffer.append(event)

    async def context_ended(self) -> None:
        """End the stream: there are no further events."""
        self._buffer.finish()
        self._stop()

    def blocked_by(self) -> Producer | None:
        """None: it waits for events of runs, not for a producer."""
        return None

    def cancel(self) -> None:
        """End the stream, and store no more events."""
        self._buffer.end_cancelled()
        self._stop()

    abandon = cancel

    def _stop(self) -> None:
        self._context.stop_observing(self)
        self._context.forget_close(self.context_ended)
