"""One run of an agent: a producer task that writes replies into a flattener.

Each agent adds one buffer, for the replies; messages that it passes on are not copied.
"""

import logging
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

from typing_extensions import TypeVar, override

from miniagents.messages import ErrorMessage, Message, MessagePromise, MessageSequencePromise
from miniagents.messages._errors_as_messages import replace_errors
from miniagents.messages._flattener import Flattener
from miniagents.messages._message import message_buffers, parts_of_finished, text_message
from miniagents.messages._message_type import one_message
from miniagents.messages._parts import watch_run
from miniagents.messages._validation import ValidatedBuffer, Validation
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._lifetime import Lifetime
from miniagents.streams._observers import Outcome, RunKind, RunWatch, outcome_of
from miniagents.streams._promise import when_complete
from miniagents.streams._protocols import Sink
from miniagents.streams._run_task import ProducerTask
from miniagents.values import MiniAgentsError

from ._miniagents import MiniAgents
from ._records import came_to_be, record_run
from ._signals import signals

if TYPE_CHECKING:
    from ._agent import MiniAgent
    from ._algebra._around import AnyFunction

M_co = TypeVar("M_co", bound=Message, covariant=True, default=Message)

logger = logging.getLogger("miniagents")


class Inquiry(MessageSequencePromise[M_co]):
    """The replies of one run.

    Attributes:
        pending: writes the input of a run that was called without messages and has not begun yet; a chain can
            still hand it the replies of the agent before.
    """

    __slots__ = ("pending",)

    pending: Flattener | None

    @classmethod
    @override
    def _public_name(cls) -> str:
        return MessageSequencePromise.__name__


