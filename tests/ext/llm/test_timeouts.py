"""A model that keeps us waiting, over a real socket; `test_matrix.py` has the ways in which it may."""

import asyncio
import gc
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

import httpx2
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from miniagents import LLMTimeoutError, MiniAgents, Retry
from miniagents.ext.llm._timeouts import Clock, Timeouts
from tests.support import chat_wire
from tests.support.sse_server import hold, raw
from tests.support.wires import CHAT, KEY, WIRES, Wire, error_of

T = TypeVar("T")

on_each_wire = pytest.mark.parametrize("wire", WIRES, ids=repr)


@on_each_wire
async def test_total_timeout_of_a_whole_answer(wire: Wire) -> None:
    """Without streaming `total_timeout` alone bounds the call."""
    error = await error_of(wire, raw(hold), stream=False, total_timeout=0.1, first_token_timeout=0.01)
    assert "total_timeout" in str(error)


@asynccontextmanager
async def slowly(
    wire: Wire, *events: bytes, refusals: int = 0, stuck: bool = False
) -> AsyncGenerator[object]:
    """A client of the SDK for which each event comes a second after it is asked for.

    Args:
        wire: the provider.
        events: what it says.
        refusals: so many calls are refused before.
        stuck: after the events nothing comes any more, not even an end.
    """

    async def body() -> AsyncGenerator[bytes]:
        for event in events:
            await asyncio.sleep(1)
            yield event
        if stuck:
            await asyncio.Event().wait()

    left = iter(range(refusals))

    def respond(_: httpx2.Request) -> httpx2.Response:
        if next(left, None) is not None:
            return httpx2.Response(503, json={}, headers={"retry-after": "1"})
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body())

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(respond)) as http:
        kind = AsyncAnthropic if wire.name == "anthropic" else AsyncOpenAI
        yield kind(api_key=KEY, base_url="http://model.example" + wire.path, http_client=http)


@on_each_wire
@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("limit", ["stall_timeout", "total_timeout"])
async def test_slow_reader(wire: Wire, limit: str) -> None:
    """While its reader holds a stream back the clock stands still: only the waiting for the model counts."""
    events = (*wire.begun(*"abcdefgh"), wire.end)
    limits = {"stall_timeout": 5, "total_timeout": len(events) + 2}
    async with slowly(wire, *events) as client, MiniAgents(prefetch=1):
        agent = wire.agent.fork(model="m", client=client)
        (reply,) = [reply async for reply in agent.inquire("Hello", **{limit: limits[limit]})]
        text = ""
        async for piece in reply:
            await asyncio.sleep(100)
            text += piece
    assert text == "abcdefgh"


@on_each_wire
@pytest.mark.loop(virtual=True)
async def test_slow_reader_of_retries(wire: Wire) -> None:
    """Who takes long to look at a retry does not use up the time of the call."""
    events = (*wire.begun(*"ab"), wire.end)
    limits = {"first_token_timeout": len(events) + 5, "total_timeout": len(events) + 5}
    async with slowly(wire, *events, refusals=2) as client, MiniAgents(prefetch=1):
        agent = wire.agent.fork(model="m", client=client)
        (reply,) = [reply async for reply in agent.inquire("Hello", max_retries=2, **limits)]
        async for part in reply.parts:
            if isinstance(part, Retry):
                await asyncio.sleep(100)
        assert (await reply).text == "ab"


@on_each_wire
@pytest.mark.loop(virtual=True)
async def test_stuck_after_a_while(wire: Wire) -> None:
    """A limit that moved on with every piece still ends a call that is stuck later."""
    events = wire.begun(*"abcdefgh")
    async with slowly(wire, *events, stuck=True) as client, MiniAgents():
        agent = wire.agent.fork(model="m", client=client)
        began = asyncio.get_running_loop().time()
        with pytest.raises(LLMTimeoutError, match="no progress for 5 s") as caught:
            await agent.inquire("Hello", stall_timeout=5)
        assert caught.value.partial_text == "abcdefgh"
        assert asyncio.get_running_loop().time() - began == pytest.approx(len(events) + 5)


async def _within(clock: Clock, waiting: Awaitable[T]) -> T:
    with clock:
        return await waiting


async def _stubborn() -> str:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "late"
    return "never"


async def _broken() -> None:
    raise ValueError("broken")


