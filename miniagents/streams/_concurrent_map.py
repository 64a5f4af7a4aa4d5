"""A concurrent map with a limit: at most so many calls at once; results are not kept.

A result that the reader has taken is dropped, and the source is read only when another call may begin. So
memory does not grow with the source. The calls are inquiries (`map_agent`) or coroutines (`map_async`).
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Hashable, Iterable, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeAlias, TypeVar, cast

from ._buffer import ReplayBuffer
from ._context import context_here
from ._lifetime import Lease, together
from ._promise import when_complete
from ._pump import close
from ._readers import open_stop, raise_error, settled, started, until_done
from ._run_task import ProducerTask

T = TypeVar("T")
V = TypeVar("V")


class Call(Protocol):
    """One call that is under way; it holds a lease on its stream."""

    @property
    def buffer(self) -> object:
        """The `ReplayBuffer` that the call writes; what other streams belong to it, `parts` says."""
        ...

    def cancel(self) -> None:
        """Stop it now."""
        ...


R = TypeVar("R", bound=Call)


@dataclass(frozen=True, slots=True)
class ConcurrencyLimits:
    """How many calls run at once, and in which order their results come.

    Attributes:
        concurrency: how many calls may run at once.
        ordered: whether results come in the order of the items, or each as soon as it is complete.
        stop: whether the first item that fails ends the results with its error, in its place.
        key: of an item; calls for items of the same key run one after the other. None: no item waits so.

    Raises:
        ValueError: the concurrency is less than 1.
        TypeError: it is no integer, such as items that were given in its place.

    Example:
        >>> ConcurrencyLimits(concurrency=8, ordered=True, stop=False)
        ConcurrencyLimits(concurrency=8, ordered=True, stop=False, key=None)
    """

    concurrency: int
    ordered: bool
    stop: bool
    key: Callable[[object], Hashable] | None = None

    def __post_init__(self) -> None:
        kind = type(cast("object", self.concurrency))
        if not issubclass(kind, int):
            raise TypeError(
                f"concurrency is of type {kind.__name__}; it must be an integer. Give the items to the "
                "operator: map_agent(agent)(items), or source.pipe(map_async(f))."
            )
        if self.concurrency < 1:
            raise ValueError(f"concurrency is {self.concurrency}; it must be at least 1.")


Parts: TypeAlias = Callable[[ReplayBuffer[object]], Iterable[ReplayBuffer[object]]]


class BoundedConcurrentMap(Generic[T, R]):
    """One iteration: a task that reads the source, and the calls that it begins. The sink of the task.

    Args:
        begin: starts the call of an item.
        parts: returns the streams that belong to a call, when its own has ended.
        limits: how many at once, in which order, and what a failing one does.

    Attributes:
        ready: results that the reader can take.
        buffer: a buffer without pieces; it wakes the reader for new results and for the end.
    """

    def __init__(self, begin: Callable[[T, int], R], parts: Parts, limits: ConcurrencyLimits) -> None:
        self._context = context_here()
        self._begin = begin
        self._parts = parts
        self._limits = limits
        self._begun = 0
        self._taken = 0
        # By index. It holds the buffer and not the promise, so that the reader can drop the promise.
        self._under_way: dict[int, ReplayBuffer[object]] = {}
        self._waiting: dict[int, R] = {}  # results that wait for their end or for their turn
        self._turn = 0  # the result that comes next, if they are ordered
        # Of each key that runs, the calls that wait for it.
        self._lanes: dict[Hashable, deque[Callable[[], None]]] = {}
        self._failed: dict[int, ReplayBuffer[object]] = {}
        self._task: ProducerTask | None = None
        self.ready: deque[R] = deque()
        self.buffer: ReplayBuffer[None] = ReplayBuffer(self._context)
        self.buffer.reader_came()

    def start(self, source: AsyncIterable[T], name: str) -> None:
        """Begin to read the source."""
        self._task = ProducerTask(name, self.buffer, self, part=True)
        self._task.start(lambda: self._run(source))

    # -- the task ----------------------------------------------------------------------------------------

    async def _run(self, source: AsyncIterable[T]) -> None:
        failed: Exception | None = None
        try:
            await self._pull(source)
        except Exception as error:  # noqa: BLE001 - it is raised after the results before it
            failed = error
        while self._under_way:
            await self._changed()
        if failed is not None:
            raise failed

    async def _pull(self, source: AsyncIterable[T]) -> None:
        iterator = aiter(source)
        try:
            async for item in iterator:
                self._take_in(item)
                while self._is_full():
                    await self._changed()
        finally:
            await close(iterator)

    def _is_full(self) -> bool:
        if self._failed or len(self._under_way) >= self._limits.concurrency:
            return True  # results after a failed one are never shown
        unread = self._begun - self._taken
        return unread >= max(self._context.prefetch, self._limits.concurrency) and not self._context.draining

    async def _changed(self) -> None:
        """Wait until a call has ended, a result was taken, or the context drains."""
        await self.buffer.pause()

    def _news(self) -> None:
        self.buffer.resume()
        self.buffer.notify()

    def _take_in(self, item: T) -> None:
        """Begin the call of an item, or let it wait for the one before with its key."""
        index = self._begun
        self._begun += 1
        if self._limits.key is None:
            self._start_one(item, index, None)
            return
        key = self._limits.key(item)
        if key in self._lanes:
            # With the variables of this task: the end of a call is noticed in those of any run, or of none.
            variables = copy_context()
            self._lanes[key].append(lambda: variables.run(self._start_one, item, index, key))
        else:
            self._lanes[key] = deque()
            self._start_one(item, index, key)

    def _start_one(self, item: T, index: int, key: Hashable) -> None:
        replies = self._begin(item, index)
        buffer = cast("ReplayBuffer[object]", replies.buffer)
        self._under_way[index] = buffer
        self._waiting[index] = replies
        if self._limits.ordered and not self._limits.stop:
            self._show(index)
            self.buffer.notify()
        # A slow reader of this result must not keep the next inquiry from beginning.
        buffer.request_all()
        when_complete(buffer, partial(self._parts, buffer), partial(self._ended, index, key))

    def _ended(self, index: int, key: Hashable, parts: Sequence[ReplayBuffer[object]]) -> None:
        buffer = self._under_way.get(index)
        if buffer is None:  # left
            return
        stop = next(filter(None, map(open_stop, (buffer, *parts))), None)
        if stop is not None:  # first the cancellation comes here too, if it is that of a run above
            stop.when_through(partial(self._ended, index, key, parts))
            return
        del self._under_way[index]
        if self._limits.stop:
            failed = next((each for each in (buffer, *parts) if each.error is not None), None)
            if failed is not None:
                self._failed[index] = failed
        if not self.buffer.closed:
            self._show(index)
        self._next_of(key)
        self._news()

    def _next_of(self, key: Hashable) -> None:
        lane = self._lanes.get(key)
        if lane and not self._failed and not self.buffer.closed:
            lane.popleft()()
        elif lane is not None:
            del self._lanes[key]

    def _show(self, index: int) -> None:
        """Make results ready whose turn has come: in order, or that of one call that has ended."""
        streams = self._limits.ordered and not self._limits.stop
        turn = self._turn if self._limits.ordered else index
        while turn in self._waiting and (streams or turn not in self._under_way):
            if turn in self._failed:
                self._stop(self._failed[turn])
                return
            self.ready.append(self._waiting.pop(turn))
            if self._limits.ordered:
                turn = self._turn = turn + 1

    def _stop(self, failed: ReplayBuffer[object]) -> None:
        error = cast("Exception", failed.error)
        failed.mark_error_handled()  # from now on it is the error of the results
        self.buffer.fail(error, failed.chain)
        together(self._context, self._give_up)

    # -- the reader --------------------------------------------------------------------------------------

    def take(self) -> R:
        """Return the next result; this makes space for another one."""
        self._taken += 1
        replies = self.ready.popleft()
        self.buffer.resume()
        return replies

    def leave(self) -> None:
        """Stop when the reader has left: what it has not taken at once, the rest if nothing else holds it."""
        self.buffer.reader_left()
        if self._context.in_loop_thread():
            together(self._context, self._stop_all)
        else:
            self._context.call_soon(self._stop_all)

    def _stop_all(self) -> None:
        for untaken in (*self.ready, *self._waiting.values()):
            untaken.cancel()
        self.ready.clear()
        self._give_up()

    def _give_up(self) -> None:
        under_way, self._under_way = self._under_way, {}
        for buffer in under_way.values():
            buffer.give_up()
        self._waiting.clear()
        self._lanes.clear()
        task, self._task = self._task, None  # the task refers to this object: this breaks the reference cycle
        if task is not None and not task.ended:  # else what its calls have begun goes on by itself
            task.abandon()

    # -- the sink of the task ----------------------------------------------------------------------------

    def finish(self) -> None:
        """End normally: all results are complete."""
        self.buffer.finish()

    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        """End with the error of the source, after all results before it."""
        self.buffer.fail(error, chain)

    def abort(self, error: Exception) -> None:
        """End with an error: the task was cancelled."""
        self.buffer.abort(error)


def no_parts(_: ReplayBuffer[object]) -> Iterable[ReplayBuffer[object]]:
    """Return nothing: the calls have no streams but their own."""
    return ()


def map_concurrently(
    source: AsyncIterable[T],
    begin: Callable[[T, int], R],
    limits: ConcurrencyLimits,
    name: str,
    parts: Parts = no_parts,
) -> AsyncGenerator[R]:
    """Begin one call for each item of ``source``, and yield the calls to one reader.

    * When does it start? When the first result is requested; ``source`` is read further whenever there is
      space.
    * How often? Once.
    * What is kept? At most ``concurrency`` running calls. Together with the results that the reader has not
      taken yet, at most ``prefetch``, or ``concurrency`` if that is more.
    * What does ``break`` do? It closes the source and stops all running calls that nothing else holds.
    * When does an error come? An error of ``source`` comes when all calls before it have ended.

    Args:
        source: iterated once, in a task of the active context.
        begin: called with an item and its index; starts the call. An error of it ends the results.
        limits: how many at once, in which order, and what a failing one does.
        name: the name of the task that reads the source, for errors and logs.
        parts: returns the streams that belong to a call, when its own has ended.

    Example:
        >>> import asyncio
        >>> from miniagents.streams._concurrent_map import AsyncCall, ConcurrencyLimits, map_concurrently
        >>> async def double(number):
        ...     return 2 * number
        >>> async def numbers():
        ...     for number in range(3):
        ...         yield number
        >>> async def main():
        ...     limits = ConcurrencyLimits(concurrency=2, ordered=True, stop=True)
        ...     def begin(number, index):
        ...         return AsyncCall(double, number, "double")
        ...     async for call in map_concurrently(numbers(), begin, limits, "doubles"):
        ...         print(call.value)
        >>> asyncio.run(main())
        0
        2
        4
    """
    return started(_read(source, begin, parts, limits, name))


async def _read(
    source: AsyncIterable[T], begin: Callable[[T, int], R], parts: Parts, limits: ConcurrencyLimits, name: str
) -> AsyncGenerator[R]:
    yield cast("R", None)  # `started` takes it; no reader gets it
    mapped = BoundedConcurrentMap(begin, parts, limits)
    mapped.start(source, name)
    try:
        while True:
            while mapped.ready:
                yield mapped.take()
            if mapped.buffer.closed:
                break
            await until_done(mapped.buffer, mapped.buffer.wait())
    finally:
        mapped.leave()
    await settled(mapped.buffer)
    raise_error(mapped.buffer)


class AsyncCall(Lease, Generic[V]):
    """A call of an async function, as a task of the active context, or of the running loop without one.

    Args:
        function: called in the task.
        item: what it gets.
        name: the name of the task in errors and logs.
    """

    __slots__ = ("_task",)

    def __init__(self, function: Callable[[T], Awaitable[V]], item: T, name: str) -> None:
        buffer: ReplayBuffer[V] = ReplayBuffer(context_here())
        super().__init__(buffer)

        async def body() -> None:
            buffer.append(await function(item))

        self._task = ProducerTask(name, buffer, buffer, part=True)
        self._task.start(body)

    @property
    def stream(self) -> ReplayBuffer[V]:
        """What it writes: at most one item."""
        return cast("ReplayBuffer[V]", self.buffer)

    @property
    def value(self) -> V:
        """What the function returned; only after its end."""
        return self.stream.items[0]

    def cancel(self) -> None:
        """Stop it now."""
        self._task.cancel()
