"""Crosses modules: what a provider of one's own gets from `miniagents.ext.llm`, over a real socket."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from examples import third_provider
from miniagents import (
    LLMConnectionError,
    LLMError,
    LLMProtocolError,
    LLMStatusError,
    LLMTruncatedError,
    MessageSequencePromise,
    MiniAgents,
)
from tests.support.sse_server import Script, ScriptedServer, answer, cut, hold, serve, sse

HEL, LO = b'data: {"text": "Hel"}\n\n', b'data: {"text": "lo", "stop": "end"}\n\n'


def test_short() -> None:
    """It has less than 80 lines."""
    assert len(Path(third_provider.__file__).read_text(encoding="utf-8").splitlines()) < 80


@asynccontextmanager
async def asked(*scripts: Script) -> AsyncGenerator[tuple[ScriptedServer, MessageSequencePromise]]:
    """Ask a server that follows the scripts."""
    async with (
        serve(*scripts) as server,
        httpx2.AsyncClient(base_url=server.url) as client,
        MiniAgents(),
    ):
        yield server, third_provider.acme_agent.inquire("Hi", client=client, model="acme-1")


async def test_asked_again() -> None:
    """It is asked again while nothing has come, and is sent the conversation."""
    busy = answer(503, {}, {"retry-after-ms": "1"})
    async with asked(busy, sse(HEL, LO)) as (server, replies):
        (message,) = await replies
    assert ("Hello", 2) == (message.text, len(server.requests))
    assert {"model": "acme-1", "turns": [["user", "Hi"]]} == server.requests[1].json


@pytest.mark.parametrize(
    ("script", "kind", "text"),
    [
        (sse(HEL), LLMTruncatedError, "Hel"),
        (sse(HEL, cut), LLMConnectionError, "Hel"),
        (sse(HEL, b"data: [1]\n\n", LO), LLMProtocolError, "Hel"),
        (sse(HEL, b'event: error\ndata: {"message": "No."}\n\n', LO), LLMStatusError, "Hel"),
        (answer(401, {"error": "No key."}), LLMStatusError, ""),
    ],
)
async def test_faults(script: Script, kind: type[LLMError], text: str) -> None:
    """What goes wrong is an error of ours, with the text that had come."""
    async with asked(script) as (_, replies):
        with pytest.raises(kind) as caught:
            await replies
    assert (text, "acme", "acme-1") == (
        caught.value.partial_text,
        caught.value.provider,
        caught.value.model,
    )


async def test_released() -> None:
    """A call that is cancelled lets its connection go."""
    async with asked(sse(HEL, hold)) as (server, replies):
        async for reply in replies:
            async for _ in reply:
                replies.cancel()
                break
            break
        await server.connections[0].gone.wait()