@pytest.mark.loop(virtual=True)
async def test_a_wait_that_ends_well_after_all() -> None:
    """What comes after its time was up is taken, no task is left cancelled, and later errors are errors."""
    clock = Clock(Timeouts(first_token=1), streaming=True)
    assert await _within(clock, _stubborn()) == "late"
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]  # a test is a task
    with pytest.raises(ValueError, match="broken"):
        await _within(clock, _broken())


@pytest.mark.loop(virtual=True)
async def test_cancelled_when_the_time_is_up() -> None:
    """Who is cancelled by somebody else in the very moment in which a limit is up is cancelled."""
    clock = Clock(Timeouts(first_token=1), streaming=True)
    waiting = asyncio.create_task(_within(clock, asyncio.Event().wait()))
    await asyncio.sleep(0)  # its timer is set before this one
    asyncio.get_running_loop().call_later(1, waiting.cancel)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert waiting.cancelled()


@on_each_wire
@pytest.mark.parametrize("limit", ["first_token_timeout", "total_timeout"])
async def test_a_server_that_is_never_waited_for(wire: Wire, limit: str) -> None:
    """The time limits end a call also if more bytes have come each time that they are read."""
    began = time.monotonic()

    async def body() -> AsyncGenerator[bytes]:
        if limit == "total_timeout":
            yield b"".join(wire.begun("a"))
        while time.monotonic() - began < 5:
            yield (wire.idle if limit == "first_token_timeout" else wire.piece("a")) * 1000

    def respond(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body())

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(respond)) as http, MiniAgents():
        kind = AsyncAnthropic if wire.name == "anthropic" else AsyncOpenAI
        client = kind(api_key=KEY, base_url="http://model.example", http_client=http)
        with pytest.raises(LLMTimeoutError, match=limit):
            await wire.agent.inquire("Hello", model="m", client=client, **{limit: 0.1})


@on_each_wire
@pytest.mark.loop(virtual=True)
async def test_the_timer_of_a_call_ends_with_it(wire: Wire) -> None:
    """After an answer no timer waits for a limit that can no longer be passed."""
    async with slowly(wire, *wire.good("Hello")) as client, MiniAgents():
        assert str(await wire.agent.fork(model="m", client=client).inquire("Hi")) == "Hello"
        gc.collect()
        assert [] == [each for each in gc.get_objects() if type(each) is Clock]  # a timer would hold it


@on_each_wire
@pytest.mark.loop(virtual=True)
async def test_a_body_without_an_end(wire: Wire) -> None:
    """After the terminal marker the end of the body is not waited for as long as for a piece."""
    events = wire.good("Hello")
    async with slowly(wire, *events, stuck=True) as client, MiniAgents():
        began = asyncio.get_running_loop().time()
        agent = wire.agent.fork(model="m", client=client, stall_timeout=60)
        assert str(await agent.inquire("Hi")) == "Hello"
        assert asyncio.get_running_loop().time() - began < len(events) + 6


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("usage", [None, {"prompt_tokens": 7, "completion_tokens": 3}])
async def test_a_reason_in_every_event(usage: object) -> None:
    """Where each event has a reason, and a count, the next piece may take as long as any piece does."""

    def piece(text: str) -> bytes:
        choice = {"delta": {"content": text}, "finish_reason": "stop"}
        return chat_wire.event({"choices": [choice], "usage": usage})

    pauses = [b": still here\n\n"] * 20
    events = [event for text in "abc" for event in (piece(text), *pauses)]
    async with slowly(CHAT, *events, chat_wire.DONE, stuck=True) as client, MiniAgents():
        began = asyncio.get_running_loop().time()
        agent = CHAT.agent.fork(model="m", client=client, stall_timeout=30)
        (message,) = await agent.inquire("Hi")
        assert (message.text, message.finish_reason) == ("abc", "stop")
        assert asyncio.get_running_loop().time() - began < len(events) + 3


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("texts", ["", "a", "ab"])
async def test_a_reason_and_then_nothing(texts: str) -> None:
    """If nothing follows a reason it is the end, in time; behind text that followed one it is a stall."""
    events = [chat_wire.chunk(text, "stop") for text in texts or [""]]
    async with slowly(CHAT, *events, stuck=True) as client, MiniAgents():
        agent = CHAT.agent.fork(model="m", client=client, stall_timeout=30)
        if len(texts) < 2:
            assert texts == str(await agent.inquire("Hi"))
        else:
            with pytest.raises(LLMTimeoutError, match="no progress for 30 s"):
                await agent.inquire("Hi")
