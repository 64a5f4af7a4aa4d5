"""Observers of runs, and the typed events that they get, with times of the event loop.

Rule of this module: **observers only watch, and cost nothing if there are none.** Nothing here reads a stream
or holds a lease on one. The times of parts are noted as they come and reported in batches, so that a part
costs one reading of the clock, however many observers there are.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import Context as Variables
from dataclasses import dataclass
from itertools import count
from typing import Final, Literal, TypeAlias, cast
from weakref import WeakKeyDictionary

from typing_extensions import override

from miniagents.values import (
    Finish,
    FreezeError,
    Frozen,
    FrozenMapping,
    InquiryCancelledError,
    Part,
    ResponseHeaders,
    Retry,
    Usage,
    freeze,
    is_secret_name,
)

logger = logging.getLogger("miniagents")

BATCH: Final = 512  # how many parts one event has
RunKind: TypeAlias = Literal["agent", "model", "tool"]
Outcome: TypeAlias = Literal["done", "failed", "cancelled", "abandoned"]
_ABOUT_CALL: Final = (Retry, ResponseHeaders)
"""What a model says about its call, not of its answer."""


class Anchor:
    """The origin of the numbers and times of all runs of a context and its children.

    Args:
        now: the time of the event loop, in seconds.

    Attributes:
        epoch: a time of the event loop plus this number is seconds since 1970.
        numbers: the numbers of the next runs.
        runs: the runs, by the buffers of their replies.
    """

    __slots__ = ("epoch", "numbers", "runs")

    def __init__(self, now: float) -> None:
        self.epoch: float = time.time() - now
        self.numbers: Iterator[int] = count(1)
        self.runs: WeakKeyDictionary[object, RunInfo] = WeakKeyDictionary()


class RunInfo:
    """One run, as observers see it: the same object in each of its events.

    Args:
        alias, kind, parent: see below.
        keywords: the keywords of the call.
        anchor: the origin of its number and its times.

    Attributes:
        alias: of the agent, or the name of the tool.
        kind: ``"agent"``, ``"model"`` (an agent that itself calls a language model) or ``"tool"``.
        parent: the run that began it; None if no run did, or if that run is not observed.
        number: unique among the runs of its outermost context; later runs have higher numbers.
        epoch: a time of an event plus this number is seconds since 1970.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.observers import run_events
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     events = run_events()
        ...     await scripted_model("Hi").inquire("Hello", temperature=0.5)
        ...     run = (await anext(aiter(events))).run
        ...     print(run, run.kind, run.parent, dict(run.keywords))
        >>> MiniAgents().run(main())
        <model run 1 of SCRIPTED_MODEL> model None {'temperature': 0.5}
    """

    __slots__ = ("__weakref__", "_keywords", "alias", "epoch", "kind", "number", "parent")

    def __init__(
        self,
        alias: str,
        kind: RunKind,
        parent: "RunInfo | None",
        keywords: Mapping[str, object],
        anchor: "Anchor",
    ) -> None:
        self.alias: str = alias
        self.kind: RunKind = kind
        self.parent: RunInfo | None = parent
        self.number: int = next(anchor.numbers)
        self.epoch: float = anchor.epoch
        self._keywords = keywords

    @property
    def keywords(self) -> FrozenMapping[str, object]:
        """The keywords that are data, without clients and without keywords named like a secret."""
        return public_data(self._keywords)

    @override
    def __repr__(self) -> str:
        return f"<{self.kind} run {self.number} of {self.alias}>"


@dataclass(frozen=True, slots=True)
class RunBegan:
    """A run was inquired; it may be cancelled before its first step.

    Observers get it with the context variables of the run: the run, and everything that it starts, inherits
    what an observer sets there.

    Attributes:
        run: the run.
        at: when, in seconds of the event loop.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.observers import RunBegan, Observer
        >>> from miniagents.testing import scripted_model
        >>> class Printer(Observer):
        ...     def on_event(self, event):
        ...         if isinstance(event, RunBegan):
        ...             print(event.run.alias)
        >>> async def main():
        ...     await scripted_model("Hi there").inquire("Hello")
        >>> MiniAgents(observers=[Printer()]).run(main())
        SCRIPTED_MODEL
    """

    run: RunInfo
    at: float


@dataclass(frozen=True, slots=True)
class ModelAsked:
    """An agent calls a model; there is one event for all its retries.

    Attributes:
        run: the run.
        at: when, in seconds of the event loop.
        provider: ``"openai"``, ``"anthropic"``, or another one.
        model: the name of the model.
        server: the host of the provider.
        stream: whether the answer comes piece by piece.

    Example:
        >>> ModelAsked.__slots__
        ('run', 'at', 'provider', 'model', 'server', 'stream')
    """

    run: RunInfo
    at: float
    provider: str
    model: str
    server: str
    stream: bool


@dataclass(frozen=True, slots=True)
class PartSeen:
    """A part that observers get at once: the first part of a run, and what a model says about its answer.

    These are :class:`~miniagents.parts.ResponseHeaders`, :class:`~miniagents.parts.Retry` (the call is going
    to be sent again), and :class:`~miniagents.parts.Usage`, which replaces an earlier one of the message.

    Attributes:
        run, at: the run; when, in seconds of the event loop.
        message: which message of the run; see :class:`PartsCame`.
        part: a text, or another part.
        first: whether it is the first of the run; headers and retries come before it.
        model: the name of the model, or None.

    Example:
        >>> from miniagents import AssistantMessage, MiniAgents, Usage
        >>> from miniagents.observers import Observer, PartSeen
        >>> from miniagents.testing import scripted_model
        >>> class Printer(Observer):
        ...     def on_event(self, event):
        ...         if isinstance(event, PartSeen):
        ...             print(event.first, type(event.part).__name__)
        >>> answer = AssistantMessage("Hi", usage=Usage(output_tokens=2))
        >>> async def main():
        ...     await scripted_model(answer).inquire("Hello")
        >>> MiniAgents(observers=[Printer()]).run(main())
        True str
        False Usage
    """

    run: RunInfo
    at: float
    message: int
    part: Part
    first: bool
    model: str | None


@dataclass(frozen=True, slots=True)
class PartsCame:
    """Parts of a run have come.

    Observers get parts in batches; the size is the smallest :attr:`Observer.batch` of all observers. The last
    batch of a message comes at the end of the message.

    Attributes:
        run: the run.
        message: the number of the message in the run: 0 is the first one that it began to write.
        parts: the parts, in order.
        times: when each of them came, in seconds of the event loop.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.observers import PartsCame, Observer
        >>> from miniagents.testing import scripted_model
        >>> class Printer(Observer):
        ...     def on_event(self, event):
        ...         if isinstance(event, PartsCame):
        ...             print(event.parts[:2], len(event.parts) == len(event.times))
        >>> async def main():
        ...     await scripted_model("Hi there").inquire("Hello")
        >>> MiniAgents(observers=[Printer()]).run(main())
        ('Hi ', 'there') True
    """

    run: RunInfo
    message: int
    parts: tuple[Part, ...]
    times: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run has ended: its function, and every message that it had replied. It comes once for each run.

    Attributes:
        run, at: the run; when, in seconds of the event loop.
        outcome: ``"done"``, ``"failed"``, ``"cancelled"`` (by a call of ``cancel``, or with its context) or
            ``"abandoned"`` (its replies could have no reader any more).
        error: the error if it failed; else None.
        messages: the data of each message that it wrote itself, without its text and without secrets.
        received, replied: the messages that it was sent, and its replies; empty without `content`.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.observers import RunEnded, Observer
        >>> from miniagents.testing import scripted_model
        >>> class Printer(Observer):
        ...     def on_event(self, event):
        ...         if isinstance(event, RunEnded):
        ...             print(event.run.alias, event.outcome, event.error)
        >>> async def main():
        ...     await scripted_model("Hi").inquire()
        >>> MiniAgents(observers=[Printer()]).run(main())
        SCRIPTED_MODEL done None
    """

    run: RunInfo
    at: float
    outcome: Outcome
    error: BaseException | None
    messages: tuple[Mapping[str, object], ...]
    received: tuple[Frozen, ...] = ()
    replied: tuple[Frozen, ...] = ()


