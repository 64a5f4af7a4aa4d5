"""The errors of rows when a job stops."""

import asyncio
import gc
from contextlib import suppress

import pytest
from pydantic import BaseModel

from miniagents import InteractionContext, Message, MiniAgent, MiniAgents, miniagent
from miniagents.ext.jobs import Limits, map_rows
from miniagents.testing import scripted_model


class City(BaseModel):
    """A typed answer."""

    name: str


@pytest.mark.gate("stops twenty jobs")
@pytest.mark.parametrize("typed", [True, False])
def test_errors_of_rows_when_a_job_stops(caplog: pytest.LogCaptureFixture, typed: bool) -> None:
    """A row that fails at the moment when the job is stopped is not logged, whichever moment that is."""
    failed = 0

    def wrong(messages: object) -> str:
        del messages
        nonlocal failed
        failed += 1
        return "no JSON" if failed % 3 else '{"name": "Oslo"}'

    model = scripted_model(then=wrong).as_type(City)

    @miniagent
    async def judge(ctx: InteractionContext) -> None:
        ctx.reply(model.inquire(ctx.messages))

    limits = Limits(rpm=600_000)

    async def run(agent: MiniAgent[Message, Message]) -> None:
        async with MiniAgents(), map_rows(agent, map(str, range(100)), concurrency=16, limits=limits) as rows:
            async for _ in rows:
                pass

    async def stop(steps: int) -> bool:
        task = asyncio.create_task(run(model if typed else judge))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return task.cancelled()

    stopped = 0
    for steps in range(50, 70):
        failed = 0
        stopped += asyncio.run(stop(steps))
        gc.collect()
        assert [record.getMessage() for record in caplog.records] == [], f"stopped after {steps} steps"
    assert stopped > 10