class Run(ProducerTask):
    """One run of an agent: its task and its replies.

    It is a producer task and its own sink in one object: objects for the garbage collector are a good part of
    the cost of a call.

    Args:
        alias: the alias of the agent.
        context: the owner of the run.
        agent: the agent.
        around: the function of the context that is called in place of the agent; None if there is none.
        received: the messages that it was sent; a text becomes a sequence when the run begins, so that a
            waiting call has few objects.
        keywords: the keywords of the call.
        pending: writes the input, if that may still be given some before the run begins.
        classes: the classes of the replies; None if it replies any message.
        passing: further classes of replies, which pass unchanged.

    Attributes:
        shown: the replies that readers get, if errors in them become messages.
    """

    __slots__ = (
        "_aborted",
        "_agent",
        "_around",
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
        agent: "MiniAgent[Message, Message, ...]",
        *,
        around: "AnyFunction | None",
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
        super().__init__(alias, buffer, buffer)
        buffer.run_unread()
        if not isinstance(received, str):
            received.buffer.leads_to(buffer)
        self._flattener: Flattener | None = None
        self._agent = agent
        self._around = around
        self._received = received
        self._keywords = keywords
        self._pending = pending
        self._aborted = False
        self._outcome: tuple[Outcome, BaseException | None] | None = None
        self.shown: ReplayBuffer[MessagePromise[Message]] | None = None

    @override
    def work(self) -> Awaitable[None]:
        """Return the coroutine of the function itself; one around it would cost a thirtieth of a call."""
        pending = self._pending
        if pending is not None and pending.feeder is None:
            pending.finish()
        received, self._received = self._received, ""  # so that this object does not keep the messages alive
        return self._agent.begin(received, self._keywords, self, self._around)

    @override
    def refuse_result(self, returned: object) -> None:
        """Raise an error: an agent replies with ``ctx.reply``, and a returned value would be lost.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            f"Agent {self.name} returned a value of type {type(returned).__name__}, which is lost; "
            "an agent replies with `ctx.reply(...)` and returns None."
        )

    def add(self, value: object) -> None:
        """Reply any ``MessageType``.

        Raises:
            MiniAgentsError: the replies are closed already.
            TypeError: an item cannot become a message.
            WrongLoopError: the call comes from another event loop, thread or process.
        """
        if self._aborted:
            return  # the run was cancelled, and gets the cancellation at its next await
        flattener = self._flattener
        if self.buffer.closed if flattener is None else flattener.ended:
            raise MiniAgentsError(
                f"Agent {self.name} replied after its replies were closed (by finish_early, or by its end)."
            )
        self.context.check_place()
        if self.run_watch is not None:
            tell_ready(self.run_watch, value)
        one = one_message(value, self.context) if flattener is None else None
        if one is None:
            self._writer().feed(value)
        else:  # the most frequent reply needs no flattener, which saves a thirtieth of the cost of a call
            one.contain(self.buffer)
            self.buffer.append(one)

    def _writer(self) -> Flattener:
        """The flattener for replies that are more than one message; made when the first one comes."""
        if self._flattener is None:
            buffer = cast("ReplayBuffer[MessagePromise[Message]]", self.buffer)
            self.sink = self._flattener = Flattener(self.context, buffer)
            self._flattener.feeder = self
        return self._flattener

    def finish(self) -> None:
        """Close the replies.

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
        elif self.received_as(error) is None:  # no reader can get it: it is only logged
            text = "Agent %s failed after its replies were closed: %r"
            logger.error(text, self.name, error, exc_info=error)

    @override
    def replied(self) -> Iterator[Lifetime[object]]:
        yield from super().replied()
        if self._flattener is not None:
            yield from self._flattener.waiting()

    @override
    def end_aborted(self, error: Exception) -> None:
        self._aborted = True
        self._outcome = outcome_of(error)
        self.sink.abort(error)

    @property
    def outcome(self) -> tuple[Outcome, BaseException | None]:
        """How its function ended, when it has; if it was stopped, that counts even after a normal end."""
        return self._outcome or ("done", None)


def start_run(
    context: Context,
    alias: str,
    received: MessageSequencePromise[Message] | str,
    pending: Flattener | None,
    keywords: Mapping[str, object],
    *,
    agent: "MiniAgent[Message, Message, ...]",
    around: "AnyFunction | None",
    errors_as_messages: bool | None,
    classes: tuple[type[Message], ...] | None,
) -> "Inquiry[Message]":
    """Schedule a run in the active context.

    Args:
        context: the active context.
        alias: of the agent.
        received: what it was sent.
        pending: writes ``received`` if that may still be given something before the run begins.
        keywords: the keywords of the call, for the record.
        agent: the agent.
        around: the function of the context that is called in place of the agent; None if there is none.
        errors_as_messages: whether errors become messages; None leaves it to the context.
        classes: the classes of the replies; None if it replies any message.

    Returns:
        The promise of its replies.
    """
    settings = context if isinstance(context, MiniAgents) else None
    # Checked before the run is made: from there to its start all code is in the core.
    recorded = settings is not None and settings.persists
    observers = context.observers
    # The agent that a function of the context calls has a run of its own.
    kind: RunKind = agent.run_kind if around is None else "agent"
    watch = None if observers is None else watch_run(context, observers, alias, kind, keywords)
    if isinstance(received, str) and (recorded or context.announcing):
        received = sequence_of(context, received)  # handlers and records get it before the run begins
    if errors_as_messages is None:
        errors_as_messages = settings is not None and settings.errors_as_messages
    run = Run(
        alias,
        context,
        agent,
        around=around,
        received=received,
        keywords=keywords,
        pending=pending,
        classes=classes,
        # Inner runs may have turned errors into messages; these are passed on here.
        passing=(ErrorMessage,) if errors_as_messages else (),
    )
    shown = cast("ReplayBuffer[MessagePromise[Message]]", run.buffer)
    if watch is not None:
        watch.observers.anchor.runs[shown] = watch.info
        _observe(run, watch, received)
    run.start()
    if errors_as_messages:
        shown = replace_errors(MessageSequencePromise.over(shown), alias, but=signals())
        shown.run_unread()
        run.shown = shown
        if watch is not None:
            watch.observers.anchor.runs[shown] = watch.info
    if settings is not None and recorded and not isinstance(received, str):
        record_run(settings, alias, keywords, received.buffer, shown)
    promise: Inquiry[Message] = Inquiry.over(shown)
    promise.pending = pending
    return promise


def tell_ready(watch: RunWatch, value: object) -> None:
    """Report messages that are complete when they are replied; messages that stream report themselves.

    Args:
        watch: the watch of the run that replies.
        value: the replied value.
    """
    if isinstance(value, str):
        watch.replied((value,) if value else (), {})
    elif isinstance(value, Message):
        data = {name: field for name, field in value if name not in {"text", "parts"}}
        watch.replied(parts_of_finished(value), data)
    elif isinstance(value, list | tuple):
        for each in cast("Sequence[object]", value):
            tell_ready(watch, each)


def _observe(run: Run, watch: RunWatch, received: MessageSequencePromise[Message] | str) -> None:
    """Report that a run was inquired, and its outcome when the run and all its replies have ended."""
    content = watch.observers.content
    left = 2  # the function, and the replies
    failed: BaseException | None = None
    sent: tuple[Message, ...] = (text_message(received),) if content and isinstance(received, str) else ()
    replied: tuple[Message, ...] = ()

    def all_received(messages: "Sequence[ReplayBuffer[object]]") -> None:
        nonlocal sent
        sent = came_to_be(messages)

    def replies_ended(messages: "Sequence[ReplayBuffer[object]]") -> None:
        nonlocal failed, replied
        failed = next((each.error for each in messages if each.error is not None), None)
        replied = came_to_be(messages) if content else ()
        one_ended()

    def one_ended() -> None:
        nonlocal left
        left -= 1
        if not left:
            outcome, error = run.outcome
            if outcome == "done":
                outcome, error = outcome_of(failed)
            watch.ended(outcome, error, sent, replied)

    if content and not isinstance(received, str):  # without counting as a reader
        when_complete(received.buffer, partial(message_buffers, received.buffer), all_received)
    # Watched from now on: readers may drop the replies before they are complete.
    replies = cast("ReplayBuffer[MessagePromise[Message]]", run.buffer)
    when_complete(replies, partial(message_buffers, replies), replies_ended)
    run.when_ended(one_ended)
    run.observe(watch)


def sequence_of(context: Context, text: str) -> MessageSequencePromise[Message]:
    """Return a sequence of one message for a run that was sent a text."""
    received = MessageSequencePromise.of_message(context, text_message(text))
    received.buffer.expect_reader()  # the run is its reader, so it ends with the run
    return received
