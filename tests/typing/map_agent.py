"""What `map_agent` infers, and what it refuses; checked, never run."""

import csv
from collections.abc import AsyncGenerator
from io import StringIO
from typing import Any, assert_type

import reactivex as rx
from pydantic import BaseModel
from reactivex import Observable

from miniagents import InteractionContext, Message, MessagePromise, MessageSequencePromise, miniagent
from miniagents.operators import Overflow, flatten, map_agent, resolve
from miniagents.operators._map_agent import AgentMap, ItemReplies


class Question(Message):
    """What the agent takes."""

    n: int


class Answer(Message):
    """What the agent gives."""

    m: int


@miniagent
async def typed_agent(ctx: InteractionContext[Question, Answer], tries: int = 1) -> None: ...
@miniagent
async def plain_agent(ctx: InteractionContext) -> None: ...


mapped = map_agent(typed_agent, concurrency=3, ordered=False, on_error="stop", overflow=Overflow.fail(5))
assert_type(mapped, AgentMap[Question, Answer])
assert_type(map_agent(plain_agent), AgentMap[Message, Message])


def number_of(question: Question) -> int:
    """Return the key of a row."""
    return question.n


def numbers_of(question: Question) -> list[int]:
    """Return what cannot be a key."""
    return [question.n]


assert_type(map_agent(typed_agent, key=number_of), AgentMap[Question, Answer])
assert_type(
    map_agent(typed_agent, overflow=Overflow.drop_oldest(5, on_drop=number_of)), AgentMap[Question, Answer]
)
assert_type(map_agent(typed_agent, key=number_of, overflow=Overflow.block(5)), AgentMap[Question, Answer])
map_agent(typed_agent, key=numbers_of)  # type: ignore[arg-type]


class HardQuestion(Question):
    """A narrower one."""


class Row(BaseModel):
    """A row of a table."""

    n: int


# The rows of who takes any message are what they were; a row of a plain model becomes a message.
assert_type(map_agent(plain_agent)([HardQuestion(n=1)]), AsyncGenerator[ItemReplies[HardQuestion, Message]])
assert_type(map_agent(plain_agent)([Row(n=1)]), AsyncGenerator[ItemReplies[Row, Message]])
assert_type(rx.of(Row(n=1)).pipe(map_agent(plain_agent)), Observable[ItemReplies[Row, Message]])
assert_type(mapped([HardQuestion(n=1)]), AsyncGenerator[ItemReplies[Question, Answer]])

# Over Observables, iterables and async iterables; texts and mappings become messages.
assert_type(rx.of(Question(n=1)).pipe(mapped), Observable[ItemReplies[Question, Answer]])
assert_type(rx.of(Question(n=1)).pipe(mapped, flatten(), resolve()), Observable[Answer])
assert_type(rx.of("text").pipe(map_agent(plain_agent)), Observable[ItemReplies[str, Message]])
assert_type(mapped([Question(n=1)]), AsyncGenerator[ItemReplies[Question, Answer]])


async def read(promises: MessageSequencePromise[Question]) -> None:
    """Read the replies, which know their item."""
    async for replies in mapped(promises):
        assert_type(replies.item, MessagePromise[Question])
        assert_type([answer.m for answer in await replies], list[int])
    async for answered in map_agent(plain_agent)(csv.DictReader(StringIO(""))):
        assert_type(answered, ItemReplies[dict[str | Any, str | Any], Message])
    plain_agent.inquire(Row(n=1))
    map_agent(plain_agent)([1])  # type: ignore[type-var]
    mapped(["text"])  # type: ignore[list-item]
    typed_agent.inquire("text")  # type: ignore[arg-type]
    mapped([{"n": 1}])  # type: ignore[list-item]
    mapped([Row(n=1)])  # type: ignore[list-item]
    rx.of("text").pipe(mapped)  # type: ignore[arg-type]
    mapped([1])  # type: ignore[list-item]
    mapped([Message("text")])  # type: ignore[list-item]
    rx.of(Message("text")).pipe(mapped)  # type: ignore[arg-type]
    map_agent(typed_agent, on_error="ignore")  # type: ignore[arg-type]
