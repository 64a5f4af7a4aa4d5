"""The flattener: many streams of messages become one, in order, without a task.

The order is that in which the streams were fed, whichever is complete first. A piece waits until everything
before it has come; meanwhile the later streams run already, each into its own buffer. A stream that fails
becomes a message that fails, in its place, and what comes after it still arrives.
"""

from collections import deque
from collections.abc import AsyncIterable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import cast

from reactivex import Observable, abc
from reactivex.disposable import SingleAssignmentDisposable
from typing_extensions import override

from miniagents.streams._buffer import NoReplayBuffer, ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._deadlocks import waits_for
from miniagents.streams._derived import Processor
from miniagents.streams._gauge import BufferGauge
from miniagents.streams._lifetime import Lifetime, contain_all, extend_chain
from miniagents.streams._protocols import Producer
from miniagents.streams._pump import pump
from miniagents.streams._run_task import ProducerTask
from miniagents.streams._scheduler import LoopScheduler
from miniagents.values import DeadlockError, InquiryCancelledError, NestingError, name_of

from ._message import Message, MessagePromise, failed_message
from ._message_type import MAX_DEPTH, FlatStream, Piece, are_messages, one_message, pieces_of


class Flattener(Processor):
    """Writes one buffer of message promises from everything that is fed to it.

    Args:
        context: the owner of what is started here.
        buffer: the buffer to write.
        depth: how many flatteners this one is nested in.

    Raises:
        NestingError: it is nested in more than 64 others.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.messages._sequence import open_sequence
        >>> async def main():
        ...     flattener, sequence = open_sequence()
        ...     flattener.feed(["one", ["two", {"text": "three"}]])
        ...     flattener.finish()
        ...     print([message.text for message in await sequence])
        >>> MiniAgents().run(main())
        ['one', 'two', 'three']
    """

    __slots__ = (
        "__weakref__",
        "_chain",
        "_current",
        "_end",
        "_pending",
        "_traceback",
        "buffer",
        "context",
        "depth",
        "feeder",
    )

    position: int

    def __init__(
        self, context: Context, buffer: "ReplayBuffer[MessagePromise[Message]]", *, depth: int = 0
    ) -> None:
        if depth > MAX_DEPTH:
            raise NestingError(
                f"Streams of messages are nested more than {MAX_DEPTH} deep; flatten them first."
            )
        super().__init__()
        self.context: Context = context
        self.buffer: ReplayBuffer[MessagePromise[Message]] = buffer
        self.depth: int = depth
        self.feeder: Producer | None = None
        self._pending: deque[Piece] | None = None  # most are fed what is complete already
        self._current: FlatStream[Message, object] | None = None
        self._chain: tuple[str, ...] = ()  # the agents of the error that ends it
        self._end: Exception | bool = False
        self._traceback: TracebackType | None = None  # of the error that ends it, before readers raise it
        buffer.produce_with(self)
        buffer.write_from(self)

    @property
    @override
    def reading(self) -> ReplayBuffer[object] | None:
        current = self._current
        return None if current is None else cast("ReplayBuffer[object]", current.buffer)

    @property
    @override
    def writing(self) -> ReplayBuffer[object]:
        return cast("ReplayBuffer[object]", self.buffer)

    # -- input -------------------------------------------------------------------------------------------

    def feed(self, value: object) -> None:
        """Take any ``MessageType``, all of it or nothing; after the end, take nothing.

        Args:
            value: any ``MessageType``.

        Raises:
            TypeError: an item of it cannot become a message; the text names its type and its position.
            NestingError: collections are nested more than 64 deep.
        """
        if self._end is not False:
            return
        if isinstance(value, FlatStream):  # the replies of another agent
            self.take((cast("FlatStream[Message, object]", value),))
            return
        clear = self._current is None and not self._pending  # there is nothing to wait for
        one = one_message(value, self.context) if clear else None
        if one is not None:  # the most frequent case, without a list of one item
            one.contain(self.buffer)
            self.buffer.append(one)
            return
        pieces = pieces_of(value, self.context, self._open)
        if clear and are_messages(pieces):
            contain_all(pieces, self.buffer)
            self.buffer.extend(pieces)
        else:
            self.take(pieces)

    def _open(self, stream: Observable[object] | AsyncIterable[object]) -> FlatStream[Message, object]:
        return _open(self.context, self.depth + 1, stream, replay=not isinstance(self.buffer, NoReplayBuffer))

    def feed_or_fail(self, value: object) -> None:
        """Take an item of a user's stream: a wrong item becomes a message that fails, in its place.

        Args:
            value: the item; it should be a ``MessageType``.
        """
        try:
            self.feed(value)
        except Exception as error:  # noqa: BLE001 - the error belongs to the item, not to this stream
            self.take([failed_message(self.context, error)])

    def feed_from_pump(self, value: object) -> None:
        """Do what :meth:`feed_or_fail` does; pieces that wait for their turn count as ahead of readers too.

        Args:
            value: the item; it should be a ``MessageType``.
        """
        self.feed_or_fail(value)
        if self._pending:
            self.buffer.set_backlog(len(self._pending))

    def finish(self) -> None:
        """End normally, after everything that was fed."""
        self._conclude(end=True)

    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        """End with ``error``, after everything that was fed.

        Args:
            error: the error that ends the buffer.
            chain: the aliases of the agents that it went through.
        """
        passing = self.context.passing
        if self._end is False:
            self._chain = chain
            if passing is not None and passing.error is error:  # through an Observable
                self._chain, passing.passed_on = passing.chain, True
        self._conclude(end=error)

    def abort(self, error: Exception) -> None:
        """End with an error now; what is still on its way is dropped.

        Args:
            error: the error that ends the buffer.
        """
        pending, self._pending = self._pending, None
        for piece in pending or ():
            if piece.held is not None:
                piece.held.expect_reader()  # it was to be read with this stream, and ends with it
        self.leave()
        end, self._end = self._end, True
        self.feeder = None
        self.buffer.abort(error)
        if isinstance(end, Exception):
            self.buffer.lose_error(end)

    def _conclude(self, *, end: Exception | bool) -> None:
        if self._end is False:
            self._end = end
            if self._current is None and not self._pending:
                self._close()
            elif isinstance(end, Exception):
                self._traceback = end.__traceback__
                self.buffer.expect_error(end)

    @property
    def ended(self) -> bool:
        """Whether nothing more can be fed."""
        return self._end is not False

    def _close(self) -> None:
        if self._end is False:
            return
        self.feeder = None  # it may refer to this flattener; dropping it avoids a garbage collection
        if isinstance(self._end, Exception):
            messages = [each.held for each in self.buffer.items]
            # A reader of a message that failed with it has got the error, and need not read on.
            handled = any(each and each.error is self._end and each.error_handled for each in messages)
            if self._traceback is not None:
                self._end.with_traceback(self._traceback)
            self.buffer.fail(self._end, self._chain, handled=handled)
        else:
            self.buffer.finish()

    # -- output ------------------------------------------------------------------------------------------

    def take(self, pieces: Iterable[Piece]) -> None:
        """Take message promises and flat streams, in order.

        Args:
            pieces: message promises and flat streams of them.
        """
        pending = self._pending
        if pending is None:
            pending = self._pending = deque()
        unread: list[ReplayBuffer[MessagePromise[Message]]] = []
        for piece in pieces:
            piece.contain(self.buffer)
            if not isinstance(piece, MessagePromise):
                if piece.buffer.unread:  # it goes on requesting everything until this stream has requested
                    piece.buffer.request_all()
                    unread.append(piece.buffer)
                piece.buffer.expect_reader()  # this one
            if not self.buffer.closed:  # else the reader left while this stream was being opened
                pending.append(piece)
        self.deliver()
        for each in unread:
            each.withdraw()

    @override
    def step(self) -> bool:
        """Take the new pieces of the current stream, and, when it has ended, what comes after it."""
        current = self._current
        if current is None:
            return self._next()
        source = current.buffer
        if self.position < len(source.items):
            batch = source.items[self.position :]
            self.position += len(batch)
            contain_all(batch, self.buffer)
            self.buffer.extend(batch)
            return True
        if not source.closed:
            return False
        if not self.is_settled(source):
            return False
        self.leave()  # `current` is a lease: the error is not logged before it is passed on
        if source.error is not None:
            writer = self.feeder.run_name() if isinstance(self.feeder, ProducerTask) else None
            chain = extend_chain(source.error, source.chain, writer)
            failed = failed_message(self.context, source.error, chain)
            source.pass_error_on(failed.buffer)
            self.buffer.append(failed)
        if not self._pending:
            self._close()
        return True

    def _next(self) -> bool:
        pending = self._pending
        if not pending:
            return False
        piece = pending.popleft()
        if self.buffer.backlog:
            self.buffer.set_backlog(len(pending))
        if isinstance(piece, MessagePromise):
            self.buffer.append(piece)
            if not pending:
                self._close()
            return True
        between = waits_for(piece.buffer.producer, self)
        if between is None:
            self._current, self.position = piece, 0
            piece.buffer.attach(self, unbounded=False)
            self.pass_demand_on(waiting=self.buffer.waited_for)
        else:
            # A stream of its own messages would read itself for ever.
            name = "a sequence" if self.feeder is None else self.feeder.name
            error = DeadlockError(" → ".join([name, *between, name]))
            pending.appendleft(failed_message(self.context, error))
        return True

    @override
    def leave(self) -> None:
        current, self._current = self._current, None
        if current is not None:
            self._request.release()
            current.buffer.detach(self, unbounded=False)

    # -- its life ----------------------------------------------------------------------------------------

    def waiting(self) -> "Iterator[Lifetime[object]]":
        """Yield what was fed and has not become a piece yet: messages, and sequences with their messages."""
        for piece in (*([] if self._current is None else [self._current]), *(self._pending or ())):
            if piece.held is not None:
                yield piece.held
                yield from piece.held.pieces_held()

    @override
    def blocked_by(self) -> Producer | None:
        """The producer of the current stream, else the feeder."""
        current = self._current
        return current.buffer.producer if current is not None else self.feeder

    @override
    def cancel(self) -> None:
        """Stop, and stop the feeder too, with what it has begun and fed that still waits for its turn."""
        pending, ancestry = tuple(self._pending or ()), self.buffer.ancestry
        if self.feeder is not None:
            self.feeder.cancel()
        self.abort(InquiryCancelledError())
        for piece in pending:
            if piece.held is not None and ancestry is not None and ancestry.began(piece.held.ancestry):
                piece.held.cancel()

    @override
    def abandon(self) -> None:
        """Stop, because no reader can read the rest."""
        if self.feeder is not None:
            self.context.dispatch(self.feeder.abandon)  # not nested: pipelines may be long
        self.abort(InquiryCancelledError())
        self.buffer.forget()


