"""Demand: how readers wait for pieces, and how what they request reaches the source.

The terms are those of Reactive Streams: readers **request** pieces; the requested pieces that have not come
are the source's **credit**; a source without credit is **paused** until more is requested. Only this module
writes that state.

One rule holds for all demand: **what is unlimited is counted, not remembered.** A reader that reads piece by
piece requests up to a count (`request`), which only grows. Whatever needs everything (a subscriber, a reader
that awaits the end, a derived stream whose own readers need everything) calls `request_all`, and `withdraw`
when it leaves, which takes back its own request only. A stream that nothing has come to read yet
is counted like that too, so a run that is started and forgotten is not paused.

* A reader that has read everything waits on a Future *of its own*. If it were shared, one reader could cancel
  it for all.
* The end wakes readers separately from pieces, so that a reader of the whole is not woken for each piece.
* A source calls flow control only at ``check_at`` pieces, and after a piece if ``notify_next`` is set. A
  token costs no more than these checks when no reader waits.
* A stream that is written from another one (``upstream``) passes its demand on. So a chain of any length runs
  at most ``prefetch`` pieces ahead of its reader, not that many at each link.
"""

import sys
from asyncio import Future, Task, sleep
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, cast

from typing_extensions import override

from ._context import Context
from ._lifetime import NO_RESULT, Lifetime, TaskLife
from ._protocols import Subscriber, Upstream

if TYPE_CHECKING:
    from ._gauge import Gauge

T = TypeVar("T")
R = TypeVar("R")

# An optional method of subscribers whose target replaces what they read; see `TokenFeed.shown_for`.
_ShownFor: TypeAlias = Callable[[object], Lifetime[object] | None]

UNBOUNDED = sys.maxsize
"""Demand for all pieces."""
BURST = 2048  # pieces between two turns of the event loop, for sources that never suspend


# Called once per stream; `super()` would make an object.
_begin_life: Final = Lifetime.__init__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - any


