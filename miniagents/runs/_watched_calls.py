"""Running calls of an agent and their usage, for limits and budgets."""

import asyncio
from asyncio import Future
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, cast
from weakref import WeakKeyDictionary

from typing_extensions import override

from miniagents.agents import InteractionContext, MiniAgent, WhileNeeded, until_over
from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.messages._message import message_buffers
from miniagents.messages._parts import run_of
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._deadlocks import record_wait
from miniagents.streams._observers import (
    ModelAsked,
    Observer,
    PartsCame,
    PartSeen,
    RunEnded,
    RunEvent,
    RunInfo,
)
from miniagents.streams._promise import when_complete
from miniagents.streams._protocols import Producer
from miniagents.values import Usage, label_of, set_partial_text

from ._prices import dollars
from ._run_usage import Price, RunUsage

_NAMED: Final = 5  # models that an error names


@dataclass(slots=True, eq=False)
class WatchedCall:
    """One call, with all calls that it causes.

    Args:
        usage: counts its usage.
        run: its run.
        context: the context of the run.
        on_event: is called at each event of the call.
        on_end: is called once, when the call has ended.
    """

    _usage: RunUsage
    run: RunInfo
    context: Context
    on_event: "Callable[[WatchedCall, RunEvent], None]"
    on_end: "Callable[[WatchedCall], None]"
    error: BaseException | None = field(default=None, init=False)
    _called: dict[RunInfo, ModelAsked] = field(default_factory=dict[RunInfo, ModelAsked], init=False)
    # How many pieces of text have come from a model; and the tokens of each answer, as it has reported.
    _texts: dict[RunInfo, int] = field(default_factory=dict[RunInfo, int], init=False)
    _reported: dict[RunInfo, dict[int, int]] = field(
        default_factory=dict[RunInfo, "dict[int, int]"], init=False
    )

    def note(self, event: RunEvent) -> None:
        """Count the pieces of answers: models often report the usage only at the end."""
        run = event.run
        if run.kind != "model":
            return
        if isinstance(event, ModelAsked):
            self._called[run] = event
        elif isinstance(event, PartsCame):
            self._texts[run] = self._texts.get(run, 0) + sum(type(part) is str for part in event.parts)
        elif isinstance(event, PartSeen) and isinstance(event.part, Usage):
            self._reported.setdefault(run, {})[event.message] = event.part.output_tokens or 0

    def _not_told(self) -> "Iterator[tuple[RunInfo, int]]":
        """Yield the models of which more has come than they have reported, and how many tokens at least."""
        for run, texts in self._texts.items():
            more = texts - sum(self._reported.get(run, {}).values())
            if more > 0:
                yield run, more

    @property
    def tokens(self) -> int:
        """The tokens used until now; for an answer without reported usage, the pieces that have come."""
        return (self._usage.of(self.run).total.input_tokens or 0) + self.answered

    @property
    def answered(self) -> int:
        """How many of them are output tokens."""
        reported = self._usage.of(self.run).total.output_tokens or 0
        return reported + sum(more for _, more in self._not_told())

    def dollars(self, price: Price) -> Decimal:
        """Return the cost until now, in dollars.

        Args:
            price: returns the price of tokens.

        Raises:
            LookupError: the price of a model is not known.
        """
        known = self._usage.of(self.run).dollars
        if known is None:
            names = {label_of(name) or "a model without a name" for name in self._usage.of(self.run).by_model}
            known_as = ", ".join(sorted(names)[:_NAMED])
            raise LookupError(
                f"The price of {known_as} is not known, so the cost of a call is not known; give price=."
            )
        for run, more in self._not_told():
            called = self._called.get(run)
            if called is not None:
                known += price(Usage(output_tokens=more), called.model, called.provider) or Decimal()
        return known


