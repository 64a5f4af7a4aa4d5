"""The life of a stream: what can end it, and who decides that.

This module alone writes the state of a stream's life (:class:`Lifetime`) and of a task's (:class:`TaskLife`);
an architecture test holds everybody else to it. The states and every transition are in one table in
``docs/core.md``, and ``tests/core/test_life_table.py`` drives each of its cells.

Two questions decide everything: can the stream still be read (does somebody hold a lease on it), and has it
ever been read? A stream that nothing can reach any more is stopped if it had been read, because its reader
has left, and runs to its end if it never was, because "fire and forget" is legal.

A lease is counted, not traced: a promise is a lease, so is every view of a stream, and so is a stream that
reads another one. What *produces* a stream never holds a lease on it. So the moment when the last lease goes
is known at once, without a garbage collection.
"""

from asyncio import Task
from collections.abc import Callable, Iterable
from enum import Enum, auto
from types import TracebackType
from typing import Final, Generic

from typing_extensions import TypeVar

from miniagents.values import InquiryCancelledError

from ._ancestry import Ancestry
from ._context import Context
from ._deadlocks import WaitingTask
from ._observers import RunWatch
from ._protocols import Producer

T = TypeVar("T")
U = TypeVar("U")

NO_RESULT: Final = object()
"""The result of a stream of which none has been computed yet; None may be a result."""


class Fate(Enum):
    """What becomes of a stream when a lease on it has gone."""

    KEEP = auto()
    """Somebody can still read it."""
    RUN_ON = auto()
    """Nothing can read it and nothing ever did: it runs to its end."""
    STOP = auto()
    """Its last reader has left: the producer is stopped, and the stream ends with a cancellation."""
    FORGET = auto()
    """It has ended and nothing can read it: what it holds is let go."""


# Looked up once: at each look `Fate.KEEP` costs as much as all of `Lifetime.fate`, and this is per promise.
_KEEP: Final = Fate.KEEP
_RUN_ON: Final = Fate.RUN_ON
_STOP: Final = Fate.STOP
_FORGET: Final = Fate.FORGET


