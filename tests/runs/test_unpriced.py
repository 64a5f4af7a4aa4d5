"""Which models an agent is known to ask before any is asked, and whether their prices are known."""

from decimal import Decimal

import pytest
from pydantic import BaseModel
from typing_extensions import override

from miniagents import (
    BaseAgent,
    InteractionContext,
    Message,
    MiniAgent,
    Usage,
    identity,
    miniagent,
    race,
    tool,
)
from miniagents.ext.llm.anthropic import anthropic_agent
from miniagents.ext.llm.openai import openai_agent
from miniagents.models import ModelAgent
from miniagents.runs import RunUsage
from miniagents.testing import scripted_model


class Mood(BaseModel):
    """What is thought."""

    mood: str


@tool
def now() -> str:
    """Tell the time."""
    return "noon"


@miniagent
async def judge(ctx: InteractionContext, model: MiniAgent = identity) -> None:
    ctx.reply(model.inquire(ctx.messages))


class Judge(BaseAgent):
    """An agent whose model is a field."""

    model: MiniAgent = identity

    @override
    async def run(self, ctx: InteractionContext) -> None:
        """Ask it."""
        ctx.reply(self.model.inquire(ctx.messages))


@miniagent
async def hidden(ctx: InteractionContext) -> None:
    ctx.reply(named("m-2").inquire(ctx.messages))


def named(model: str) -> ModelAgent[...]:
    return scripted_model(then="Hi").fork(model=model)


def price(usage: Usage, model: str, provider: str | None) -> Decimal | None:
    return Decimal(1) if model in {"m-1", "gpt-4o"} else None


@pytest.mark.parametrize(
    ("agent", "unknown"),
    [
        (named("m-1"), ()),
        (named("m-2"), ("m-2",)),
        (named("m-1").fork(model="m-2").bind(), ("m-2",)),
        (identity | named("m-2") | named("m-3"), ("m-2", "m-3")),
        (race(named("m-1"), named("m-2") & named("m-2")), ("m-2",)),
        (named("m-1").hedge(named("m-2"), after=1), ("m-2",)),
        (named("m-2").timeout(total=5).retry(), ("m-2",)),
        (named("m-1").timeout(total=5).fork(model="m-2"), ("m-2",)),
        (named("m-2").as_type(Mood), ("m-2",)),
        (named("m-1").as_type(Mood).fork(model="m-2"), ("m-2",)),
        (named("m-2").as_type(Mood).fork(model="m-1"), ()),
        (named("m-1").with_tools(now).fork(model="m-2"), ("m-2",)),
        (named("m-1").with_tools(now, named("m-2")), ("m-2",)),
        (judge.fork(model=named("m-2")), ("m-2",)),
        (judge.fork(model=named("m-2")).timeout(total=5), ("m-2",)),
        (Judge(model=named("m-2")), ("m-2",)),
        (openai_agent.fork(model="gpt-4o"), ()),
        (openai_agent.fork(model="no\x1b[31m"), ("a model",)),
        (anthropic_agent.fork(), ("claude-set",)),
        (hidden, ()),
        (scripted_model("Hi"), ()),
    ],
    ids=repr,
)
def test_unpriced(
    agent: MiniAgent[Message, Message, ...], unknown: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Models are found in all parts of an agent, with the keywords that they are asked with."""
    monkeypatch.setenv("ANTHROPIC_MODEL", "claude-set")
    assert RunUsage(price).unpriced(agent) == unknown
