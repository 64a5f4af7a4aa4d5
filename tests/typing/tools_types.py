"""Type facts: a model that answers with values of a type."""

from typing import assert_type

from pydantic import BaseModel

from miniagents import MessagePromise, Messages, MiniAgent, ModelAgent, ParsedMessage, TypedAgent, tool
from miniagents.ext.default_model import default_model
from miniagents.ext.llm_logger import llm_logger
from miniagents.models import ParsedReplies


class City(BaseModel):
    """A city."""

    name: str
    people: int


class Trip(BaseModel):
    """A trip."""

    title: str
    cities: list[City]


@tool
def look(where: str) -> str:
    """Look."""
    return where


async def typed(model: ModelAgent[...]) -> None:
    """The value has its type, in the message, in the replies, and while it streams."""
    agent = model.as_type(Trip, repairs=2)
    assert_type(agent, TypedAgent[Trip, ...])
    replies = agent.inquire("Plan a trip.", temperature=0.0)
    assert_type(replies, ParsedReplies[Trip])
    assert_type(await replies, Messages[ParsedMessage[Trip]])
    assert_type((await replies.final).parsed, Trip)
    assert_type(await replies.parsed, Trip)
    async for promise in replies:
        assert_type(promise, MessagePromise[ParsedMessage[Trip]])
    async for partial in replies.partials:
        assert_type(partial, Trip)
    async for city in replies.elements(lambda trip: trip.cities):
        assert_type(city, City)
    async for element in replies.elements("cities"):
        assert_type(element, object)
    async for token in replies.field(lambda trip: trip.title):
        assert_type(token, str)


async def wrong(model: ModelAgent[...]) -> None:
    """Wrong types and fields are errors for both checkers."""
    replies = model.with_tools(look).as_type(Trip).inquire("Plan a trip.")
    assert_type(await replies.parsed, Trip)
    replies.elements(lambda trip: trip.citys)  # type: ignore[attr-defined]
    replies.field(lambda trip: trip.cities)  # type: ignore[arg-type, return-value]
    model.as_type(int)  # type: ignore[type-var]
    model.as_type(Trip, mode="other")  # type: ignore[arg-type]


def chosen(model: ModelAgent[...]) -> None:
    """A default model is a model wherever the other choice is one, and stays one when it is bound."""
    assert_type(default_model(), MiniAgent)
    assert_type(default_model(otherwise=model), ModelAgent)
    assert_type(default_model(otherwise=model.bind()), ModelAgent)
    assert_type(model.bind(), ModelAgent)
    assert_type(llm_logger(model.bind(), "logs"), ModelAgent)
