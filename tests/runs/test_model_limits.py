"""The limits of all models of a context, in virtual time, against a provider that counts."""

import asyncio

import pytest
from openai import AsyncOpenAI
from pydantic import SecretStr

from miniagents import (
    InteractionContext,
    Message,
    MiniAgent,
    MiniAgents,
    miniagent,
)
from miniagents.errors import LLMStatusError
from miniagents.ext.limits import model_limits
from miniagents.ext.llm.anthropic import anthropic_agent
from miniagents.ext.llm.openai import openai_agent
from miniagents.ext.llm.openai_responses import openai_responses_agent
from miniagents.models import ModelAgent
from miniagents.runs import ModelLimits
from miniagents.runs._model_limits import called_model
from tests.support.amounts import amount
from tests.support.limited_provider import Provider, model_of, now
from tests.support.sse_server import serve, sse
from tests.support.wires import ANTHROPIC, CHAT, RESPONSES, WIRES, Wire


async def asked(agent: ModelAgent[...], calls: int) -> None:
    """Make all calls, each until it is served."""

    async def call() -> None:
        while True:
            try:
                await agent.inquire("x")
            except LLMStatusError:
                continue
            return

    await asyncio.gather(*(call() for _ in range(calls)))


@pytest.mark.loop(virtual=True)
async def test_jobs_share() -> None:
    """All contexts within one, all forks and all agents that ask a model share its limit."""
    provider, each = Provider(600), amount(100, 300)
    model = model_of(provider)

    @miniagent
    async def judge(ctx: InteractionContext) -> None:
        ctx.reply(model.fork(model="m-1").inquire("Judge."))

    async def job(calls: int) -> None:
        limits = model_limits(requests_per_minute=600)
        async with MiniAgents(around=[limits]):
            await asyncio.gather(*(judge.inquire("x") for _ in range(calls)))
            assert limits.in_force() == (600, None), "the agent that asks the model has no limit of its own"

    begun = now()
    async with MiniAgents():
        await asyncio.gather(job(each), job(each))
    assert now() - begun == pytest.approx(2 * each / 10 - 1, abs=1)
    assert (provider.served, provider.refused) == (2 * each, 0)


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("other", [{"model": "m-2"}, {"api_key": "k"}, {"base_url": "http://other/v1"}])
async def test_each_its_own(other: dict[str, str]) -> None:
    """Another model, server or key has a limit of its own."""
    model = model_of(Provider(float("inf")))
    begun = now()
    async with MiniAgents(around=[model_limits(requests_per_minute=60)]):
        await asyncio.gather(
            asked(model.fork(model="m-1"), 11), asked(model.fork(**{"model": "m-1", **other}), 11)
        )
    assert now() - begun == pytest.approx(10, abs=0.2)


@pytest.mark.loop(virtual=True)
async def test_the_lowest_holds() -> None:
    """Of several limits the lowest holds for all, until who has given it is gone."""
    model = model_of(Provider(float("inf")))
    limits = ModelLimits(600)
    async with MiniAgents(around=[limits]):
        await asked(model, 1)
        assert limits.in_force() == (600, None)
        careful = ModelLimits(60, 1e6)
        async with MiniAgents(around=[careful]):
            await asked(model, 1)
            assert limits.in_force() == careful.in_force() == pytest.approx((60, 1e6))
        begun = now()
        await asked(model, 5)
        assert now() - begun == pytest.approx(5, abs=1.1)
        del careful
        await asked(model, 1)
        assert limits.in_force() == (600, None)


@pytest.mark.loop(virtual=True)
async def test_what_the_provider_tells() -> None:
    """Without limits those in the headers hold; they are told as those in force."""
    provider = Provider(600, tells=True)
    limits = model_limits()
    async with MiniAgents(around=[limits]):
        assert limits.in_force() == (None, None)
        await asked(model_of(provider), 1)
        assert limits.in_force() == (600, None)


@pytest.mark.parametrize("wire", WIRES, ids=repr)
async def test_the_headers_of_providers(wire: Wire) -> None:
    """What servers of providers say in their headers, each in its words, holds for all forks of a model."""
    words = "anthropic-ratelimit-{0}-limit" if wire is ANTHROPIC else "x-ratelimit-limit-{0}"
    told = {words.format("requests"): "6000", words.format("tokens"): "300000"}
    limits = model_limits()
    async with serve(*[sse(*wire.good("Hi"), headers=told)] * 2) as server:
        model = wire.agent.fork(model="m", api_key="k", base_url=server.url + wire.path)
        async with MiniAgents(around=[limits]):
            await model.inquire("x")
            assert limits.in_force() == pytest.approx((6000, 300_000))
            await model.fork(temperature=1.0).inquire("x")
            assert limits.in_force() == pytest.approx((6000, 300_000)), "there is still one limiter"


