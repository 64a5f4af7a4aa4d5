"""Who watches runs, and what they are told: typed events, with times of the event loop.

Rule of this module: **observers only watch, and cost nothing where there are none.** Nothing here reads a
stream or holds a lease on one. The times of parts are noted as they come and told in batches, so that a part
costs one look at the clock, however many observers there are.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import Context as Variables
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
    lazy_dataclass,
)

logger = logging.getLogger("miniagents")

BATCH: Final = 512  # parts that are told at once
RunKind: TypeAlias = Literal["agent", "model", "tool"]
Outcome: TypeAlias = Literal["done", "failed", "cancelled", "abandoned"]


class Anchor:
    """What the runs of a context and of those within it are counted from.

    Args:
        now: the time of the event loop, in seconds.

    Attributes:
        epoch: added to a time of the event loop it makes seconds since 1970.
        numbers: of the runs that begin.
        runs: by the buffers of their replies.
    """

    __slots__ = ("epoch", "numbers", "runs")

    def __init__(self, now: float) -> None:
        self.epoch: float = time.time() - now
        self.numbers: Iterator[int] = count(1)
        self.runs: WeakKeyDictionary[object, RunInfo] = WeakKeyDictionary()


class RunInfo:
    """One run, as observers are told of it: the same object in each of its events.

    Args:
        alias: of the agent, or the name of the tool.
        kind: ``"agent"``, ``"model"`` (an agent on a language model that asks it itself) or ``"tool"``.
        parent: the run that began it, if that is observed too.
        keywords: what it was called with.
        anchor: what its number and its times are counted from.

    Attributes:
        alias: of the agent, or the name of the tool.
        kind: ``"agent"``, ``"model"`` or ``"tool"``.
        parent: the run that began it, None if none did, or none that is observed.
        number: tells it from the other runs of its outermost context; later runs have higher ones.
        epoch: added to a time of an event it makes seconds since 1970.

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
        """The keywords that are data. Clients are left out, and so is what is named like a secret."""
        return public_data(self._keywords)

    @override
    def __repr__(self) -> str:
        return f"<{self.kind} run {self.number} of {self.alias}>"


@lazy_dataclass(frozen=True, slots=True)
class RunBegan:
    """A run was inquired; it may be cancelled before its first step.

    It is told with the context variables of the run: what an observer sets there, the run inherits, and all
    that it starts.

    Attributes:
        run: which one.
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


@lazy_dataclass(frozen=True, slots=True)
class ModelAsked:
    """A provider is asked for an answer, once for all its retries.

    Attributes:
        run: which one.
        at: when, in seconds of the event loop.
        provider: ``"openai"``, ``"anthropic"``, or another one.
        model: the model that is asked for.
        server: the host that is asked.
        stream: whether the answer is to come piece by piece.

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


@lazy_dataclass(frozen=True, slots=True)
class FirstPart:
    """The first part that a run writes has come; told at once.

    Attributes:
        run: which one.
        at: when, in seconds of the event loop.
        part: a text, or another part.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.observers import FirstPart, Observer
        >>> from miniagents.testing import scripted_model
        >>> class Printer(Observer):
        ...     def on_event(self, event):
        ...         if isinstance(event, FirstPart):
        ...             print(repr(event.part))
        >>> async def main():
        ...     await scripted_model("Hi there").inquire("Hello")
        >>> MiniAgents(observers=[Printer()]).run(main())
        'Hi '
    """

    run: RunInfo
    at: float
    part: Part


