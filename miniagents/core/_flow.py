"""Flow control: what readers wait for, and how their demand travels back to the source.

In the words of Reactive Streams: readers **request** pieces, what was requested and has not come is the
source's **credit**, and a source without credit is **paused** until more is requested. This module alone
writes that state; an architecture test holds everybody else to it.

* A reader that has read everything waits on a Future *of its own*. A shared one could be cancelled by one
  reader for all.
* The end is told apart from the pieces, so that a reader of the whole is not woken for each.
* A source looks up only at ``check_at`` pieces, and at a piece where ``notify_next`` is set: that is all that
  a token costs when no reader waits.
* A stream that is written from another one (``upstream``) passes on what is requested of it. So a chain of
  any length runs at most ``prefetch`` pieces ahead of its reader, not that many at each link.
"""

import sys
from asyncio import Future, sleep
from collections.abc import Callable
from functools import partial
from operator import is_
from typing import Final, TypeAlias, TypeVar, cast

from typing_extensions import override

from ._context import Context
from ._lifetime import NO_RESULT, Lifetime
from ._protocols import Subscriber, Upstream

T = TypeVar("T")

# What a subscriber may have that is shown in the place of what it reads; see `TokenFeed.shown_for`.
_ShownFor: TypeAlias = Callable[[object], Lifetime[object] | None]

UNBOUNDED = sys.maxsize
"""As many pieces as come."""
BURST = 2048  # pieces without a look at the event loop, for sources that never suspend


# Once per stream: `super()` makes an object for the call.
_begin_life: Final = Lifetime.__init__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - any


