"""A case of answers over HTTP on loopback: the CPU time of the client, for each token.

The server is another process. `answer_server` says what it sends and how it is measured.
"""

import json

import httpx2
from openai import AsyncOpenAI

from miniagents import MiniAgents
from miniagents.ext.llm.openai import openai_agent

from .answer_server import KEY, LIVE_PAUSE, MODEL, QUESTION, Ask, reading
from .sources import Role

__all__ = ["answers_limit", "answers_ours", "live_limit", "live_ours"]


async def bare(url: str, client: httpx2.AsyncClient) -> Ask:
    """httpx2 and `json.loads`, line by line."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": QUESTION}], "stream": True}

    async def ask() -> int:
        tokens = 0
        async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: ") and line != "data: [DONE]":
                    for choice in json.loads(line[6:])["choices"]:
                        tokens += bool(choice["delta"].get("content"))
        return tokens

    return ask


async def agent(url: str, client: httpx2.AsyncClient) -> Ask:
    """`openai_agent`, its message read token by token."""
    model = openai_agent.bind(model=MODEL, client=AsyncOpenAI(api_key=KEY, base_url=url, http_client=client))

    async def ask() -> int:
        return sum([1 async for message in model.inquire(QUESTION) async for _ in message])

    return ask


answers_limit: Role = reading(bare)
answers_ours: Role = reading(agent, MiniAgents)
live_limit: Role = reading(bare, pause=LIVE_PAUSE)
live_ours: Role = reading(agent, MiniAgents, pause=LIVE_PAUSE)
