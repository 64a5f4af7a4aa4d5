"""What OpenAI's official client, and our own agents, make of bytes that we wrote for them."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Protocol

import httpx2
from openai import AsyncOpenAI

from miniagents.ext.web._frames import Frame, json_of
from miniagents.ext.web._protocols import Encoder

__all__ = ["Gatherer", "client_of", "streamed", "whole"]


class Gatherer(Protocol):
    """A whole answer that is being gathered."""

    def take(self, frame: Frame) -> None:
        """Take a frame."""

    def response(self) -> tuple[int, dict[str, object]]:
        """Return the status and the body."""
        ...


def streamed(encoder: Encoder, frames: Iterable[Frame]) -> httpx2.Response:
    """The response that an encoder writes of a run."""
    begun = encoder.begin()
    told = [encoder.encode(at, frame) for at, frame in enumerate(frames, 1)]
    body = b"".join([begun, *told, encoder.ping(), encoder.finish()])
    return httpx2.Response(200, content=body, headers={"content-type": encoder.media_type})


def whole(gatherer: Gatherer, frames: Iterable[Frame]) -> httpx2.Response:
    """The response that is made of a run when it has ended."""
    for frame in frames:
        gatherer.take(frame)
    status, body = gatherer.response()
    return httpx2.Response(status, content=json_of(body), headers={"content-type": "application/json"})


@asynccontextmanager
async def client_of(response: httpx2.Response) -> AsyncGenerator[AsyncOpenAI]:
    """A client that gets this response to whatever it asks."""
    transport = httpx2.MockTransport(lambda _: response)
    async with (
        httpx2.AsyncClient(transport=transport) as http,
        AsyncOpenAI(api_key="a key", http_client=http, max_retries=0) as client,
    ):
        yield client