class Lifetime(Generic[T]):
    """The state of one stream's life; the base of its buffer.

    Args:
        context: owns the task that produces the stream, and lends its event loop to readers.
        items: the pieces that are there already.
        closed: these are all.
        result: what they make together, if that is known.

    Attributes:
        ancestry: the run that writes it, None if no run does.
        chain: the aliases of the agents that the error went through, the first one first.
        closed: it has ended; nothing follows.
        contained: it stands in another stream, so it can be reached through that.
        error: why it ended, None for a normal end or as long as it is open.
        error_handled: a reader was given the error, so it need not be logged.
        items: what has come so far.
        leases: how many promises, views and other streams can read it.
        producer: what has to act before there is more; None when closed or written by hand.
        reachable: a lease is held, or none has been taken yet.
        readers: how many readers, subscribers and waiters there are right now.
        result: what the pieces make together, ``NO_RESULT`` until it has been computed.
        traceback: the error's traceback when it came here; each reader's own starts from it.
        was_read: a reader has come at some time, or is going to, so it ends when the last lease goes.
    """

    __slots__ = (
        "__weakref__",
        "_watchers",
        "ancestry",
        "chain",
        "closed",
        "contained",
        "context",
        "error",
        "error_handled",
        "items",
        "leases",
        "producer",
        "reachable",
        "readers",
        "result",
        "traceback",
        "was_read",
    )

    def __init__(self, context: Context, items: list[T], closed: bool, result: object) -> None:
        self.context: Context = context
        self.items: list[T] = items
        self.closed: bool = closed
        self.result: object = result
        self.producer: Producer | None = None
        self.ancestry: Ancestry | None = None
        self.leases: int = 0
        self.reachable: bool = True
        self.readers: int = 0
        self.was_read: bool = False
        self.contained: bool = False
        self.error: Exception | None = None
        self.error_handled: bool = False
        self.traceback: TracebackType | None = None
        self.chain: tuple[str, ...] = ()
        self._watchers: list[Callable[[], None]] | None = None

    # -- who produces it ---------------------------------------------------------------------------------

    def produce_with(self, producer: Producer, ancestry: Ancestry | None = None) -> None:
        """Event *producer begins*: ``producer`` writes it from now on.

        Args:
            producer: is stopped when the stream is.
            ancestry: the run that it belongs to, if it belongs to one.
        """
        self.producer = producer
        if ancestry is not None:
            self.ancestry = ancestry

    def produce_together_with(self, other: "Lifetime[U]") -> None:
        """Event *producer begins*: what writes ``other`` writes this, too, as a piece of it."""
        self.producer = other.producer

    # -- who can read it ---------------------------------------------------------------------------------

    def reader_came(self, *, reads: bool = True) -> None:
        """Event *reader comes*: somebody reads it from now on.

        Args:
            reads: the stream counts as read; False for a copy that has had no reader yet.
        """
        self.readers += 1
        if reads:
            self.was_read = True

    def reader_left(self) -> None:
        """Event *reader leaves*. It still holds its lease; what becomes of the stream is decided by that."""
        self.readers -= 1

    def expect_reader(self) -> None:
        """Event *handed over*: a reader is certain to come, so it ends when the last lease goes."""
        self.was_read = True

    def contain(self) -> None:
        """Event *kept by another stream*: it is a piece of that."""
        self.contained = True

    def release(self) -> None:
        """Event *lease given back*; after the last one the stream's fate is decided."""
        self.leases -= 1
        if self.leases > 0:
            return
        self.reachable = False
        if self.was_read:
            # What stands in it was to be read with it, and ends with it.
            for piece in self.items:
                if not isinstance(piece, Lease):
                    break  # pieces are all of one kind
                held = piece.held
                if held is not None:
                    held.was_read = True
        fate = self.fate()
        if fate is _STOP:
            self._stop_producer()
        elif fate is _FORGET:
            if self.was_read:
                self.forget()
            if self.error is not None and not self.error_handled:
                self.context.unhandled.drop(self, self.error)

    def seen_as(self) -> "Lifetime[object]":
        """What readers see of it: itself, or the copy in its place if nothing else reads it."""
        return self  # type: ignore[return-value]  # it is only looked at

    def fate(self) -> Fate:
        """What becomes of the stream as things stand now: the one decision about its life."""
        if self.reachable:
            return _KEEP
        if self.closed:
            return _FORGET
        return _STOP if self.was_read else _RUN_ON

    def _stop_producer(self) -> None:
        """Stop the producer now, or, from the thread of a garbage collection, on its own event loop."""
        if self.producer is None:
            return
        # Not nested: what is stopped may release a chain of others. No variable holds the producer: if it
        # went after the dispatch, what only it holds would be released on the stack of its own release.
        if self.context.in_loop_thread():
            self.context.dispatch(self.producer.abandon)
        else:
            self.context.call_soon(self.producer.abandon)

    def forget(self) -> None:
        """Let go of the pieces of a stream that nothing can read; what only they held ends with them.

        A watcher (a record of the run) is going to look at them at the end: until then they stay.
        """
        if not self.reachable and self._watchers is None:
            self.items.clear()

    # -- how it ends -------------------------------------------------------------------------------------

    def finish(self, result: object = NO_RESULT) -> None:
        """Event *producer ends normally*.

        Args:
            result: what the pieces make together, if that is known.
        """
        if not self.closed:
            if result is not NO_RESULT:
                self.result = result
            self._end(None)

    def fail(self, error: Exception, chain: tuple[str, ...] = (), *, handled: bool = False) -> None:
        """Event *producer fails*, or *cancelled*: the error comes after everything that came before.

        Args:
            error: what every reader is going to get, the very object.
            chain: the aliases of the agents that it went through.
            handled: its readers are told elsewhere, so it is not logged here.
        """
        if self.closed:
            return
        self.chain = chain
        self.error_handled = self.error_handled or handled
        logged = not self.error_handled and not isinstance(error, InquiryCancelledError)
        if logged:
            self.context.unhandled.watch(self, error)
        self._end(error)
        if logged and not self.reachable:  # the last lease went before it failed: no reader will ever be told
            self.context.unhandled.drop(self, error)

    abort = fail  # a buffer has nothing pending that an orderly failure would have to wait for

    def _end(self, error: Exception | None) -> None:
        self.closed = True
        self.producer = None
        if error is not None:
            self.error = error
            self.traceback = error.__traceback__
        self._tell_observers()
        if self._watchers is not None:  # before readers: what reads this ends after it, and is told to
            watchers, self._watchers = self._watchers, None
            for watcher in watchers:
                watcher()
        self._tell_end()

    def _tell_observers(self) -> None:
        """Tell observers of what came last; a buffer that is observed knows them."""

    def _tell_end(self) -> None:
        """Tell readers and the producer that the stream has ended; flow control knows them."""

    def remember(self, result: object) -> None:
        """Keep what the pieces of a stream that ended normally make together, so that it is computed once."""
        self.result = result

    def when_closed(self, watcher: Callable[[], None]) -> None:
        """Call ``watcher`` once, at the end or now if that was. It is no reader: it keeps nothing going.

        Args:
            watcher: must not raise.
        """
        if self.closed:
            watcher()
        else:
            self._watchers = [*(self._watchers or ()), watcher]

    def mark_error_handled(self) -> None:
        """Note that a reader was given the error, so that it is not logged."""
        self.error_handled = True
        if self.error is not None:
            self.context.unhandled.forget(self.error)

    def cancel(self) -> None:
        """Event *cancelled*: the producer is stopped now; what had come stays readable. Idempotent."""
        if self.producer is not None:
            self.producer.cancel()

    def abandon(self) -> None:
        """Event *abandoned*: its readers have left, so the producer is stopped; who holds a part reads on."""
        if self.producer is not None:
            self.producer.abandon()

    def give_up(self) -> None:
        """Event *given up by what began it*: it ends now, or, if something else holds it, with that."""
        self.was_read = True
        if not self.reachable:
            self.abandon()

    def end_cancelled(self) -> None:
        """End with ``InquiryCancelledError``, for a stream whose producer was stopped on purpose."""
        self.fail(InquiryCancelledError(), handled=True)

    def raise_error(self) -> None:
        """Raise the error that the stream ended with, the very object, if there is one.

        Each reader gets the traceback that the error had when it came here: else it would grow with each.
        What is raised goes through the frames of the reader, and the stream must not keep these alive: after
        this turn of the event loop the error has its first traceback again.

        Raises:
            Exception: whatever the stream ended with.
        """
        error = self.error
        if error is None:
            return
        self.mark_error_handled()
        self.context.call_soon_here(self._drop_frames)
        raise error.with_traceback(self.traceback)

    def _drop_frames(self) -> None:
        if self.error is not None:
            self.error.__traceback__ = self.traceback


