"""litellm, which makes its HTTP client itself, over aiohttp."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from types import MappingProxyType

from tests.bench.answer_server import KEY, MODEL, QUESTION, Ask
from tests.bench.call_cases import roles

litellm = import_module("litellm")


@asynccontextmanager
async def client(url: str) -> AsyncGenerator[Ask]:
    """Its own call of a model that is compatible with OpenAI, streamed."""

    async def ask() -> int:
        chunks = await litellm.acompletion(
            model=f"openai/{MODEL}",
            messages=[{"role": "user", "content": QUESTION}],
            stream=True,
            api_key=KEY,
            api_base=url,
        )
        return sum([1 async for chunk in chunks if chunk.choices and chunk.choices[0].delta.content])

    yield ask


ROLES = MappingProxyType(roles(client))
