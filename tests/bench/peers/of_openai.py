"""The SDK of OpenAI: its own iteration over a stream of chunks."""

from importlib import import_module
from types import MappingProxyType

import httpx2

from tests.bench.answer_server import KEY, LIVE_PAUSE, MODEL, QUESTION, Ask, reading
from tests.bench.call_cases import over_aiohttp, roles

openai = import_module("openai")


async def asking(url: str, client: httpx2.AsyncClient) -> Ask:
    """Each chunk is a pydantic object."""
    sdk = openai.AsyncOpenAI(api_key=KEY, base_url=url, http_client=client)

    async def ask() -> int:
        chunks = await sdk.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": QUESTION}], stream=True
        )
        return sum([1 async for chunk in chunks if chunk.choices and chunk.choices[0].delta.content])

    return ask


ROLES = MappingProxyType(
    {"S9": reading(asking), "S9L": reading(asking, pause=LIVE_PAUSE), **roles(over_aiohttp(asking))}
)