@lazy_dataclass(frozen=True, slots=True)
class PartsCame:
    """Parts that a run writes have come.

    They are told in batches of :attr:`Observer.batch`, the smallest of all observers; what is left comes with
    the end of its message.

    Attributes:
        run: which one.
        message: which message of the run they belong to: 0 is the first one that it began to write.
        parts: what came, in order.
        times: when each of them did, in seconds of the event loop.

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


@lazy_dataclass(frozen=True, slots=True)
class UsageCame:
    """A model has told what its answer has cost so far; what it tells later in the same message replaces it.

    Attributes:
        run: which one.
        at: when, in seconds of the event loop.
        message: which message of the run; see :class:`PartsCame`.
        usage: the tokens.
        model: the name of the model, None if it is not known.

    Example:
        >>> from miniagents import AssistantMessage, MiniAgents, Usage
        >>> from miniagents.observers import Observer, UsageCame
        >>> from miniagents.testing import scripted_model
        >>> class Counter(Observer):
        ...     def on_event(self, event):
        ...         if isinstance(event, UsageCame):
        ...             print(event.usage.output_tokens)
        >>> answer = AssistantMessage('Hi', usage=Usage(output_tokens=1))
        >>> async def main():
        ...     await scripted_model(answer).inquire("Hello")
        >>> MiniAgents(observers=[Counter()]).run(main())
        1
    """

    run: RunInfo
    at: float
    message: int
    usage: Usage
    model: str | None


@lazy_dataclass(frozen=True, slots=True)
class HeadersCame:
    """A provider has answered: its headers say how much may still be asked.

    Attributes:
        run: which one.
        at: when, in seconds of the event loop.
        headers: what they say.

    Example:
        >>> HeadersCame.__slots__
        ('run', 'at', 'headers')
    """

    run: RunInfo
    at: float
    headers: ResponseHeaders


@lazy_dataclass(frozen=True, slots=True)
class RunRetried:
    """A model is going to be asked again, since the last attempt failed before anything came.

    Attributes:
        run: which one.
        at: when, in seconds of the event loop.
        retry: why, and when it is asked again.

    Example:
        >>> from miniagents import AssistantMessage, MiniAgents, Retry, miniagent
        >>> from miniagents.observers import Observer, RunRetried
        >>> class Printer(Observer):
        ...     def on_event(self, event):
        ...         if isinstance(event, RunRetried):
        ...             print(event.retry.reason)
        >>> async def parts(metadata_so_far):
        ...     yield Retry(1, 0.5, "refused with status 429")
        ...     yield "Hi"
        >>> @miniagent
        ... async def busy(ctx):
        ...     ctx.reply(AssistantMessage.promise_of_parts(parts))
        >>> async def main():
        ...     await busy.inquire("Hello")
        >>> MiniAgents(observers=[Printer()]).run(main())
        refused with status 429
    """

    run: RunInfo
    at: float
    retry: Retry


@lazy_dataclass(frozen=True, slots=True)
class RunEnded:
    """A run has ended: its function, and every message that it had replied. Told once for each run.

    If runs come to their ends at the same time, one that began another is told after it. (Of runs that are
    stopped, the outer one may be told first: those within may still clean up.)

    Attributes:
        run: which one.
        at: when, in seconds of the event loop.
        outcome: ``"done"``, ``"failed"``, ``"cancelled"`` (by somebody, or with its context) or
            ``"abandoned"`` (its replies could have no reader any more).
        error: why it failed; None otherwise.
        messages: the data of each message that it wrote itself, without its text: ``model``,
            ``finish_reason``, ``response_id`` and whatever its writer put there, but what is named like a
            secret.
        received: what it was sent, and
        replied: what it has replied, as far as it came to be; both empty if no observer is told of `content`.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.observers import RunEnded, Observer
        >>> from miniagents.testing import scripted_model
        >>> class Printer(Observer):
        ...     def on_event(self, event):
        ...         if isinstance(event, RunEnded):
        ...             print(event.run.alias, event.outcome, event.error)
        >>> async def main():
        ...     await scripted_model("Hi there").inquire("Hello")
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


RunEvent: TypeAlias = (
    RunBegan | ModelAsked | HeadersCame | FirstPart | PartsCame | UsageCame | RunRetried | RunEnded
)
"""What observers are told."""


