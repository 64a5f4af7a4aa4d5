"""One run of an agent: a producer task that fills a flattener of replies.

Each agent boundary adds one buffer, the replies; the messages that go in and out are passed on as they are.
"""

import logging
from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol, cast

from typing_extensions import TypeVar, override

from miniagents.core import (
    Context,
    ErrorMessage,
    Flattener,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MessageType,
    Outcome,
    Producer,
    ProducerTask,
    ReplayBuffer,
    RunKind,
    RunWatch,
    Sink,
    ValidatedBuffer,
    Validation,
    one_message,
    outcome_of,
    parts_of_finished,
    replace_errors,
    text_message,
    watch_run,
    when_complete,
)
from miniagents.values import MiniAgentsError

from ._message_run import MessageRun, WritesMessage, sequence_of
from ._records import came_to_be, record_run
from ._run_context import RunContext
from ._signals import signals
from ._taskless_run import MakeWork, TasklessRun

M_co = TypeVar("M_co", bound=Message, covariant=True, default=Message)

logger = logging.getLogger("miniagents")


class Runnable(Protocol):
    """What is run: an agent."""

    @property
    def run_kind(self) -> RunKind:
        """What observers are told that its runs are."""
        ...

    def begin(
        self, received: MessageSequencePromise[Message] | str, keywords: Mapping[str, object], run: "Run", /
    ) -> Awaitable[None]:
        """Call the agent function with a context."""
        ...


class Inquiry(MessageSequencePromise[M_co]):
    """The replies of one run.

    Attributes:
        pending: writes the input of a run that was called without messages and has not begun yet, so that a
            chain can still hand it the replies of the agent before.
    """

    __slots__ = ("pending",)

    pending: Flattener | None

    @classmethod
    @override
    def _public_name(cls) -> str:
        return MessageSequencePromise.__name__

    def adopt(self) -> bool:
        """Keep the input of the run open, to hand it messages later; False if it has begun without any."""
        if self.pending is None or self.pending.ended:
            return False
        self.pending.feeder = _Adopter()
        return True

    def hand(self, messages: MessageType) -> None:
        """Give the run all its input, if it was adopted."""
        if self.pending is not None and not self.pending.ended:
            self.pending.feed(messages)
            self.pending.finish()


class _Adopter:
    """The caller that is going to hand a run its input: it cannot be stopped through the run."""

    name = ""

    def blocked_by(self) -> Producer | None:
        """Not known."""
        return None

    def cancel(self) -> None:
        """The input is not wanted any more; that is all."""

    abandon = cancel


