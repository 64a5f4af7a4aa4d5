"""``cache``: the same question has the same answer, for a while."""

import asyncio
from pathlib import Path

import pytest
from pydantic import BaseModel, Field, SecretStr, field_validator

from miniagents import (
    Image,
    InteractionContext,
    Message,
    MiniAgent,
    MiniAgents,
    UserMessage,
    fallback,
    miniagent,
    prompt,
    race,
    tool,
)
from miniagents.ext.journal import Journal, JournalError, MemoryJournal, recorded
from miniagents.ext.limits import cache
from miniagents.testing import ScriptedModel, scripted_model
from tests.support.noting import noting


def counted(made: list[str]) -> MiniAgent:
    """An agent that notes what it is asked, and answers how often that was."""
    return noting(made, lambda _: str(len(made)))


async def test_once() -> None:
    """A question is asked once, also by calls at the same time."""
    made: list[str] = []
    async with MiniAgents():
        agent = counted(made).around(cache())
        replies = [agent.inquire(each) for each in "aabab"]
        assert ["1", "1", "2", "1", "2"] == [str(await each) for each in replies]
    assert ["a", "b"] == made


async def test_a_typed_answer_inside() -> None:
    """The answer of a typed agent inside of another one has its type also if it comes from the cache."""

    class City(BaseModel):
        name: str

    typed = scripted_model(then='{"name": "Oslo"}').as_type(City)
    around = (
        prompt("Which city? {text}") | typed,
        fallback(typed, typed),
        race(typed, typed).timeout(total=60),
    )
    async with MiniAgents():
        for agent in around:
            cached = agent.around(cache())
            for _ in range(2):
                assert City(name="Oslo") == getattr(await cached.inquire("Hi").final, "parsed", None)


class Place(BaseModel):
    country: str = Field(alias="countryCode")


class Visit(Message):
    city: str = Field(alias="cityName")
    place: Place


@pytest.mark.parametrize("text", [None, "Hello"])
async def test_aliases(text: str | None) -> None:
    """A message whose fields have aliases, and those of a model in it, is the same from the cache."""
    visit = Visit(text, cityName="Oslo", place=Place(countryCode="NO"))

    @miniagent
    async def visitor(ctx: InteractionContext[Message, Visit]) -> None:
        ctx.reply(visit)

    async with MiniAgents():
        cached = visitor.around(cache())
        for _ in range(2):
            assert visit == await cached.inquire().final


async def test_a_typed_answer_is_read_again() -> None:
    """A typed answer is the same from the cache, also if its validators do not take what they make."""

    class Price(BaseModel, strict=True):
        euros: float = Field(alias="price")
        tags: list[str]
        key: SecretStr
        cents: int = 0

        @field_validator("euros", mode="before")
        @classmethod
        def without_sign(cls, text: str) -> float:
            return float(text.removesuffix(" €"))

        @field_validator("cents")
        @classmethod
        def in_cents(cls, euros: int) -> int:
            return 100 * euros

    text = '{"price": "2.50 €", "tags": ["new"], "key": "k", "cents": 3}'
    async with MiniAgents():
        typed = scripted_model(f"Here: {text}").as_type(Price, mode="tool").around(cache())
        first, again = [await typed.inquire("Hi").final for _ in range(2)]
        assert (2.5, 300) == (first.parsed.euros, first.parsed.cents)
        assert first == again


