"""``RunUsage``: counts the tokens, requests and money that models use, by model and by agent."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple, TypeAlias, cast
from weakref import WeakKeyDictionary, WeakValueDictionary

from typing_extensions import override

from miniagents.agents import MiniAgent
from miniagents.messages import Message, MessageSequencePromise
from miniagents.messages._parts import run_of
from miniagents.models import AgentTool, AskedModel, ModelAgent, ToolLoop
from miniagents.streams._observers import (
    ModelAsked,
    Observer,
    PartSeen,
    RunBegan,
    RunEnded,
    RunEvent,
    RunInfo,
)
from miniagents.values import LLMError, Retry, Usage, label_of

from ._prices import dollars
from ._recorded import PLAYED

AnyAgent = MiniAgent[Message, Message, ...]

Price: TypeAlias = Callable[[Usage, str, str | None], Decimal | None]
"""Returns the price of tokens, from the usage, the model and its provider (None if that is not known).

It returns None if the price is not known."""


class _Account(NamedTuple):
    """The model and the agent for which tokens are counted.

    Attributes:
        provider: of the model; None if it is not known.
        model: the name of the model; ``""`` if it is not known.
        agent: the alias of the agent that called the model; the alias of the model if no agent did.
    """

    provider: str | None
    model: str
    agent: str


class _Amount(NamedTuple):
    """The counts of one account.

    Attributes:
        usage: tokens.
        requests: how often a model was called, including retries.
        untold: how many complete answers came without their usage.
    """

    usage: Usage = Usage()
    requests: int = 0
    untold: int = 0

    def plus(self, other: "_Amount") -> "_Amount":
        """Return the sum of both."""
        if self is _NOTHING:
            return other
        usage = self.usage if other.usage is _NOTHING.usage else self.usage + other.usage
        return _Amount(usage, self.requests + other.requests, self.untold + other.untold)

    def minus(self, other: "_Amount") -> "_Amount":
        """Return what was counted after ``other``."""
        return _Amount(self.usage - other.usage, self.requests - other.requests, self.untold - other.untold)


_NOTHING = _Amount()


@dataclass(frozen=True, slots=True)
class UsageReport:
    """The usage up to one moment; reports can be added and subtracted.

    Example:
        >>> from miniagents import AssistantMessage, MiniAgents, Usage
        >>> from miniagents.ext.usage import RunUsage
        >>> from miniagents.testing import scripted_model
        >>> usage = RunUsage()
        >>> answer = AssistantMessage("Hi", usage=Usage(7, 3))
        >>> async def main():
        ...     model = scripted_model(answer, answer)
        ...     await model.inquire("Hello")
        ...     before = usage.report
        ...     await model.inquire("Hello")
        ...     print((usage.report - before).total, usage.total.input_tokens)
        >>> MiniAgents(observers=[usage]).run(main())
        Usage(input_tokens=7, output_tokens=3, ...) 14
    """

    _amounts: Mapping[_Account, _Amount]
    _price: Price

    @property
    def total(self) -> Usage:
        """The tokens of all models."""
        return sum((amount.usage for amount in self._amounts.values()), Usage())

    @property
    def requests(self) -> int:
        """How often a model was called, including retries."""
        return sum(amount.requests for amount in self._amounts.values())

    @property
    def untold(self) -> int:
        """How many complete answers came without their usage; they are counted as 0 tokens."""
        return sum(amount.untold for amount in self._amounts.values())

    @property
    def by_model(self) -> Mapping[str, Usage]:
        """The tokens of each model, by its name; ``""`` is a model whose name is not known."""
        return _sums((account.model, amount) for account, amount in self._amounts.items())

    @property
    def model_names(self) -> tuple[str, ...]:
        """The names of the models for a text, sorted; "a model" for what does not look like a name."""
        return tuple(sorted(label_of(name) or "a model" for name in self.by_model))

    @property
    def by_agent(self) -> Mapping[str, Usage]:
        """The tokens of each agent that called models, by its alias; also of models that no agent called."""
        return _sums((account.agent, amount) for account, amount in self._amounts.items())

    @property
    def dollars(self) -> Decimal | None:
        """The price of all tokens; None if the price of a model is not known.

        Raises:
            ModuleNotFoundError: no prices were given, and no list of prices is installed.
        """
        prices = [
            self._price(amount.usage, account.model, account.provider)
            for account, amount in self._amounts.items()
            if amount.usage != Usage()
        ]
        known = [price for price in prices if price is not None]
        return sum(known, Decimal()) if len(known) == len(prices) else None

    @property
    def saved(self) -> Decimal | None:
        """How many dollars the prompt caches of the providers have saved; None if a price is not known.

        It is negative if it cost more to write to a cache than the calls have saved by reading from it.

        Raises:
            ModuleNotFoundError: as `dollars`.
        """
        without = {
            account: amount._replace(usage=replace(amount.usage, cached_tokens=None, cache_write_tokens=None))
            for account, amount in self._amounts.items()
        }
        before, now = UsageReport(without, self._price).dollars, self.dollars
        return None if before is None or now is None else before - now

    def __add__(self, other: "UsageReport") -> "UsageReport":
        """Return the sum of both."""
        return self._with(other, _Amount.plus)

    def __sub__(self, other: "UsageReport") -> "UsageReport":
        """Return what was used after ``other``."""
        return self._with(other, _Amount.minus)

    def _with(self, other: "UsageReport", join: Callable[[_Amount, _Amount], _Amount]) -> "UsageReport":
        amounts = dict(self._amounts)
        for account, amount in other._amounts.items():  # noqa: SLF001 - same class
            amounts[account] = join(amounts.get(account, _NOTHING), amount)
        return UsageReport(MappingProxyType(amounts), self._price)


def _sums(named: Iterable[tuple[str, _Amount]]) -> Mapping[str, Usage]:
    sums: dict[str, Usage] = {}
    for name, amount in named:
        sums[name] = sums.get(name, Usage()) + amount.usage
    return MappingProxyType(sums)


class RunUsage(Observer):
    """Counts what models use: ``MiniAgents(observers=[usage := RunUsage()])``.

    It counts the usage as soon as a model reports it, even if the answer is broken off after that. The usage
    in the reply of an agent is counted only if no model below the agent has reported usage, and the reply is
    neither the answer of a model nor one that is replayed, so no token is counted twice.

    Args:
        price: returns the price of tokens; None for :func:`dollars`, which needs the extra ``prices``.

    Example:
        >>> from miniagents import AssistantMessage, MiniAgents, Usage, miniagent
        >>> from miniagents.ext.usage import RunUsage
        >>> from miniagents.testing import scripted_model
        >>> usage = RunUsage()
        >>> model = scripted_model(AssistantMessage("Hi", model="gpt-4o", usage=Usage(7, 3)), alias="MODEL")
        >>> @miniagent
        ... async def polite(ctx):
        ...     ctx.reply(model.inquire(ctx.messages))
        >>> async def main():
        ...     replies = polite.inquire("Hello")
        ...     await replies
        ...     print(usage.of(replies).total.output_tokens)
        >>> MiniAgents(observers=[usage]).run(main())
        3
        >>> usage.total.input_tokens, list(usage.by_model), list(usage.by_agent)
        (7, ['gpt-4o'], ['POLITE'])
    """

    def __init__(self, price: Price | None = None) -> None:
        self._price: Price = price or dollars
        self._all: dict[_Account, _Amount] = {}
        self._by_run: WeakKeyDictionary[RunInfo, dict[_Account, _Amount]] = WeakKeyDictionary()
        self._open: dict[RunInfo, _OpenRun] = {}
        self._known: WeakValueDictionary[int, Usage] = WeakValueDictionary()  # of models, by identity

    @property
    def report(self) -> UsageReport:
        """A report of the usage until now; the report does not change any more."""
        return UsageReport(MappingProxyType(dict(self._all)), self._price)

    @property
    def total(self) -> Usage:
        """The tokens of all models."""
        return self.report.total

    @property
    def requests(self) -> int:
        """How often a model was called, including retries.

        A function of your own with ``@model_agent`` that failed before it replied is not counted.
        """
        return self.report.requests

    @property
    def by_model(self) -> Mapping[str, Usage]:
        """The tokens of each model; see :attr:`UsageReport.by_model`."""
        return self.report.by_model

    @property
    def by_agent(self) -> Mapping[str, Usage]:
        """The tokens of each agent that called models; see :attr:`UsageReport.by_agent`."""
        return self.report.by_agent

    @property
    def dollars(self) -> Decimal | None:
        """The price of all tokens; see :attr:`UsageReport.dollars`."""
        return self.report.dollars

    @property
    def saved(self) -> Decimal | None:
        """What prompt caches have saved, in dollars; see :attr:`UsageReport.saved`."""
        return self.report.saved

    def of(self, replies: MessageSequencePromise[Message] | RunInfo) -> UsageReport:
        """Return the usage of one inquiry until now, with all inquiries that it has caused.

        Args:
            replies: of the inquiry; or its run, as observers get it.

        Raises:
            LookupError: this `RunUsage` did not observe its run.
        """
        run = replies if isinstance(replies, RunInfo) else run_of(replies.buffer)
        if run is None or run not in self._by_run:
            raise LookupError(
                "This RunUsage did not observe the run of these replies; give it to the context in which the "
                "agent is inquired: MiniAgents(observers=[usage])."
            )
        return UsageReport(MappingProxyType(dict(self._by_run[run])), self._price)

    def unpriced(self, agent: AnyAgent) -> tuple[str, ...]:
        """Return the names of the models that an agent calls and whose price is not known, in order.

        It looks into the agents of which the agent is made, tools that are agents, and agents among the
        keywords. It does not find a model that a function calls by itself, or whose name is known only from
        its answer.

        Args:
            agent: any.

        Example:
            >>> from decimal import Decimal
            >>> from miniagents import identity
            >>> from miniagents.testing import scripted_model
            >>> usage = RunUsage(lambda tokens, model, provider: Decimal(1) if model == "m-1" else None)
            >>> model = scripted_model("Hi").fork(model="m-1")
            >>> usage.unpriced(identity | model | model.timeout(total=5).fork(model="m-2"))
            ('m-2',)
        """
        names = {
            asked.model: None
            for asked in dict.fromkeys(_asked(agent, {}))
            if asked.model is not None and self._price(Usage(1, 1), asked.model, asked.provider) is None
        }
        return tuple(label_of(name) or "a model" for name in names)

    @override
    def on_event(self, event: RunEvent, /) -> None:
        run = event.run
        if isinstance(event, RunBegan):
            self._by_run[run] = {}
            self._open[run] = _OpenRun(run.kind == "model")
            return
        opened = self._open.get(run)
        if opened is None:  # it began before this observed the context
            return
        if isinstance(event, PartSeen):
            if isinstance(event.part, Retry):
                opened.requests += 1
            elif isinstance(event.part, Usage):
                before, _ = opened.usages.get(event.message, (None, None))
                opened.usages[event.message] = event.part, event.model
                if run.kind == "model" or PLAYED.get():  # what passes it on may end before this
                    self._known[id(event.part)] = event.part
                if run.kind == "model":
                    change = event.part if before is None else event.part - before
                    self._count(run, _account(run, opened.called, event.model), _Amount(change))
        elif isinstance(event, ModelAsked):
            opened.called = event
        elif isinstance(event, RunEnded):
            self._ended(run, opened, event)

    def _ended(self, run: RunInfo, opened: "_OpenRun", end: RunEnded) -> None:
        del self._open[run]
        if run.kind == "model":
            _, model = next(iter(opened.usages.values()), (None, None))
            account = _account(run, opened.called, model, end.error)
            untold = int(end.outcome == "done" and not opened.usages)
            asked = opened.called is not None or end.outcome == "done" or end.messages
            self._count(run, account, _Amount(requests=opened.requests if asked else 0, untold=untold))
        elif opened.usages and not opened.model_known:
            for usage, model in opened.usages.values():
                known = id(usage) in self._known
                self._count(run, _account(run, None, model), _NOTHING if known else _Amount(usage, 1))

    def _count(self, run: RunInfo, account: _Account, amount: _Amount) -> None:
        counts = amount != _NOTHING
        if counts:
            self._all[account] = self._all.get(account, _NOTHING).plus(amount)
        above: RunInfo | None = run
        while above is not None:
            amounts = self._by_run.get(above)
            if counts and amounts is not None:
                amounts[account] = amounts.get(account, _NOTHING).plus(amount)
            if above in self._open:
                self._open[above].model_known = True
            above = above.parent


@dataclass(slots=True)
class _OpenRun:
    """A run that has not ended.

    Attributes:
        called: the model that it called, if it is the run of a model.
        usages: the last usage of each message, and its model.
        requests: how often a model was called, if it was: its input may fail before.
        model_known: True if a model below it has reported usage, which was counted.
    """

    model_known: bool
    called: ModelAsked | None = None
    usages: dict[int, tuple[Usage, str | None]] = field(default_factory=dict[int, "tuple[Usage, str | None]"])
    requests: int = 1


def _account(
    run: RunInfo, called: ModelAsked | None, model: str | None, error: BaseException | None = None
) -> _Account:
    # An agent that wraps a model (a limit, a timeout) has the alias of the model, and is not the caller.
    agent = run
    while (agent.kind != "agent" or agent.alias == run.alias) and agent.parent is not None:
        agent = agent.parent
    if called is not None:
        return _Account(called.provider, model or called.model, agent.alias)
    if not model and isinstance(error, LLMError):
        return _Account(error.provider, error.model or "", agent.alias)
    return _Account(None, model or "", agent.alias)


def _asked(agent: AnyAgent, given: Mapping[str, object]) -> Iterator[AskedModel]:
    """Yield the models that a call with these keywords calls, as far as they are known."""
    if isinstance(agent, ModelAgent):
        yield agent.asks(**given)
        return
    keywords = {**agent.defaults, **given}
    parts: list[AnyAgent] = []
    if not given:  # else these are the keywords of the outer agent, which were looked at already
        parts += [cast("AnyAgent", value) for value in keywords.values() if isinstance(value, MiniAgent)]
    function: object = agent._function  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what it runs
    if isinstance(function, ToolLoop):
        callees = function.calls.toolbox.callees.values()
        parts += [callee.agent for callee in callees if isinstance(callee, AgentTool)]
    for part in parts:
        yield from _asked(part, {})
    for component in agent.components:
        yield from _asked(component, keywords)