RunEvent: TypeAlias = RunBegan | ModelAsked | PartSeen | PartsCame | RunEnded
"""An event that observers get."""


class Observer:
    """The base class of observers, which get the events of runs: ``MiniAgents(observers=[...])``.

    An observer only watches, and must return at once. Its first error is logged; errors affect no run.

    Attributes:
        batch: how many parts one event has; with 1, each part is reported at once, which costs a call per
            part.
        content: whether ``RunEnded`` has the messages that the run was sent and has replied.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> from miniagents.observers import Observer, RunBegan, RunEnded
        >>> class Printer(Observer):
        ...     def on_event(self, event):
        ...         if isinstance(event, RunBegan):
        ...             print(event.run.alias, "began")
        ...         elif isinstance(event, RunEnded):
        ...             print(event.run.alias, event.outcome)
        >>> @miniagent
        ... async def hello(ctx):
        ...     ctx.reply("Hello")
        >>> async def main():
        ...     await hello.inquire()
        >>> MiniAgents(observers=[Printer()]).run(main())
        HELLO began
        HELLO done
    """

    batch: int = BATCH
    content: bool = False

    def on_event(self, event: RunEvent, /) -> None:
        """Handle an event.

        Args:
            event: what.

        Raises:
            NotImplementedError: a subclass does not override it.
        """
        raise NotImplementedError


