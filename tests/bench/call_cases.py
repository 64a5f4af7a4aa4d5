"""A case of many short streamed calls: the CPU time of the client, for each call (S15).

The limit is a bare loop of aiohttp: a request, and `json.loads` of each event. Ours is `openai_agent` with
the client that it makes itself, which is that of the SDK over aiohttp.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from typing import TypeAlias, cast

import httpx2

from miniagents import MiniAgents
from miniagents.ext.llm.openai import openai_agent

from .answer_server import KEY, MODEL, QUESTION, Ask, Asking, serving
from .sources import Role, timed

__all__ = [
    "calls_16_limit",
    "calls_16_ours",
    "calls_128_limit",
    "calls_128_ours",
    "calls_1000_limit",
    "calls_1000_ours",
    "over_aiohttp",
    "roles",
]

AT_ONCE = (16, 128, 1_000)
"""How many calls are under way at once."""
TOKENS = 8
"""Tokens of each answer."""

Client: TypeAlias = Callable[[str], AbstractAsyncContextManager[Ask]]
"""Makes what asks, from the base URL of the server."""


def calling(client: Client, at_once: int) -> Role:
    """Make ``count`` calls, so many at once; the CPU seconds of this process.

    Args:
        client: the library that is measured; what it makes once is not measured.
        at_once: how many calls are under way.
    """

    def role(count: int) -> float:
        async def main(url: str) -> float:
            async with client(url) as ask:
                left = iter(range(count))

                async def worker() -> None:
                    for _ in left:
                        if await ask() != TOKENS:
                            msg = "a token is missing"
                            raise AssertionError(msg)

                await ask()
                return await timed(lambda: asyncio.gather(*(worker() for _ in range(min(at_once, count)))))

        with serving(TOKENS, 0) as url:
            return asyncio.run(main(url), debug=False)

    return role


@asynccontextmanager
async def bare(url: str) -> AsyncGenerator[Ask]:
    """Aiohttp and `json.loads`, line by line."""
    aiohttp = import_module("aiohttp")
    body = {"model": MODEL, "messages": [{"role": "user", "content": QUESTION}], "stream": True}
    headers = {"Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask() -> int:
            tokens = 0
            async with session.post(f"{url}/chat/completions", json=body, headers=headers) as response:
                async for line in response.content:
                    if line.startswith(b"data: ") and line != b"data: [DONE]\n":
                        for choice in json.loads(line[6:])["choices"]:
                            tokens += bool(choice["delta"].get("content"))
            return tokens

        yield ask


@asynccontextmanager
async def agent(url: str) -> AsyncGenerator[Ask]:
    """`openai_agent`, its message read token by token."""
    async with MiniAgents():
        model = openai_agent.bind(model=MODEL, api_key=KEY, base_url=url)

        async def ask() -> int:
            return sum([1 async for message in model.inquire(QUESTION) async for _ in message])

        yield ask


def over_aiohttp(asking: Asking) -> Client:
    """What asks with an HTTP client over aiohttp, as ours does."""

    @asynccontextmanager
    async def client(url: str) -> AsyncGenerator[Ask]:
        make = import_module("openai").DefaultAioHttpClient
        async with cast("httpx2.AsyncClient", make(timeout=60.0)) as http:
            yield await asking(url, http)

    return client


def roles(client: Client) -> dict[str, Role]:
    """The roles of a library, by case."""
    return {f"S15-{at_once}": calling(client, at_once) for at_once in AT_ONCE}


calls_16_limit, calls_128_limit, calls_1000_limit = roles(bare).values()
calls_16_ours, calls_128_ours, calls_1000_ours = roles(agent).values()