class Demand(Lifetime[T]):
    """The demand for one stream, and its subscribers and waiting readers; the base class of buffers.

    Attributes:
        backlog: how many pieces the source has delivered that still wait to be written.
        check_at: the length at which the source calls :meth:`may_go_on`: to pause, to give the event loop a
            turn, or to end.
        notify_next: whether to call :meth:`notify` after the next piece: a reader waits for it, or
            ``check_at`` was lowered.
        requested: how many pieces are requested in all, counted from the first one, by readers that read
            piece by piece.
        unlimited: how many requests for everything there are; with one, `requested` does not count.
        links: what it has to do with other streams for which its source waits; None for nothing.
        upstream: the writer of this stream if it reads another one; it passes demand on to that.
    """

    __slots__ = (
        "_awaited",
        "_batch_due",
        "_batched",
        "_end_waiters",
        "_resume",
        "_subscribers",
        "_waiters",
        "backlog",
        "check_at",
        "links",
        "notify_next",
        "requested",
        "unlimited",
        "upstream",
    )

    readers: int

    def __init__(
        self,
        context: Context,
        items: list[T] | None = None,
        *,
        closed: bool = False,
        result: object = NO_RESULT,
    ) -> None:
        _begin_life(self, context, [] if items is None else items, closed, result)
        prefetch = context.prefetch
        self.requested: int = prefetch
        self.check_at: int = prefetch if prefetch < BURST else BURST  # noqa: FURB136 - half the cost of min()
        self.notify_next: bool = False
        self.backlog: int = 0
        self.upstream: Upstream | None = None
        self._resume: Future[None] | None = None
        self.links: Links | None = None
        self.unlimited: int = 0
        self._awaited: int = -1  # the piece for which a reader of a derived stream waits
        # Sets that keep their order: to come and to leave costs the same for one reader and for thousands.
        self._waiters: dict[Future[None], None] | None = None
        self._end_waiters: dict[Future[None], None] | None = None
        self._subscribers: dict[Subscriber, None] | None = None
        self._batched: dict[Subscriber, None] | None = None
        self._batch_due: bool = False

    # -- readers: how they are notified ------------------------------------------------------------------

    def notify(self) -> None:
        """Notify subscribers and waiting readers of new pieces or of the end."""
        if self._subscribers is not None:
            self.context.dispatch(self._push)
        if self._batched is not None:
            self._notify_batched()
        waiters = self._waiters
        if waiters is not None:  # each checks again, woken by its own Future
            self._waiters = None
            if self._subscribers is None and self._batched is None:
                self.notify_next = self.closed  # `_listen`, inlined: once per token of a live source
            else:
                self._listen()
            for future in waiters:
                if not future.done():
                    future.set_result(None)
        elif self._subscribers is None:
            self._listen()  # only for the source to read `check_at` again

    def _listen(self) -> None:
        """Let the source call `notify` after the next piece if anything waits for it."""
        batched = self._batched is not None and not self._batch_due
        self.notify_next = (
            self.closed or batched or self._subscribers is not None or self._waiters is not None
        )

    def _notify_batched(self) -> None:
        # One turn of the loop later, together with all pieces until then; the end at once, because there may
        # be no turn of the loop after it.
        if self.closed or self.context.ended:
            self.context.dispatch(self._push_batched)
        elif not self._batch_due:
            self._batch_due = True
            self._listen()
            self.context.loop.call_soon(self._deliver_batch)

    def _deliver_batch(self) -> None:
        self._batch_due = False
        self._listen()
        self.context.dispatch(self._push_batched)

    def _push_batched(self) -> None:
        for subscriber in tuple(self._batched or ()):
            subscriber.deliver()

    def _push(self) -> None:
        for subscriber in tuple(self._subscribers or ()):
            subscriber.deliver()

    @override
    def _tell_end(self) -> None:
        self.notify_next = True
        self.check_at = 0
        self.upstream = None
        if self.links is not None:
            self._unlink()
        if self._waiters is not None or self._subscribers is not None or self._batched is not None:
            self.notify()
        if self._end_waiters is not None:
            waiters, self._end_waiters = self._end_waiters, None
            for future in waiters:
                if not future.done():
                    future.set_result(None)

    def wait(self) -> "Future[None]":
        """Return a new Future for one reader that has read everything: done at the next piece or the end."""
        # Once per token of a live source, so without calls that are not needed.
        context = self.context
        future = context.future()
        if self._waiters is None:
            self._waiters = {future: None}
        else:
            self._waiters[future] = None
        self.notify_next = True
        limit = len(self.items) + context.prefetch
        if self._resume is not None or self.upstream is not None or self.links is not None:
            self.request(limit, waiting=True)
        elif limit > self.requested:
            self.requested = limit
        return future

    def wait_for_requested(self) -> "Future[None]":
        """Return a Future as :meth:`wait` does, for a reader that passes on what others request."""
        future = self.context.future()
        self._waiters = self._waiters or {}
        self._waiters[future] = None
        self.notify_next = True
        return future

    def wait_for_end(self) -> "Future[None]":
        """Return a new Future for one reader, done at the end. The source waits for no slower reader."""
        future = self.context.future()
        self._end_waiters = self._end_waiters or {}
        self._end_waiters[future] = None
        self.request_all()
        return future

    def stop_waiting(self, future: "Future[None]") -> None:
        """Remove a reader that stopped waiting before its Future was done.

        Args:
            future: the Future that :meth:`wait` or :meth:`wait_for_end` returned.
        """
        if self._end_waiters is not None and future in self._end_waiters:
            del self._end_waiters[future]
            self.withdraw()
        elif self._waiters is not None and future in self._waiters:
            del self._waiters[future]
            if not self._waiters:
                self._waiters = None
                self._pass_demand_on()  # a derived stream need not go on to its next piece for this reader

    def attach(
        self, subscriber: Subscriber, *, batched: bool = False, unbounded: bool = True, reads: bool = True
    ) -> None:
        """Push to ``subscriber`` from now on; it takes the pieces that have come already by itself.

        Args:
            subscriber: a reader, until :meth:`detach`.
            batched: whether it may take the pieces of one turn of the event loop together, after that turn.
                The end is never delayed.
            unbounded: whether it requests everything; otherwise it requests what its own readers need.
            reads: whether the stream counts as read; False for a copy that has had no reader yet.

        Raises:
            NoActiveContextError: the stream is open, and its context has ended.
            WrongLoopError: the stream is open, and belongs to another event loop or thread.
        """
        if not self.closed:
            self.context.check()
        self.reader_came(reads=reads)
        if batched:
            self._batched = self._batched or {}
            self._batched[subscriber] = None
        else:
            self._subscribers = self._subscribers or {}
            self._subscribers[subscriber] = None
        self._listen()
        if unbounded:
            self.request_all()

    def detach(self, subscriber: Subscriber, *, unbounded: bool = True) -> None:
        """Stop pushing to ``subscriber``; idempotent.

        Args:
            subscriber: the subscriber that leaves.
            unbounded: the same as in :meth:`attach`.
        """
        if self._subscribers is not None and subscriber in self._subscribers:
            del self._subscribers[subscriber]
            self._subscribers = self._subscribers or None
        elif self._batched is not None and subscriber in self._batched:
            del self._batched[subscriber]
            self._batched = self._batched or None
        else:
            return
        self.reader_left()
        if not self.closed:
            self._listen()
        if unbounded:
            self.withdraw()

    @override
    def seen_as(self) -> Lifetime[object]:
        subscribers = (*(self._subscribers or ()), *(self._batched or ()))
        if self.readers == len(subscribers) == 1:
            shown_for = cast("_ShownFor | None", getattr(subscribers[0], "shown_for", None))
            shown = None if shown_for is None else shown_for(self)
            if shown is not None:
                return shown
        return cast("Lifetime[object]", self)

    @property
    def pushed(self) -> bool:
        """Whether a subscriber needs every piece at once, not together with others."""
        return self._subscribers is not None

    # -- readers: what they request ----------------------------------------------------------------------

    @property
    def needed(self) -> bool:
        """Whether a reader, also of a derived stream, waits for a piece, or something needs everything.

        A run that waits does not count while its replies are not needed.
        """
        if self.unlimited or not self.waited_for:
            return self.unlimited > 0
        return all(replies.waited_for for replies in self._limited_ahead())

    @property
    def waited_for(self) -> bool:
        """Whether a reader, also of a derived stream, has read everything and waits for the next piece."""
        return self._waiters is not None or self._awaited == len(self.items)

    def request(self, limit: int, *, waiting: bool = False) -> None:
        """Allow the source to run on until ``limit`` pieces have come.

        Args:
            limit: a count of pieces from the first one on; a smaller count than before changes nothing.
            waiting: whether a reader has read everything and waits for the next piece.
        """
        self.requested = max(self.requested, limit)
        self._awaited = len(self.items) if waiting else -1
        self.resume()
        if self.upstream is not None:
            self.upstream.pass_demand_on(waiting=waiting)

    def request_all(self) -> None:
        """Request everything, until :meth:`withdraw`."""
        self.unlimited += 1
        if self.unlimited > 1:
            return  # nothing has changed
        self.resume()
        if self.upstream is not None:
            self.upstream.pass_demand_on(waiting=True)

    def withdraw(self) -> None:
        """Take back one :meth:`request_all`; after the last one the source is limited again."""
        self.unlimited -= 1
        if self.unlimited or self.closed:
            return
        if self.requested < self.check_at:
            self.check_at = self.requested
            self.notify_next = True  # the source must read `check_at` again
        self._pass_demand_on()

    def _pass_demand_on(self) -> None:
        if self.upstream is not None and not self.closed:
            # Another reader, also of a derived stream, may still wait. Not nested: chains may be long.
            waiting = self.waited_for
            self.context.dispatch(partial(self.upstream.pass_demand_on, waiting=waiting))

    @override
    def _begin_to_be_read(self) -> None:
        if self.unread:
            self._end_unread()
        self._pass_demand_on()  # for a stream without a reader, the upstream may have requested nothing

    @override
    def run_on(self) -> None:
        self.request_all()  # and nothing withdraws it

    @override
    def run_unread(self) -> None:
        if not (self.unread or self.was_read):
            self.unread: bool = True
            self.request_all()

    @override
    def _end_unread(self) -> None:
        self.unread = False
        self.withdraw()
        for held in self.pieces_held():
            held.expect_demand()

    def credit(self) -> int:
        """Return how many pieces may come before a pause; ``UNBOUNDED`` if something needs everything."""
        if self.unlimited:
            return UNBOUNDED
        credit = self.requested - len(self.items)
        return credit if self.links is None else min(credit, self._room_ahead())

    def credit_to_pass_on(self) -> int:
        """Return the `credit`, which its upstream passes on; note whether what it leads to limits it."""
        credit = self.credit()
        if self.links is not None:
            self.links.limited = not self.unlimited and credit < self.requested - len(self.items)
        return credit

    # -- the source --------------------------------------------------------------------------------------

    def write_from(self, upstream: Upstream | None) -> None:
        """Pass demand for this stream on to ``upstream``, if that writes it from another stream."""
        self.upstream = upstream
        if self.links is not None:
            self.links.limited = True

    def consume(self) -> None:
        """Count a part that is not a piece as one, and notify subscribers and waiting readers."""
        self.requested -= 1
        self.check_at -= 1
        if self.notify_next:
            self.notify()

    def set_backlog(self, count: int) -> None:
        """Note how many delivered pieces cannot be written yet; let the source read `check_at` again."""
        if count >= self.backlog:
            self.check_at = 0
            self.backlog = count
        else:
            self.backlog = count
            self.resume()

    def look_up_next(self) -> None:
        """Let the source read `check_at` again after its next piece."""
        self.check_at = 0

    def drop_first(self, count: int) -> None:
        """Lower all counts by ``count``: the first pieces were dropped."""
        self.check_at -= count
        self.requested -= count

    def pause(self) -> "Future[None]":
        """Return a Future for the source, done when it must check again whether to go on."""
        self._resume = self.context.loop.create_future()
        return self._resume

    @property
    def paused(self) -> bool:
        """Whether the source waits until a reader requests more."""
        return self._resume is not None and not self._resume.done()

    def resume(self) -> None:
        """Wake a paused source, so that it checks again whether to go on."""
        if self._resume is not None:
            self._wake()
        if self.links is not None:
            self._resume_sources()

    def _wake(self) -> None:
        resume, self._resume = self._resume, None
        if resume is not None and not resume.done():
            resume.set_result(None)

    def _resume_sources(self) -> None:
        """Wake whatever waits for this stream, because it writes it or what it is made of."""
        node: Demand[object] | None = cast("Demand[object]", self)
        while node is not None and node.links is not None:
            links = node.links
            if links.gauge is not None:
                links.gauge.look()
            node = links.made_of
            if node is not None:
                node.wake_source()

    def wake_source(self) -> None:
        """Let the source look again whether it may go on."""
        self._wake()
        # Otherwise the upstream has passed all demand on; to do it again walks along the whole chain.
        if self.links is None or self.links.limited:
            self._pass_demand_on()

    # -- what it leads to --------------------------------------------------------------------------------

    def leads_to(self, replies: "Demand[R]") -> None:
        """Note that a run reads this stream and writes ``replies``: it is paused while these have no demand.

        Args:
            replies: the replies of the run; a run that it hands this stream to takes its place.
        """
        if not self.closed:
            self.linked().leads_to = cast("Demand[object]", replies)
            replies.linked().made_of = cast("Demand[object]", self)

    def written_by(self, gauge: "Gauge") -> None:
        """Note the gauge of the Observables that write this stream.

        Args:
            gauge: looks again whenever there is more demand.
        """
        self.linked().gauge = gauge

    def linked(self) -> "Links":
        """Return its links, which are made now if there are none."""
        if self.links is None:
            self.links = Links()
        return self.links

    def _unlink(self) -> None:
        links, self.links = self.links, None
        if links is None:
            return
        made_of = links.made_of
        if made_of is not None and made_of.links is not None and made_of.links.leads_to is self:
            made_of.links.leads_to = None
            made_of.wake_source()
        if links.leads_to is not None and links.leads_to.links is not None:
            links.leads_to.links.made_of = None
        if links.gauge is not None:
            links.gauge.close()

    def room(self) -> int:
        """Return how many pieces may come before a pause, also for the sake of what this stream leads to.

        Less than 0 if more have come than were requested.
        """
        if self.closed or self.unlimited or self.context.draining:
            return UNBOUNDED
        room = self.requested - len(self.items) - self.backlog
        return room if self.links is None else min(room, self._room_ahead())

    def _room_ahead(self) -> int:
        """Return how many pieces the streams that this one leads to may still get."""
        room = UNBOUNDED
        for replies in self._limited_ahead():
            room = min(room, replies.requested - len(replies.items))
        return room

    def _limited_ahead(self) -> "Iterator[Demand[object]]":
        """Yield the streams that this one leads to, as far as they limit it."""
        node = cast("Demand[object]", self)
        # A stream that something else reads too is not paused for the sake of one run.
        while node.links is not None and node.links.leads_to is not None and node.readers <= 1:
            node = node.links.leads_to
            if node.closed or node.unlimited or node.context.draining:
                return
            yield node

    def reading_task(self) -> "Task[None] | None":
        """Return the task of the run that reads this stream, if that is known and waits for no stream."""
        replies = None if self.links is None else self.links.leads_to
        producer = None if replies is None else replies.producer
        if not isinstance(producer, TaskLife):
            return None
        waits = producer.waiting is not None and not producer.waiting.done()
        return None if waits else producer.task

    async def may_go_on(self) -> bool:
        """Give the event loop a turn and wait for credit; return whether the source must go on.

        The source calls it between two pieces at ``check_at``.
        """
        # Also at the end: if a reader of the piece, or the source itself, has cancelled this task, that comes
        # out here, and not in the middle of the clean-up of the source.
        await sleep(0)
        while not self.closed and self._is_full():
            await self.pause()
        if self.closed:
            return False
        burst = len(self.items) + BURST
        self.check_at = burst if self.unlimited or self.context.draining else min(self.requested, burst)
        return True

    def _is_full(self) -> bool:
        if self.unlimited or self.context.draining:
            return False
        return self.room() <= 0