class ObservableProducer:
    """The producer of a stream that is fed from an Observable: stopping it disposes of the subscription."""

    __slots__ = ("subscription",)

    name = ""

    def __init__(self) -> None:
        # It may be stopped before `subscribe` has returned the subscription.
        self.subscription = SingleAssignmentDisposable()

    def blocked_by(self) -> Producer | None:
        """None: it is not known what an Observable waits for."""
        return None

    def cancel(self) -> None:
        """Dispose of the subscription; idempotent."""
        self.subscription.dispose()

    abandon = cancel


def filled(context: Context, value: object, *, replay: bool = True) -> ReplayBuffer[MessagePromise[Message]]:
    """Return the buffer of a sequence that is given as a whole, with any streams in it.

    Args:
        context: the owner of the buffer.
        value: any ``MessageType``.
        replay: whether to keep every message for later readers.

    Raises:
        TypeError: an item cannot become a message; the text names its type and its position.
    """
    pieces = pieces_of(value, context, partial(_open, context, 1, replay=replay))
    if are_messages(pieces):
        buffer = _buffer_of(context, pieces, closed=True, replay=replay)
        contain_all(pieces, buffer)
        return buffer
    buffer = _buffer_of(context, replay=replay)
    flattener = Flattener(context, buffer)
    flattener.take(pieces)
    flattener.finish()
    return buffer


