"""The life of a stream: what ends it, and where that is decided.

This module decides the state of a stream's life (:class:`Lifetime`) and of a task's life
(:class:`TaskLife`); ``_demand`` adds what demand has to do with it. A table in ``docs/core.md`` has the
states and every transition, and ``tests/streams/test_life_table.py`` tests each of its cells.

Two questions decide everything: can the stream still be read (does anything hold a lease on it), and has it
ever been read? When the last lease is gone, a stream that was read is stopped, because its readers have left.
A stream that was never read runs to its end, because "fire and forget" is allowed.

Leases are counted, not traced: a promise is a lease, so is every view of a stream, and so is a stream that
reads another one. What *produces* a stream never holds a lease on it. So the end of the last lease is known
at once, without a garbage collection.
"""

from asyncio import Future, Task
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from contextvars import Context as Variables, ContextVar, copy_context
from functools import partial
from operator import attrgetter
from types import TracebackType
from typing import Final, Generic, Protocol, Self, cast
from weakref import ReferenceType, WeakKeyDictionary, ref

from typing_extensions import TypeVar

from miniagents.values import AgentTimeoutError, InquiryCancelledError, notes_of

from ._context import Context
from ._observers import RunWatch
from ._protocols import Producer
from ._stops import Stop, present_block, within
from ._threads import running_loop
from ._unhandled import FailedStream

# -- ancestry -------------------------------------------------------------------------------------------
#
# Which run began which, and the agents that an error went through; this keeps no run alive.


class Ancestry:
    """The name of a run, and the ancestry of the run that began it.

    It holds neither the run nor a stream, so it keeps nothing alive.
    """

    __slots__ = ("name", "parent")

    def __init__(self, parent: "Ancestry | None", name: str = "") -> None:
        self.parent: Ancestry | None = parent
        self.name: str = name

    def began(self, other: "Ancestry | None") -> bool:
        """Return whether ``other`` is this run, or was begun by it, directly or through other runs."""
        while other is not None:
            if other is self:
                return True
            other = other.parent
        return False


def extend_chain(error: Exception, chain: tuple[str, ...], name: str | None) -> tuple[str, ...]:
    """Add an agent to those that ``error`` went through, also in the note of the error; return all of them.

    Args:
        error: the error; it has a note with ``chain`` if it went through an agent already.
        chain: the aliases of the agents so far.
        name: the alias of the next agent; None to add none.
    """
    if not name or chain[-1:] == (name,):  # no run, or the error comes from another part of the same run
        return chain
    longer = (*chain, name)
    before, after = (f"agents: {' → '.join(names)}" for names in (chain, longer))
    notes = notes_of(error)
    if before in notes:
        notes[notes.index(before)] = after
    elif after not in notes:
        notes.append(after)
    return longer


# -- lifetime -------------------------------------------------------------------------------------------

T = TypeVar("T")
U = TypeVar("U")

NO_RESULT: Final = object()
"""The result of a stream whose result has not been computed yet; None can be a result."""


