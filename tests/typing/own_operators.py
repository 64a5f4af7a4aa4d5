"""Operators on agents that users write: they keep the classes, the keywords and what the replies can do."""

from typing import Any, Self, TypeVar, assert_type

from pydantic import BaseModel
from typing_extensions import ParamSpec, override

from miniagents import (
    BaseAgent,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgent,
    ModelAgent,
    ToolAgent,
    TypedAgent,
    miniagent,
    tool,
)
from miniagents.models import ToolReplies
from tests.typing.agent_kinds import answering_agent, any_agent, keyed_agent, tuned_agent
from tests.typing.message_classes import Answer, Question

I = TypeVar("I", bound=Message)  # noqa: E741
O = TypeVar("O", bound=Message)  # noqa: E741
P = ParamSpec("P")
A = TypeVar("A", bound=MiniAgent[Any, Any, ...])
B = TypeVar("B", bound="MiniAgent[Question, Answer, ...]")


class City(BaseModel):
    """A city."""

    name: str


class Poet(BaseAgent[Question, Answer]):
    """An agent of a class, with an operator of its own."""

    style: str = "haiku"

    @override
    async def run(self, ctx: InteractionContext[Question, Answer]) -> None:
        ctx.reply(Answer("42"))

    def logged(self) -> Self:
        """It itself, with a log."""
        return with_any_log(self)


@tool
def now() -> str:
    """Tell the time."""
    return "noon"


def with_log(agent: MiniAgent[I, O, P]) -> MiniAgent[I, O, P]:
    """Of any agent: its messages and its keywords stay."""

    async def logged(ctx: InteractionContext[I, O], call: MiniAgent[I, O, ...]) -> None:
        ctx.reply(call.inquire(ctx.messages))

    return agent.around(logged)


def with_any_log(agent: A) -> A:
    """Of any agent, and its class stays, too."""

    async def logged(ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
        ctx.reply(call.inquire(ctx.messages))

    return agent.around(logged)


def with_attempts(attempts: int, agent: A) -> A:
    """What it is made of is an operator, too."""
    return agent.retry().timeout(total=attempts)


def twice(agent: MiniAgent[I, O]) -> MiniAgent[I, O]:
    """An agent made inside, of the same classes."""

    @miniagent
    async def both(ctx: InteractionContext[I, O]) -> None:
        ctx.reply(agent.inquire(ctx.messages))
        ctx.reply(agent.inquire(ctx.messages))

    return both


def answers_only(agent: B) -> B:
    """Of some agents only."""
    return agent.described(alias="ANSWERS")


def classes_and_keywords() -> None:
    """They are those of the agent."""
    assert_type(with_log(any_agent), MiniAgent)
    assert_type(with_log(answering_agent), MiniAgent[Question, Answer])
    assert_type(twice(answering_agent), MiniAgent[Question, Answer])
    assert_type(twice(answering_agent).inquire(None), MessageSequencePromise[Answer])
    with_log(keyed_agent).inquire("a", key="k")
    with_log(tuned_agent).inquire("a", temperature=0.5)
    with_log(keyed_agent).inquire("a")  # type: ignore[call-overload]
    with_log(tuned_agent).inquire("a", temperature="hot")  # type: ignore[call-overload]
    with_log(tuned_agent).inquire("a", nope=1)  # type: ignore[call-overload]
    with_log(answering_agent).inquire("a")  # type: ignore[arg-type]
    with_any_log(keyed_agent).inquire("a")  # type: ignore[call-overload]
    with_any_log(answering_agent).inquire("a")  # type: ignore[arg-type]
    with_log(5)  # type: ignore[arg-type]
    with_any_log(5)  # type: ignore[type-var]
    answers_only(any_agent)  # type: ignore[type-var]


async def what_the_replies_can_do(model: ModelAgent[...], poet: Poet) -> None:
    """The class of the agent stays, so that its replies can do what they did."""
    assert_type(with_any_log(poet).style, str)
    assert_type(poet.logged(), Poet)
    assert_type(answers_only(poet), Poet)
    assert_type(with_any_log(model.bind()), ModelAgent)
    assert_type(with_any_log(model.with_tools(now).bind()), ToolAgent)
    assert_type(with_any_log(model.with_tools(now)).inquire("q"), ToolReplies)
    assert_type(with_any_log(model.as_type(City).bind()), TypedAgent[City])
    assert_type(await with_any_log(model.as_type(City)).inquire("q").parsed, City)
    assert_type(await with_attempts(3, model.as_type(City)).inquire("q").parsed, City)
    async for city in with_any_log(model.as_type(City).timeout(total=1).retry()).inquire("q").partials:
        assert_type(city, City)
