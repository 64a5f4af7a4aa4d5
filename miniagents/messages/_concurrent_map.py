"""A concurrent map with a limit: at most so many inquiries at once; results are not kept.

A result that the reader has taken is dropped, and the source is read only when another inquiry may begin. So
memory does not grow with the source.
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from functools import partial
from typing import Generic, TypeVar, cast

from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._demand import UNBOUNDED
from miniagents.streams._promise import when_complete
from miniagents.streams._pump import close
from miniagents.streams._readers import raise_error, started, until_more
from miniagents.streams._run_task import ProducerTask
from miniagents.values import lazy_dataclass

from ._message import Message, MessagePromise
from ._sequence import MessageSequencePromise

T = TypeVar("T")
R = TypeVar("R", bound=MessageSequencePromise[Message])


@lazy_dataclass(frozen=True, slots=True)
class ConcurrencyLimits:
    """How many inquiries run at once, and in which order their results come.

    Attributes:
        concurrency: how many inquiries may run at once.
        ordered: whether results come in the order of the items, or each as soon as it is complete.
        stop: whether the first item that fails ends the results with its error, in its place.

    Example:
        >>> ConcurrencyLimits(concurrency=8, ordered=True, stop=False)
        ConcurrencyLimits(concurrency=8, ordered=True, stop=False)
    """

    concurrency: int
    ordered: bool
    stop: bool


class BoundedConcurrentMap(Generic[T, R]):
    """One iteration: a task that reads the source, and the inquiries that it begins. The sink of the task.

    Args:
        begin: starts the inquiry of an item.
        limits: how many at once, in which order, and what a failing one does.

    Attributes:
        ready: results that the reader can take.
        buffer: a buffer without pieces; it wakes the reader for new results and for the end.
    """

    def __init__(self, begin: Callable[[T, int], R], limits: ConcurrencyLimits) -> None:
        self._context = Context.current()
        self._begin = begin
        self._limits = limits
        self._begun = 0
        self._taken = 0
        # By index. It holds the buffer and not the promise, so that the reader can drop the promise.
        self._under_way: dict[int, ReplayBuffer[object]] = {}
        self._waiting: dict[int, R] = {}  # results that wait for their end or for their turn
        self._failed: dict[int, ReplayBuffer[object]] = {}
        self._task: ProducerTask | None = None
        self.ready: deque[R] = deque()
        self.buffer: ReplayBuffer[None] = ReplayBuffer(self._context)
        self.buffer.reader_came()

    def start(self, source: AsyncIterable[T], name: str) -> None:
        """Begin to read the source."""
        self._task = ProducerTask(name, self._context, self.buffer, self, part=True)
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
                self._start_one(item)
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
        """Wait until an inquiry has ended, a result was taken, or the context drains."""
        await self.buffer.pause()

    def _news(self) -> None:
        self.buffer.resume()
        self.buffer.notify()

    def _start_one(self, item: T) -> None:
        index = self._begun
        self._begun += 1
        replies = self._begin(item, index)
        buffer = cast("ReplayBuffer[object]", replies.buffer)
        self._under_way[index] = buffer
        if self._limits.ordered and not self._limits.stop:
            self.ready.append(replies)
            self.buffer.notify()
        else:
            self._waiting[index] = replies
        # A slow reader of this result must not keep the next inquiry from beginning.
        buffer.request(UNBOUNDED, waiting=True)
        when_complete(buffer, partial(_parts, replies.buffer), partial(self._ended, index))

    def _ended(self, index: int, parts: Sequence[ReplayBuffer[object]]) -> None:
        buffer = self._under_way.pop(index, None)
        if buffer is None:  # left
            return
        if self._waiting and not self.buffer.closed:
            self._pass_on(index, next((each for each in (buffer, *parts) if each.error is not None), None))
        self._news()

    def _pass_on(self, index: int, failed: ReplayBuffer[object] | None) -> None:
        """Make results ready that are complete and, if they are ordered, whose turn has come."""
        if failed is not None and self._limits.stop:
            self._failed[index] = failed
        turn = next(iter(self._waiting)) if self._limits.ordered else index
        while turn in self._waiting and turn not in self._under_way:
            if turn in self._failed:
                self._stop(self._failed[turn])
                return
            self.ready.append(self._waiting.pop(turn))
            turn += 1 if self._limits.ordered else 0

    def _stop(self, failed: ReplayBuffer[object]) -> None:
        error = cast("Exception", failed.error)
        self.buffer.fail(error, failed.chain)
        self._give_up()

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
            self._stop_all()
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
        task, self._task = self._task, None  # the task refers to this object: this breaks the reference cycle
        if task is not None:
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


def _parts(sequence: ReplayBuffer[MessagePromise[Message]]) -> list[ReplayBuffer[object]]:
    """Return the messages of a sequence that has ended; none of them waits for a reader any more."""
    parts = [cast("ReplayBuffer[object]", promise.buffer) for promise in sequence.items]
    for part in parts:
        part.request(UNBOUNDED, waiting=True)
    return parts


def map_concurrently(
    source: AsyncIterable[T], begin: Callable[[T, int], R], limits: ConcurrencyLimits, name: str
) -> AsyncGenerator[R]:
    """Begin one inquiry for each item of ``source``, and yield their results to one reader.

    * When does it start? When the first result is requested; ``source`` is read further whenever there is
      space.
    * How often? Once.
    * What is kept? At most ``concurrency`` running inquiries. Together with the results that the reader has
      not taken yet, at most ``prefetch``, or ``concurrency`` if that is more.
    * What does ``break`` do? It closes the source and stops all running inquiries that nothing else holds.
    * When does an error come? An error of ``source`` comes when all inquiries before it have ended.

    Args:
        source: iterated once, in a task of the active context.
        begin: called with an item and its index; starts the inquiry. An error of it ends the results.
        limits: how many at once, in which order, and what a failing one does.
        name: the name of the task that reads the source, for errors and logs.

    Raises:
        NoActiveContextError: on iterating, when no context is active.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> from miniagents.messages._concurrent_map import ConcurrencyLimits, map_concurrently
        >>> @miniagent
        ... async def echo(ctx):
        ...     ctx.reply(ctx.messages)
        >>> async def rows():
        ...     for row in ["one", "two", "three"]:
        ...         yield row
        >>> async def main():
        ...     limits = ConcurrencyLimits(concurrency=2, ordered=True, stop=False)
        ...     def ask(row, index):
        ...         return echo.inquire(row)
        ...     async for replies in map_concurrently(rows(), ask, limits, "echoes"):
        ...         print(await replies)
        >>> MiniAgents().run(main())
        one
        two
        three
    """
    return started(_read(source, begin, limits, name))


async def _read(
    source: AsyncIterable[T], begin: Callable[[T, int], R], limits: ConcurrencyLimits, name: str
) -> AsyncGenerator[R]:
    yield cast("R", None)  # `started` takes it; no reader gets it
    mapped = BoundedConcurrentMap(begin, limits)
    mapped.start(source, name)
    try:
        while True:
            while mapped.ready:
                yield mapped.take()
            if mapped.buffer.closed:
                break
            await until_more(mapped.buffer)
    finally:
        mapped.leave()
    raise_error(mapped.buffer)
