"""The cases: each holds so many of something at once, and brings all of them to their end."""

import asyncio
import gc
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import reactivex as rx
from reactivex import Observable

from miniagents import (
    InquiryCancelledError,
    InteractionContext,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MiniAgent,
    MiniAgents,
    miniagent,
)
from miniagents.ext.journal import Journal
from miniagents.ext.web import RunEnded, RunParked, Runs
from miniagents.operators import as_messages, map_messages, map_tokens, resolve, to_async_iter
from miniagents.streams._lifetime import current_producer
from miniagents.tools import ask
from tests.support.amounts import amount
from tests.support.sse_server import serve, sse, wait
from tests.support.wires import ANTHROPIC, CHAT, KEY, Wire

__all__ = ["CASES", "Case"]

AT_ONCE: Final = 500
"""How many runs begin at once in `parked`."""

ANSWERED: Final = 11
"""Of how many of them a question is answered."""


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        run: holds that many and brings them to their end; it asserts that nothing is lost, and returns what
            else it has measured.
        full: how many there are in full.
        small: how many there are in the tests.
        what: a sentence about it.
    """

    run: Callable[[int], Awaitable[str | None]]
    full: int
    small: int
    what: str


class Gate:
    """Counts who has come to it, and lets all go on at once."""

    def __init__(self, expected: int) -> None:
        self._left = expected
        self.all_there = asyncio.Event()
        self.open = asyncio.Event()

    def arrive(self) -> None:
        """One more is there."""
        self._left -= 1
        if not self._left:
            self.all_there.set()

    async def pass_it(self) -> None:
        """Wait here with all the others."""
        self.arrive()
        await self.open.wait()


async def _streaming(count: int) -> None:
    gate = Gate(count)

    async def stream(metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
        yield "held "
        await gate.pass_it()
        yield "and finished"

    @miniagent
    async def streaming_agent(ctx: InteractionContext) -> None:
        await ctx.messages
        ctx.reply(Message.promise(stream))

    async def read(replies: MessageSequencePromise[Message]) -> str:
        return "".join([token async for reply in replies async for token in reply])

    async with MiniAgents():
        reading = asyncio.gather(*[read(streaming_agent.inquire("Hi")) for _ in range(count)])
        await gate.all_there.wait()
        gate.open.set()
        assert await reading == ["held and finished"] * count


async def _queued(count: int) -> None:
    @miniagent
    async def echo_agent(ctx: InteractionContext) -> None:
        ctx.reply(ctx.messages)

    async with MiniAgents():
        queued = [echo_agent.inquire(f"inquiry {number}") for number in range(count)]
        for number, replies in enumerate(queued):
            assert str(await replies) == f"inquiry {number}"


async def _http(wire: Wire, count: int) -> None:
    go = asyncio.Event()
    begun_with = wire.begun("held ")
    rest = [event for event in wire.good("finished") if event not in begun_with]
    script = sse(*begun_with, wait(go), *rest)
    begun = Gate(count)

    async def read(replies: MessageSequencePromise[Message]) -> str:
        text = ""
        async for reply in replies:
            async for token in reply:
                if not text:
                    begun.arrive()
                text += token
        return text

    async with serve(script) as server, MiniAgents():
        agent = wire.agent.fork(model="m", base_url=server.url + wire.path, api_key=KEY)
        reading = asyncio.gather(*[read(agent.inquire("Hi")) for _ in range(count)])
        await begun.all_there.wait()
        go.set()
        assert await reading == ["held finished"] * count


async def _openai(count: int) -> None:
    await _http(CHAT, count)


async def _anthropic(count: int) -> None:
    await _http(ANTHROPIC, count)


async def _operators(count: int) -> None:
    async with MiniAgents():
        same: list[Callable[[Observable[MessagePromise[Message]]], Observable[MessagePromise[Message]]]]
        same = [map_tokens(str), map_messages(lambda message: message)]
        for ending in ("whole", "left"):
            source = rx.of("a", "b").pipe(as_messages())
            stream = reduce(lambda so_far, number: same[number % 2](so_far), range(count), source)
            got: list[str] = []
            async for message in to_async_iter(stream.pipe(resolve())):
                got.append(str(message))
                if ending == "left":
                    break
            assert got == (["a", "b"] if ending == "whole" else ["a"])
            del stream


@miniagent
async def passing_agent(ctx: InteractionContext) -> None:
    """Reply each message when it comes."""
    async for promise in ctx.messages:
        ctx.reply(promise)


@miniagent
async def stuck_agent(ctx: InteractionContext) -> None:
    """Come to no end."""
    await asyncio.Event().wait()


@miniagent
async def failing_agent(ctx: InteractionContext) -> None:
    """Fail."""
    raise ValueError("broken")


def _passing(first: MiniAgent[Message, Message], count: int) -> MiniAgent[Message, Message]:
    return reduce(lambda chain, _: chain | passing_agent, range(count - 1), first)


async def _chain(count: int) -> None:
    async with MiniAgents():
        assert str(await _passing(passing_agent, count).inquire("through all")) == "through all"
        (told,) = await asyncio.gather(_passing(failing_agent, count).inquire("x"), return_exceptions=True)
        assert isinstance(told, ValueError)


async def _stopped(count: int) -> None:
    async with MiniAgents():
        await _cancelled(_passing(stuck_agent, count).inquire("x"))
        replies = _passing(stuck_agent, count).inquire("x")
        reader = asyncio.ensure_future(anext(aiter(replies)))
        await asyncio.sleep(0)
        reader.cancel()
        await asyncio.wait([reader])
        del replies, reader
        gc.collect()
    assert current_producer() is None


async def _cancelled(replies: MessageSequencePromise[Message]) -> None:
    reading = asyncio.ensure_future(replies)
    await asyncio.sleep(0)
    replies.cancel()
    try:
        await reading
    except InquiryCancelledError:
        pass
    else:
        raise AssertionError("the readers of a cancelled chain were not told")


async def _parked(count: int) -> str:
    """Park runs in a file; measure their bytes, the start of a server, and from an answer to a request."""
    at = 0.0

    @miniagent(alias="MODEL")
    async def model(ctx: InteractionContext) -> None:
        nonlocal at
        at = time.perf_counter()
        ctx.reply("done")

    @miniagent(alias="ASKS")
    async def asks(ctx: InteractionContext) -> None:
        ctx.reply(model.inquire(await ask("Which?")))

    with TemporaryDirectory() as folder:
        file = Path(folder) / "runs.db"
        async with Journal(file) as journal, MiniAgents(drain_timeout=0):
            runs = Runs(journal, agents={"agent": asks.bind()})
            ids: list[str] = []
            while len(ids) < count:
                few = range(min(AT_ONCE, count - len(ids)))
                ids += await asyncio.gather(*(runs.begin("agent", "Hi") for _ in few))
                await asyncio.gather(*(_until_parked(runs, each) for each in ids[-AT_ONCE:]))
        size = _size_of(file) / count
        begin = time.perf_counter()
        async with Journal(file) as journal, MiniAgents():
            runs = Runs(journal, agents={"agent": asks.bind()})
            await runs.open()
            start = time.perf_counter() - begin
            took: list[float] = []
            for run in ids[:: max(1, count // ANSWERED)]:
                (question,) = await runs.questions(run)
                begin = time.perf_counter()
                await runs.answer(run, question.id, "this")
                frames = [frame async for _, frame in runs.frames(run)]
                assert frames[-1] == RunEnded("finished")
                took.append(1000 * (at - begin))
    return f"{size:.0f} bytes a run, start {start:.3f} s, answer to request {median(took):.0f} ms"


def _size_of(file: Path) -> int:
    return file.stat().st_size


async def _until_parked(runs: Runs, run: str) -> None:
    async for _, frame in runs.frames(run):
        if isinstance(frame, RunParked):
            return


CASES: Mapping[str, Case] = {
    "streaming": Case(_streaming, 10_000, 200, "inquiries that stream at once, held and finished"),
    "openai": Case(_openai, 1_000, 20, "streams of openai_agent over loopback HTTP at once"),
    "anthropic": Case(_anthropic, 1_000, 20, "streams of anthropic_agent over loopback HTTP at once"),
    "queued": Case(_queued, 100_000, 1_000, "inquiries that are queued at once"),
    "operators": Case(_operators, 2_000, 300, "operators in one pipeline, read to the end and left"),
    "chain": Case(_chain, 10_000, amount(600, 1_200), "agents in one chain, to its end and failing"),
    "parked": Case(_parked, 100_000, 5, "runs that wait for an answer, in a file; and a server that begins"),
    # Each agent that begins to wait looks for a circle through all those that wait before it.
    "stopped": Case(
        _stopped, 10_000, amount(600, 1_200), "agents in one chain that is cancelled, and one that is left"
    ),
}
"""Each by its name."""
