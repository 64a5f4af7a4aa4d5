"""What `RunUsage` counts."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import nullcontext, suppress
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    MiniAgents,
    Part,
    Retry,
    ToolCall,
    Usage,
    miniagent,
    race,
    tool,
)
from miniagents.errors import LLMStatusError
from miniagents.ext.journal import MemoryJournal, durable, recorded
from miniagents.ext.limits import cache, limit
from miniagents.ext.usage import RunUsage, dollars
from miniagents.models import model_agent
from miniagents.observers import run_events
from miniagents.testing import cassette, scripted_model


def answer(text: str, count: int, model: str = "gpt-4o") -> AssistantMessage:
    """An answer that has used `count` tokens of each kind."""
    return AssistantMessage(text, model=model, usage=Usage(count, count, count, count, count))


@miniagent
async def moderator(ctx: InteractionContext) -> None:
    """Replies the complete messages that it has got."""
    ctx.reply(await ctx.messages)


class City(BaseModel):
    """A city."""

    name: str


async def test_a_graph() -> None:
    """Each model counts once, however many agents, tools and types stand around it; agents by their names."""
    usage = RunUsage(dollars)
    typed = scripted_model(answer('{"name": 5}', 1), answer('{"name": "Oslo"}', 2), alias="TYPED").as_type(
        City
    )

    @tool
    async def which() -> str:
        """Tell the city."""
        return (await typed.inquire("?").parsed).name

    call = AssistantMessage(parts=[ToolCall("1", "which", "{}")], model="gpt-4o", usage=Usage(10, 20))
    model = scripted_model(call, answer("done", 100), alias="MODEL").with_tools(which)

    @miniagent
    async def asking_agent(ctx: InteractionContext) -> None:
        ctx.reply(model.timeout(total=5).inquire(ctx.messages))

    async with MiniAgents(observers=[usage]):
        replies = asking_agent.inquire("Hello")
        await replies
        other = scripted_model(answer("x", 1000, model="unheard-of")).inquire("x")
        await other
    everything = usage.of(replies)
    assert everything.total == Usage(113, 123, 103, 103, 103)
    assert everything.requests == 4
    assert everything.by_model == {"gpt-4o": everything.total}
    assert everything.by_agent["MODEL_WITH_TOOLS"] == Usage(110, 120, 100, 100, 100)
    assert sum(everything.by_agent.values(), Usage()) == everything.total
    price = dollars(everything.total, "gpt-4o")
    assert price is not None
    assert everything.dollars == pytest.approx(price)
    assert usage.of(other).by_agent == {"SCRIPTED_MODEL": Usage(1000, 1000, 1000, 1000, 1000)}
    assert usage.dollars is None, "a model without a price"
    assert (everything + usage.of(other)).total == usage.total
    assert (usage.report - everything).by_model["unheard-of"] == usage.of(other).total
    assert usage.requests == 5
    assert RunUsage(lambda usage, model, provider: Decimal(2)).dollars == 0


@model_agent(alias="SLOW")
async def slow_model(ctx: InteractionContext[Message, AssistantMessage], *, tools: object = ()) -> None:
    """Tell its usage twice, an hour between."""
    del tools

    async def parts(metadata: object) -> AsyncGenerator[Part]:
        del metadata
        yield Retry(1, 0.0, "busy")
        yield Usage(5, 1)
        yield "one"
        await asyncio.sleep(3600)
        yield Usage(5, 9)

    ctx.reply(AssistantMessage.promise_of_parts(parts, model="slow-1"))


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("broken", [True, False])
async def test_while_it_streams(broken: bool) -> None:
    """What a model has told counts at once, also if its answer is broken off; later counts replace it."""
    usage = RunUsage()
    async with MiniAgents(observers=[usage]):
        replies = slow_model.inquire()
        await asyncio.sleep(1)
        assert usage.of(replies).total == Usage(5, 1)
        assert usage.requests == 0, "the answer is on its way"
        if broken:
            replies.cancel()
    assert usage.total == Usage(5, 1) if broken else Usage(5, 9)
    assert usage.requests == 2, "a retry is a request, too"


async def test_a_model_that_is_an_agent() -> None:
    """What an agent tells itself counts, unless a model that it asked has told it."""
    usage = RunUsage()

    @miniagent
    async def own_agent(ctx: InteractionContext) -> None:
        ctx.reply(answer("x", 3, model="own"))

    @miniagent
    async def copying_agent(ctx: InteractionContext) -> None:
        ctx.reply(await scripted_model(answer("y", 4)).inquire(ctx.messages))

    async with MiniAgents(observers=[usage]):
        await own_agent.inquire()
        await copying_agent.inquire()
    assert {name: count.input_tokens for name, count in usage.by_model.items()} == {"own": 3, "gpt-4o": 4}
    assert list(usage.by_agent) == ["OWN_AGENT", "COPYING_AGENT"]


async def test_an_answer_that_is_passed_on() -> None:
    """The answer of a model counts once, also if agents behind it reply the complete message again."""
    usage = RunUsage()
    async with MiniAgents(observers=[usage]):
        (message,) = await (scripted_model(answer("x", 3)) | moderator | moderator).inquire()
        await moderator.inquire(message)
    assert (3, 1) == (usage.total.input_tokens, usage.requests)


@pytest.mark.parametrize("again", ["cache", "recorded", "durable"])
async def test_replayed_calls(again: str) -> None:
    """A call that is replayed, from a cache or a journal, has used no tokens, also if agents pass it on."""
    usage, journal, model = RunUsage(), MemoryJournal(), scripted_model(answer("x", 3))
    if again == "cache":
        model = model.around(cache())
    elif again == "recorded":
        model = recorded(model, journal, version="1")
    async with MiniAgents(observers=[usage]):
        for counted in (3, None):
            async with durable(journal, run_id="1") if again == "durable" else nullcontext():
                replies = (model | moderator).inquire("Hello")
                await replies
            assert counted == usage.of(replies).total.input_tokens
    assert (3, 1, {"gpt-4o"}) == (usage.total.input_tokens, usage.requests, set(usage.by_model))


@pytest.mark.logs("no City after 0 repairs")  # the loser of the race says so
async def test_a_replayed_call_that_is_left() -> None:
    """A replayed call has used no tokens, also if the agent around it is stopped before it has ended."""

    class City(BaseModel):
        name: str

    usage, journal = RunUsage(), MemoryJournal()
    typed = scripted_model(["{", "}", Usage(3)]).as_type(City, repairs=0)
    agent = race(typed, scripted_model(["x", Usage(3)]))
    async with MiniAgents(observers=[usage], prefetch=1):
        for _ in range(2):
            async with durable(journal, run_id="1"):
                assert "x" == str(await agent.inquire("Hello"))
    assert (6, 2) == (usage.total.input_tokens, usage.requests)


async def test_a_cassette(tmp_path: Path) -> None:
    """A cassette stands for the model, so what it replays counts as what the model used."""
    file, counted = tmp_path / "file", list[int | None]()
    for model in (
        cassette(scripted_model(answer("x", 3)), file, mode="record"),
        cassette(scripted_model(), file),
    ):
        usage = RunUsage()
        async with MiniAgents(observers=[usage]):
            await model.inquire("Hello")
        counted.append(usage.total.input_tokens)
    assert [3, 3] == counted


async def test_untold() -> None:
    """Whole answers that do not tell what they have used are counted; those that failed are not."""
    usage = RunUsage()
    model = scripted_model("silent", answer("told", 7), ConnectionError("gone"))
    async with MiniAgents(observers=[usage]):
        await model.inquire("a")
        before = usage.report
        await model.inquire("b")
        with pytest.raises(ConnectionError):
            await model.inquire("c")
    assert (1, 1, 0) == (before.untold, usage.report.untold, (usage.report - before).untold)


async def test_not_observed() -> None:
    """The usage of replies that it was not told of is an error that says what to do."""
    usage = RunUsage()
    async with MiniAgents():
        replies = scripted_model("x").inquire()
        with pytest.raises(LookupError, match=r"MiniAgents\(observers=\[usage\]\)"):
            usage.of(replies)
        async with MiniAgents(observers=[usage]):
            with pytest.raises(LookupError, match="did not observe the run"):
                usage.of(replies)


async def test_nothing_is_kept() -> None:
    """What runs have used is summed: of the runs themselves nothing is kept."""
    usage = RunUsage()
    model = scripted_model(then=answer("x", 1))
    async with MiniAgents(observers=[usage]):
        for _ in range(100):
            await model.inquire()
        gc.collect()
        kept = [each for each in gc.get_objects() if type(each).__name__ == "RunInfo"]
        assert len(kept) <= 1
    assert usage.total.input_tokens == 100


async def test_what_stands_around_a_model() -> None:
    """Operators around a model are not the agent that asked it."""
    usage = RunUsage(dollars)
    model = scripted_model(then=answer("x", 5), alias="MODEL").around(limit(concurrency=1))

    @miniagent(alias="ASKER")
    async def asking_agent(ctx: InteractionContext) -> None:
        ctx.reply(model.inquire(ctx.messages))

    async with MiniAgents(observers=[usage]):
        await asking_agent.inquire("Hello")
        assert list(usage.by_agent) == ["ASKER"]
        await model.inquire("Hello")
    assert list(usage.by_agent) == ["ASKER", "MODEL"]


async def test_a_model_whose_messages_fail() -> None:
    """A model whose messages failed was sent no request, so none is counted."""
    usage = RunUsage()
    async with MiniAgents(observers=[usage]):
        with pytest.raises(ValueError, match="broken"):
            await (scripted_model(ValueError("broken")) | scripted_model("never asked")).inquire("x")
    assert 1 == usage.requests


async def test_another_observer_joins() -> None:
    """What was counted of replies is found also after another observer has joined."""
    usage = RunUsage(dollars)
    async with MiniAgents(observers=[usage]):
        before = scripted_model(answer("x", 5)).inquire("Hello")
        run_events()
        await before
        after = scripted_model(answer("x", 7)).inquire("Hello")
        await after
    assert [usage.of(replies).total.input_tokens for replies in (before, after)] == [5, 7]


async def test_a_refused_call_counts_for_its_model() -> None:
    """A call that failed before an answer is a request of the model that its error names."""
    usage = RunUsage(dollars)
    refused = LLMStatusError("slow down", status=429, provider="fake", model="gpt-4o")
    model = scripted_model(refused, answer("Hi", 3), refused)
    async with MiniAgents(observers=[usage]):
        for _ in range(3):
            with suppress(LLMStatusError):
                await model.inquire("x")
    assert usage.by_model == {"gpt-4o": usage.total}
    assert (usage.requests, usage.total.input_tokens) == (3, 3)
    assert usage.dollars == dollars(usage.by_model["gpt-4o"], "gpt-4o")
