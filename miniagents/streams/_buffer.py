"""The buffer of a stream: an append-only list; each reader has a position of its own.

One producer writes; readers only remember their positions. For each piece the producer does one
``list.append`` and one check whether to notify a reader, nothing else.

A buffer is one object with three concerns, each a class and a module of its own: its life (``_lifetime``),
its demand (``_demand``), its pieces (here). It is one object so that for ten thousand waiting streams the
garbage collector has to traverse ten thousand objects, not thirty thousand.
"""

from asyncio import Future
from typing import Protocol

from typing_extensions import TypeVar, override

from miniagents.values import UnresolvedPromiseError

from ._context import Context
from ._demand import Demand
from ._lifetime import NO_RESULT
from ._protocols import Subscriber

T = TypeVar("T")

FEW = 4096  # if more pieces are kept, they are only dropped when at least half have been read


class ReplayBuffer(Demand[T]):
    """A buffer that keeps every piece, for present and later readers. Nothing follows the end.

    Args:
        context: the context that owns the tasks that fill it; readers wait on its event loop.
        items: the pieces that have come already, if any.
        closed: whether these are all pieces.
        result: the value of all pieces together, if it is known.

    Example:
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import Context
        >>> buffer = ReplayBuffer(Context())
        >>> buffer.append("one")
        >>> buffer.finish()
        >>> buffer.append("too late")
        >>> buffer.items, buffer.closed, buffer.error
        (['one'], True, None)
    """

    __slots__ = ()

    def append(self, item: T) -> None:
        """Add one piece and notify subscribers and waiting readers; after the end, do nothing.

        Args:
            item: the piece.
        """
        if self.closed:
            return
        self.items.append(item)
        if self.notify_next:
            self.notify()

    def extend(self, items: list[T]) -> None:
        """Add several pieces and notify subscribers and waiting readers; after the end, do nothing.

        Args:
            items: the pieces, in order.
        """
        if self.closed:
            return
        self.items.extend(items)
        if self.notify_next:
            self.notify()

    def take_all(self) -> list[T]:
        """Return all pieces and remove them. For the only reader of a stream."""
        items = self.items[:]
        self.items.clear()
        return items

    @property
    def gone(self) -> int:
        """How many pieces were dropped because all readers have passed them."""
        return 0

    def withdrawn(self, items: object) -> Exception | None:  # noqa: ARG002 - of this buffer none ever are
        """Return the error at the end of ``items`` if these were withdrawn.

        Args:
            items: the list that was read, as the buffer may have more than one.
        """
        return None

    def keep_all(self) -> None:
        """Keep everything from now on, for a reader of the whole; a replay buffer always does."""

    def drop_read(self) -> None:
        """Drop the pieces that all readers have passed; a replay buffer keeps everything."""


class Position(Protocol):
    """Anything with the position of a reader."""

    position: int


class ReaderPosition:
    """The position of a reader that is not a subscriber.

    Example:
        >>> from miniagents.streams._buffer import ReaderPosition
        >>> ReaderPosition().position
        0
    """

    __slots__ = ("position",)

    def __init__(self) -> None:
        self.position: int = 0


class NoReplayBuffer(ReplayBuffer[T]):
    """A buffer that drops a piece when all present readers have taken it: a stream with ``replay=False``.

    While it has no reader, everything is kept (the source is paused at ``prefetch``). A reader that comes
    later begins with the oldest piece that is kept. A reader of the whole makes it keep everything. Positions
    count from the oldest piece that is kept, so a reader of any other buffer reads this one, too.

    Args:
        context: the owner, as for any buffer.
        items: the pieces that have come already.
        closed: whether these are all pieces.

    Example:
        >>> from miniagents.streams._buffer import NoReplayBuffer, ReaderPosition
        >>> from miniagents.streams._context import Context
        >>> buffer = NoReplayBuffer(Context(), ["one", "two", "three"])
        >>> reader = ReaderPosition()
        >>> buffer.enter(reader)
        >>> buffer.take(reader), buffer.take(reader), buffer.items, buffer.gone
        ('one', 'two', ['three'], 2)
    """

    __slots__ = ("_gone", "_positions", "_whole")

    def __init__(
        self,
        context: Context,
        items: list[T] | None = None,
        *,
        closed: bool = False,
        result: object = NO_RESULT,
    ) -> None:
        super().__init__(context, items, closed=closed, result=result)
        self._gone = 0
        self._positions: list[Position] = []
        self._whole = False

    @property
    @override
    def gone(self) -> int:
        return self._gone

    @override
    def keep_all(self) -> None:
        """Keep everything from now on, for a reader of the whole.

        Raises:
            UnresolvedPromiseError: pieces were dropped already.
        """
        if self._gone:
            raise UnresolvedPromiseError(
                f"{self._gone} pieces of a stream with replay=False are gone: its readers have read "
                "them. Await it before it is read piece by piece, or make it without replay=False."
            )
        self._whole = True

    def enter(self, reader: Position) -> None:
        """Keep everything from the position of ``reader`` on.

        Args:
            reader: a new reader.
        """
        self._positions.append(reader)

    def quit(self, reader: Position) -> None:
        """Keep no pieces for ``reader`` any more; idempotent.

        Args:
            reader: a reader that has left.
        """
        if reader in self._positions:
            self.drop_read()
            self._positions.remove(reader)
            self.drop_read()

    def take(self, reader: Position) -> T:
        """Return the next piece for ``reader``, and move its position on.

        Args:
            reader: a reader that has not read everything.
        """
        item = self.items[reader.position]
        reader.position += 1
        self.drop_read()
        return item

    @override
    def drop_read(self) -> None:
        if self._whole or not self._positions:  # the next reader begins with these pieces
            return
        passed = min(reader.position for reader in self._positions)
        if passed == 0 or FEW < len(self.items) > 2 * passed:
            return
        del self.items[:passed]
        self._gone += passed
        for reader in self._positions:
            reader.position -= passed
        self.drop_first(passed)

    # -- what every buffer does --------------------------------------------------------------------------

    @override
    def notify(self) -> None:
        super().notify()
        self.drop_read()

    @override
    def wait_for_end(self) -> "Future[None]":
        self.keep_all()
        return super().wait_for_end()

    @override
    def attach(
        self, subscriber: Subscriber, *, batched: bool = False, unbounded: bool = True, reads: bool = True
    ) -> None:
        super().attach(subscriber, batched=batched, unbounded=unbounded, reads=reads)
        self.enter(subscriber)

    @override
    def detach(self, subscriber: Subscriber, *, unbounded: bool = True) -> None:
        super().detach(subscriber, unbounded=unbounded)
        self.quit(subscriber)
