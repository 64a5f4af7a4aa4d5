"""Runs that went on behind a call that failed: they go on in the same way after a restart.

Crosses modules: operators on agents, runs, journals, the runs of `ext.web`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping
from itertools import product
from types import MappingProxyType
from typing import Final

import pytest

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    MiniAgent,
    MiniAgents,
    RetryPolicy,
    fallback,
    miniagent,
    model_agent,
    race,
)
from miniagents.ext.journal import MemoryJournal, answer_question, durable, open_questions, recorded
from miniagents.ext.web import Frame, MessagePart, RunEnded, Runs
from miniagents.testing import scripted_model
from miniagents.tools import QuestionError, ToolSpec, ask

Model = MiniAgent[Message, AssistantMessage]

_TWICE: Final = RetryPolicy(attempts=2, delay=0.5)
WAYS: Final[Mapping[str, Callable[[Model, Model], MiniAgent[Message, Message]]]] = MappingProxyType(
    {
        "fallback": fallback,
        "restart": lambda a, b: a.catching(b, restart=True),
        "hold": lambda a, b: a.catching(b, hold=True),
        "catching": lambda a, _: a.catching(lambda error, _: f"Sorry: {error}"),
        "timeout": lambda a, b: fallback(a.timeout(total=1.0), b),
        "stall": lambda a, b: a.timeout(stall=2.0).catching(b, restart=True),
        "hedge": lambda a, b: a.hedge(b, after=1.0),
        "race": race,
        "retry": lambda a, b: fallback(a.retry(_TWICE), b),
        "nested": lambda a, b: fallback(fallback(a, a.retry(_TWICE)), b),
    }
)


CASES: Final = [
    (way, before)
    for way, before in product(WAYS, ("down", "half", "slow", "late", "once"))
    if (way, before) != ("hedge", "half")  # what has begun to answer is not hedged
]


def _model(how: str) -> Model:
    """A model that is up, or is down in some way."""
    calls = 0

    @model_agent(alias="A")
    async def model(
        ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[ToolSpec, ...] = ()
    ) -> None:
        del tools

        async def tokens(_: MutableMapping[str, object]) -> AsyncGenerator[str]:
            nonlocal calls
            calls += 1
            if how == "late":
                await asyncio.sleep(50)
            if how == "half":
                yield "half "
            if how in {"down", "half"} or (how == "once" and calls == 1):
                raise ConnectionError(how)
            yield "from "
            if how == "slow":
                await asyncio.sleep(50)
            yield "A"

        ctx.reply(AssistantMessage.promise(tokens))

    return model


async def _until_it_waits(
    journal: MemoryJournal, agent: MiniAgent[Message, Message], run: str | None
) -> tuple[str, list[Frame]]:
    """Serve a run until it waits for a person, or has ended; what it asked before is answered."""
    async with MiniAgents(drain_timeout=0):
        runs = Runs(journal, agents={"top": agent})
        if run is None:
            run = await runs.begin("top", "question")
        else:
            await runs.open()
        for question in await runs.questions(run):
            await runs.answer(run, question.id, "yes")
        await asyncio.sleep(200)
        if (await journal.find(run=run))[0].state == "parked":
            return run, []
        return run, [frame async for _, frame in runs.frames(run)]


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize(("way", "before"), CASES)
async def test_a_run_goes_on_behind_a_call_that_failed(way: str, before: str) -> None:
    """What failed or was cancelled fails again when a run goes on, whatever the model would answer now."""

    def top(how: str, other: str) -> MiniAgent[Message, Message]:
        agent = WAYS[way](_model(how), scripted_model(then=other, alias="B"))

        @miniagent
        async def replying(ctx: InteractionContext) -> None:
            ctx.reply(agent.inquire(ctx.messages))
            ctx.reply(await ask("Go on?"))
            ctx.reply(agent.inquire("Another question"))

        return replying

    journal = MemoryJournal()
    run, _ = await _until_it_waits(journal, top(before, "from B"), None)
    _, frames = await _until_it_waits(journal, top("up", "from B again"), run)
    assert RunEnded("finished") == frames[-1]
    told = [frame for frame in frames if isinstance(frame, MessagePart)]
    last = [each.part for each in told if each.message == told[-1].message]
    assert "from A" == "".join(part for part in last if isinstance(part, str))


@pytest.mark.loop(virtual=True)
async def test_a_block_that_waited_behind_a_call_that_failed() -> None:
    """A block of `durable` plays a failure behind which it waited for a person; another is made again."""
    journal = MemoryJournal()

    async def block(how: str) -> str:
        async with MiniAgents(), durable(journal, run_id="7") as run:
            agent = fallback(_model(how), scripted_model(then=f"from B, {how}", alias="B"))
            first = str(await agent.inquire("q"))
            last = str(await _model(how).inquire("another")) if await ask("Go on?") else ""
            return f"{first}, {last}, {run.played} played"

    with pytest.raises(QuestionError):
        await block("down")
    (question,) = await open_questions(journal)
    await answer_question(journal, "7", question.id, "yes")
    with pytest.raises(ConnectionError):
        await block("down")
    assert "from B, down, from A, 2 played" == await block("up")


async def test_a_recorded_failure_that_was_handled() -> None:
    """With `errors=True` a call that failed is replayed, also if another agent has taken over."""
    journal, other = MemoryJournal(), scripted_model(then="from B", alias="B")
    async with MiniAgents():
        for how in ("down", "up"):
            first = recorded(_model(how), journal, version="1", errors=True)
            assert "from B" == str(await fallback(first, other).inquire("question"))