class Lease:
    """The right to read a stream: as long as one lives, the stream is not stopped for want of readers.

    Args:
        buffer: the stream.

    Attributes:
        buffer: the stream.
        held: the stream as far as there is one: None for a value that is there, as long as nothing has looked
            at its stream.
    """

    __slots__ = ("__weakref__", "buffer", "held")

    buffer: "Lifetime[object]"
    held: "Lifetime[object] | None"

    def __init__(self, buffer: Lifetime[T]) -> None:
        self.take(buffer)

    def take(self, buffer: Lifetime[T], *, announced: bool = True) -> None:
        """Event *lease taken*: become a lease on ``buffer``; once.

        Args:
            buffer: the stream.
            announced: handlers of the context are told of it, if there are any.
        """
        # `typing.cast` is a call, and this is done for each promise that there is.
        self.buffer = self.held = buffer  # type: ignore[assignment]  # of whichever pieces: here they are only looked at
        buffer.leases += 1
        if buffer.context.announcing and announced:
            self.announce()

    def announce(self) -> None:
        """Have the handlers of the context told; a lease alone is nothing to be told of."""

    def __del__(self) -> None:
        try:
            held = self.held
        except AttributeError:  # a constructor has raised before there was a stream
            return
        if held is not None:
            held.release()

    def contain(self) -> None:
        """Event *kept by another stream*; what has no stream cannot be stopped, so it need not know."""
        if self.held is not None:
            self.held.contained = True


