"""Type facts: an agent whose calls are made by workers is the agent that it was."""

from typing import assert_type

from pydantic import BaseModel

from miniagents import Message, MessageSequencePromise, MiniAgent, ModelAgent, TypedAgent
from miniagents.ext.ray import remote
from tests.typing.agent_kinds import answering_agent, keyed_agent
from tests.typing.message_classes import Answer, Question


class City(BaseModel):
    """A city."""

    name: str


def a_remote_agent_takes_and_replies_what_it_did() -> None:
    """It is of the same type, and so are its replies."""
    agent = remote(answering_agent, replicas=2)
    assert_type(agent, MiniAgent[Question, Answer])
    assert_type(agent.inquire(Question(topic="Why?")), MessageSequencePromise[Answer])


def a_remote_agent_takes_its_keywords() -> None:
    """Its keywords are those that it had."""
    assert_type(remote(keyed_agent).inquire("Hi", key="k"), MessageSequencePromise[Message])
    remote(keyed_agent).inquire("Hi", nonsense=1)  # type: ignore[call-overload]


def a_remote_model_is_a_model(model: ModelAgent) -> None:
    """It can still be given tools and types, and a typed one stays typed."""
    assert_type(remote(model), ModelAgent)
    assert_type(remote(model.as_type(City)), TypedAgent[City])
    assert_type(remote(model).as_type(City), TypedAgent[City])


def what_is_no_agent_cannot_be_remote() -> None:
    """Only agents are run by workers."""
    remote("poet")  # type: ignore[type-var]


def numbers_of_workers_are_numbers() -> None:
    """Keywords of `remote` are checked."""
    remote(answering_agent, replicas="4")  # type: ignore[arg-type]