class Links:
    """What a stream has to do with others for which its source waits.

    Attributes:
        gauge: that of the Observables that write it.
        leads_to: the replies of the run that reads it.
        made_of: what the run reads that writes it.
        limited: whether what it leads to may have limited the demand that its upstream has passed on.
    """

    __slots__ = ("gauge", "leads_to", "limited", "made_of")

    def __init__(self) -> None:
        self.gauge: Gauge | None = None
        self.leads_to: Demand[object] | None = None
        self.made_of: Demand[object] | None = None
        self.limited: bool = True


class Request:
    """What a derived stream has requested of the stream that it reads: pieces up to a count, or everything.

    Example:
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import Context
        >>> source = ReplayBuffer(Context(prefetch=10))
        >>> request = Request()
        >>> request.pass_on(source, position=0, credit=15)
        >>> source.credit()
        15
        >>> request.pass_on(source, position=0, credit=UNBOUNDED)
        >>> source.unlimited
        1
        >>> request.release()
        >>> source.unlimited
        0
    """

    __slots__ = ("_waited", "_whole")

    def __init__(self) -> None:
        self._whole: Demand[object] | None = None
        self._waited = False

    def pass_on(self, source: Demand[T], position: int, credit: int, *, waiting: bool = False) -> None:
        """Request as much of ``source`` as is needed now.

        A count is not passed on for every single piece, which would cost more than the pieces themselves:
        while half of ``prefetch`` is left, nothing is requested.

        Args:
            source: the stream that is read.
            position: how many of its pieces have been read.
            credit: how many more are needed at most.
            waiting: whether a reader waits for the next piece.
        """
        if credit >= UNBOUNDED:
            if self._whole is not source:
                self.release()
                self._whole = cast("Demand[object]", source)
                source.context.dispatch(source.request_all)  # not nested: chains may be long
            return
        self.release()
        if source.closed:
            return
        limit = position + credit
        more = limit - source.requested
        waited, self._waited = self._waited, waiting
        if (
            waiting
            or waited
            or (more > 0 and (source.requested <= position or 2 * more >= source.context.prefetch))
        ):
            source.context.dispatch(partial(source.request, limit, waiting=waiting))

    def release(self) -> None:
        """Take back a request for everything."""
        whole, self._whole = self._whole, None
        if whole is not None:
            whole.context.dispatch(whole.withdraw)
