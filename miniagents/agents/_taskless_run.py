"""Runs without a task: of wrappers that only watch, and of agents that only write from another stream.

Such a run works when the streams that it reads deliver pieces. So in a data job a row with a timeout and
retries needs no task for either. Otherwise it is like every run: it has a name, a parent and an ancestry, and
it is observed, cancelled, abandoned and named in errors.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias, cast

from typing_extensions import TypeVar, override

from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.messages._flattener import Flattener
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._deadlocks import current_producer
from miniagents.streams._lifetime import TasklessLife, TaskLife, extend_chain
from miniagents.streams._observers import Outcome, outcome_of
from miniagents.streams._protocols import Producer

T = TypeVar("T")
Out = TypeVar("Out", bound=Message, default=Message, covariant=True)  # noqa: PLC0105 - as users see it


class Work(Protocol):
    """The work of a run without a task; it ends the run with ``finished`` or ``failed``."""

    def begin(self) -> None:
        """Begin, with the context variables of the run."""
        ...

    def leave(self) -> object:
        """Stop reading, and return the streams that were read, for the caller to release; idempotent."""
        ...

    def blocked_by(self) -> Producer | None:
        """The producer that it waits for; None if it waits for none."""
        ...


class Start(Protocol[Out]):
    """A function that starts one run."""

    def __call__(
        self,
        context: Context,
        received: MessageSequencePromise[Message] | str,
        given: Mapping[str, object],
        pending: Flattener | None = None,
    ) -> MessageSequencePromise[Out]:
        """Start the run and return its replies."""
        ...


class Call:
    """The call of an agent; it can be started several times.

    Args:
        alias: of the agent.
        start: starts a run of it.
        context: the active one.
        received: the messages that it is sent.
        given: the keywords of the call.
        pending: writes ``received``, if that may still be given some before the run begins.
    """

    __slots__ = ("_context", "_given", "_pending", "_start", "alias", "received")

    def __init__(
        self,
        alias: str,
        start: Start[Message],
        context: Context,
        received: MessageSequencePromise | str,
        given: Mapping[str, object],
        *,
        pending: Flattener | None,
    ) -> None:
        self.alias: str = alias
        self.received: MessageSequencePromise | str = received
        self._start = start
        self._context = context
        self._given = given
        self._pending = pending

    def inquire(self) -> MessageSequencePromise:
        """Start a run and return its replies."""
        pending, self._pending = self._pending, None  # only the first run can still be handed its input
        return self._start(self._context, self.received, self._given, pending)


MakeWork: TypeAlias = Callable[["TasklessRun", MessageSequencePromise | str, Flattener | None], Work]
"""A function that makes the work of a run, of the run and of the messages that were sent."""


class TasklessRun(TasklessLife):
    """One run without a task.

    Args:
        alias: the alias of the agent.
        buffer: the stream that readers read.
        make: makes the work of the run when it begins.
        received: the messages that it was sent.
        pending: writes the input, if that may still be given some before the run begins.

    Attributes:
        shown: the replies that readers get, if errors in them become messages.
    """

    __slots__ = ("_make", "_name", "_outcome", "_pending", "_received", "_work", "shown")

    def __init__(
        self,
        alias: str,
        buffer: ReplayBuffer[T],
        make: MakeWork,
        received: MessageSequencePromise | str,
        pending: Flattener | None,
    ) -> None:
        super().__init__(buffer, cast("TaskLife | None", current_producer()))
        self._name = alias
        self._make: MakeWork | None = make
        self._received = received
        self._pending = pending
        self._work: Work | None = None
        self._outcome: tuple[Outcome, BaseException | None] | None = None
        self.shown: ReplayBuffer[MessagePromise[Message]] | None = None

    @property
    @override
    def name(self) -> str:
        return self._name

    @property
    def outcome(self) -> tuple[Outcome, BaseException | None]:
        """How it ended, when it has, and its error if it failed."""
        return self._outcome or ("done", None)

    def start(self) -> None:
        """Begin at once: it runs no code of the user, which would have to wait for the event loop."""
        self.begins()
        if self.variables is not None:
            self.variables.run(self._begin)

    def _begin(self) -> None:
        self.mark_as_current()
        make, self._make = self._make, None
        received, self._received = self._received, ""  # the work knows how long this is needed
        pending, self._pending = self._pending, None
        if make is None:
            return
        try:
            self._work = work = make(self, received, pending)
            work.begin()
        except Exception as error:  # noqa: BLE001 - the error ends this run
            self.failed(error)

    @override
    def blocked_by(self) -> Producer | None:
        return None if self._work is None else self._work.blocked_by()

    # -- called by its work --------------------------------------------------------------------------------

    def reply(self, promise: MessagePromise[Message]) -> None:
        """Reply a message."""
        promise.contain(self.buffer)
        cast("ReplayBuffer[MessagePromise[Message]]", self.buffer).append(promise)

    def finish_early(self) -> None:
        """Close the replies; the run goes on."""
        self.buffer.finish()
        context = self.buffer.context
        context.note_finished_early(self, self.buffer)
        if self.shown is not None:
            context.note_finished_early(self, self.shown)

    def finished(self) -> None:
        """End the run normally."""
        if self.goes_on:
            held = self.leave()
            self.work_ended()
            self.end()
            self.has_ended()
            del held

    def failed(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        """End the run with an error.

        Args:
            error: the error that readers get.
            chain: the aliases of the agents that it went through before.
        """
        if self.goes_on:
            held = self.leave()
            self._outcome = outcome_of(error)  # it only passes replies on: if these were stopped, so was it
            self.work_ended()
            self.end_failed(error, extend_chain(error, chain, self._name))
            self.has_failed()
            self.has_ended()
            del held

    # -- its end -------------------------------------------------------------------------------------------

    def end(self) -> None:
        """End its replies."""
        self.buffer.finish()

    def end_failed(self, error: Exception, chain: tuple[str, ...]) -> None:
        """End its replies with an error.

        Args:
            error: the error that readers get.
            chain: the aliases of the agents that it went through, this one included.
        """
        self.buffer.fail(error, chain)

    @override
    def end_aborted(self, error: Exception) -> None:
        self._outcome = self._outcome or outcome_of(error)
        self.abort(error)

    def abort(self, error: Exception) -> None:
        """End its replies with ``error`` at once."""
        self.buffer.abort(error)

    @override
    def leave(self) -> object:
        work, self._work = self._work, None  # the work refers to this run: this breaks the reference cycle
        return None if work is None else work.leave()

    @override
    def drain(self) -> None:
        cast("ReplayBuffer[object]", self.buffer).run_on()
