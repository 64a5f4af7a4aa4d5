"""Finds the models without a known price that an agent is going to call, before any is called."""

from collections.abc import Iterator, Mapping
from typing import cast

from miniagents.agents import MiniAgent
from miniagents.messages import Message
from miniagents.models import AgentTool, AskedModel, ModelAgent, ToolLoop
from miniagents.values import Usage, label_of

from ._run_usage import Price

__all__ = ["unpriced_models"]

AnyAgent = MiniAgent[Message, Message, ...]


def unpriced_models(agent: MiniAgent[Message, Message, ...], price: Price) -> tuple[str, ...]:
    """Return the names of the models that an agent calls and whose price is not known, in order.

    It looks into the agents of which the agent is made, tools that are agents, and agents among the keywords.
    It does not find a model that a function calls by itself, or whose name is known only from its answer.

    Args:
        agent: any.
        price: returns the price of tokens; None if it is not known.

    Example:
        >>> from decimal import Decimal
        >>> from miniagents import identity
        >>> from miniagents.testing import scripted_model
        >>> def price(usage, model, provider):
        ...     return Decimal(1) if model == "m-1" else None
        >>> model = scripted_model("Hi").fork(model="m-1")
        >>> unpriced_models(identity | model | model.timeout(total=5).fork(model="m-2"), price)
        ('m-2',)
    """
    found = dict.fromkeys(_asked(agent, {}))
    names = {
        asked.model: None
        for asked in found
        if asked.model is not None and price(Usage(1, 1), asked.model, asked.provider) is None
    }
    return tuple(label_of(name) or "a model" for name in names)


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
