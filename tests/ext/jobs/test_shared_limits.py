"""Crosses modules: jobs and the limits of models, in virtual time, against a provider that counts."""

import asyncio

import pytest

from miniagents import MiniAgents
from miniagents.ext.jobs import Limits, Progress, map_rows
from miniagents.models import ModelAgent
from tests.support.limited_provider import Provider, model_of, now


async def job(model: ModelAgent[...], rows: int, limits: Limits | None, seen: list[Progress]) -> int:
    """How many of so many rows have an answer."""
    answered = 0
    async for row in map_rows(model, map(str, range(rows)), limits=limits, progress=seen.append):
        answered += row.error is None
    return answered


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("tells", [True, False])
async def test_two_jobs(tells: bool) -> None:
    """Two jobs share the limit of a model, and show it; one that is told is known after a burst."""
    provider = Provider(600, tells=tells)
    model = model_of(provider)
    limits = None if tells else Limits(rpm=600)
    seen: list[Progress] = []
    begun = now()
    async with MiniAgents():
        answered = await asyncio.gather(job(model, 300, limits, seen), job(model.fork(), 300, limits, seen))
    assert (list(answered), provider.served) == ([300, 300], 600)
    assert provider.refused <= tells
    assert now() - begun == pytest.approx(59, abs=2)
    assert seen[-1].requests_limit == 600


@pytest.mark.loop(virtual=True)
async def test_refusals() -> None:
    """Where nobody tells a limit, refusals slow all rows down, and each of them is answered in the end."""
    provider = Provider(600)
    begun = now()
    async with MiniAgents():
        assert await job(model_of(provider), 900, None, []) == 900
    assert (provider.served, provider.refused <= 100) == (900, True)
    assert now() - begun <= 90 * 1.5