class Run(ProducerTask):
    """One run of an agent: the task, and what it may reply for how long.

    It is its own sink, and one object with its producer task: one less for the garbage collector to look at,
    which is a good part of what a call costs.

    Args:
        alias: whose run it is.
        context: who owns it.
        agent: what is run.
        received: what it was sent; a text becomes a sequence when the run begins, so that a call that waits
            is few objects.
        keywords: what it was called with.
        pending: writes the input, if that may still be given some before the run begins.
        classes: of the replies; None if any message will do.
        passing: of replies that are shown as they are, without being of the classes.

    Attributes:
        shown: the replies as readers see them, if errors in them become messages.
    """

    __slots__ = (
        "_aborted",
        "_agent",
        "_flattener",
        "_keywords",
        "_outcome",
        "_pending",
        "_received",
        "shown",
    )

    sink: Sink

    def __init__(
        self,
        alias: str,
        context: Context,
        agent: Runnable,
        *,
        received: MessageSequencePromise[Message] | str,
        keywords: Mapping[str, object],
        pending: Flattener | None,
        classes: tuple[type[Message], ...] | None,
        passing: tuple[type[Message], ...],
    ) -> None:
        buffer: ReplayBuffer[MessagePromise[Message]] = (
            ReplayBuffer(context)
            if classes is None
            else ValidatedBuffer(context, Validation(classes, alias, "replies", passing, chain=(alias,)))
        )
        super().__init__(alias, context, buffer, buffer)
        self._flattener: Flattener | None = None
        self._agent = agent
        self._received = received
        self._keywords = keywords
        self._pending = pending
        self._aborted = False
        self._outcome: tuple[Outcome, BaseException | None] | None = None
        self.shown: ReplayBuffer[MessagePromise[Message]] | None = None

    @override
    def work(self) -> Awaitable[None]:
        """What the agent function does; a coroutine around it would be a thirtieth of what a call costs."""
        pending = self._pending
        if pending is not None and pending.feeder is None:
            pending.finish()
        received, self._received = self._received, ""  # so that this object does not keep what was sent
        return self._agent.begin(received, self._keywords, self)

    @override
    def refuse_result(self, returned: object) -> None:
        """An agent replies with ``ctx.reply``; what its function returns would be lost.

        Raises:
            TypeError: always.
        """
        msg = (
            f"Agent {self.name} returned a value of type {type(returned).__name__}, which is lost; "
            "an agent replies with `ctx.reply(...)` and returns None."
        )
        raise TypeError(msg)

    def add(self, value: object) -> None:
        """Reply anything that is messages.

        Raises:
            MiniAgentsError: the replies are closed already.
            TypeError: it is nothing that can become messages.
            WrongLoopError: the call comes from another event loop, thread or process.
        """
        if self._aborted:
            return  # the run was cancelled and learns it at its next await
        flattener = self._flattener
        if self.buffer.closed if flattener is None else flattener.ended:
            msg = f"Agent {self.name} replied after its replies were closed (by finish_early, or by its end)."
            raise MiniAgentsError(msg)
        self.context.check_place()
        if self.run_watch is not None:
            tell_ready(self.run_watch, value)
        one = one_message(value, self.context) if flattener is None else None
        if one is None:
            self._writer().feed(value)
        else:  # what is replied most needs no flattener: a thirtieth of what a call costs
            one.contain()
            self.buffer.append(one)

    def _writer(self) -> Flattener:
        """What takes replies that are more than a message; made when the first one comes."""
        if self._flattener is None:
            buffer = cast("ReplayBuffer[MessagePromise[Message]]", self.buffer)
            self.sink = self._flattener = Flattener(self.context, buffer)
            self._flattener.feeder = self
        return self._flattener

    def finish(self) -> None:
        """No more replies.

        Raises:
            WrongLoopError: the call comes from another event loop, thread or process.
        """
        self.context.check_place()
        self.finished()
        if self.task is not None:
            self.context.note_finished_early(self, self.buffer)
            if self.shown is not None:
                self.context.note_finished_early(self, self.shown)

    # -- the end of the task -------------------------------------------------------------------------------

    @override
    def failed(self, error: Exception, chain: tuple[str, ...]) -> None:
        self._outcome = "failed", error
        self.work_ended()
        flattener = self._flattener
        if not (self.buffer.closed if flattener is None else flattener.ended):
            self._writer().fail(error, chain)
        else:  # all that can be done is to say so
            text = "Agent %s failed after its replies were closed: %r"
            logger.error(text, self.name, error, exc_info=error)

    @override
    def end_aborted(self, error: Exception) -> None:
        self._aborted = True
        self._outcome = outcome_of(error)
        self.sink.abort(error)

    @property
    def outcome(self) -> tuple[Outcome, BaseException | None]:
        """How its function ended, when it has; one that was stopped and came to its end was stopped."""
        return self._outcome or ("done", None)


def start_run(
    context: Context,
    alias: str,
    received: MessageSequencePromise[Message] | str,
    pending: Flattener | None,
    keywords: Mapping[str, object],
    *,
    agent: Runnable,
    errors_as_messages: bool | None,
    classes: tuple[type[Message], ...] | None = None,
    writer: WritesMessage | None = None,
    make: MakeWork | None = None,
) -> "Inquiry[Message]":
    """Schedule a run in the active context.

    Args:
        context: the active one.
        alias: of the agent.
        received: what it was sent.
        pending: writes ``received`` if that may still be given something before the run begins.
        keywords: what it was called with, for the record.
        agent: what is run.
        errors_as_messages: whether errors become messages; None leaves it to the context.
        classes: of the replies; None if any message will do.
        writer: the function of the agent, if that writes its one message itself.
        make: makes what the run does, if that needs no task.

    Returns:
        The promise of its replies.
    """
    settings = context if isinstance(context, RunContext) else None
    # Asked before the run is made: from there to its start the path stays in the core.
    recorded = settings is not None and settings.persists
    observers = context.observers
    watch = None if observers is None else watch_run(context, observers, alias, agent.run_kind, keywords)
    if isinstance(received, str) and (recorded or context.announcing):
        received = sequence_of(context, received)  # handlers and records are told of it before the run begins
    if errors_as_messages is None:
        errors_as_messages = settings is not None and settings.errors_as_messages
    shown: ReplayBuffer[MessagePromise[Message]]
    run: Run | MessageRun | TasklessRun
    if make is not None:
        shown = ReplayBuffer(context)
        run = TasklessRun(alias, shown, make, received, pending)
    elif writer is not None:
        run = MessageRun(
            alias, context, writer, received=received, keywords=keywords, pending=pending, watch=watch
        )
        shown = run.sequence
    else:
        run = Run(
            alias,
            context,
            agent,
            received=received,
            keywords=keywords,
            pending=pending,
            classes=classes,
            # Errors that became messages further in stand for themselves out here, too.
            passing=(ErrorMessage,) if errors_as_messages else (),
        )
        shown = run.buffer  # type: ignore[assignment]  # of messages; a cast is a call
    if watch is not None:
        watch.observers.anchor.runs[shown] = watch.info
        _observe(run, watch, received)
    run.start()
    if errors_as_messages:
        shown = replace_errors(MessageSequencePromise.over(shown), alias, but=signals())
        if not isinstance(run, MessageRun):
            run.shown = shown
        if watch is not None:
            watch.observers.anchor.runs[shown] = watch.info
    if settings is not None and recorded and not isinstance(received, str):
        record_run(settings, alias, keywords, received.buffer, shown)
    promise: Inquiry[Message] = Inquiry.over(shown)
    promise.pending = pending
    return promise