class Observers:
    """The observers of one context: those of outer contexts first, then its own, each once.

    Args:
        outer: the observers of the outer context, if it has any.
        own: its own observers, in this order; the end of a run is reported in reverse order.
        anchor: the origin of numbers and times; it stays the same when observers come and go.

    Attributes:
        anchor: the origin of numbers and times.
        batch: how many parts one event has.
        content: whether any observer gets messages.
        members: all observers.
    """

    def __init__(self, outer: "Observers | None", own: Iterable[Observer], anchor: Anchor) -> None:
        told = () if outer is None else outer.members
        known = {id(each) for each in told}
        self.members: tuple[Observer, ...] = (*told, *(each for each in own if id(each) not in known))
        self.anchor: Anchor = anchor
        self.content: bool = any(each.content for each in self.members)
        self.batch: int = min((each.batch for each in self.members), default=BATCH)
        self._broken: set[int] = set()

    def tell(self, event: RunEvent) -> None:
        """Report an event to all of them, the end of a run to the last one first.

        Args:
            event: the event.
        """
        for observer in reversed(self.members) if isinstance(event, RunEnded) else self.members:
            try:
                observer.on_event(event)
            except Exception:
                if id(observer) not in self._broken:
                    self._broken.add(id(observer))
                    text = "The observer %r failed at %s of %r; what else it raises is not logged."
                    logger.exception(text, observer, type(event).__name__, event.run)


