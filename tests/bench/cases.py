"""The cases S1 to S7: what is measured, and the limit that it is measured against."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, MutableMapping
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import TypeAlias

from miniagents import (
    InteractionContext,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MiniAgents,
    miniagent,
)
from miniagents.operators import map_tokens

Role: TypeAlias = Callable[[int], float]


@dataclass(frozen=True, slots=True)
class Case:
    """A case: both roles take a count and return the seconds that it took.

    Attributes:
        limit: the least that the interpreter allows, or what is compared with.
        ours: the same through the library.
        count: the size of a full run.
        small: the size of a check that it runs.
        target: what the ratio must not exceed.
    """

    limit: Role
    ours: Role
    count: int
    small: int
    target: float


def timed(work: Callable[[], Awaitable[object]]) -> Coroutine[object, object, float]:
    """The seconds that ``work`` takes, inside of a running loop."""

    async def run() -> float:
        start = time.perf_counter()
        await work()
        return time.perf_counter() - start

    return run()


def in_context(work: Callable[[], Awaitable[float]]) -> float:
    """Run ``work`` in a context of agents; making and ending the context is not measured."""

    async def main() -> float:
        async with MiniAgents():
            return await work()

    return asyncio.run(main())


async def bulk(count: int) -> AsyncIterator[str]:
    """A source that never suspends."""
    for _ in range(count):
        yield "token"


async def live(count: int) -> AsyncIterator[str]:
    """A source that suspends at every token."""
    for _ in range(count):
        await asyncio.sleep(0)
        yield "token"


async def exhaust(source: AsyncIterator[object]) -> None:
    """Read everything."""
    async for _ in source:
        pass


@miniagent
async def pass_on(ctx: InteractionContext) -> None:
    """Reply what came."""
    ctx.reply(ctx.messages)


def streaming(source: Callable[[int], AsyncIterator[str]], count: int) -> MessagePromise[Message]:
    """A message of ``count`` tokens."""

    def tokens(metadata: MutableMapping[str, object]) -> AsyncIterator[str]:
        del metadata
        return source(count)

    return Message.promise(tokens)


async def read_tokens(replies: MessageSequencePromise[Message]) -> None:
    """Read every token of every message."""
    async for message in replies:
        async for _ in message:
            pass


def stream_limit(source: Callable[[int], AsyncIterator[str]]) -> Role:
    """A bare ``async for`` over the source."""
    return lambda count: asyncio.run(timed(lambda: exhaust(source(count))))


def stream_ours(source: Callable[[int], AsyncIterator[str]]) -> Role:
    """The source through one agent that passes on, to ``async for``."""
    return lambda count: in_context(
        lambda: timed(lambda: read_tokens(pass_on.inquire(streaming(source, count))))
    )


DEPTH = 16


async def through(source: AsyncIterator[str]) -> AsyncIterator[str]:
    """One more async generator."""
    async for token in source:
        yield token.upper()


def operators_limit(count: int) -> float:
    """``DEPTH`` async generators on top of a source."""
    chain: AsyncIterator[str] = reduce(lambda source, _: through(source), range(DEPTH), bulk(count))
    return asyncio.run(timed(lambda: exhaust(chain)))


def operators_ours(count: int) -> float:
    """``DEPTH`` pure operators on top of a source."""

    async def work() -> float:
        replies = pass_on.inquire(streaming(bulk, count))
        pipeline = replies.messages.pipe(*[map_tokens(str.upper) for _ in range(DEPTH)])
        return await timed(lambda: read_tokens(MessageSequencePromise(pipeline)))

    return in_context(work)


READERS = 100


def replay_limit(count: int) -> float:
    """A list read ``READERS`` times through an async generator."""
    kept = ["token"] * count

    async def tokens() -> AsyncIterator[str]:
        for token in kept:
            yield token

    async def work() -> None:
        for _ in range(READERS):
            await exhaust(tokens())

    return asyncio.run(timed(work))


def replay_ours(count: int) -> float:
    """A finished stream read ``READERS`` times."""

    async def work() -> float:
        message = streaming(bulk, count)
        await message

        async def replay() -> None:
            for _ in range(READERS):
                await exhaust(aiter(message))

        return await timed(replay)

    return in_context(work)


def calls_limit(count: int) -> float:
    """``asyncio.gather`` of bare coroutines, each a task that is resumed once."""

    async def echo(text: str) -> str:
        await asyncio.sleep(0)
        return text

    return asyncio.run(timed(lambda: asyncio.gather(*(echo("hello") for _ in range(count)))))


@miniagent
async def echo(ctx: InteractionContext) -> None:
    """Reply each message as it comes."""
    async for message in ctx.messages:
        ctx.reply(message)


def calls_ours(count: int) -> float:
    """As many agents called at once, one message in and out."""

    async def work() -> None:
        for replies in [echo.inquire("hello") for _ in range(count)]:
            await replies

    return in_context(lambda: timed(work))


def first_token_limit(count: int) -> float:
    """Half a millisecond per chain: what is promised, not what could be."""
    return 0.0005 * count


CHAIN = 100


def first_token_ours(count: int) -> float:
    """The first token through a chain of ``CHAIN`` streaming agents, ``count`` times."""

    async def first() -> None:
        replies: MessageSequencePromise[Message] = pass_on.inquire(streaming(live, 3))
        for _ in range(CHAIN - 1):
            replies = pass_on.inquire(replies)
        async for message in replies:
            async for _ in message:
                return

    async def work() -> None:
        for _ in range(count):
            await first()

    return in_context(lambda: timed(work))


def nested(count: int) -> list[object]:
    """``count`` texts, nested three deep."""
    return [[["text"] * 10 for _ in range(10)] for _ in range(count // 100)]


async def flat(value: object) -> AsyncIterator[object]:
    """Flatten by recursion."""
    if isinstance(value, list):
        for part in value:
            async for leaf in flat(part):
                yield leaf
    else:
        yield value


def flatten_limit(count: int) -> float:
    """A recursive async generator that makes a message of each text."""
    texts = nested(count)

    async def work() -> None:
        async for leaf in flat(texts):
            Message(str(leaf))

    return asyncio.run(timed(work))


def flatten_ours(count: int) -> float:
    """The same by giving the nested lists to a sequence."""
    texts = nested(count)

    async def work() -> None:
        await MessageSequencePromise(texts)  # type: ignore[arg-type]

    return in_context(lambda: timed(work))


def import_seconds(statement: str) -> float:
    """How long a statement takes in a fresh interpreter."""
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    return float(done.stdout)


def imports(statement: str) -> Role:
    """Import ``count`` times, each in a fresh interpreter."""
    return lambda count: sum(import_seconds(statement) for _ in range(count))


CASES = MappingProxyType(
    {
        "S1": Case(stream_limit(bulk), stream_ours(bulk), 100_000, 2_000, 3.0),
        "S1L": Case(stream_limit(live), stream_ours(live), 50_000, 500, 2.2),
        "S2": Case(operators_limit, operators_ours, 10_000, 200, 0.6),
        "S3": Case(replay_limit, replay_ours, 20_000, 200, 1.2),
        "S4": Case(calls_limit, calls_ours, 10_000, 100, 3.0),
        "S5": Case(first_token_limit, first_token_ours, 100, 2, 1.0),
        "S6": Case(flatten_limit, flatten_ours, 100_000, 1_000, 0.5),
        "S7": Case(
            imports("import reactivex; from pydantic import BaseModel"),
            imports("import miniagents"),
            3,
            1,
            1.2,
        ),
    }
)