def tell_ready(watch: RunWatch, value: object) -> None:
    """Tell observers of messages that are there as a whole when they are replied; what streams tells itself.

    Args:
        watch: of the run that replies.
        value: what it replies.
    """
    if isinstance(value, str):
        watch.replied((value,) if value else (), {})
    elif isinstance(value, Message):
        data = {name: field for name, field in value if name not in {"text", "parts"}}
        watch.replied(parts_of_finished(value), data)
    elif isinstance(value, list | tuple):
        for each in cast("Sequence[object]", value):
            tell_ready(watch, each)


def _observe(
    run: Run | MessageRun | TasklessRun, watch: RunWatch, received: MessageSequencePromise[Message] | str
) -> None:
    """Tell the observers that a run was inquired, and, when it and all that it replied have ended, how."""
    end = _End(run, watch)
    if watch.observers.content:
        end.keep_content(received)
    if isinstance(run, MessageRun):
        run.message.when_closed(end.message_ended)
    else:
        # Watched from now on: whoever reads the replies may let go of them before they are complete.
        when_complete(cast("ReplayBuffer[object]", run.buffer), end.replies, end.replies_ended)
    run.when_ended(end.one_ended)
    run.observe(watch)


class _End:
    """Waits for the end of a run that is observed: of its function, and of all that it replied."""

    __slots__ = ("_failed", "_received", "_replied", "_run", "_waits_for", "_watch")

    def __init__(self, run: Run | MessageRun | TasklessRun, watch: RunWatch) -> None:
        self._run = run
        self._watch = watch
        self._waits_for = 2
        self._failed: BaseException | None = None
        self._received: tuple[Message, ...] = ()
        self._replied: tuple[Message, ...] = ()

    def keep_content(self, received: MessageSequencePromise[Message] | str) -> None:
        """Keep what the run was sent until it has ended; it is watched, and not read."""
        if isinstance(received, str):
            self._received = (text_message(received),)
            return
        buffer = received.buffer
        when_complete(
            buffer,
            lambda: [cast("ReplayBuffer[object]", promise.buffer) for promise in buffer.items],
            self._received_all,
        )

    def _received_all(self, messages: "Sequence[ReplayBuffer[object]]") -> None:
        self._received = came_to_be(messages)

    def replies(self) -> "list[ReplayBuffer[object]]":
        """The messages that were replied."""
        promises = cast("list[MessagePromise[Message]]", self._run.buffer.items)
        return [cast("ReplayBuffer[object]", promise.buffer) for promise in promises]

    def replies_ended(self, replies: "Sequence[ReplayBuffer[object]]") -> None:
        """All replies are complete."""
        self._failed = next((each.error for each in replies if each.error is not None), None)
        if self._watch.observers.content:
            self._replied = came_to_be(replies)
        self.one_ended()

    def message_ended(self) -> None:
        """The only reply is complete."""
        message = cast("MessageRun", self._run).message
        self._failed = message.error
        if self._watch.observers.content:
            self._replied = came_to_be([cast("ReplayBuffer[object]", message)])
        self.one_ended()

    def one_ended(self) -> None:
        """The function has ended, or the replies have; after both the observers are told."""
        self._waits_for -= 1
        if not self._waits_for:
            outcome, error = self._run.outcome
            if outcome == "done":
                outcome, error = outcome_of(self._failed)
            self._watch.ended(outcome, error, self._received, self._replied)