class RunWatch:
    """The state of an observed run until it has ended.

    Args:
        info: the run.
        observers: its observers.
        clock: returns the time of the event loop.

    Attributes:
        began_to_write: whether its first part has come.
        info: the run.
        failure: why a tool failed, if the model gets the error and no stream does.
        clock: returns the time of the event loop.
        observers: its observers.
        messages: how many messages it has begun to write.
    """

    def __init__(self, info: RunInfo, observers: Observers, clock: Callable[[], float]) -> None:
        self.info: RunInfo = info
        self.observers: Observers = observers
        self.clock: Callable[[], float] = clock
        self.messages: int = 0
        self.began_to_write: bool = False
        self.failure: BaseException | None = None
        self._variables: Variables | None = None
        self._data: list[Mapping[str, object]] = []
        self._usage_told: set[int] = set()
        self._finished: dict[int, str] = {}

    def began(self, variables: Variables | None) -> None:
        """Report that it was inquired, with its context variables, before its first step.

        Args:
            variables: the context variables of the run.
        """
        self._variables = variables
        event = RunBegan(self.info, self.clock())
        if self._variables is None:
            self.observers.tell(event)
        else:
            self._variables.run(self.observers.tell, event)

    def next_message(self, data: Mapping[str, object]) -> int:
        """Return the number of a message that it begins to write.

        Args:
            data: the data of the message; more may be added later.
        """
        self._data.append(data)
        self.messages += 1
        return self.messages - 1

    def came(self, message: int, parts: Sequence[Part], times: Sequence[float]) -> None:
        """Report parts.

        Args:
            message: the number of their message.
            parts: the parts.
            times: when each of them came.
        """
        self.observers.tell(PartsCame(self.info, message, tuple(parts), tuple(times)))

    def one_came(self, message: int, part: Part, at: float) -> None:
        """Report a part that may be the first one, or of a kind that has an event of its own.

        Args:
            message: the number of its message.
            part: the part.
            at: when it came.
        """
        about = isinstance(part, _ABOUT_CALL)
        first = not (about or self.began_to_write)
        if isinstance(part, Finish):
            self._finished[message] = part.reason
        if about or first or isinstance(part, Usage):
            self.began_to_write |= first
            self._see(message, part, at, first=first)

    def _see(self, message: int, part: Part, at: float, *, first: bool = False) -> None:
        if isinstance(part, Usage):
            self._usage_told.add(message)
        model = self._data[message].get("model")
        name = model if isinstance(model, str) else None
        self.observers.tell(PartSeen(self.info, at, message, part, first, name))

    def message_ended(self, message: int) -> None:
        """Report a usage that is only in the data of a message.

        Args:
            message: the number of the message that has ended.
        """
        usage = self._data[message].get("usage")
        if isinstance(usage, Usage) and message not in self._usage_told:
            self._see(message, usage, self.clock())

    def replied(self, parts: Sequence[Part], data: Mapping[str, object]) -> None:
        """Report a message that was complete when it was replied.

        Args:
            parts: all its parts.
            data: its other data.
        """
        number, at = self.next_message(data), self.clock()
        for part in parts:
            self.one_came(number, part, at)
        self.came(number, parts, [at] * len(parts))
        self.message_ended(number)

    def asked(self, provider: str, model: str, server: str, *, stream: bool) -> None:
        """Report that a model is called.

        Args:
            provider: the name of the provider.
            model: the name of the model.
            server: the host of the provider.
            stream: whether the answer comes piece by piece.
        """
        self.observers.tell(ModelAsked(self.info, self.clock(), provider, model, server, stream))

    def ended(
        self,
        outcome: Outcome,
        error: BaseException | None,
        received: tuple[Frozen, ...] = (),
        replied: tuple[Frozen, ...] = (),
    ) -> None:
        """Report that it has ended; once.

        Args:
            outcome: how it ended.
            error: the error if it failed.
            received: the messages that it was sent.
            replied: the messages that it has replied.
        """
        data = tuple(
            _without_secrets(each | {"finish_reason": self._finished[at]} if at in self._finished else each)
            for at, each in enumerate(map(dict, self._data))
        )
        event = RunEnded(self.info, self.clock(), outcome, error, data, received, replied)
        variables, self._variables = self._variables, None
        if variables is None:
            self.observers.tell(event)
        else:  # a copy: this may run in the task of the run, which has entered the original variables
            variables.copy().run(self.observers.tell, event)


def outcome_of(error: BaseException | None) -> tuple[Outcome, BaseException | None]:
    """Return how a stream ended, and its error if it failed.

    Args:
        error: the error that ended it.
    """
    if error is None:
        return "done", None
    if not isinstance(error, InquiryCancelledError):
        return "failed", error
    if error.__cause__ is not None:
        return "failed", error.__cause__
    return ("abandoned" if error.abandoned else "cancelled"), None


def public_data(keywords: Mapping[str, object]) -> FrozenMapping[str, object]:
    """Return the keywords that are data, frozen.

    Clients and functions are left out, and so is everything that is named like a secret, on any level.

    Args:
        keywords: the keywords of the call of an agent.
    """
    kept: dict[str, object] = {}
    for name, value in keywords.items():
        try:
            kept[name] = freeze(value)
        except FreezeError:
            continue  # a client, a function: not data
    return _without_secrets(kept)


def _without_secrets(data: Mapping[str, object]) -> FrozenMapping[str, object]:
    """Return data without anything that is named like a secret, on any level."""
    return FrozenMapping(
        {name: _cleared(item) for name, item in data.items() if not is_secret_name(str(name))}
    )


def _cleared(value: object) -> object:
    if isinstance(value, Mapping):
        return _without_secrets(cast("Mapping[str, object]", value))
    if isinstance(value, tuple):
        return tuple(map(_cleared, cast("tuple[object, ...]", value)))
    return value
