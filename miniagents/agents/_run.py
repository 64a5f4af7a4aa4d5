"""One run of an agent: a producer task that writes replies into a flattener.

Each agent adds one buffer, for the replies; messages that it passes on are not copied.
"""

import logging
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from typing_extensions import TypeVar, override

from miniagents.messages import ErrorMessage, Message, MessagePromise, MessageSequencePromise, MessageType
from miniagents.messages._errors_as_messages import replace_errors
from miniagents.messages._flattener import Flattener
from miniagents.messages._message import parts_of_finished, text_message
from miniagents.messages._message_type import one_message
from miniagents.messages._parts import watch_run
from miniagents.messages._validation import ValidatedBuffer, Validation
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._lifetime import Lifetime
from miniagents.streams._observers import Outcome, RunKind, RunWatch, outcome_of
from miniagents.streams._promise import when_complete
from miniagents.streams._protocols import Producer, Sink
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

    def adopt(self) -> bool:
        """Keep the input of the run open, to hand it messages later; False if it has begun without any."""
        if self.pending is None or self.pending.ended:
            return False
        self.pending.feeder = _Adopter()
        return True

    def hand(self, messages: MessageType) -> None:
        """Hand the run all its input, if its input was adopted."""
        if self.pending is not None and not self.pending.ended:
            self.pending.feed(messages)
            self.pending.finish()


class _Adopter:
    """The caller that will hand a run its input: the run cannot stop it."""

    name = ""

    def blocked_by(self) -> Producer | None:
        """None: it is not known."""
        return None

    def cancel(self) -> None:
        """Do nothing: the input is no longer needed."""

    abandon = cancel


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
        super().__init__(alias, context, buffer, buffer)
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
        msg = (
            f"Agent {self.name} returned a value of type {type(returned).__name__}, which is lost; "
            "an agent replies with `ctx.reply(...)` and returns None."
        )
        raise TypeError(msg)

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
            msg = f"Agent {self.name} replied after its replies were closed (by finish_early, or by its end)."
            raise MiniAgentsError(msg)
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
        elif (
            self.received is None or self.received[0] is not error
        ):  # no reader can get it: it is only logged
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
    end = _End(run, watch)
    if watch.observers.content:
        end.keep_content(received)
    # Watched from now on: readers may drop the replies before they are complete.
    when_complete(run.buffer, end.replies, end.replies_ended)
    run.when_ended(end.one_ended)
    run.observe(watch)


class _End:
    """Waits for the end of an observed run: of its function, and of all its replies."""

    __slots__ = ("_failed", "_received", "_replied", "_run", "_waits_for", "_watch")

    def __init__(self, run: Run, watch: RunWatch) -> None:
        self._run = run
        self._watch = watch
        self._waits_for = 2
        self._failed: BaseException | None = None
        self._received: tuple[Message, ...] = ()
        self._replied: tuple[Message, ...] = ()

    def keep_content(self, received: MessageSequencePromise[Message] | str) -> None:
        """Keep the messages that the run was sent until it has ended, without counting as a reader."""
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
        """Return the messages that were replied."""
        promises = cast("list[MessagePromise[Message]]", self._run.buffer.items)
        return [cast("ReplayBuffer[object]", promise.buffer) for promise in promises]

    def replies_ended(self, replies: "Sequence[ReplayBuffer[object]]") -> None:
        """Note that all replies are complete."""
        self._failed = next((each.error for each in replies if each.error is not None), None)
        if self._watch.observers.content:
            self._replied = came_to_be(replies)
        self.one_ended()

    def one_ended(self) -> None:
        """Note that the function or the replies have ended; after both, report the end."""
        self._waits_for -= 1
        if not self._waits_for:
            outcome, error = self._run.outcome
            if outcome == "done":
                outcome, error = outcome_of(self._failed)
            self._watch.ended(outcome, error, self._received, self._replied)


def sequence_of(context: Context, text: str) -> MessageSequencePromise[Message]:
    """Return a sequence of one message for a run that was sent a text."""
    received = MessageSequencePromise.of_message(context, text_message(text))
    received.buffer.expect_reader()  # the run is its reader, so it ends with the run
    return received
