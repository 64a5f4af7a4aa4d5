"""Calls of an agent that are going on, with what they use, for what limits them."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final, cast
from weakref import WeakKeyDictionary

from typing_extensions import override

from miniagents.core import (
    Context,
    Message,
    MessageSequencePromise,
    ModelAsked,
    Observer,
    PartsCame,
    ReplayBuffer,
    RunEnded,
    RunEvent,
    RunInfo,
    UsageCame,
    run_of,
    when_complete,
)
from miniagents.values import Usage, label_of, set_partial_text

from ._prices import dollars
from ._run_usage import Price, RunUsage

__all__ = ["WatchedCall", "WatchedCalls", "end_with", "when_ended"]

_NAMED: Final = 5  # models of which an error tells the names


class WatchedCall:
    """One call, and all that it causes.

    Args:
        usage: counts what it uses.
        run: its run.
        context: in which it goes on.
        on_event: is told of everything that happens in it.
        on_end: is told once that it has ended.
    """

    def __init__(
        self,
        usage: RunUsage,
        run: RunInfo,
        context: Context,
        on_event: "Callable[[WatchedCall, RunEvent], None]",
        on_end: "Callable[[WatchedCall], None]",
    ) -> None:
        self.run: RunInfo = run
        self.context: Context = context
        self.on_event: Callable[[WatchedCall, RunEvent], None] = on_event
        self.on_end: Callable[[WatchedCall], None] = on_end
        self.error: BaseException | None = None
        self._usage = usage
        self._asked: dict[RunInfo, ModelAsked] = {}
        self._texts: dict[RunInfo, int] = {}  # how many have come of a model
        self._told: dict[RunInfo, dict[int, int]] = {}  # tokens of each answer, as the model has told

    def note(self, event: RunEvent) -> None:
        """Count what comes of answers: what they use is often told at their end only."""
        run = event.run
        if run.kind != "model":
            return
        if isinstance(event, ModelAsked):
            self._asked[run] = event
        elif isinstance(event, PartsCame):
            self._texts[run] = self._texts.get(run, 0) + sum(type(part) is str for part in event.parts)
        elif isinstance(event, UsageCame):
            self._told.setdefault(run, {})[event.message] = event.usage.output_tokens or 0

    def _not_told(self) -> "Iterator[tuple[RunInfo, int]]":
        """The models of which more has come than they have told, and how many tokens more, at least."""
        for run, texts in self._texts.items():
            more = texts - sum(self._told.get(run, {}).values())
            if more > 0:
                yield run, more

    @property
    def tokens(self) -> int:
        """The tokens that it has used until now; of an answer that has not told it, those that have come."""
        return (self._usage.of(self.run).total.input_tokens or 0) + self.answered

    @property
    def answered(self) -> int:
        """Those of them that are answers."""
        told = self._usage.of(self.run).total.output_tokens or 0
        return told + sum(more for _, more in self._not_told())

    def dollars(self, price: Price) -> Decimal:
        """What it has cost until now.

        Args:
            price: tells the price of tokens.

        Raises:
            LookupError: the price of a model is not known.
        """
        known = self._usage.of(self.run).dollars
        if known is None:
            names = {label_of(name) or "a model without a name" for name in self._usage.of(self.run).by_model}
            known_as = ", ".join(sorted(names)[:_NAMED])
            raise LookupError(
                f"The price of {known_as} is not known, so what a call costs is not; give price=."
            )
        for run, more in self._not_told():
            asked = self._asked.get(run)
            if asked is not None:
                known += price(Usage(output_tokens=more), asked.model, asked.provider) or Decimal()
        return known


class WatchedCalls(Observer):
    """The calls that go through one operator.

    Args:
        price: tells what they cost.
    """

    batch = 16  # an answer that costs more than it may is found after so many tokens at the latest

    def __init__(self, price: Price | None = None) -> None:
        self._usage = RunUsage(price or dollars)
        self._under_way: WeakKeyDictionary[Context, int] = WeakKeyDictionary()
        self._calls: dict[RunInfo, WatchedCall] = {}

    def begin(self, context: Context) -> None:
        """Be told of the runs of a context, until each call that begins in it has ended.

        Not longer: a limit that one request of an app has made is not to be told of those of all others.

        Args:
            context: in which a call is going to be made, at once.
        """
        under_way = self._under_way.get(context, 0)
        self._under_way[context] = under_way + 1
        if not under_way:
            context.observe(self)

    def leave(self, context: Context) -> None:
        """A call that was to begin has not begun, or has ended.

        Args:
            context: in which.
        """
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
        """Watch a call that has just been made, after :meth:`begin`; None if it has ended already.

        Args:
            replies: of the call.
            on_event: is told of everything that happens in it.
            on_end: is told once that it has ended.
        """
        context = replies.buffer.context
        run = run_of(replies.buffer)
        if run is None:
            self.leave(context)
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
            self.leave(call.context)
            call.error = event.error
            call.on_end(call)
        else:
            call.on_event(call, event)


def when_ended(replies: MessageSequencePromise[Message], then: Callable[[], None]) -> None:
    """Call ``then`` once, when replies and all messages in them have ended; it reads nothing.

    Args:
        replies: of a call.
        then: must not raise.
    """
    buffer = replies.buffer
    when_complete(buffer, lambda: _messages(replies), lambda _: then())


def _messages(replies: MessageSequencePromise[Message]) -> list[ReplayBuffer[object]]:
    return [cast("ReplayBuffer[object]", promise.buffer) for promise in replies.buffer.items]


def end_with(replies: MessageSequencePromise[Message], error: Exception) -> None:
    """Stop a call: what it was replying ends with ``error``, after what had come.

    Args:
        replies: of the call.
        error: of which its readers are told.
    """
    for buffer in (*_messages(replies), cast("ReplayBuffer[object]", replies.buffer)):
        if not buffer.closed:
            producer = buffer.producer
            set_partial_text(error, "".join(item for item in buffer.items if isinstance(item, str)))
            buffer.fail(error)
            if producer is not None:
                producer.cancel()