class FlowControl(Lifetime[T]):
    """The demand for one stream, and who is told of its pieces; the base of its buffer.

    Attributes:
        backlog: pieces that the source has delivered and that wait for their turn to be written.
        check_at: at this length the source looks up: for a pause, a yield to the event loop, or the end.
        notify_next: :meth:`notify` is to be called after the next piece: somebody waits for it, or
            ``check_at`` came nearer than it was.
        requested: how many pieces are requested in all, counted from the first one.
        upstream: what writes this stream from another one, and passes demand on to that.
    """

    __slots__ = (
        "_batch_due",
        "_batched",
        "_end_waiters",
        "_resume",
        "_subscribers",
        "_unbounded",
        "_waiters",
        "backlog",
        "check_at",
        "notify_next",
        "requested",
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
        self.check_at: int = prefetch if prefetch < BURST else BURST  # noqa: FURB136 - half of what min() costs
        self.notify_next: bool = False
        self.backlog: int = 0
        self.upstream: Upstream | None = None
        self._resume: Future[None] | None = None
        self._waiters: list[Future[None]] | None = None
        self._end_waiters: list[Future[None]] | None = None
        self._subscribers: list[Subscriber] | None = None
        self._batched: list[Subscriber] | None = None
        self._batch_due: bool = False
        self._unbounded: int = 0  # subscribers that take everything at once

    # -- readers: who is told ----------------------------------------------------------------------------

    def notify(self) -> None:
        """Tell subscribers and waiting readers that there is more, or the end."""
        if self._subscribers is not None:
            self.context.dispatch(self._push)
        if self._batched is not None:
            self._notify_batched()
        waiters = self._waiters
        if waiters is not None:  # each looks again, through its own Future
            self._waiters = None
            if self._subscribers is None and self._batched is None:
                self.notify_next = self.closed  # what `_listen` finds out; once per token of a live source
            else:
                self._listen()
            for future in waiters:
                if not future.done():
                    future.set_result(None)
        elif self._subscribers is None:
            self._listen()  # the source was only to look at `check_at`

    def _listen(self) -> None:
        """Have the source tell of the next piece if anybody waits for it."""
        batched = self._batched is not None and not self._batch_due
        self.notify_next = (
            self.closed or batched or self._subscribers is not None or self._waiters is not None
        )

    def _notify_batched(self) -> None:
        # One turn of the loop later, together with whatever comes until then; the end at once, because there
        # may be no turn of the loop after it.
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
        for subscriber in self._batched or ():
            subscriber.deliver()

    def _push(self) -> None:
        for subscriber in self._subscribers or ():
            subscriber.deliver()

    @override
    def _tell_end(self) -> None:
        self.notify_next = True
        self.check_at = 0
        self.upstream = None
        if self._waiters is not None or self._subscribers is not None or self._batched is not None:
            self.notify()
        if self._end_waiters is not None:
            waiters, self._end_waiters = self._end_waiters, None
            for future in waiters:
                if not future.done():
                    future.set_result(None)

    def wait(self) -> "Future[None]":
        """A new Future of one reader that has read everything: done when there is more, or the end."""
        # Once per token of a live source: what is not needed is not called.
        context = self.context
        future = context.future()
        if self._waiters is None:
            self._waiters = [future]
        else:
            self._waiters.append(future)
        self.notify_next = True
        limit = len(self.items) + context.prefetch
        if self._resume is not None or self.upstream is not None:
            self.request(limit, waiting=True)
        elif limit > self.requested:
            self.requested = limit
        return future

    def wait_for_end(self) -> "Future[None]":
        """A new Future of one reader, done at the end. The source waits for no slower reader any more."""
        future = self.context.future()
        if self._end_waiters is None:
            self._end_waiters = [future]
        else:
            self._end_waiters.append(future)
        self.request(UNBOUNDED, waiting=True)
        return future

    def stop_waiting(self, future: "Future[None]") -> None:
        """A reader stopped waiting before its Future was done: nothing of it stays here.

        Args:
            future: what :meth:`wait` or :meth:`wait_for_end` gave it.
        """
        for waiting in (self._waiters, self._end_waiters):
            if waiting is not None and future in waiting:
                waiting.remove(future)
        self.withdraw()

    def attach(
        self, subscriber: Subscriber, *, batched: bool = False, unbounded: bool = True, reads: bool = True
    ) -> None:
        """Push to ``subscriber`` from now on; it takes what is already there by itself.

        Args:
            subscriber: a reader, until :meth:`detach`.
            batched: it may take the pieces of one turn of the event loop together, after that turn. The end
                is never late.
            unbounded: it takes everything at once; otherwise it requests what its own readers want.
            reads: the stream counts as read; False for a copy that has had no reader yet.

        Raises:
            NoActiveContextError: the stream is open, and its context has ended.
            WrongLoopError: the stream is open, and belongs to another event loop or thread.
        """
        if not self.closed:
            self.context.check()
        self.reader_came(reads=reads)
        if batched:
            self._batched = [*(self._batched or ()), subscriber]
        else:
            self._subscribers = [*(self._subscribers or ()), subscriber]
        self._listen()
        if unbounded:
            self._unbounded += 1
            self.request(UNBOUNDED, waiting=True)

    def detach(self, subscriber: Subscriber, *, unbounded: bool = True) -> None:
        """Push to ``subscriber`` no more; idempotent.

        Args:
            subscriber: who leaves.
            unbounded: as it was said in :meth:`attach`.
        """
        subscribers, batched = self._subscribers, self._batched
        if subscribers is not None and len(subscribers) == 1 and subscribers[0] is subscriber:
            self._subscribers = None  # as it is most often
        elif subscribers is not None and any(map(partial(is_, subscriber), subscribers)):
            self._subscribers = [each for each in subscribers if each is not subscriber] or None
        elif batched is not None and any(map(partial(is_, subscriber), batched)):
            self._batched = [each for each in batched if each is not subscriber] or None
        else:
            return
        self.reader_left()
        self._unbounded -= unbounded
        if not self.closed:
            self._listen()
            self.withdraw()

    def request_all(self) -> None:
        """Let the source run on, without being told of its pieces, until :meth:`request_no_more`.

        It counts as a reader: for somebody who waits for the end only, and must not slow it down.
        """
        self.reader_came()
        self._unbounded += 1
        self.request(UNBOUNDED, waiting=True)

    def request_no_more(self) -> None:
        """Take a :meth:`request_all` back."""
        self.reader_left()
        self._unbounded -= 1
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
        """Whether somebody wants every piece at once, rather than together with others."""
        return self._subscribers is not None

    # -- readers: what they request ----------------------------------------------------------------------

    def request(self, limit: int, *, waiting: bool = False) -> None:
        """Allow the source to run on until ``limit`` pieces are there.

        Args:
            limit: a count of pieces from the first one on; a smaller one than before changes nothing.
            waiting: somebody has read everything and waits for the next piece.
        """
        self.requested = max(self.requested, limit)
        self.resume()
        if self.upstream is not None:
            self.upstream.pass_demand_on(self, waiting=waiting)

    def run_on(self) -> None:
        """Let the source run on without regard to how far the readers are."""
        self.request(UNBOUNDED)

    def withdraw(self) -> None:
        """Bound the source again, if the last one who took everything at once has left."""
        if not self._end_waiters and not self._unbounded and not self.closed:
            self.requested = min(self.requested, len(self.items) + self.context.prefetch)
            if self.requested < self.check_at:
                self.check_at = self.requested
                self.notify_next = True  # the source is to look at `check_at`
            if self.upstream is not None:
                self.context.dispatch(self.upstream.withdraw_demand)  # not nested: chains may be long

    def credit(self) -> int:
        """How many pieces may still come before a pause; ``UNBOUNDED`` if somebody takes everything."""
        return UNBOUNDED if self.requested >= UNBOUNDED else self.requested - len(self.items)

    # -- the source --------------------------------------------------------------------------------------

    def write_from(self, upstream: Upstream) -> None:
        """Have ``upstream``, which writes this stream from another one, told what is requested here."""
        self.upstream = upstream

    def consume(self) -> None:
        """Count something that came and is no piece as one, and tell subscribers and waiting readers."""
        self.requested -= 1
        self.check_at -= 1
        if self.notify_next:
            self.notify()

    def set_backlog(self, count: int) -> None:
        """Note how many pieces the source has delivered that cannot be written yet; it is to look up."""
        if count >= self.backlog:
            self.check_at = 0
            self.backlog = count
        else:
            self.backlog = count
            self.resume()

    def look_up_next(self) -> None:
        """Have the source look up after its next piece."""
        self.check_at = 0

    def drop_first(self, count: int) -> None:
        """Count from ``count`` pieces further on: the first ones are not kept any more."""
        self.check_at -= count
        if self.requested < UNBOUNDED:
            self.requested -= count

    def pause(self) -> "Future[None]":
        """A Future of the source, done when it may look again whether to go on."""
        self._resume = self.context.loop.create_future()
        return self._resume

    def resume(self) -> None:
        """Have a paused source look again whether to go on."""
        if self._resume is not None:
            resume, self._resume = self._resume, None
            if not resume.done():
                resume.set_result(None)

    async def may_go_on(self) -> bool:
        """Let the event loop have its turn and wait for credit; tell the source whether to go on.

        What is called between two pieces at ``check_at``.
        """
        # Also at the end: if a reader of the piece, or the source itself, has cancelled this task, that comes
        # out here, and not in the middle of the clean-up of the source.
        await sleep(0)
        context = self.context
        while not self.closed and len(self.items) + self.backlog >= self.requested and not context.draining:
            await self.pause()
        if self.closed:
            return False
        requested = UNBOUNDED if context.draining else self.requested
        self.check_at = min(requested, len(self.items) + BURST)
        return True


def request_upstream(source: FlowControl[T], position: int, credit: int, *, waiting: bool = False) -> None:
    """Request of ``source`` what is wanted of a stream that is written from it.

    Not for every single piece, which would cost more than the pieces: while half of ``prefetch`` is left,
    nothing is requested.

    Args:
        source: what is read.
        position: how many pieces of it have been read.
        credit: how many more are wanted at most.
        waiting: a reader waits for the next one.
    """
    if source.closed:
        return
    limit = UNBOUNDED if credit >= UNBOUNDED else position + credit
    more = limit - source.requested
    if waiting or (more > 0 and (source.requested <= position or 2 * more >= source.context.prefetch)):
        # Not nested: chains may be long.
        source.context.dispatch(partial(source.request, limit, waiting=waiting))