def contain_all(leases: "Iterable[Lease]") -> None:
    """Event *kept by another stream*, of many at once.

    Args:
        leases: on the streams.
    """
    for lease in leases:
        held = lease.held
        if held is not None:
            held.contained = True


class TaskLife(WaitingTask):
    """The life of a task that produces a stream: who started it, what it started, and how it is stopped.

    Args:
        buffer: the stream that its readers see.
        parent: the task that starts it, None if there is none.
        part: it is a part of the run that starts it (a message being written), not a run of its own.

    Attributes:
        at_end: called once when it has ended; None if there is nothing to be told.
        buffer: the stream that its readers see.
        part: it is a part of a run.
        task: the asyncio task, None before it begins and after it has ended.
        run_watch: for those who observe it, if it is a run, or the call of a tool, that is observed.
    """

    __slots__ = (
        *("_abandoned", "_ancestry", "_begun_by", "_children", "_guardian", "parent", "_stopping"),
        *("at_end", "buffer", "part", "run_watch", "task"),
    )

    def __init__(self, buffer: Lifetime[T], parent: "TaskLife | None", *, part: bool) -> None:
        WaitingTask.__init__(self, buffer.context)  # once per run: `super()` makes an object for the call
        self.buffer: Lifetime[object] = buffer  # type: ignore[assignment]  # it is only looked at here
        self.part: bool = part
        self.task: Task[None] | None = None
        self.at_end: Callable[[], None] | None = None
        self.run_watch: RunWatch | None = None
        self.parent: TaskLife | None = parent  # whose name its errors bear
        self._guardian: TaskLife | None = parent  # who stops it if it is stopped itself
        self._children: set[TaskLife] | None = None
        self._begun_by: Ancestry | None = None if parent is None else parent.ancestry
        self._ancestry: Ancestry | None = None
        self._stopping = False
        self._abandoned = False

    def end_aborted(self, error: Exception) -> None:
        """End what it writes with ``error`` at once; what is still on its way is given up."""
        raise NotImplementedError

    def drain(self) -> None:
        """Run on without regard to how far the readers are."""
        raise NotImplementedError

    def seen(self) -> tuple[Lifetime[object], ...]:
        """The streams in which readers see what it writes; the first one is what its starter was given."""
        return (self.buffer.seen_as(),)

    @property
    def ancestry(self) -> Ancestry | None:
        """The run that this is or is a part of, for what it begins; made when it begins something."""
        if self.part:
            return self._begun_by
        if self._ancestry is None:
            self._ancestry = self.buffer.ancestry = Ancestry(self._begun_by, self.name)
        return self._ancestry

    @property
    def goes_on(self) -> bool:
        """Whether it has begun and not ended, so that it can be stopped."""
        return self.task is not None

    def begins(self) -> None:
        """Event *producer begins*: it is about to be a task; its context owns it, its guardian stops it."""
        buffer = self.buffer
        if buffer.producer is None:
            buffer.producer = self
        if self.part:
            buffer.ancestry = self._begun_by
        buffer.context.add(self)
        if self._guardian is not None:
            self._guardian.take_charge_of(self)

    def runs_as(self, task: "Task[None]") -> None:
        """Event *producer has begun*: ``task`` is going to make its first step."""
        self.task = task

    def observe(self, watch: RunWatch) -> None:
        """Tell observers of it from now on: that it was inquired is told now.

        Args:
            watch: knows the observers.
        """
        self.run_watch = watch
        watch.began(self.variables)

    def when_ended(self, tell: "Callable[[], None]") -> None:
        """Call ``tell`` once, when what it does has ended, however it did.

        Args:
            tell: must not raise.
        """
        self.at_end = tell

    def work_ended(self) -> None:
        """Event *work ended*: told before what it writes ends, and with that the runs that pass it on."""
        at_end, self.at_end = self.at_end, None
        if at_end is not None:
            at_end()

    def take_charge_of(self, child: "TaskLife") -> None:
        """Stop ``child`` when this is stopped, unless somebody else reads what it writes."""
        child._guardian = self  # noqa: SLF001 - same class
        children = self._children = self._children or set()
        children.add(child)

    def has_ended(self) -> None:
        """Event *producer has ended*: it lets go of everything.

        What still streams of it (a message that it was writing, replies that it passes on) goes on, and
        is from now on stopped with the run that had started this one.
        """
        if self.at_end is not None:  # most ends of work have been told before this
            self.work_ended()
        children, self._children = self._children, None
        self.task = None  # its contextvars know this object: what has ended should need no garbage collector
        guardian = self._guardian
        for child in children or ():
            is_message = child.part or child.parent is not self  # of this run, or of one that ended before
            if is_message and guardian is not None and guardian.goes_on:
                guardian.take_charge_of(child)
            else:
                child._guardian = None  # noqa: SLF001 - same class
        if guardian is not None:
            self.buffer.when_closed(self._leave_guardian)
        self.parent = None
        self.buffer.context.discard(self)

    def _leave_guardian(self) -> None:
        guardian, self._guardian = self._guardian, None
        if guardian is not None and guardian._children is not None:  # noqa: SLF001 - same class
            guardian._children.discard(self)  # noqa: SLF001 - same class

    # -- being stopped -----------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Event *run cancelled*: stop now, with every message that it is writing.

        Readers get ``InquiryCancelledError`` after what had come.
        """
        for child in tuple(self._children or ()):
            if child.part and child.parent is self:
                child.cancel()
        self._stop()

    def abandon(self) -> None:
        """Event *run abandoned*: its last reader has left. What somebody still holds a part of goes on."""
        self._abandoned = True
        children = tuple(self._children or ())
        for child in children:
            child.buffer.expect_reader()
        self.end_aborted(self.cancellation())
        self.buffer.forget()
        for child in children:
            if not child.buffer.reachable and child.buffer.readers == 0:
                child.abandon()
        self._stop()

    def _stop(self) -> None:
        self.end_aborted(self.cancellation())
        if self.task is not None and self.stops():
            self.task.cancel()

    def stops(self) -> bool:
        """Whether it is to be stopped, which it is once: a second time would hit the first one's clean-up."""
        first, self._stopping = not self._stopping, True
        return first

    def cancellation(self) -> InquiryCancelledError:
        """What readers of a stopped task get."""
        return InquiryCancelledError(
            f"{self.name} was cancelled before it had ended.", abandoned=self._abandoned
        )

    def was_cancelled(self) -> None:
        """Event *run cancelled*, in its task: what it began is cancelled too, if no other reader is left."""
        for child in tuple(self._children or ()):
            seen = child.seen()
            kept = self._abandoned and any(each.reachable for each in seen)
            if not kept and not any(each.readers for each in seen):
                child.cancel()

    def has_failed(self) -> None:
        """Event *run failed*: as if cancelled, but for what it had replied: that stands in a sequence."""
        replied = {id(item.buffer) for item in self.buffer.items if isinstance(item, Lease)}
        for child in tuple(self._children or ()):
            # A message of a run that has ended stands in the replies of that, whether these are read or not.
            left_behind = child.part and child.parent is not self
            seen = child.seen()
            kept = id(seen[0]) in replied if left_behind else seen[0].contained
            if not kept and not any(each.readers for each in seen):
                child.cancel()