class Lifetime(Generic[T]):
    """The state of one stream's life; the base class of buffers.

    Args:
        context: the owner of the task that produces the stream; readers wait on its event loop.
        items: the pieces that have come already.
        closed: whether these are all pieces.
        result: the value of all pieces together, if it is known.

    Attributes:
        ancestry: the run that writes it; None if no run does.
        chain: the aliases of the agents that the error went through, the first one first.
        closed: it has ended; nothing follows.
        contained: whether it is a piece of another stream, through which it can be reached.
        error: the error that ended it; None if it is open or ended normally.
        error_handled: whether a reader got the error, so that it need not be logged.
        items: what has come so far.
        left_by: the run that wrote it, if that has ended and messages of it, or of what it began, go on.
        leases: how many promises, views and other streams can read it.
        producer: the producer that writes it; None when it is closed or a program writes it by hand.
        reachable: whether a lease is held, or none has been taken yet.
        readers: how many readers, subscribers and waiters there are right now.
        result: the value of all pieces together; ``NO_RESULT`` until it has been computed.
        traceback: the error's traceback when it came here; the traceback of each reader starts from it.
        unread: whether it runs on because nothing has come to read it, nor a stream that has it as a piece.
        was_read: whether a reader has come or is certain to come, so that the stream ends with its last
            lease.
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
        "left_by",
        "producer",
        "reachable",
        "readers",
        "result",
        "traceback",
        "unread",
        "was_read",
    )

    def __init__(self, context: Context, items: list[T], closed: bool, result: object) -> None:
        self.context: Context = context
        self.items: list[T] = items
        self.closed: bool = closed
        self.result: object = result
        self.producer: Producer | None = None
        self.left_by: TaskLife | None = None
        self.ancestry: Ancestry | None = None
        self.leases: int = 0
        self.reachable: bool = True
        self.readers: int = 0
        self.was_read: bool = False
        self.unread: bool = False
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
            producer: it is stopped when the stream is stopped.
            ancestry: the run that it belongs to, if it belongs to one.
        """
        self.producer = producer
        if ancestry is not None:
            self.ancestry = ancestry

    def produce_together_with(self, other: "Lifetime[U]") -> None:
        """Event *producer begins*: the producer of ``other`` also writes this, a piece of ``other``."""
        self.producer = other.producer
        self.ancestry = other.ancestry

    # -- who can read it ---------------------------------------------------------------------------------

    def reader_came(self, *, reads: bool = True) -> None:
        """Event *reader comes*: it is read from now on.

        Args:
            reads: whether the stream counts as read; False for a copy that has had no reader yet.
        """
        self.readers += 1
        if reads and not self.was_read:
            self.expect_reader()

    def reader_left(self) -> None:
        """Event *reader leaves*. It still holds its lease; the end of that lease decides about the stream."""
        self.readers -= 1

    def expect_reader(self) -> None:
        """Event *handed over*: a reader is certain to come, so it ends when the last lease goes."""
        if not self.was_read:
            self.was_read = True
            self._begin_to_be_read()

    def _begin_to_be_read(self) -> None:
        """Pause the producer where its readers are, and request what they need; demand overrides it."""

    def contain(self, stream: "Lifetime[U]") -> None:
        """Event *kept by another stream*: it is a piece of ``stream``."""
        self.contained = True
        if stream.unread:
            self.run_unread()

    def run_unread(self) -> None:
        """Do not pause the producer before something comes to read the stream; demand overrides it."""

    def expect_demand(self) -> None:
        """Pause the producer where its readers are: a stream that has this one as a piece is read now."""
        if self.unread:
            self._end_unread()

    def _end_unread(self) -> None:
        """Pause the producer where its readers are; demand overrides it."""

    def run_on(self) -> None:
        """Let the producer run to its end, however far the readers are; demand overrides it."""

    def release(self) -> None:
        """Event *lease given back*. After the last one this alone decides what becomes of the stream.

        If it has ended, it drops its pieces. If its last reader has left, its producer is stopped. If nothing
        has ever read it, it runs to its end.
        """
        self.leases -= 1
        if self.leases > 0:
            return
        self.reachable = False
        if self.was_read:
            self._expect_readers_of_pieces()
        if self.closed:
            if self.was_read:
                self.forget()
            if self.error is not None and not self.error_handled:
                self.context.unhandled.drop(self, self.error)
        elif self.was_read:
            self._stop_producer()
        elif self.context.in_loop_thread():
            self.context.dispatch(self.run_on)
        else:
            self.context.call_soon(self.run_on)

    def _expect_readers_of_pieces(self) -> None:
        """Let the pieces end with this stream: they were to be read with it."""
        for held in self.pieces_held():
            held.expect_reader()

    def seen_as(self) -> "Lifetime[object]":
        """The stream that readers see: itself, or a copy in its place if nothing else reads it."""
        return self  # type: ignore[return-value]  # it is only looked at

    def pieces_held(self) -> "list[Lifetime[object]]":
        """Return the streams that are pieces of this one, such as the messages of a sequence."""
        if not (self.items and isinstance(self.items[0], Lease)):  # most pieces are of one kind: texts
            return []
        pieces: Sequence[object] = self.items
        if not all(issubclass(kind, Lease) for kind in {*map(type, pieces)}):
            pieces = [piece for piece in pieces if isinstance(piece, Lease)]
        return [*filter(None, map(_HELD, pieces))]

    def _stop_producer(self) -> None:
        """Stop the producer now, or, from the thread of a garbage collection, on its own event loop."""
        if self.producer is None:
            return
        # Not nested: a stopped producer may release a chain of others. No variable holds the producer: if it
        # went after the dispatch, what only it holds would be released on the stack of its own release.
        if self.context.in_loop_thread():
            self.context.dispatch(partial(within, stop_of(self.context), self.producer.abandon))
        else:
            self.context.call_soon(self.producer.abandon)

    def forget(self) -> None:
        """Drop the pieces of a stream that nothing can read; streams that only they held end with them.

        If a watcher (a record of the run) needs the pieces at the end, they are kept until then.
        """
        if not self.reachable and self._watchers is None:
            if self.was_read:
                self._expect_readers_of_pieces()  # also of those that came after its last lease had gone
            self.items.clear()

    # -- how it ends -------------------------------------------------------------------------------------

    def finish(self, result: object = NO_RESULT) -> None:
        """Event *producer ends normally*.

        Args:
            result: the value of all pieces together, if it is known.
        """
        if not self.closed:
            if result is not NO_RESULT:
                self.result = result
            self._end(None)

    def fail(self, error: Exception, chain: tuple[str, ...] = (), *, handled: bool = False) -> None:
        """Event *producer fails*, or *cancelled*: readers get the error after all pieces before it.

        Args:
            error: the exception object that every reader gets.
            chain: the aliases of the agents that it went through.
            handled: whether readers get it elsewhere, so that it is not logged here.
        """
        if self.closed:
            return
        self.chain = chain
        self.error_handled = self.error_handled or handled
        unseen = not self.error_handled
        if unseen:
            self.context.unhandled.watch(self, error)
        self._end(error)
        if unseen and not self.reachable:  # the last lease is gone already: no reader will ever get the error
            self.context.unhandled.drop(self, error)

    abort = fail  # a buffer has nothing pending that a failure would have to wait for

    def _end(self, error: Exception | None) -> None:
        self.closed = True
        self.producer = None
        if error is not None:
            self.error = error
            # Without the frames of a reader that happens to have got the same error in this turn.
            raised = self.context.unhandled.raised.get(id(error))
            self.traceback = error.__traceback__ if raised is None else raised[1]
            stop = present_stop() if isinstance(error, InquiryCancelledError | AgentTimeoutError) else None
            if stop is not None:
                self.context.stopped[self] = stop
        self._tell_observers()
        if self._watchers is not None:  # before readers: streams that read this one report their end later
            watchers, self._watchers = self._watchers, None
            for watcher in watchers:
                watcher()
        self._tell_end()

    def _tell_observers(self) -> None:
        """Tell observers of the last parts; a subclass that is observed overrides it."""

    def _tell_end(self) -> None:
        """Notify readers and the producer of the end; flow control overrides it."""

    def remember(self, result: object) -> None:
        """Store the value of a stream that ended normally, so that it is computed once."""
        self.result = result

    def when_closed(self, watcher: Callable[[], None]) -> None:
        """Call ``watcher`` once, at the end, or now if the stream has ended. It does not count as a reader.

        Args:
            watcher: must not raise.
        """
        if self.closed:
            watcher()
        else:
            self._watchers = [*(self._watchers or ()), watcher]

    def mark_error_handled(self) -> None:
        """Note that a reader got the error, so that it is not logged."""
        self.error_handled = True
        if self.error is not None:
            self.context.unhandled.forget(self.error)

    def takes_error_of(self, *sources: FailedStream) -> None:
        """Note that it is about to fail with the error of ``sources``, which a reader may have got."""
        self.error_handled = self.error_handled or any(each.error_handled for each in sources)

    def pass_error_on(self, to: "Lifetime[U] | None" = None) -> None:
        """Note that another stream has ended with the error of this one: a reader of either gets it.

        Args:
            to: the other stream, if no function has raised the error on the way.
        """
        if to is not None and to.error is self.error:
            to.traceback = self.traceback  # that of the error may have frames of a reader now
        if self.error is not None and self.error_handled:
            self.context.unhandled.forget(self.error)

    def expect_error(self, error: Exception) -> None:
        """Note that an error will end the stream, after what is still on its way."""
        self.context.unhandled.watch(self, error)

    def lose_error(self, error: Exception) -> None:
        """Log an error that was to end the stream, which has been stopped before."""
        if not self.error_handled:
            self.context.unhandled.drop(self, error)

    def cancel(self) -> None:
        """Event *cancelled*: stop the producer now; what had come can still be read. Idempotent."""
        if self.producer is not None:
            together(self.context, self.producer.cancel)

    def abandon(self) -> None:
        """Event *abandoned*: its readers have left, so stop the producer; messages that others hold go on."""
        if self.producer is not None:
            together(self.context, self.producer.abandon)

    def give_up(self) -> None:
        """Event *given up by what began it*: it ends now, or with its last lease if it has one."""
        self.expect_reader()
        if not self.reachable:
            if self.closed:
                self.forget()
            else:
                self.abandon()

    def end_cancelled(self) -> None:
        """End a stream whose producer was stopped, with ``InquiryCancelledError``."""
        self.fail(InquiryCancelledError(), handled=True)

    def raise_error(self) -> None:
        """Raise the error that the stream ended with, the same object, if there is one.

        Each reader gets the traceback that the error had when it came here; otherwise it would grow with each
        reader. A raised error also refers to the frames of its reader, and the stream must not keep these
        alive: after this turn of the event loop the error has its first traceback again.

        Raises:
            Exception: the error that the stream ended with.
        """
        error = self.error
        if error is None:
            return
        self.context.call_soon_here(self._drop_frames)
        if running_loop() is not None:
            self.context.unhandled.raised[id(error)] = current_producer(), self.traceback
        raise error.with_traceback(self.traceback)

    def _drop_frames(self) -> None:
        if self.error is not None:
            self.context.unhandled.raised.pop(id(self.error), None)
            self.error.with_traceback(self.traceback)


