"""The one buffer: an append-only list with readers that are cursors.

Rule of this room: **one owner writes, everybody else only remembers a position.** Per piece the owner does
one ``list.append`` and one check (does somebody want to be told?), nothing else. A starved reader parks a
Future *of its own*: a shared one could be cancelled by one reader for all. The end is announced apart from
the pieces, so that someone who awaits the whole is not woken per piece.

Nothing follows the terminal: what is appended after it is ignored, a second terminal too.

Why so long: what writers, readers and owners know of a stream is one slotted object, and each slot is
described.
"""

import sys
from asyncio import Future
from collections.abc import Callable
from types import TracebackType
from typing import Final, Generic

from typing_extensions import TypeVar

from miniagents.values import InquiryCancelledError

from ._lineage import Ancestry
from ._producer import DemandLink, Producer, Subscriber
from ._scope import Context

T = TypeVar("T")

NO_RESULT: Final = object()
"""The result of a buffer of which nobody has computed one; None may be a result."""
UNBOUNDED = sys.maxsize
"""As many pieces as come."""
BURST = 2048  # pieces without a look at the event loop, for sources that never suspend


class ReplayBuffer(Generic[T]):
    """An append-only list of pieces, whether it has ended and how, and who waits for more.

    Args:
        context: who owns the tasks that fill it and lends the event loop to those who wait.
        items: the pieces that are there already, if any.
        closed: these are all.

    Attributes:
        items: what has come so far; read by cursors, appended to by the owner only.
        closed: nothing will come any more.
        error: why it ended, None for a normal end or as long as it is open.
        result: what the pieces make together, ``NO_RESULT`` until somebody has computed it.
        producer: whoever has to act before there is more; None when closed or filled by hand.
        demand_link: whoever writes this from another buffer, and passes on there how much is wanted here.
        backlog: pieces that the pump has delivered and that wait for their turn to be written.
        readers: how many cursors, followers and waiters there are right now.
        was_read: somebody has started to read at some time.
        kept: it stands in another buffer, so it can be reached through that.
        reachable: a promise over this buffer is still held by someone.
        ancestry: the run that writes it, None if no run does.
        chain: the aliases of the agents that the error went through.
        traceback: that of the error when it came here; each reader's own starts from it.
        views: how many promises show it.
        requested: how long ``items`` may become before the pump has to pause.
        heard: somebody wants to be told of the next piece at once, or the limit came nearer than it was.
        limit: at this length the pump looks up (see ``_pump``): a pause, a yield to the loop, or the end.

    Example:
        >>> from miniagents.core import ReplayBuffer, Context
        >>> buffer = ReplayBuffer(Context())
        >>> buffer.append("one")
        >>> buffer.finish()
        >>> buffer.append("too late")
        >>> buffer.items, buffer.closed, buffer.error
        (['one'], True, None)
    """

    __slots__ = (
        "__weakref__",
        "_due",
        "_eager",
        "_ends",
        "_followers",
        "_lagging",
        "_starved",
        "_watchers",
        "backlog",
        "chain",
        "closed",
        "error",
        "error_handled",
        "requested",
        "heard",
        "items",
        "kept",
        "limit",
        "ancestry",
        "demand_link",
        "producer",
        "reachable",
        "readers",
        "result",
        "room",
        "context",
        "traceback",
        "views",
        "was_read",
    )

    def __init__(self, context: Context, items: list[T] | None = None, *, closed: bool = False) -> None:
        self.context: Context = context
        self.items: list[T] = [] if items is None else items
        self.closed: bool = closed
        self.error: Exception | None = None
        self.error_handled: bool = False
        self.traceback: TracebackType | None = None
        self.chain: tuple[str, ...] = ()
        self.result: object = NO_RESULT
        self.producer: Producer | None = None
        self.demand_link: DemandLink | None = None
        self.backlog: int = 0
        self.readers: int = 0
        self.was_read: bool = False
        self.ancestry: Ancestry | None = None
        self.kept: bool = False
        self.views: int = 0
        self.reachable: bool = True
        prefetch = context.prefetch
        self.requested: int = prefetch
        self.limit: int = prefetch if prefetch < BURST else BURST  # noqa: FURB136 - half of what min() costs
        self.heard: bool = False
        self.room: Future[None] | None = None
        self._starved: list[Future[None]] | None = None
        self._ends: list[Future[None]] | None = None
        self._followers: list[Subscriber] | None = None
        self._lagging: list[Subscriber] | None = None
        self._due: bool = False  # the lagging followers are going to be told
        self._eager: int = 0
        self._watchers: list[Callable[[], None]] | None = None

    def append(self, item: T) -> None:
        """Add one piece and tell whoever waits for it; nothing after the terminal.

        Args:
            item: the piece.
        """
        if self.closed:
            return
        self.items.append(item)
        if self.heard:
            self.tell()

    def extend(self, items: list[T]) -> None:
        """Add several pieces and tell whoever waits for them; nothing after the terminal.

        Args:
            items: the pieces, in order.
        """
        if self.closed:
            return
        self.items.extend(items)
        if self.heard:
            self.tell()

    def spend(self) -> None:
        """Count something that came and is no item as one; tell whoever waits."""
        self.requested -= 1
        self.limit -= 1
        if self.heard:
            self.tell()

    def tell(self) -> None:
        """Tell followers and starved readers that there is more, or the end."""
        if self._followers is not None:
            self.context.dispatch(self.push)
        if self._lagging is not None:
            self._tell_lagging()
        starved = self._starved
        if starved is not None:  # each looks again, through its own Future
            self._starved = None
            if self._followers is None and self._lagging is None:
                self.heard = self.closed  # what `_listen` finds out; once per token of a live source
            else:
                self._listen()
            for future in starved:
                if not future.done():
                    future.set_result(None)
        elif self._followers is None:
            self._listen()  # the pump was only to look at its limit

    def _listen(self) -> None:
        """Have the writer tell of the next piece if anybody waits for it."""
        lagging = self._lagging is not None and not self._due
        self.heard = self.closed or lagging or self._followers is not None or self._starved is not None

    def _tell_lagging(self) -> None:
        # One turn of the loop later, together with whatever comes until then; the terminal at once, because
        # there may be no turn of the loop after it.
        if self.closed or self.context.ended:
            self.context.dispatch(self._push_lagging)
        elif not self._due:
            self._due = True
            self._listen()
            self.context.loop.call_soon(self._catch_up)

    def _catch_up(self) -> None:
        self._due = False
        self._listen()
        self.context.dispatch(self._push_lagging)

    def _push_lagging(self) -> None:
        for follower in self._lagging or ():
            follower.deliver()

    def finish(self) -> None:
        """End the buffer normally."""
        self._close(None)

    def fail(self, error: Exception) -> None:
        """End the buffer with an error, which comes after everything that came before.

        Args:
            error: what every reader is going to get, the very object.
        """
        if not self.closed:
            if not self.error_handled and not isinstance(error, InquiryCancelledError):
                self.context.unhandled.watch(self, error)
            self._close(error)
            if not self.reachable:  # dropped before it failed: nobody will ever be told
                self.context.unhandled.drop(self, error)

    abort = fail  # a buffer has nothing pending that an orderly failure would have to wait for

    def _close(self, error: Exception | None) -> None:
        if self.closed:
            return
        self.closed = self.heard = True
        self.limit = 0
        self.producer = None
        self.demand_link = None
        if error is not None:
            self.error = error
            self.traceback = error.__traceback__
        if self._starved is not None or self._followers is not None or self._lagging is not None:
            self.tell()
        if self._ends is not None:
            ends, self._ends = self._ends, None
            for end in ends:
                if not end.done():
                    end.set_result(None)
        if self._watchers is not None:
            watchers, self._watchers = self._watchers, None
            for watcher in watchers:
                watcher()

    def when_closed(self, watcher: Callable[[], None]) -> None:
        """Call ``watcher`` once, at the terminal or now if that was. It is no reader: it keeps nothing up.

        Args:
            watcher: must not raise.
        """
        if self.closed:
            watcher()
        elif self._watchers is None:
            self._watchers = [watcher]
        else:
            self._watchers.append(watcher)

    def wait_for_more(self) -> "Future[None]":
        """A new Future of one reader that has read everything: done when there is more, or the end."""
        # Once per token of a live source: what is not needed is not called.
        context = self.context
        future = context.future()
        if self._starved is None:
            self._starved = [future]
        else:
            self._starved.append(future)
        self.heard = True
        limit = len(self.items) + context.prefetch
        if self.room is not None or self.demand_link is not None:
            self.grant(limit, hungry=True)
        elif limit > self.requested:
            self.requested = limit
        return future

    def end(self) -> "Future[None]":
        """A new Future of one waiter, done at the terminal. Nobody needs to pace the source any more."""
        future = self.context.future()
        if self._ends is None:
            self._ends = [future]
        else:
            self._ends.append(future)
        self.grant(UNBOUNDED, hungry=True)
        return future

    def leave(self, future: "Future[None]") -> None:
        """A reader stopped waiting before its Future was done: nothing of it stays here.

        Args:
            future: what :meth:`wait_for_more` or :meth:`end` gave it.
        """
        for waiting in (self._starved, self._ends):
            if waiting is not None and future in waiting:
                waiting.remove(future)
        self.pace()

    def pace(self) -> None:
        """Bound the pump again, if the last one who took everything at once has left."""
        if not self._ends and not self._eager and not self.closed:
            self.requested = min(self.requested, len(self.items) + self.context.prefetch)
            if self.requested < self.limit:
                self.limit = self.requested
                self.heard = True  # the pump is to look at its limit
            if self.demand_link is not None:
                self.context.dispatch(self.demand_link.slow_down)  # not nested: chains may be long

    def grant(self, limit: int, *, hungry: bool = False) -> None:
        """Allow whoever writes this to run on until ``limit`` pieces are there.

        Args:
            limit: a count of pieces from the first on; a smaller one than before changes nothing.
            hungry: somebody has read everything and waits for the next piece.
        """
        self.requested = max(self.requested, limit)
        if self.room is not None:
            room, self.room = self.room, None
            if not room.done():
                room.set_result(None)
        if self.demand_link is not None:
            self.demand_link.pass_on(self, hungry=hungry)

    def credits_left(self) -> int:
        """How many pieces may still come before a pause; ``UNBOUNDED`` if somebody takes everything."""
        return UNBOUNDED if self.requested >= UNBOUNDED else self.requested - len(self.items)

    def forget(self) -> None:
        """Let go of the pieces of a buffer that nobody can read any more; what only they held ends with them.

        A watcher (a record of the run) is going to look at them at the terminal: until then they stay.
        """
        if not self.reachable and self._watchers is None:
            self.items.clear()

    def attach(self, follower: Subscriber, *, lagging: bool = False, eager: bool = True) -> None:
        """Push to ``follower`` from now on; it delivers what is already there by itself.

        Args:
            follower: a reader, until :meth:`detach`.
            lagging: it may take the pieces of one turn of the event loop together, after that turn. The
                terminal is never late.
            eager: it takes everything at once; otherwise it grants what its own readers want.

        Raises:
            NoActiveContextError: the buffer is open, and its context has ended.
            WrongLoopError: the buffer is open, and belongs to another event loop or thread.
        """
        if not self.closed:
            self.context.check()
        self.readers += 1
        self.was_read = True
        if lagging:
            self._lagging = [*(self._lagging or ()), follower]
        else:
            self._followers = [*(self._followers or ()), follower]
        self._listen()
        if eager:
            self._eager += 1
            self.grant(UNBOUNDED, hungry=True)

    def detach(self, follower: Subscriber, *, eager: bool = True) -> None:
        """Push to ``follower`` no more; idempotent.

        Args:
            follower: who leaves.
            eager: as it was said in :meth:`follow`.
        """
        before = self._followers, self._lagging
        self._followers, self._lagging = (_without(follower, followers) for followers in before)
        if before != (self._followers, self._lagging):
            self.readers -= 1
            self._eager -= eager
            self._listen()
            self.pace()

    @property
    def pushed(self) -> bool:
        """Whether somebody wants every piece at once, rather than together with others."""
        return self._followers is not None

    def push(self) -> None:
        """Let every follower take what is new."""
        for follower in self._followers or ():
            follower.deliver()

    def mark_error_handled(self) -> None:
        """Note that a reader was handed the error, so that nobody needs to buffer it."""
        self.error_handled = True
        if self.error is not None:
            self.context.unhandled.forget(self.error)

    @property
    def gone(self) -> int:
        """How many pieces are not kept any more, because all readers have passed them."""
        return 0

    def keep_all(self) -> None:
        """Somebody wants the whole: from now on everything is kept, as it is here anyway."""

    def let_go(self) -> None:
        """Keep nothing that need not be kept; here everything need."""

    def show(self) -> None:
        """One more promise shows this buffer."""
        self.views += 1

    def hide(self) -> bool:
        """A promise over this buffer has gone; whether nobody can reach it any more."""
        self.views -= 1
        self.reachable = self.views > 0
        return not self.reachable


def _without(one: Subscriber, followers: list[Subscriber] | None) -> list[Subscriber] | None:
    """``followers`` without ``one``; the very list if it is not there, None if nobody is left."""
    if followers is None or not any(each is one for each in followers):
        return followers
    return [each for each in followers if each is not one] or None
