"""A case of many rows: each asks a model that answers in a type, with a timeout and with retries."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

from pydantic import BaseModel

from miniagents import RetryPolicy
from miniagents.operators import map_agent
from miniagents.testing import ScriptedModel

from .sources import timed
from .timing import in_context

CONCURRENCY = 8
ATTEMPTS = 3
SECONDS = 60.0


class City(BaseModel):
    """What the model answers."""

    name: str
    people: int


OSLO = City(name="Oslo", people=717710)
ANSWER = json.dumps(OSLO.model_dump())


def rows(count: int) -> Iterator[str]:
    """What is asked."""
    return (f"Which city is number {number}?" for number in range(count))


def map_limit(count: int) -> float:
    """Bare asyncio: a task a row, a semaphore, a timeout, a loop of attempts, and pydantic."""
    words = [f"{word} " for word in ANSWER.split()]

    async def model(row: str) -> AsyncIterator[str]:
        assert row
        for word in words:
            await asyncio.sleep(0)
            yield word

    async def ask(row: str) -> City:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with asyncio.timeout(SECONDS):
                    return City.model_validate_json("".join([word async for word in model(row)]))
            except Exception:
                if attempt == ATTEMPTS:
                    raise
                await asyncio.sleep(0.5)
        raise AssertionError("There was no attempt.")

    async def work() -> None:
        free = asyncio.Semaphore(CONCURRENCY)

        async def answered(row: str) -> City:
            async with free:
                return await ask(row)

        assert [OSLO] * count == await asyncio.gather(*map(answered, rows(count)))

    return asyncio.run(timed(work), debug=False)


def map_ours(count: int) -> float:
    """`map_agent` over `as_type`, `timeout` and `retry` of a scripted model."""
    model = ScriptedModel(then=ANSWER).agent.as_type(City)
    agent = model.timeout(total=SECONDS).retry(RetryPolicy(attempts=ATTEMPTS))

    async def work() -> None:
        answers = [
            (await replies)[-1] async for replies in map_agent(agent, concurrency=CONCURRENCY)(rows(count))
        ]
        assert [OSLO] * count == [getattr(answer, "parsed", None) for answer in answers]

    return in_context(lambda: timed(work))