async def test_two_ways_to_one_server() -> None:
    """Agents that ask one server in two ways share a limiter, if both are given its address."""
    limits = model_limits(requests_per_minute=600)
    async with serve(sse(*CHAT.good("Hi")), sse(*RESPONSES.good("Hi"))) as server:
        url = server.url + CHAT.path
        async with MiniAgents(around=[limits]):
            for wire in (CHAT, RESPONSES):
                await wire.agent.fork(model="m", api_key="k", base_url=url).inquire("x")
            assert limits.in_force() == (600, None)


ADDRESS = "https://api.openai.com/v1"


def chat_client() -> AsyncOpenAI:
    return AsyncOpenAI(api_key="k", base_url=ADDRESS)


@pytest.mark.parametrize(
    "keywords",
    [
        {"model": "m"},
        {"model": "m", "api_key": "k"},
        {"api_key": SecretStr("k")},
        {"base_url": f"{ADDRESS}/"},
        {"client": chat_client},
    ],
    ids=", ".join,
)
def test_settings_of_the_environment(monkeypatch: pytest.MonkeyPatch, keywords: dict[str, object]) -> None:
    """Model, address and key count the same from keywords, the environment, a client, and the provider."""
    monkeypatch.setenv("OPENAI_MODEL", "m")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    given = {name: value() if callable(value) else value for name, value in keywords.items()}
    chat: ModelAgent[...] = openai_agent
    responses: ModelAgent[...] = openai_responses_agent
    shared = called_model(chat)
    for agent in (chat, responses):
        assert shared == called_model(agent.fork(**given))
        assert shared == called_model(agent.fork(**given).timeout(total=5))
        assert shared != called_model(agent.fork(**{**given, "model": "m-2"}))
    for other in ({"api_key": "k2"}, {"base_url": "http://localhost:8000/v1"}):
        assert shared != called_model(chat.fork(**other))
    assert shared != called_model(anthropic_agent.fork(model="m", api_key="k"))


@pytest.mark.gate("asks 900 times, each several times")
@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("headers", [True, False])
async def test_adaptive(headers: bool) -> None:
    """Where nobody tells a limit, refusals slow it down and answers speed it up, with headers and without."""
    provider = Provider(600)
    begun = now()
    async with MiniAgents(around=[model_limits()]):
        await asked(model_of(provider, headers=headers), 900)
    assert provider.served == 900
    assert provider.refused <= 100
    assert now() - begun <= 90 * 1.5
    begun = now()
    async with MiniAgents(around=[model_limits()]):
        await asked(model_of(Provider(float("inf")), headers=headers), 1000)
    assert now() - begun <= 10, "slow start doubles the rate in each second"


@pytest.mark.loop(virtual=True)
async def test_tokens() -> None:
    """What calls use is learned, and settled: the provider never has to refuse."""
    provider = Provider(float("inf"), 60_000)
    begun = now()
    async with MiniAgents(around=[model_limits(tokens_per_minute=60_000)]):
        await asked(model_of(provider, tokens=225), 200)
    assert now() - begun == pytest.approx(200 * 225 / 1000, rel=0.1)
    assert provider.refused == 0


async def test_models_only() -> None:
    """Runs of agents do not go through what is for models only, and those of models still do."""
    seen: list[str] = []

    class Noted:
        models_only = True

        async def __call__(self, ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
            seen.append(call.alias)
            ctx.reply(call.inquire(ctx.messages))

    async def every(ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
        seen.append(call.alias.lower())
        ctx.reply(call.inquire(ctx.messages))

    @miniagent
    async def asks(ctx: InteractionContext) -> None:
        ctx.reply(model_of(Provider(600)).inquire("x"))

    async with MiniAgents(around=[Noted(), every]), MiniAgents(around=[Noted()]):
        await asks.inquire("x")
    assert seen == ["asks", "MODEL", "model", "MODEL"]


@pytest.mark.parametrize("limits", [(0, None), (None, -1.0), (float("nan"), None)])
def test_no_limits(limits: tuple[float | None, float | None]) -> None:
    """A limit that lets nothing go is refused."""
    with pytest.raises(ValueError, match=r"allows no .*; give a number greater than 0"):
        model_limits(requests_per_minute=limits[0], tokens_per_minute=limits[1])
