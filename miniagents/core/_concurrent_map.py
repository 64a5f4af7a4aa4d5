"""A bounded concurrent map: many inquiries at once, but only so many, and nothing kept.

What has been taken is forgotten. So memory does not grow with the source, which is asked for the next item
only when there is a free place.
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from functools import partial
from typing import Generic, TypeVar, cast

from miniagents.values import lazy_dataclass

from ._buffer import ReplayBuffer
from ._context import Context
from ._flow import UNBOUNDED
from ._message import Message, MessagePromise
from ._producer_task import ProducerTask
from ._promise import when_complete
from ._pump import close
from ._readers import raise_error, started, until_more
from ._sequence import MessageSequencePromise

T = TypeVar("T")
R = TypeVar("R", bound=MessageSequencePromise[Message])


@lazy_dataclass(frozen=True, slots=True)
class ConcurrencyLimits:
    """How many inquiries are under way at once, and in which order their results are shown.

    Attributes:
        concurrency: how many inquiries may be under way at once.
        ordered: results come in the order of the items, else as they are complete.
        stop: the first failing item ends the results with its error, in its place.

    Example:
        >>> ConcurrencyLimits(concurrency=8, ordered=True, stop=False)
        ConcurrencyLimits(concurrency=8, ordered=True, stop=False)
    """

    concurrency: int
    ordered: bool
    stop: bool


class BoundedConcurrentMap(Generic[T, R]):
    """One reading: a task that pulls the source, and the inquiries it begins. It is the sink of the task.

    Args:
        begin: starts the inquiry of an item.
        limits: how many at once, in which order, and what a failing one does.

    Attributes:
        ready: results to be taken.
        buffer: of no pieces; it tells of news and of the end.
    """

    def __init__(self, begin: Callable[[T, int], R], limits: ConcurrencyLimits) -> None:
        self._context = Context.current()
        self._begin = begin
        self._limits = limits
        self._begun = 0
        self._taken = 0
        # By index. The buffer and not the promise: the reader has the promise and may drop it.
        self._under_way: dict[int, ReplayBuffer[object]] = {}
        self._waiting: dict[int, R] = {}  # for its end, or for its turn
        self._failed: dict[int, ReplayBuffer[object]] = {}
        self._task: ProducerTask | None = None
        self.ready: deque[R] = deque()
        self.buffer: ReplayBuffer[None] = ReplayBuffer(self._context)
        self.buffer.reader_came()

    def start(self, source: AsyncIterable[T], name: str) -> None:
        """Begin to pull."""
        self._task = ProducerTask(name, self._context, self.buffer, self, part=True)
        self._task.start(lambda: self._run(source))

    # -- the task ----------------------------------------------------------------------------------------

    async def _run(self, source: AsyncIterable[T]) -> None:
        failed: Exception | None = None
        try:
            await self._pull(source)
        except Exception as error:  # noqa: BLE001 - it is raised when what came before it is complete
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
            return True  # what stands behind a failed one is not going to be shown
        unread = self._begun - self._taken
        return unread >= max(self._context.prefetch, self._limits.concurrency) and not self._context.draining

    async def _changed(self) -> None:
        """Wait until something has changed: something has ended or was taken, or the context drains."""
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
        # A slow reader of this one must not keep a place from the next.
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
        """Show what has come to its end and, if order matters, to its turn."""
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
        """The next result; space for another one."""
        self._taken += 1
        replies = self.ready.popleft()
        self.buffer.resume()
        return replies

    def leave(self) -> None:
        """The reader has left: stop what is under way, but for what somebody holds."""
        self.buffer.reader_left()
        self.ready.clear()
        if self._context.in_loop_thread():
            self._give_up()
        else:
            self._context.call_soon(self._give_up)

    def _give_up(self) -> None:
        under_way, self._under_way = self._under_way, {}
        for buffer in under_way.values():
            buffer.give_up()
        self._waiting.clear()
        task, self._task = self._task, None  # which knows this: no circle of references is left
        if task is not None:
            task.abandon()

    # -- the sink of the task ----------------------------------------------------------------------------

    def finish(self) -> None:
        """All is complete."""
        self.buffer.finish()

    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        """The source failed, and what came before is complete."""
        self.buffer.fail(error, chain)

    def abort(self, error: Exception) -> None:
        """The task was cancelled."""
        self.buffer.abort(error)


def _parts(sequence: ReplayBuffer[MessagePromise[Message]]) -> list[ReplayBuffer[object]]:
    """The messages of a sequence that has ended; none of them waits for a reader any more."""
    parts = [cast("ReplayBuffer[object]", promise.buffer) for promise in sequence.items]
    for part in parts:
        part.request(UNBOUNDED, waiting=True)
    return parts


def map_concurrently(
    source: AsyncIterable[T], begin: Callable[[T, int], R], limits: ConcurrencyLimits, name: str
) -> AsyncGenerator[R]:
    """One inquiry for each item of ``source``, shown to one reader.

    * When does it start? When the first result is asked for; ``source`` is asked for more as there is space.
    * How often? Once.
    * What is kept? At most ``concurrency`` inquiries under way; and of the results that the reader has not
      taken yet, these included, at most ``prefetch``, or ``concurrency`` if that is more.
    * What does ``break`` do? It closes the source and stops what is under way, but for what somebody holds.
    * When does an error come? That of ``source`` when all that was begun before it has ended.

    Args:
        source: iterated once, in a task of the active context.
        begin: starts the inquiry of an item, given with its index; an error of it ends the results.
        limits: how many at once, in which order, and what a failing one does.
        name: of the task that reads the source, for errors and logs.

    Raises:
        NoActiveContextError: on iterating, when no context is active.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> from miniagents.core import ConcurrencyLimits, map_concurrently
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
    yield cast("R", None)  # taken by `started`; never seen by a reader
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
