"""Type facts: what goes around an agent leaves its class, its keywords and the type of its replies."""

from collections.abc import AsyncGenerator
from typing import assert_type

import reactivex as rx
from pydantic import BaseModel
from reactivex import Observable
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    BaseAgent,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgent,
    MiniAgents,
    ModelAgent,
    ParsedMessage,
    RetryPolicy,
    ToolAgent,
    ToolMessage,
    TypedAgent,
    fallback,
    race,
    tool,
)
from miniagents.ext.limits import model_limits
from miniagents.models import ParsedReplies, ToolReplies, TypedAgentMap, TypedItemReplies
from miniagents.operators import map_agent
from tests.typing.agent_kinds import answering_agent, keyed_agent, tuned_agent
from tests.typing.message_classes import Answer, Question


class City(BaseModel):
    """A city."""

    name: str


class Country(BaseModel):
    """A country."""

    cities: list[City] = []


class Poet(BaseAgent[Question, Answer]):
    """An agent of a class."""

    style: str = "haiku"

    @override
    async def run(self, ctx: InteractionContext[Question, Answer]) -> None:
        ctx.reply(Answer("42"))


@tool
def now() -> str:
    """Tell the time."""
    return "noon"


async def passing(ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
    """Goes around agents that take and reply any message."""
    ctx.reply(call.inquire(ctx.messages))


async def answered(ctx: InteractionContext[Question, Answer], call: MiniAgent[Question, Answer, ...]) -> None:
    """Goes around agents from questions to answers."""
    ctx.reply(call.inquire(ctx.messages))


def plain() -> None:
    """A plain agent keeps its classes and its keywords."""
    assert_type(answering_agent.timeout(total=1), MiniAgent[Question, Answer])
    assert_type(answering_agent.retry(), MiniAgent[Question, Answer])
    assert_type(answering_agent.retry(RetryPolicy(attempts=2)).timeout(stall=1), MiniAgent[Question, Answer])
    assert_type(answering_agent.around(answered), MiniAgent[Question, Answer])
    assert_type(
        tuned_agent.timeout(total=1).retry().inquire("a", "large", temperature=0.5),
        MessageSequencePromise[Message],
    )
    keyed_agent.timeout(total=1).inquire("a", key="k")
    keyed_agent.timeout(total=1).inquire("a")  # type: ignore[call-overload]
    assert_type(keyed_agent.timeout(total=1).bind("k"), MiniAgent)
    tuned_agent.retry().fork(nope=1)  # type: ignore[call-arg]
    answering_agent.retry(5)  # type: ignore[arg-type]
    answering_agent.around(5)  # type: ignore[arg-type]
    assert_type(answering_agent.around(passing), MiniAgent[Question, Answer])


def of_a_class(poet: Poet) -> None:
    """An agent of a class keeps its fields."""
    assert_type(poet.timeout(total=1).retry().around(answered), Poet)
    assert_type(poet.bind(style="ode").style, str)
    assert_type(poet.described(alias="P"), Poet)


async def models(model: ModelAgent[...]) -> None:
    """A model stays one, with tools and with a type; so the replies keep what they can do."""
    assert_type(model.timeout(total=1).retry().around(passing).bind(), ModelAgent)
    tooled = model.with_tools(now).timeout(total=1)
    assert_type(tooled, ToolAgent[...])
    assert_type(tooled.bind(), ToolAgent)
    assert_type(tooled.bind().inquire("q"), ToolReplies)
    typed = model.retry().as_type(City).timeout(total=1).retry()
    assert_type(typed, TypedAgent[City, ...])
    assert_type(typed.bind(), TypedAgent[City])
    assert_type(typed.bind().inquire("q"), ParsedReplies[City])
    assert_type(await model.as_type(City).bind().inquire("q").parsed, City)
    assert_type(await typed.fork(model="m").inquire("q", model="n").parsed, City)
    hedged = typed.bind().hedge(model.as_type(City).bind(), after=1)
    assert_type(hedged, TypedAgent[City])
    assert_type(await hedged.inquire("q").parsed, City)
    assert_type(typed.hedge(tuned_agent, after=1), MiniAgent[Message, ParsedMessage[City] | Message])
    assert_type(typed.bind() & typed.bind(), MiniAgent[Message, ParsedMessage[City]])
    assert_type(tooled.bind() | typed.bind(), MiniAgent[Message, ParsedMessage[City]])
    first = race(typed.bind(), tooled.bind())
    assert_type(first, MiniAgent[Message, ParsedMessage[City] | AssistantMessage | ToolMessage])
    assert_type([each.item async for each in map_agent(first)(["q"])], list[str])
    typed.bind().inquire("q", model="m")  # type: ignore[call-arg]


def another(error: Exception, ctx: InteractionContext[Message, ParsedMessage[City]]) -> ParsedMessage[City]:
    return ParsedMessage[City]("{}", parsed=City(name=str(error)))


def excuse(error: Exception, ctx: InteractionContext[Message, ParsedMessage[City]]) -> str:
    return f"Sorry: {error}"


def caught(model: ModelAgent[...]) -> None:
    """A handler that gives the same type leaves the type."""
    typed = model.as_type(City)
    assert_type(typed.catching(another), TypedAgent[City])
    assert_type(typed.bind().guard(after=str.upper), TypedAgent[City])
    assert_type(typed.catching(excuse), MiniAgent[Message, Message])
    assert_type(model.catching(model.bind(), restart=True), ModelAgent[...])
    assert_type(fallback(model.bind(), model.bind(), model.bind()), ModelAgent)
    either = fallback(typed.bind(), model.fork(model="m").as_type(City).bind(), typed.bind(), hold=True)
    assert_type(either, TypedAgent[City])
    assert_type(fallback(typed.bind(), tuned_agent), MiniAgent[Message, ParsedMessage[City] | Message])
    assert_type(fallback(model.bind(), model.bind()).with_tools(now).guard(during=str.upper), ToolAgent)
    assert_type(model.catching(tuned_agent.bind()), MiniAgent[Message, AssistantMessage | Message])
    model.catching(now)  # type: ignore[arg-type]
    assert_type(typed.catching(model.as_type(City).bind(), restart=True), TypedAgent[City])
    assert_type(typed.catching(tuned_agent.bind()), MiniAgent[Message, ParsedMessage[City] | Message])


async def rows(model: ModelAgent[...], items: list[str]) -> None:
    """The rows of a mapped model with a type have its values."""
    mapped = map_agent(model.as_type(City).timeout(total=1).retry(), concurrency=3)
    assert_type(mapped, TypedAgentMap[City])
    assert_type(mapped(items), AsyncGenerator[TypedItemReplies[str, City]])
    assert_type(rx.of("a").pipe(mapped), Observable[TypedItemReplies[str, City]])
    async for row in mapped(items):
        assert_type(row.item, str)
        assert_type(await row.parsed, City)
        async for city in row.partials:
            assert_type(city, City)
    mapped([5])  # type: ignore[type-var]


def around_a_context() -> None:
    """What goes around all runs takes any agent."""
    MiniAgents(around=[passing, model_limits(requests_per_minute=500)])
    assert_type(model_limits().in_force(), tuple[float | None, float | None])
    MiniAgents(around=[answered])  # type: ignore[list-item]
    MiniAgents(around=passing)  # type: ignore[arg-type]