_HELD: Final = cast("Callable[[object], Lifetime[object] | None]", attrgetter("held"))  # of a lease, in C


class Lease:
    """The right to read a stream: as long as a lease exists, the stream is not stopped for lack of readers.

    Args:
        buffer: the stream.

    Attributes:
        buffer: the stream.
        held: the stream; None for a finished value whose stream has not been used yet, so that none was made.
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
            announced: whether the handlers of the context get it, if there are any.
        """
        # No `typing.cast`, which is a call: this runs for each promise.
        self.buffer = self.held = buffer  # type: ignore[assignment]  # of whichever pieces: here they are only looked at
        buffer.leases += 1
        if buffer.context.announcing and announced:
            self.announce()

    def announce(self) -> None:
        """Call the handlers of the context when resolved; a promise overrides it, a lease does nothing."""

    def __del__(self) -> None:
        try:
            held = self.held
        except AttributeError:  # a constructor has raised before it had a stream
            return
        if held is not None:
            held.release()

    def __copy__(self) -> Self:
        """Return the lease itself: it was counted once, so a copy must not be released as well."""
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return the lease itself, as `__copy__` does."""
        return self

    def contain(self, stream: Lifetime[T]) -> None:
        """Event *kept by another stream*; a lease without a stream cannot be stopped and ignores it."""
        if self.held is not None:
            self.held.contain(stream)


def contain_all(leases: "Iterable[Lease]", stream: Lifetime[T]) -> None:
    """Event *kept by another stream*, for many streams at once.

    Args:
        leases: leases on the streams.
        stream: the stream of which they are pieces.
    """
    for lease in leases:
        lease.contain(stream)


class Awaited(Protocol):
    """A stream that a task waits for."""

    @property
    def producer(self) -> Producer | None:
        """The producer, which has to act before the stream can grow or end."""
        ...


class RunToken:
    """A token that everything a run starts inherits; it shows to which run a task or callback belongs.

    Args:
        producer: the run, or another task that produces a stream.

    Attributes:
        producer: the same.
        stop: what was stopping the run when it got this token, which is then that of its clean-up.
    """

    __slots__ = ("__weakref__", "producer")

    stop: Stop | None = None

    def __init__(self, producer: "TaskLife") -> None:
        self.producer: TaskLife = producer


class CleanUpToken(RunToken):
    """What a run that is being stopped starts from then on inherits: its clean-up."""

    __slots__ = ("stop",)

    def __init__(self, producer: "TaskLife") -> None:
        super().__init__(producer)
        self.stop: Stop | None = producer.stop


CURRENT_TOKEN: ContextVar[RunToken | None] = ContextVar("miniagents_token", default=None)
"""The token of the current run, or of the run that started the current task; None outside of every run."""


class TaskLife:
    """The life of a task that produces a stream: which run started it, what it started, how it is stopped.

    Args:
        buffer: the stream that its readers see.
        parent: the run that starts it; None if no run does.
        part: whether it is a part of the run that starts it (a message that the run writes), not a run of its
            own.

    Attributes:
        at_end: called once when it has ended; None if nothing needs the call.
        buffer: the stream that its readers see.
        context: the owner of the task.
        children: what it has begun and is still open; None for nothing.
        ended: whether its task has ended.
        guardian: the task that stops this one when it is stopped itself; at first the run that started it.
        part: whether it is a part of a run.
        task: the asyncio task; None before it begins and after it has ended.
        run_watch: reports it to observers, if it is an observed run or tool call.
        stop: what has stopped it, or is stopping it; None for nothing.
        subscriptions: its subscriptions to streams that wait for it, each until it is disposed of.
        variables: the context variables of the task, None after it has ended.
        waiting: the Future that its own task awaits, or has awaited last.
        waiting_for: the stream for which it waits.
        waits_aside: the waits of tasks that it has made.
    """

    __slots__ = (
        *("_abandoned", "_ancestry", "_begun_by", "_former", "parent", "stop"),
        *("context", "subscriptions", "variables", "waiting", "waiting_for", "waits_aside"),
        *("at_end", "buffer", "children", "ended", "guardian", "part", "run_watch", "task"),
    )

    def __init__(self, buffer: Lifetime[T], parent: "TaskLife | None", *, part: bool) -> None:
        self.context: Context = buffer.context
        self.variables: Variables | None = copy_context()
        self.waiting: Future[None] | None = None
        self.waiting_for: Awaited | None = None
        self.waits_aside: WeakKeyDictionary[object, tuple[Awaited, Future[None]]] | None = None
        self.subscriptions: dict[Future[None], Awaited] | None = None
        self._former: tuple[ReferenceType[RunToken], ...] = ()  # tokens that its helpers still hold
        self.buffer: Lifetime[object] = buffer  # type: ignore[assignment]  # it is only looked at here
        self.part: bool = part
        self.task: Task[None] | None = None
        self.at_end: Callable[[], None] | None = None
        self.run_watch: RunWatch | None = None
        self.parent: TaskLife | None = parent  # the run that its errors name
        self.guardian: TaskLife | None = parent
        self.children: dict[TaskLife, None] | None = None
        self.ended: bool = False
        self._begun_by: Ancestry | None = None if parent is None else parent.ancestry
        self._ancestry: Ancestry | None = None
        self.stop: Stop | None = None
        self._abandoned = False

    def end_aborted(self, error: Exception) -> None:
        """End what it writes with ``error`` at once; what is still on its way is dropped."""
        raise NotImplementedError

    def drain(self) -> None:
        """Run to the end, however far the readers are."""
        raise NotImplementedError

    def seen(self) -> tuple[Lifetime[object], ...]:
        """The streams in which readers see what it writes; the first one is that of the promise."""
        return (self.buffer.seen_as(),)

    @property
    def ancestry(self) -> Ancestry | None:
        """The ancestry of this run, or of the run that it is a part of; made when it begins another run."""
        if self.part:
            return self._begun_by
        if self._ancestry is None:
            self._ancestry = self.buffer.ancestry = Ancestry(self._begun_by, self.name)
        return self._ancestry

    def begins(self) -> None:
        """Event *producer begins*: the context owns the task from now on, and its guardian can stop it."""
        buffer = self.buffer
        if buffer.producer is None:
            buffer.producer = self
        if self.part:
            buffer.ancestry = self._begun_by
        buffer.context.add(self)
        guardian = self.guardian
        if guardian is not None:
            guardian.adopt(self)

    def adopt(self, child: "TaskLife") -> None:
        """Stop ``child`` too when this task is stopped."""
        children = self.children = self.children or {}
        children[child] = None

    def observe(self, watch: RunWatch) -> None:
        """Report it to observers from now on, first that it was inquired.

        Args:
            watch: reports to the observers.
        """
        self.run_watch = watch
        watch.began(self.variables)

    def when_ended(self, tell: "Callable[[], None]") -> None:
        """Call ``tell`` once, when its work has ended, with or without an error.

        Args:
            tell: must not raise.
        """
        self.at_end = tell

    def work_ended(self) -> None:
        """Event *work ended*: it comes before the end of what it writes, and of runs that pass that on."""
        at_end, self.at_end = self.at_end, None
        if at_end is not None:
            at_end()

    def has_ended(self) -> None:
        """Event *producer has ended*: release everything.

        Its messages that still stream (a message that it was writing, replies that it passes on) go on. They
        are stopped with its replies, or with the run that had started it. Runs that it started go on by
        themselves.
        """
        if self.at_end is not None:  # most ends of work have been told before this
            self.work_ended()
        self.ended = True
        self.task = None  # its contextvars refer to this object; dropping them avoids a garbage collection
        for child in tuple(self.children or ()):
            if not (child.part or child.ended):
                self.let_go(child)
        if self.children:
            self.buffer.left_by = self
        self.parent = None
        if self.stop is not None:
            self.stop.has_ended()
        self.buffer.context.discard(self)
        self.buffer.when_closed(self._leave_guardian)

    def let_go(self, child: "TaskLife") -> None:
        """Stop ``child`` no more when this task is stopped."""
        child.guardian = None
        if self.children is not None:
            self.children.pop(child, None)

    def _leave_guardian(self) -> None:
        """Be no child any more, once this task, its stream and what it has left behind have all ended."""
        node: TaskLife | None = self
        while node is not None and node.ended and node.buffer.closed and not node.children:
            node.buffer.left_by = None
            guardian = node.guardian
            if guardian is not None:
                guardian.let_go(node)
            node = guardian

    def begun(self) -> "Iterator[tuple[TaskLife, bool]]":
        """Yield what it has begun, each with whether a run that ended has left it behind.

        A run that has ended is among them as long as messages of it are open.
        """
        nodes: list[tuple[TaskLife, bool]] = [(self, False)]
        while nodes:
            node, left_behind = nodes.pop()
            for child in tuple(node.children or ()):
                yield child, left_behind
                if child.ended:
                    nodes.append((child, True))

    # -- its waits, for `_deadlocks` -----------------------------------------------------------------------

    def mark_as_current(self) -> None:
        """Note that the task has begun: everything that it starts from now on inherits its token.

        Not before: for ten thousand tasks that wait for their first step, the garbage collector would have to
        traverse thirty thousand objects more.
        """
        CURRENT_TOKEN.set(RunToken(self))

    @property
    def name(self) -> str:
        """Its name in errors and logs."""
        raise NotImplementedError

    def blocked_by(self) -> Producer | None:
        """The producer of the stream for which its own task waits; None if it waits for no stream."""
        if self.waiting is None or self.waiting_for is None or self.waiting.done():
            return None
        return self.waiting_for.producer

    def open_waits_aside(self) -> "list[tuple[Awaited, Future[None]]]":
        """Return the present waits of tasks that it has made."""
        waits = [] if self.waits_aside is None else list(self.waits_aside.values())
        if self.subscriptions and self.blocked_by() is None:  # else its own task waits for something else
            waits += [(buffer, future) for future, buffer in self.subscriptions.items()]
        return [(buffer, future) for buffer, future in waits if not future.done()]

    def wait_in(self, task: object) -> "Awaited | None":
        """Return the stream for which a task that it has made waits; None if it waits for none.

        Args:
            task: that it has made.
        """
        wait = None if self.waits_aside is None else self.waits_aside.get(task)
        return None if wait is None or wait[1].done() else wait[0]

    def has_helpers(self) -> bool:
        """Return whether anything but its own task has its token: a task that it made, or a callback."""
        if self.variables is None:
            return False
        self._renew_token(self.variables)
        return bool(self._former)

    def _renew_token(self, variables: Variables) -> None:
        """Give its task another token than what it has made has."""
        former = (*self._former, ref(cast("RunToken", variables[CURRENT_TOKEN])))
        kind = RunToken if self.stop is None else CleanUpToken
        variables.run(CURRENT_TOKEN.set, kind(self))
        self._former = tuple(token for token in former if token() is not None)

    def forget_waits(self) -> None:
        """Note that it has ended. Its variables refer to it; dropping them avoids a garbage collection."""
        self.waiting = self.waiting_for = self.waits_aside = self.subscriptions = self.variables = None
        self._former = ()

    # -- being stopped -----------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Event *run cancelled*: stop now, with every message that it is writing.

        Readers get ``InquiryCancelledError`` after the pieces that had come.
        """
        together(self.context, self._cancel)

    def _cancel(self) -> None:
        for child in () if self.ended else tuple(self.children or ()):
            if child.part:
                child.cancel()
        self._stop()

    def cancel_left_behind(self) -> None:
        """Event *replies cancelled*, after the run has ended: stop the messages in it that have no reader."""
        for child, _ in self.begun():
            if child.part and not any(each.readers for each in child.seen()):
                child.cancel()

    def abandon(self) -> None:
        """Event *run abandoned*: its last reader has left. Messages of it that are still held go on."""
        self._abandoned = True
        together(self.context, self._abandon)

    def _abandon(self) -> None:
        self.end_aborted(self.cancellation())
        self.buffer.give_up()
        self._give_up()
        self._stop()

    def _stop(self) -> None:
        self.end_aborted(self.cancellation())
        if self.task is not None and self.stops():
            self.task.cancel()

    def stops(self) -> bool:
        """Return whether to stop it: only once, since a second stop would interrupt its clean-up."""
        if self.stop is not None:
            return False
        self.stop = stop_of(self.context)
        self.stop.begins()
        token = None if self.variables is None else self.variables.get(CURRENT_TOKEN)
        if self.variables is not None and token is not None and token.producer is self:
            with suppress(RuntimeError):  # it stops itself: its variables are in use
                self._renew_token(self.variables)
        return True

    def cancellation(self) -> InquiryCancelledError:
        """Return the error that readers of a stopped task get."""
        # Users know the agent whose message this is, not the function that wrote it.
        name = self._begun_by.name if self.part and self._begun_by is not None else self.name
        return InquiryCancelledError(f"{name} was cancelled before it had ended.", abandoned=self._abandoned)

    def was_cancelled(self) -> None:
        """Event *run cancelled*, in its task: cancel what it began, unless that has another reader."""
        self.buffer.give_up()
        if self._abandoned:
            self._give_up()
            return
        for child, left_behind in tuple(self.begun()):
            over = child.ended and child.buffer.closed
            if left_behind and not over and not child._is_replied():  # noqa: SLF001 - of its class
                child.give_up()  # the input of a run that goes on
            elif not over and not any(each.readers for each in child.seen()):
                child.cancel()
            if child.ended and child.buffer.closed:
                child.give_up()

    def _is_replied(self) -> bool:
        """Whether what it writes is among the replies of its guardian."""
        return self.guardian is None or any(each is self.buffer for each in self.guardian.replied())

    def has_failed(self, replied: "Container[int]") -> None:
        """Event *run failed*: as if abandoned, except for what it had replied, which goes on.

        Args:
            replied: the ids of :meth:`replied` when it failed: readers may drop its replies when these end.
        """
        together(self.context, partial(self._give_up, replied))

    def _give_up(self, replied: "Container[int] | None" = None) -> None:
        """Give up what it has begun, also what runs of it have left behind, except for what it had replied.

        What nothing holds is stopped now, and everything else when nothing holds it any more.
        """
        nodes: list[tuple[TaskLife, bool]] = [(self, False)]
        while nodes:
            node, left_behind = nodes.pop()
            for child in tuple(node.children or ()):
                # Each message of a run that has ended is in the replies of that run, read or not.
                if replied is not None and (
                    id(child.buffer) in replied or (child.buffer.contained and not left_behind)
                ):
                    continue
                child.give_up()
                if child.ended:
                    nodes.append((child, True))

    def give_up(self) -> None:
        """Event *given up by what began it*: what it writes ends now, or with its last lease."""
        for each in {self.buffer: None, **dict.fromkeys(self.seen())}:
            each.give_up()

    def replied(self) -> "Iterable[Lifetime[object]]":
        """Return what it has replied: the pieces of its stream, and what still waits to become one."""
        return self.buffer.pieces_held()


