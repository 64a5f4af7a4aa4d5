"""What OpenAI's official client, and our own agents, make of bytes that we wrote for them."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from random import Random
from typing import Protocol, TypeAlias

import httpx2
from openai import AsyncOpenAI

from miniagents import AssistantMessage, LLMError, MiniAgents
from miniagents.ext.web._frames import Frame, MessagePart, RunEnded, json_of
from miniagents.ext.web._protocols import Encoder
from miniagents.values import Restart
from tests.support.amounts import amount

from .run_frames import drawn_run

__all__ = ["Ask", "Gatherer", "check_any_run", "client_of", "streamed", "whole"]


Ask: TypeAlias = Callable[[AsyncOpenAI, bool], Awaitable[AssistantMessage]]
"""Has an agent ask a client, for a stream or not."""


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


async def check_any_run(
    responses: Callable[[list[Frame]], tuple[httpx2.Response, httpx2.Response]],
    ask: Ask,
    *,
    runs: int = amount(40, 150),
) -> None:
    """Check that an agent of ours reads any run, and that only one that did not end well is an error.

    Args:
        responses: a run, streamed and whole.
        ask: has the agent ask.
        runs: how many are drawn.
    """
    for seed in range(runs):
        frames = drawn_run(Random(f"run {seed}"))  # noqa: S311 - no secret
        told = [
            await _asked(response, ask, stream=stream)
            for response, stream in zip(responses(frames), (True, False), strict=True)
        ]
        ended = frames[-1]
        assert isinstance(ended, RunEnded)
        assert (ended.how == "finished") == (told[1] is not None), (seed, frames)
        # Chat Completions cannot withdraw a text.
        if not any(isinstance(frame, MessagePart) and frame.part == Restart() for frame in frames):
            assert _facts(told[0]) == _facts(told[1]), (seed, frames)


async def _asked(
    response: httpx2.Response,
    ask: Callable[[AsyncOpenAI, bool], Awaitable[AssistantMessage]],
    *,
    stream: bool,
) -> AssistantMessage | None:
    async with client_of(response) as client, MiniAgents():
        try:
            return await ask(client, stream)
        except LLMError:
            return None


def _facts(answer: AssistantMessage | None) -> tuple[object, ...]:
    """What has to be the same, streamed and whole; in which order texts and refusals came is lost in one."""
    if answer is None:
        return ()
    said = "".join(part for part in answer.content if isinstance(part, str))
    return said, answer.refusal, answer.finish_reason, answer.usage, answer.tool_calls
