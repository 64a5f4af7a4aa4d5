"""pydantic-ai with a model that is a function."""

import asyncio
from collections.abc import AsyncIterator
from importlib import import_module
from types import MappingProxyType

import httpx2

from tests.bench.answer_server import KEY, LIVE_PAUSE, MODEL, QUESTION, Ask, reading
from tests.bench.call_cases import over_aiohttp, roles
from tests.bench.sources import Role, Source, bulk, expect, live, seconds

ai = import_module("pydantic_ai")
function = import_module("pydantic_ai.models.function")
messages = import_module("pydantic_ai.messages")


def passing(source: Source) -> Role:
    """An agent that streams what its model says."""

    def role(count: int) -> float:
        async def stream(*_: object) -> AsyncIterator[str]:
            async for token in source(count):
                yield token

        async def work() -> None:
            agent = ai.Agent(function.FunctionModel(stream_function=stream))
            async with agent.run_stream("hello") as run:
                await expect(run.stream_text(delta=True, debounce_by=None), count)

        return seconds(work)

    return role


def answer(*_: object) -> object:
    """What the model answers."""
    return messages.ModelResponse(parts=[messages.TextPart("hello")])


def calls(count: int) -> float:
    """As many runs at once."""
    agent = ai.Agent(function.FunctionModel(answer))
    return seconds(lambda: asyncio.gather(*(agent.run("hello") for _ in range(count))))


async def asking(url: str, client: httpx2.AsyncClient) -> Ask:
    """An agent whose model speaks Chat Completions, its text streamed."""
    provider = import_module("pydantic_ai.providers.openai").OpenAIProvider(
        base_url=url, api_key=KEY, http_client=client
    )
    agent = ai.Agent(import_module("pydantic_ai.models.openai").OpenAIChatModel(MODEL, provider=provider))

    async def ask() -> int:
        async with agent.run_stream(QUESTION) as run:
            return sum([1 async for _ in run.stream_text(delta=True, debounce_by=None)])

    return ask


ROLES = MappingProxyType(
    {
        "S1": passing(bulk),
        "S1L": passing(live),
        "S4": calls,
        "S9": reading(asking),
        "S9L": reading(asking, pause=LIVE_PAUSE),
        **roles(over_aiohttp(asking)),
    }
)
