"""Agents that take any keyword: what is composed of them has exact types, and mistakes in it are seen."""

from typing import assert_type

from pydantic import BaseModel

from miniagents import (
    InteractionContext,
    Message,
    MiniAgent,
    ModelAgent,
    ParsedMessage,
    identity,
    miniagent,
    race,
)
from miniagents.ext.llm_logger import llm_logger
from miniagents.messages import AssistantMessage, ErrorMessage, ToolMessage
from miniagents.testing import ScriptedModel, scripted_model
from tests.typing.agent_kinds import answering_agent, any_agent, asking_agent, grading_agent
from tests.typing.message_classes import Answer, HardQuestion, Question


class City(BaseModel):
    """A city."""

    name: str


@miniagent
async def open_agent(ctx: InteractionContext, **keywords: object) -> None:
    """Takes any keyword."""
    ctx.reply(f"{keywords}")


@miniagent
async def counted_agent(ctx: InteractionContext, /, **keywords: int) -> None:
    """Takes any keyword that is a number."""
    ctx.reply(f"{keywords}")


def in_a_chain(model: ModelAgent[...], closed: ModelAgent) -> None:
    """What stands second may take any message and any keyword."""
    assert_type(grading_agent | model, MiniAgent[Answer, AssistantMessage])
    assert_type(any_agent | model, MiniAgent[Message, AssistantMessage])
    assert_type(answering_agent | closed, MiniAgent[Question, AssistantMessage])
    assert_type(answering_agent | scripted_model("x"), MiniAgent[Question, AssistantMessage])
    assert_type(answering_agent | ScriptedModel("x").agent, MiniAgent[Question, AssistantMessage])
    assert_type(
        answering_agent | model.with_tools(any_agent), MiniAgent[Question, AssistantMessage | ToolMessage]
    )
    assert_type(answering_agent | model.as_type(City), MiniAgent[Question, ParsedMessage[City]])
    assert_type(
        answering_agent | model.errors_as_messages(), MiniAgent[Question, AssistantMessage | ErrorMessage]
    )
    assert_type(answering_agent | llm_logger(scripted_model("x")), MiniAgent[Question, AssistantMessage])
    assert_type(answering_agent | open_agent, MiniAgent[Question, Message])
    assert_type(answering_agent | counted_agent, MiniAgent[Question, Message])
    assert_type(identity | model, MiniAgent[Message, AssistantMessage])
    assert_type(model | identity, MiniAgent[Message, AssistantMessage])


def side_by_side(model: ModelAgent[...]) -> None:
    """The same in the rest of the algebra."""
    assert_type(any_agent & model, MiniAgent[Message, Message | AssistantMessage])
    assert_type(answering_agent & model, MiniAgent[Question, Answer | AssistantMessage])
    assert_type(answering_agent.hedge(model, after=1), MiniAgent[Question, Answer | AssistantMessage])
    assert_type(race(answering_agent, model), MiniAgent[Question, Answer | AssistantMessage])
    assert_type(
        race(answering_agent, model, asking_agent),
        MiniAgent[Question, Answer | AssistantMessage | HardQuestion],
    )


def mistakes_are_seen(model: ModelAgent[...]) -> None:
    (answering_agent | scripted_model("x")).inqire(b"")  # type: ignore[attr-defined]
    (answering_agent | model).inquire("text")  # type: ignore[arg-type]
    (answering_agent | model.with_tools(any_agent)).inqire(b"")  # type: ignore[attr-defined]
    (answering_agent | model.as_type(City)).inqire(b"")  # type: ignore[attr-defined]
    (answering_agent | model.errors_as_messages()).inqire(b"")  # type: ignore[attr-defined]
    (answering_agent | llm_logger(model)).inqire(b"")  # type: ignore[attr-defined]
    (answering_agent | open_agent).inqire(b"")  # type: ignore[attr-defined]
    (any_agent & model).inqire(b"")  # type: ignore[attr-defined]
    race(answering_agent, model).inqire(b"")  # type: ignore[attr-defined]
    model | answering_agent  # type: ignore[operator]