class WatchedCalls(Observer):
    """The running calls of one limit or budget.

    Args:
        price: returns the price of tokens.
    """

    batch = 16  # an answer that exceeds the budget is noticed after at most so many tokens

    def __init__(self, price: Price | None = None) -> None:
        self._usage = RunUsage(price or dollars)
        self._under_way: WeakKeyDictionary[Context, int] = WeakKeyDictionary()
        self._calls: dict[RunInfo, WatchedCall] = {}

    def inquire(
        self, ctx: InteractionContext, call: MiniAgent[Message, Message, ...], undo: Callable[[], None]
    ) -> MessageSequencePromise[Message]:
        """Make a call, and observe the runs of its context until each call that begins in it has ended.

        Not longer: a limit that one request of an app has made must not observe all later requests.

        Args:
            ctx: of the caller, which watches the call right after this.
            call: the agent.
            undo: is called if the call cannot begin.
        """
        context = Context.current()
        under_way = self._under_way.get(context, 0)
        self._under_way[context] = under_way + 1
        if not under_way:
            context.observe(self)
        try:
            return call.inquire(ctx.messages)
        except BaseException:
            self._leave(context)
            undo()
            raise

    def _leave(self, context: Context) -> None:
        """Count one call less in a context, and stop observing it after the last one."""
        self._under_way[context] -= 1
        if not self._under_way[context]:
            del self._under_way[context]
            context.stop_observing(self)

    def watch(
        self,
        replies: MessageSequencePromise[Message],
        on_event: Callable[[WatchedCall, RunEvent], None],
        on_end: Callable[[WatchedCall], None],
    ) -> WatchedCall | None:
        """Watch a call that has just been made, by :meth:`inquire`; None if it has ended already.

        Args:
            replies: of the call.
            on_event: is called at each event of the call.
            on_end: is called once, when the call has ended.
        """
        context = replies.buffer.context
        run = run_of(replies.buffer)
        if run is None:
            self._leave(context)
            return None
        call = self._calls[run] = WatchedCall(self._usage, run, context, on_event, on_end)
        return call

    @override
    def on_event(self, event: RunEvent, /) -> None:
        self._usage.on_event(event)
        run: RunInfo | None = event.run
        while run is not None and run not in self._calls:
            run = run.parent
        if run is None:
            return
        call = self._calls[run]
        call.note(event)
        if isinstance(event, RunEnded) and event.run is run:
            del self._calls[run]
            self._leave(call.context)
            call.error = event.error
            call.on_end(call)
        else:
            call.on_event(call, event)


async def reply_watched(
    ctx: InteractionContext, replies: MessageSequencePromise[Message], then: Callable[[], None] | None = None
) -> None:
    """Reply what a call replies, and wait until it has ended, with all messages. This does not read them.

    But what comes behind the last one, which is the end of the replies, needs them.

    Only the function that waits holds the promise: it is cancelled when the last reader leaves, and the call
    is stopped then.

    Args:
        ctx: of the caller.
        replies: of the call.
        then: is called once, when the call has ended, also if it was stopped; it must not raise.
    """
    over: Future[None] = asyncio.get_running_loop().create_future()
    stream = replies.buffer

    def ended(_: object) -> None:
        if not over.done():
            over.set_result(None)
        if then is not None:
            then()

    when_complete(stream, lambda: message_buffers(stream), ended)
    ctx.reply(replies)
    await until_over(stream)
    with WhileNeeded(*(each.buffer for each in stream.items)):
        record_wait(_Rest(stream), over)
        await over


@dataclass(frozen=True, slots=True)
class _Rest:
    """What a call has not written yet: if that waits for a person, so does the run that waits for it."""

    replies: ReplayBuffer[MessagePromise[Message]]

    @property
    def producer(self) -> Producer | None:
        streams: tuple[ReplayBuffer[object], ...] = (
            cast("ReplayBuffer[object]", self.replies),
            *message_buffers(self.replies),
        )
        return next((each.producer for each in streams if not each.closed), None)


def end_with(replies: MessageSequencePromise[Message], error: Exception) -> None:
    """Stop a call: its replies end with ``error``, after what has come.

    Args:
        replies: of the call.
        error: that its readers get.
    """
    for buffer in (*message_buffers(replies.buffer), cast("ReplayBuffer[object]", replies.buffer)):
        if not buffer.closed:
            producer = buffer.producer
            set_partial_text(error, "".join(item for item in buffer.items if isinstance(item, str)))
            buffer.fail(error)
            if producer is not None:
                producer.cancel()