class Observer:
    """Is told what happens to the runs of a context: subclass it, and say ``MiniAgents(observers=[...])``.

    It only watches, and must return at once. What it raises is logged once, and harms no run.

    Attributes:
        batch: how many parts are told at once; 1 for each by itself and at once, which costs a call a part.
        content: the end of a run tells the messages that it was sent and has replied.

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
        """Something has happened.

        Args:
            event: what.

        Raises:
            NotImplementedError: a subclass does not say what to do.
        """
        raise NotImplementedError


class Observers:
    """The observers of one context: those of the contexts around it first, then its own, each once.

    Args:
        outer: those of the context around it, if that has any.
        own: who else is told, in this order; of the end of a run in reverse.
        anchor: what runs and times are counted from; it stays the same when observers come and go.

    Attributes:
        anchor: what runs and times are counted from.
        batch: how many parts are told at once.
        content: whether anybody is told of messages.
        members: all who are told.
    """

    __slots__ = ("_broken", "anchor", "batch", "content", "members")

    def __init__(self, outer: "Observers | None", own: Iterable[Observer], anchor: Anchor) -> None:
        told = () if outer is None else outer.members
        known = {id(each) for each in told}
        self.members: tuple[Observer, ...] = (*told, *(each for each in own if id(each) not in known))
        self.anchor: Anchor = anchor
        self.content: bool = any(each.content for each in self.members)
        self.batch: int = min((each.batch for each in self.members), default=BATCH)
        self._broken: set[int] = set()

    def tell(self, event: RunEvent) -> None:
        """Tell all of them.

        Args:
            event: what has happened.
        """
        for observer in self.members:
            self._tell_one(observer, event)

    def tell_end(self, event: RunEnded) -> None:
        """Tell all of them, the last one first.

        Args:
            event: which run has ended.
        """
        for observer in reversed(self.members):
            self._tell_one(observer, event)

    def _tell_one(self, observer: Observer, event: RunEvent) -> None:
        try:
            observer.on_event(event)
        except Exception:
            if id(observer) not in self._broken:
                self._broken.add(id(observer))
                text = "The observer %r failed at %s of %r; what else it raises is not logged."
                logger.exception(text, observer, type(event).__name__, event.run)


class RunWatch:
    """What is known of a run that is observed, until it has ended.

    Args:
        info: the run.
        observers: who is told.
        clock: tells the time of the event loop.

    Attributes:
        began_to_write: its first part has come.
        info: the run.
        failure: why a tool failed, if that is told to a model and is no error of a stream.
        clock: tells the time of the event loop.
        observers: who is told.
        messages: how many messages it has begun to write.
    """

    __slots__ = (
        "_data",
        "_finished",
        "_usage_told",
        "_variables",
        "began_to_write",
        "clock",
        "failure",
        "info",
        "messages",
        "observers",
    )

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
        """Tell that it was inquired, with its context variables, before its first step.

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
        """The number of a message that it begins to write.

        Args:
            data: what is known of it, and will be.
        """
        self._data.append(data)
        self.messages += 1
        return self.messages - 1

    def came(self, message: int, parts: Sequence[Part], times: Sequence[float]) -> None:
        """Tell of parts.

        Args:
            message: which message they belong to.
            parts: the parts.
            times: when each of them came.
        """
        self.observers.tell(PartsCame(self.info, message, tuple(parts), tuple(times)))

    def one_came(self, message: int, part: Part, at: float) -> None:
        """Tell of a part that may be the first one, or of a kind that has an event of its own.

        Args:
            message: which message it belongs to.
            part: the part.
            at: when it came.
        """
        if isinstance(part, Retry):
            self.observers.tell(RunRetried(self.info, at, part))
            return
        if isinstance(part, ResponseHeaders):
            self.observers.tell(HeadersCame(self.info, at, part))
            return
        if not self.began_to_write:
            self.began_to_write = True
            self.observers.tell(FirstPart(self.info, at, part))
        if isinstance(part, Usage):
            self._tell_usage(message, part, at)
        elif isinstance(part, Finish):
            self._finished[message] = part.reason

    def _tell_usage(self, message: int, usage: Usage, at: float) -> None:
        self._usage_told.add(message)
        model = self._data[message].get("model")
        name = model if isinstance(model, str) else None
        self.observers.tell(UsageCame(self.info, at, message, usage, name))

    def message_ended(self, message: int) -> None:
        """Tell of a usage that stands in the data of a message only.

        Args:
            message: which one has ended.
        """
        usage = self._data[message].get("usage")
        if isinstance(usage, Usage) and message not in self._usage_told:
            self._tell_usage(message, usage, self.clock())

    def replied(self, parts: Sequence[Part], data: Mapping[str, object]) -> None:
        """Tell of a message that was there as a whole when it was replied.

        Args:
            parts: all of it.
            data: what else is known of it.
        """
        number, at = self.next_message(data), self.clock()
        for part in parts:
            self.one_came(number, part, at)
        self.came(number, parts, [at] * len(parts))
        self.message_ended(number)

    def asked(self, provider: str, model: str, server: str, *, stream: bool) -> None:
        """Tell that a provider is asked for an answer.

        Args:
            provider: which one.
            model: the model that is asked for.
            server: the host that is asked.
            stream: whether the answer is to come piece by piece.
        """
        self.observers.tell(ModelAsked(self.info, self.clock(), provider, model, server, stream))

    def ended(
        self,
        outcome: Outcome,
        error: BaseException | None,
        received: tuple[Frozen, ...] = (),
        replied: tuple[Frozen, ...] = (),
    ) -> None:
        """Tell that it has ended; once.

        Args:
            outcome: how.
            error: why it failed.
            received: what it was sent.
            replied: what it has replied.
        """
        data = tuple(
            _without_secrets(each | {"finish_reason": self._finished[at]} if at in self._finished else each)
            for at, each in enumerate(map(dict, self._data))
        )
        event = RunEnded(self.info, self.clock(), outcome, error, data, received, replied)
        variables, self._variables = self._variables, None
        if variables is None:
            self.observers.tell_end(event)
        else:  # a copy: the end may be told in the task of the run, which has entered the others
            variables.copy().run(self.observers.tell_end, event)


def outcome_of(error: BaseException | None) -> tuple[Outcome, BaseException | None]:
    """How a stream ended, and why it failed.

    Args:
        error: what it ended with.
    """
    if error is None:
        return "done", None
    if not isinstance(error, InquiryCancelledError):
        return "failed", error
    if error.__cause__ is not None:
        return "failed", error.__cause__
    return ("abandoned" if error.abandoned else "cancelled"), None


def public_data(keywords: Mapping[str, object]) -> FrozenMapping[str, object]:
    """The keywords that are data, frozen.

    Clients and functions are left out, and so is what is named like a secret, however deep it stands.

    Args:
        keywords: what an agent was called with.
    """
    kept: dict[str, object] = {}
    for name, value in keywords.items():
        try:
            kept[name] = freeze(value)
        except FreezeError:
            continue  # a client, a function: not data
    return _without_secrets(kept)


def _without_secrets(data: Mapping[str, object]) -> FrozenMapping[str, object]:
    """Data without what is named like a secret, however deep it stands."""
    return FrozenMapping(
        {name: _cleared(item) for name, item in data.items() if not is_secret_name(str(name))}
    )


def _cleared(value: object) -> object:
    if isinstance(value, Mapping):
        return _without_secrets(cast("Mapping[str, object]", value))
    if isinstance(value, tuple):
        return tuple(map(_cleared, cast("tuple[object, ...]", value)))
    return value
