"""One run of an agent: a producer task that fills a flattener of replies.

Each agent boundary adds one buffer, the replies; the messages that go in and out are passed on as they are.
"""

import logging
from collections.abc import Awaitable, Mapping
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
    Producer,
    ProducerTask,
    ReplayBuffer,
    Sink,
    ValidatedBuffer,
    Validation,
    current_producer,
    one_message,
    replace_errors,
)
from miniagents.values import MiniAgentsError

from ._message_run import COMPLETED, MessageRun, WritesMessage, sequence_of, stopped
from ._records import record_run
from ._run_context import RunContext, RunInfo, RunOutcome
from ._signals import signals

M_co = TypeVar("M_co", bound=Message, covariant=True, default=Message)

logger = logging.getLogger("miniagents")


class Runnable(Protocol):
    """What is run: an agent."""

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
        info: for those who observe runs.
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
        "info",
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
        self._outcome: RunOutcome | None = None
        self.shown: ReplayBuffer[MessagePromise[Message]] | None = None
        self.info: RunInfo | None = None

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
        self._outcome = RunOutcome("failed", error)
        flattener = self._flattener
        if not (self.buffer.closed if flattener is None else flattener.ended):
            self._writer().fail(error, chain)
        else:  # all that can be done is to say so
            text = "Agent %s failed after its replies were closed: %r"
            logger.error(text, self.name, error, exc_info=error)

    @override
    def end_aborted(self, error: Exception) -> None:
        self._aborted = True
        self._outcome = RunOutcome("failed", error.__cause__) if error.__cause__ else None
        self.sink.abort(error)

    @property
    def outcome(self) -> RunOutcome:
        """How it ended, when it has; one that was stopped and came to its end all the same was stopped."""
        return self._outcome or (stopped(self._abandoned) if self._aborted else COMPLETED)


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

    Returns:
        The promise of its replies.
    """
    settings = context if isinstance(context, RunContext) else None
    # Asked before the run is made: from there to its start the path stays in the core.
    recorded, observed = (
        (False, False) if settings is None else (settings.persists, bool(settings.observers()))
    )
    if isinstance(received, str) and (recorded or context.announcing):
        received = sequence_of(context, received)  # handlers and records are told of it before the run begins
    if errors_as_messages is None:
        errors_as_messages = settings is not None and settings.errors_as_messages
    shown: ReplayBuffer[MessagePromise[Message]]
    run: Run | MessageRun
    if writer is not None:
        run = MessageRun(alias, context, writer, received=received, keywords=keywords, pending=pending)
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
        shown = cast("ReplayBuffer[MessagePromise[Message]]", run.buffer)
    if settings is not None and observed:
        _observe(settings, run)
    run.start()
    if errors_as_messages:
        shown = replace_errors(MessageSequencePromise.over(shown), alias, but=signals())
        if isinstance(run, Run):
            run.shown = shown
    if settings is not None and recorded and not isinstance(received, str):
        record_run(settings, alias, keywords, received.buffer, shown)
    promise: Inquiry[Message] = Inquiry.over(shown)
    promise.pending = pending
    return promise


def _observe(context: RunContext, run: Run | MessageRun) -> None:
    """Tell the observers of the context that a run was inquired, and, when it has ended, how."""
    starter = current_producer()
    info = context.run_begins(run.name, starter.info if isinstance(starter, Run | MessageRun) else None)
    run.info = info
    run.when_ended(lambda: context.run_ends(info, run.outcome))