async def test_a_typed_answer_that_was_changed() -> None:
    """A value that an agent has put into the place of what the text says is the same from the cache."""

    class City(BaseModel):
        name: str

    async def in_capitals(ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
        answer = await call.inquire(ctx.messages).final
        ctx.reply(answer.model_copy(update={"parsed": City(name="OSLO")}))

    async with MiniAgents():
        typed = scripted_model('{"name": "Oslo"}').as_type(City).around(in_capitals).around(cache())
        for _ in range(2):
            assert City(name="OSLO") == await typed.inquire("Hi").parsed


async def test_what_a_model_is_offered() -> None:
    """C11: a model in a cache answers anew for other tools, and for another type."""

    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return city

    @tool
    def time(zone: str) -> str:
        """Tell the time."""
        return zone

    class City(BaseModel):
        name: str

    class Bug(BaseModel):
        name: str

    async with MiniAgents():
        answers = ("sunny", "noon", '{"name": "Oslo"}', '{"name": "crash"}')
        model = scripted_model(*answers).around(cache())
        for _ in range(2):
            told = [str(await model.with_tools(each).inquire("Hi").final) for each in (weather, time)]
            city = await model.as_type(City).inquire("Hi").parsed
            bug = await model.as_type(Bug).inquire("Hi").parsed
            assert (["sunny", "noon"], "Oslo", "crash") == (told, city.name, bug.name)


async def test_least_recently_used() -> None:
    """More than it may keep is forgotten, what was not used for longest first."""
    made: list[str] = []
    async with MiniAgents():
        agent = counted(made).around(cache(max_entries=2))
        for each in "abacab":
            await agent.inquire(each)
    assert ["a", "b", "c", "b"] == made


@pytest.mark.loop(virtual=True)
async def test_time_to_live() -> None:
    """An answer is kept for as long as was said."""
    made: list[str] = []
    async with MiniAgents():
        agent = counted(made).around(cache(ttl=10))
        for seconds in (0, 9, 2, 1):
            await asyncio.sleep(seconds)
            await agent.inquire("a")
    assert 2 == len(made)


async def test_errors_are_not_kept() -> None:
    """What failed is asked again."""
    made: list[str] = []

    @miniagent
    async def shaky(ctx: InteractionContext) -> None:
        made.append("")
        if len(made) == 1:
            raise ValueError("not yet")
        ctx.reply("now")

    async with MiniAgents():
        agent = shaky.around(cache())
        with pytest.raises(ValueError, match="not yet"):
            await agent.inquire("a")
        assert ["now", "now"] == [str(await agent.inquire("a")) for _ in range(2)]


async def test_in_a_journal(tmp_path: Path) -> None:
    """A cache may keep its answers in a journal, where others find them."""
    made: list[str] = []
    for _ in range(2):
        with Journal(tmp_path / "calls.journal") as journal:
            async with MiniAgents():
                assert "1" == str(await counted(made).around(cache(journal)).inquire("a"))
    assert ["a"] == made


async def test_parts_of_a_played_message() -> None:
    """A played message has the parts that it had, so what gets it is not called again."""
    cat = Image(data=b"GIF89a")
    model = ScriptedModel("A cat.")

    @miniagent
    async def look(ctx: InteractionContext) -> None:
        ctx.reply(UserMessage("What is it?", parts=[cat]))

    with MemoryJournal() as journal:
        ask = recorded(prompt("Look: {text}").bind(), journal, name="ask", version="1")
        answer = recorded(model.agent, journal, version="1")
        async with MiniAgents():
            for first in (recorded(look, journal, version="1"), ask):
                replies = [await first.inquire(UserMessage("this", parts=[cat])) for _ in range(2)]
                assert replies[0] == replies[1]
                assert replies[0][0].hash_key == replies[1][0].hash_key
            for _ in range(2):
                assert "A cat." == str(await (ask | answer).inquire(UserMessage("this", parts=[cat])))
    assert 1 == len(model.requests)


async def test_another_function() -> None:
    """Two functions with one alias do not get each other's answers."""

    @miniagent(alias="NOTING")
    async def other(ctx: InteractionContext) -> None:
        ctx.reply("other")

    shared = cache()
    async with MiniAgents():
        await counted([]).around(shared).inquire("a")
        with pytest.raises(JournalError, match=r"under the name NOTING.*its own cache"):
            await other.around(shared).inquire("a")


def test_numbers(tmp_path: Path) -> None:
    """What keeps nothing is refused, and what does not hold for a journal."""
    with pytest.raises(ValueError, match=r"ttl=0\) keeps nothing"):
        cache(ttl=0)
    with pytest.raises(ValueError, match=r"max_entries=0\) keeps nothing"):
        cache(max_entries=0)
    with Journal(tmp_path / "calls.journal") as journal, pytest.raises(ValueError, match="prune the journal"):
        cache(journal, ttl=1)
