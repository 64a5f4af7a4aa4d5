"""Crosses modules: jobs and the limits of models, in virtual time, against a provider that counts."""

import asyncio

import pytest
from typing_extensions import override

from miniagents import MiniAgents
from miniagents.ext.jobs import Limits, Progress, map_rows
from miniagents.models import ModelAgent
from miniagents.values import RateLimit, ResponseHeaders
from tests.support.amounts import amount
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
    begun, each = now(), amount(100, 300)
    async with MiniAgents():
        answered = await asyncio.gather(job(model, each, limits, seen), job(model.fork(), each, limits, seen))
    assert (list(answered), provider.served) == ([each, each], 2 * each)
    assert provider.refused <= tells
    assert now() - begun == pytest.approx(2 * each / 10 - 1, abs=2)
    assert seen[-1].requests_limit == 600


@pytest.mark.gate("a job of a thousand calls")
@pytest.mark.loop(virtual=True)
async def test_refusals() -> None:
    """Where nobody tells a limit, refusals slow all rows down, and each of them is answered in the end."""
    provider = Provider(600)
    begun, count = now(), 900
    async with MiniAgents():
        assert await job(model_of(provider), count, None, []) == count
    assert (provider.served, provider.refused <= count / 9) == (count, True)
    assert now() - begun <= count / 10 * 1.5


class WindowProvider(Provider):
    """Counts in fixed windows of some seconds, and says how much of a window is left."""

    def __init__(self, requests: int, seconds: float) -> None:
        super().__init__(requests)
        self.seconds = seconds
        self.used = 0
        self.window = -1

    @override
    def ask(self, tokens: float) -> ResponseHeaders:
        window = int(now() // self.seconds)
        if window != self.window:
            self.window, self.used = window, 0
        resets_in = round((window + 1) * self.seconds - now(), 3)
        if self.used >= self.requests:
            self.refused += 1
            return ResponseHeaders(429, retry_after=resets_in)
        self.used += 1
        self.served += 1
        left = int(self.requests) - self.used
        return ResponseHeaders(200, requests=RateLimit(int(self.requests), left, resets_in))


class RefillingProvider(Provider):
    """Refills steadily, and says when it will be full, as OpenAI and Anthropic do."""

    full_at = 0.0

    @override
    def ask(self, tokens: float) -> ResponseHeaders:
        each = 60 / self.requests
        used = max(0.0, self.full_at - now()) / each
        if used + 1 > self.requests:
            self.refused += 1
            return ResponseHeaders(429, retry_after=each)
        self.full_at = max(self.full_at, now()) + each
        self.served += 1
        left = int(self.requests - used - 1)
        return ResponseHeaders(200, requests=RateLimit(int(self.requests), left, self.full_at - now()))


@pytest.mark.gate("a job of a thousand calls")
@pytest.mark.loop(virtual=True)
async def test_windows_that_are_not_a_minute() -> None:
    """J8: a limit that a provider counts in windows of ten seconds is used nearly in full."""
    provider = WindowProvider(100, 10)
    begun, count = now(), 2_000
    async with MiniAgents():
        assert await job(model_of(provider), count, None, []) == count
    assert provider.refused <= 40
    assert now() - begun <= count / 10 / 0.8


@pytest.mark.loop(virtual=True)
async def test_a_limit_that_refills() -> None:
    """J8: a limit of a minute that refills steadily is not taken for one of a shorter window."""
    provider = RefillingProvider(600)
    begun, count = now(), amount(300, 900)
    seen: list[Progress] = []
    async with MiniAgents():
        assert await job(model_of(provider), count, None, seen) == count
    assert (0, 600) == (provider.refused, seen[-1].requests_limit)
    assert now() - begun == pytest.approx(count / 10, abs=5)
