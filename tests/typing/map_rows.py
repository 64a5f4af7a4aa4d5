"""What `map_rows` infers, and what it refuses; checked, never run."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import assert_type

from pydantic import BaseModel

from miniagents import InteractionContext, Message, miniagent
from miniagents.ext.jobs import JobResult, Row, map_file, map_rows
from miniagents.ext.jobs._map_rows import RowStream
from miniagents.ext.jobs._sources import Table
from miniagents.models import ParsedMessage
from miniagents.testing import scripted_model


class Question(Message):
    """What the agent takes."""

    n: int


class Answer(Message):
    """What the agent gives."""

    m: int


class City(BaseModel):
    """A typed answer."""

    name: str


@miniagent
async def typed_agent(ctx: InteractionContext[Question, Answer], tries: int = 1) -> None: ...
@miniagent
async def plain_agent(ctx: InteractionContext) -> None: ...
@miniagent
async def needs_a_keyword(ctx: InteractionContext, language: str) -> None: ...


def rows_and_answers_are_typed(texts: Iterator[str], questions: list[Question], table: Table) -> None:
    """The rows as they are given, the answers as the agent replies them; rows of a table are mappings."""
    assert_type(map_rows(plain_agent, texts, journal="a.journal", budget="5"), RowStream[str, Message])
    assert_type(map_rows(typed_agent, questions), RowStream[Question, Answer])
    assert_type(map_rows(typed_agent, [1, 2], message=lambda n: Question(n=n)), RowStream[int, Answer])
    assert_type(map_rows(plain_agent, table, id="key"), RowStream[dict[str, object], Message])
    assert_type(
        map_rows(scripted_model().as_type(City), texts, concurrency=3), RowStream[str, ParsedMessage[City]]
    )


async def a_row_has_all_of_it(texts: AsyncIterator[str]) -> None:
    """A row has its input, its value, and what it took."""
    async for row in map_rows(scripted_model().as_type(City), texts, message=str.strip):
        assert_type(row, Row[str, ParsedMessage[City]])
        assert_type(row.value.parsed, City)
        assert_type(row.input, str)
        assert_type(row.error, Exception | None)


async def files(row: Mapping[str, object]) -> None:
    """A job of files takes any agent."""
    assert_type(await map_file(typed_agent, "in.csv", "out.jsonl"), JobResult)


def what_is_refused(texts: list[str]) -> None:
    """Rows that an agent does not take, a keyword without a value, an unknown option."""
    map_rows(typed_agent, texts)  # type: ignore[arg-type]
    map_rows(needs_a_keyword, texts)  # type: ignore[arg-type]
    map_rows(plain_agent, texts, colour="red")  # type: ignore[call-overload]