def _buffer_of(
    context: Context,
    items: list[MessagePromise[Message]] | None = None,
    *,
    closed: bool = False,
    replay: bool,
) -> ReplayBuffer[MessagePromise[Message]]:
    if replay:
        return ReplayBuffer(context, items, closed=closed)
    return NoReplayBuffer[MessagePromise[Message]](context, items, closed=closed)


def _open(
    context: Context, depth: int, stream: Observable[object] | AsyncIterable[object], *, replay: bool
) -> FlatStream[Message, object]:
    """Start to read ``stream`` into a new flat buffer; its flattener is nested in ``depth`` others."""
    buffer = _buffer_of(context, replay=replay)
    inner = Flattener(context, buffer, depth=depth)
    if isinstance(stream, Observable):
        follow_observable(inner, stream)
    else:
        pump_into(inner, stream)
    return FlatStream.over(buffer)


def pump_into(flattener: Flattener, stream: AsyncIterable[object]) -> None:
    """Feed every item of an async iterable, in a task of the context."""
    buffer = cast("ReplayBuffer[object]", flattener.buffer)
    name = name_of(stream)
    task = ProducerTask(name, buffer, flattener, part=True)
    flattener.feeder = task
    task.start(lambda: pump(stream, buffer, flattener.feed_from_pump))


def follow_observable(
    flattener: Flattener, stream: Observable[object], scheduler: abc.SchedulerBase | None = None
) -> None:
    """Subscribe to an Observable and feed every item of it; unsubscribe when no reader can come any more."""
    feeder = ObservableProducer()
    flattener.feeder = feeder
    flattener.context.cancel_at_end(cast("ReplayBuffer[object]", flattener.buffer))
    on_loop_thread = flattener.context.on_loop_thread  # an Observable may emit from any thread
    if scheduler is None:
        scheduler = LoopScheduler(BufferGauge(flattener.buffer))
    elif isinstance(scheduler, LoopScheduler):
        scheduler = scheduler.with_gauge(BufferGauge(flattener.buffer))
    feeder.subscription.disposable = stream.subscribe(
        on_loop_thread(flattener.feed_from_pump),
        on_loop_thread(flattener.fail),
        on_loop_thread(flattener.finish),
        scheduler=scheduler,
    )