def present_stop() -> Stop | None:
    """Return the stop to which the running code belongs: by its block, or as a run that is being stopped."""
    stop = present_block()
    if stop is not None:
        return stop
    run = current_producer()
    return None if run is None or run.stop is None or run.stop.is_over else run.stop


def stop_of(context: Context) -> Stop:
    """Return the stop to which the running code belongs, or a new one.

    Args:
        context: of what is about to be stopped.
    """
    return present_stop() or Stop(context)


def together(context: Context, stop_all: Callable[[], None]) -> None:
    """Let everything that ``stop_all`` stops belong to one stop: the present one, or a new one.

    Args:
        context: of what is stopped.
        stop_all: must not await.
    """
    if present_block() is None:
        within(stop_of(context), stop_all)
    else:
        stop_all()


def current_producer() -> TaskLife | None:
    """Return the producing task in which the caller runs, or that has made the task of the caller."""
    token = CURRENT_TOKEN.get()
    return None if token is None else token.producer


def goes_on(producer: Producer | None) -> bool:
    """Return whether what writes a stream goes on by itself: at last, it does not wait for Observables.

    Args:
        producer: of the stream.
    """
    seen = set[int]()
    while producer is not None and id(producer) not in seen:
        seen.add(id(producer))
        ahead = producer.blocked_by()
        if ahead is None:
            return isinstance(producer, TaskLife)
        producer = ahead
    return True
