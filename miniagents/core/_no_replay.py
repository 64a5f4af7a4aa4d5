"""A buffer that keeps nothing that all its readers have passed: a stream with ``replay=False``.

Rule of this room: **a piece stays until everybody who reads has taken it, and no longer.** Positions count
from the oldest piece that is kept, so whoever reads any other buffer reads this one, too.
"""

from asyncio import Future
from typing import Protocol

from typing_extensions import TypeVar, override

from miniagents.values import NotReplayedError

from ._log import UNBOUNDED, ReplayBuffer
from ._producer import Subscriber
from ._scope import Context

T = TypeVar("T")

FEW = 4096  # as many places are moved at once for a single piece; of more, half must have been passed


class Place(Protocol):
    """Where a reader is."""

    position: int


class ReaderPosition:
    """The place of a reader that has no other.

    Example:
        >>> ReaderPosition().position
        0
    """

    __slots__ = ("position",)

    def __init__(self) -> None:
        self.position: int = 0


class NoReplayBuffer(ReplayBuffer[T]):
    """A buffer that lets go of what all its readers have taken.

    As long as nobody reads, everything is kept (the pump is paused at ``prefetch``). A reader that comes
    later begins with the oldest piece that is kept. Who wants the whole makes it keep everything.

    Args:
        context: as of any buffer.
        items: what is there already.
        closed: these are all.

    Example:
        >>> from miniagents.core import ReaderPosition, NoReplayBuffer, Context
        >>> buffer = NoReplayBuffer(Context(), ["one", "two", "three"])
        >>> reader = ReaderPosition()
        >>> buffer.enter(reader)
        >>> buffer.take(reader), buffer.take(reader), buffer.items, buffer.gone
        ('one', 'two', ['three'], 2)
    """

    __slots__ = ("_gone", "_places", "_whole")

    def __init__(self, context: Context, items: list[T] | None = None, *, closed: bool = False) -> None:
        super().__init__(context, items, closed=closed)
        self._gone = 0
        self._places: list[Place] = []
        self._whole = False

    @property
    @override
    def gone(self) -> int:
        return self._gone

    @override
    def keep_all(self) -> None:
        """Somebody wants the whole: from now on everything is kept.

        Raises:
            NotReplayedError: something has gone already.
        """
        if self._gone:
            msg = (
                f"{self._gone} pieces of a stream with replay=False are gone: all who read it had passed "
                "them. Await it before anybody reads it piece by piece, or make it without replay=False."
            )
            raise NotReplayedError(msg)
        self._whole = True

    def enter(self, place: Place) -> None:
        """Keep everything from ``place`` on.

        Args:
            place: of a reader that begins.
        """
        self._places.append(place)

    def quit(self, place: Place) -> None:
        """Keep nothing for ``place`` any more; idempotent.

        Args:
            place: of a reader that has left.
        """
        if place in self._places:
            self.let_go()
            self._places.remove(place)
            self.let_go()

    def take(self, place: Place) -> T:
        """The next piece for ``place``, which moves on.

        Args:
            place: of a reader for which there is one.
        """
        item = self.items[place.position]
        place.position += 1
        self.let_go()
        return item

    @override
    def let_go(self) -> None:
        if self._whole or not self._places:  # the next reader begins with what is here
            return
        passed = min(place.position for place in self._places)
        if passed == 0 or FEW < len(self.items) > 2 * passed:
            return
        del self.items[:passed]
        self._gone += passed
        for place in self._places:
            place.position -= passed
        self.limit: int = self.limit - passed
        if self.requested < UNBOUNDED:
            self.requested: int = self.requested - passed

    # -- what every buffer does -----------------------------------------------------------------------------

    @override
    def tell(self) -> None:
        super().tell()
        self.let_go()

    @override
    def end(self) -> "Future[None]":
        self.keep_all()
        return super().end()

    @override
    def attach(self, follower: Subscriber, *, lagging: bool = False, eager: bool = True) -> None:
        super().attach(follower, lagging=lagging, eager=eager)
        self.enter(follower)

    @override
    def detach(self, follower: Subscriber, *, eager: bool = True) -> None:
        super().detach(follower, eager=eager)
        self.quit(follower)
