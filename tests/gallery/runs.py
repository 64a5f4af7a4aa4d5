"""The runs that are drawn. Each function is shown in the page as it stands here, with its picture."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from types import MappingProxyType
from typing import Final

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    Part,
    Reasoning,
    Retry,
    ToolCallDelta,
    Usage,
    miniagent,
    race,
    tool,
)
from miniagents.models import model_agent
from miniagents.operators import map_agent
from miniagents.types import ModelAgent

__all__ = ["RUNS", "Speaker"]


class Speaker:
    """A model that says what it is told to at a speed of its own.

    Args:
        alias: its name.
        first: seconds until it begins.
        every: seconds from one part to the next one.
        *answers: the parts of each answer; the last one is given again and again.
    """

    def __init__(self, alias: str, first: float, every: float, *answers: list[Part]) -> None:
        self._answers = list(answers)
        self._first = first
        self._every = every
        self.agent: ModelAgent[...] = model_agent(alias=alias)(self._answer)

    async def _answer(
        self, ctx: InteractionContext[Message, AssistantMessage], /, **_keywords: object
    ) -> None:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

        async def parts(_: MutableMapping[str, object]) -> AsyncGenerator[Part]:
            await asyncio.sleep(self._first)
            for part in answer:
                yield part
                # The gaps of a real model are not all alike; these are the same each time.
                await asyncio.sleep(self._every * (0.4 + len(str(part)) % 5 / 3))
            yield Usage(40, len(answer))

        await ctx.messages
        ctx.reply(AssistantMessage.promise_of_parts(parts, model=f"{ctx.this_agent.alias.lower()}-1"))


WORDS: Final = (
    "A",
    "stream",
    "is",
    "a",
    "list",
    "that",
    "takes",
    "its",
    "time",
    "which",
    "one",
    "would",
    "rather",
    "see",
)


def spoken(times: int) -> list[Part]:
    """Words to say."""
    return [f"{word} " for word in WORDS * times]


async def a_race() -> None:
    """Three models are asked at once. The first whole answer counts, the other models are cancelled."""
    quick = Speaker("QUICK", 0.3, 0.02, spoken(2)).agent
    calm = Speaker("CALM", 0.45, 0.03, spoken(2)).agent
    late = Speaker("LATE", 1.2, 0.01, spoken(2)).agent
    await race(calm, quick, late).inquire("What is a stream?")


async def a_hedge() -> None:
    """A model is silent for half a second, so a second one is asked; it speaks first."""
    stuck = Speaker("STUCK", 30.0, 0.02, spoken(2)).agent
    spare = Speaker("SPARE", 0.25, 0.025, spoken(2)).agent
    await stuck.hedge(spare, after=0.5).inquire("What is a stream?")


@tool
async def stock(product: str) -> int:
    """Say how many pieces of a product are there."""
    await asyncio.sleep(0.35)
    return {"lamp": 3}[product]


@tool
async def price(product: str) -> float:
    """Say what a product costs."""
    await asyncio.sleep(0.8)
    return 19.9 if product == "lamp" else 249.0


async def a_tool_loop() -> None:
    """A model is busy, is asked again, thinks, calls four tools at once, one of which fails, and answers."""
    thought: list[Part] = [Retry(1, 0.3, "busy"), *(Reasoning(f"{word} ") for word in WORDS)]
    asked = [(name, product) for name in ("stock", "price") for product in ("lamp", "desk")]
    calls: list[Part] = [
        ToolCallDelta(at, f"call-{at}", name, f'{{"product": "{product}"}}')
        for at, (name, product) in enumerate(asked)
    ]
    clerk = Speaker("CLERK", 0.4, 0.02, thought + calls, spoken(2)).agent
    await clerk.with_tools(stock, price).inquire("A lamp and a desk, please.")


async def many_rows() -> None:
    """32 rows, eight at a time; the model refuses one of them, and the others go on."""

    @miniagent
    async def judge_agent(ctx: InteractionContext) -> None:
        row = int(str(await ctx.messages))
        if row == 21:
            raise ValueError(row)
        first, every = 0.1 + row * 7 % 11 / 40, 0.01 + row * 5 % 7 / 200
        ctx.reply(Speaker("MODEL", first, every, spoken(2)).agent.inquire(ctx.messages))

    rows = [str(number) for number in range(1, 33)]
    async for replies in map_agent(judge_agent, concurrency=8)(rows):
        try:
            await replies
        except ValueError:
            continue


async def a_reader_that_leaves() -> None:
    """An agent passes on what another one says. Its reader has enough after ten words, so all of it stops."""
    writer = Speaker("WRITER", 0.2, 0.03, spoken(5)).agent

    @miniagent
    async def editor_agent(ctx: InteractionContext) -> None:
        draft = writer.inquire(ctx.messages)

        async def upper(_: MutableMapping[str, object]) -> AsyncGenerator[str]:
            async for token in draft.tokens:
                yield token.upper()

        ctx.reply(Message.promise(upper))

    heard = 0
    async for _ in editor_agent.inquire("Tell me everything.").tokens:
        heard += 1
        if heard == 10:
            break


RUNS: Final = MappingProxyType[str, Callable[[], Awaitable[None]]](
    {
        "race": a_race,
        "hedge": a_hedge,
        "tools": a_tool_loop,
        "rows": many_rows,
        "leaving": a_reader_that_leaves,
    }
)
"""The name of a picture -> what it shows."""
