"""Cases of decoding: the same bytes, through the SDK's own iteration and through ours, for three wires.

Both ask with the same client, whose transport has the answer in memory, in pieces of `PIECE` bytes; making
the client is not measured. Ours must take a fifth of the time of the SDK or less, and 20 µs a token or less.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import httpx2
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from typing_extensions import override

from miniagents.ext.llm import ModelCall, Wire
from miniagents.ext.llm._transport import Response
from miniagents.ext.llm.anthropic import _WIRE as ANTHROPIC_WIRE
from miniagents.ext.llm.openai import _WIRE as CHAT_WIRE
from miniagents.ext.llm.openai_responses import _WIRE as RESPONSES_WIRE
from tests.support.anthropic_wire import answered
from tests.support.chat_wire import chat
from tests.support.responses_wire import responded

from .sources import Role, timed

__all__ = [
    "anthropic_limit",
    "anthropic_ours",
    "chat_limit",
    "chat_ours",
    "responses_limit",
    "responses_ours",
]

PIECE = 16 * 2**10
MODEL = "model-of-bench"


class Body(httpx2.AsyncByteStream):
    """An answer that is in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @override
    async def __aiter__(self) -> AsyncGenerator[bytes]:
        for at in range(0, len(self._data), PIECE):
            yield self._data[at : at + PIECE]


def answering(events: Callable[..., tuple[bytes, ...]], count: int) -> httpx2.AsyncClient:
    """A client that is answered with so many tokens."""
    data = b"".join(events(*(f"word{number % 100} " for number in range(count))))
    headers = {"content-type": "text/event-stream"}
    return httpx2.AsyncClient(
        transport=httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, stream=Body(data)))
    )


async def read(wire: Wire, ask: Callable[[], AbstractAsyncContextManager[Response]], count: int) -> float:
    """Read an answer through ours; the seconds that it took."""

    async def work() -> None:
        parts = [part async for part in ModelCall(wire, ask, MODEL, "server").parts({})]
        assert count == sum(isinstance(part, str) for part in parts)

    return await timed(work)


def role(measured: Callable[[int], Awaitable[float]]) -> Role:
    """What runs on a loop of its own."""

    async def main(count: int) -> float:
        return await measured(count)

    return lambda count: asyncio.run(main(count), debug=False)


@role
async def chat_limit(count: int) -> float:
    """Chat Completions through the SDK."""
    async with AsyncOpenAI(api_key="key", http_client=answering(chat, count)) as client:

        async def work() -> None:
            stream = await client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "Hi"}], stream=True
            )
            texts = [chunk.choices[0].delta.content async for chunk in stream if chunk.choices]
            assert count == sum(map(bool, texts))

        return await timed(work)


@role
async def chat_ours(count: int) -> float:
    """Chat Completions through ours."""
    async with AsyncOpenAI(api_key="key", http_client=answering(chat, count)) as client:
        create = client.chat.completions.with_streaming_response.create
        return await read(
            CHAT_WIRE,
            lambda: create(model=MODEL, messages=[{"role": "user", "content": "Hi"}], stream=True),
            count,
        )


@role
async def anthropic_limit(count: int) -> float:
    """Messages through the SDK."""
    async with AsyncAnthropic(api_key="key", http_client=answering(answered, count)) as client:

        async def work() -> None:
            stream = await client.messages.create(
                model=MODEL, max_tokens=9, messages=[{"role": "user", "content": "Hi"}], stream=True
            )
            kinds = [event.type async for event in stream]
            assert count == kinds.count("content_block_delta")

        return await timed(work)


@role
async def anthropic_ours(count: int) -> float:
    """Messages through ours."""
    async with AsyncAnthropic(api_key="key", http_client=answering(answered, count)) as client:
        create = client.messages.with_streaming_response.create
        return await read(
            ANTHROPIC_WIRE,
            lambda: create(
                model=MODEL, max_tokens=9, messages=[{"role": "user", "content": "Hi"}], stream=True
            ),
            count,
        )


@role
async def responses_limit(count: int) -> float:
    """Responses through the SDK."""
    async with AsyncOpenAI(api_key="key", http_client=answering(responded, count)) as client:

        async def work() -> None:
            stream = await client.responses.create(model=MODEL, input="Hi", stream=True)
            kinds = [event.type async for event in stream]
            assert count == kinds.count("response.output_text.delta")

        return await timed(work)


@role
async def responses_ours(count: int) -> float:
    """Responses through ours."""
    async with AsyncOpenAI(api_key="key", http_client=answering(responded, count)) as client:
        create = client.responses.with_streaming_response.create
        return await read(RESPONSES_WIRE, lambda: create(model=MODEL, input="Hi", stream=True), count)
