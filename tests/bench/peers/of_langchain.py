"""LangChain's runnables, without tracing or callbacks."""

import asyncio
import time
from collections.abc import AsyncIterator
from importlib import import_module
from types import MappingProxyType

import httpx2

from tests.bench.answer_server import KEY, LIVE_PAUSE, MODEL, QUESTION, Ask, reading
from tests.bench.call_cases import over_aiohttp, roles
from tests.bench.sources import Role, Source, bulk, exhaust, expect, live, seconds

runnables = import_module("langchain_core.runnables")
sequence = runnables.RunnableSequence
CHAIN = 100


async def pass_on(tokens: AsyncIterator[object]) -> AsyncIterator[object]:
    """Pass on."""
    async for token in tokens:
        yield token


async def upper(tokens: AsyncIterator[str]) -> AsyncIterator[str]:
    """What the operators of the bench do."""
    async for token in tokens:
        yield token.upper()


def begin(source: Source, count: int) -> object:
    """A runnable that streams a source when it is called."""

    async def start(given: AsyncIterator[object]) -> AsyncIterator[str]:
        await exhaust(given)
        async for token in source(count):
            yield token

    return runnables.RunnableGenerator(start)


def passing(source: Source) -> Role:
    """One runnable that passes on."""

    def role(count: int) -> float:
        chain = sequence(begin(source, count), runnables.RunnableGenerator(pass_on))
        return seconds(lambda: expect(chain.astream("go"), count))

    return role


def operators(depth: int) -> Role:
    """As many runnables."""

    def role(count: int) -> float:
        chain = sequence(begin(bulk, count), *[runnables.RunnableGenerator(upper)] * depth)
        return seconds(lambda: expect(chain.astream("go"), count))

    return role


async def echo(text: str) -> str:
    """Answer what came."""
    return text


def calls(count: int) -> float:
    """As many at once, one value in and out."""
    runnable = runnables.RunnableLambda(echo)
    return seconds(lambda: asyncio.gather(*(runnable.ainvoke("hello") for _ in range(count))))


def first_token(count: int) -> float:
    """From the first token of a source to the reader behind a chain."""

    async def first() -> float:
        begun: list[float] = []

        async def source(given: AsyncIterator[object]) -> AsyncIterator[str]:
            await exhaust(given)
            for _ in range(3 * CHAIN):  # until the chain stands
                await asyncio.sleep(0)
            begun.append(time.process_time())
            yield "token"

        stages = [runnables.RunnableGenerator(source), *[runnables.RunnableGenerator(pass_on)] * CHAIN]
        async for _ in sequence(*stages).astream("go"):
            break
        return time.process_time() - begun[0]

    async def work() -> float:
        return sum([await first() for _ in range(count)])

    return asyncio.run(work(), debug=False)


async def asking(url: str, client: httpx2.AsyncClient) -> Ask:
    """A chat model of `langchain-openai`, streamed."""
    model = import_module("langchain_openai").ChatOpenAI(
        model=MODEL, api_key=KEY, base_url=url, http_async_client=client
    )

    async def ask() -> int:
        return sum([1 async for chunk in model.astream(QUESTION) if chunk.content])

    return ask


ROLES = MappingProxyType(
    {
        "S1": passing(bulk),
        "S1L": passing(live),
        "S2-4": operators(4),
        "S4": calls,
        "S5": first_token,
        "S9": reading(asking),
        "S9L": reading(asking, pause=LIVE_PAUSE),
        **roles(over_aiohttp(asking)),
    }
)
