"""Finds the models that an agent is going to call, before any is called."""

from collections.abc import Iterator, Mapping
from typing import cast

from miniagents.agents import MiniAgent
from miniagents.messages import Message
from miniagents.models import AgentTool, AskedModel, ModelAgent, ToolLoop

AnyAgent = MiniAgent[Message, Message, ...]


def asked_models(agent: AnyAgent) -> dict[AskedModel, None]:
    """Return the models that an agent calls, as far as they are known, in order."""
    return dict.fromkeys(_asked(agent, {}))


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
