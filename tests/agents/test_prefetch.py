"""Every async edge runs at most `prefetch` pieces ahead of its fastest reader, whatever stands between.

Crosses modules: pumps, flatteners, token feeds, runs, chains of agents, operators.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable

import pytest
from hypothesis import given, settings, strategies as st

from miniagents import (
    InteractionContext,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MiniAgents,
    join_messages,
    miniagent,
    split_messages,
)
from miniagents.operators import map_messages, map_tokens, to_async_iter
from tests.support.amounts import amount
from tests.support.sources import Source, turns

Sequence = MessageSequencePromise[Message]
Step = Callable[[Sequence], Sequence]

PREFETCH = 10
MANY = 200


@miniagent
async def pass_agent(ctx: InteractionContext) -> None:
    """Reply what comes, as it comes."""
    ctx.reply(ctx.messages)


@miniagent
async def source_agent(ctx: InteractionContext, source: AsyncIterable[str]) -> None:
    """Reply a stream of messages."""
    ctx.reply(source)


def given_to_inquire(source: Source[str]) -> Sequence:
    """An async iterable given to `inquire`."""
    return pass_agent.inquire(source)


def given_to_reply(source: Source[str]) -> Sequence:
    """An async iterable given to `reply`."""
    return source_agent.inquire(source=source)


def through_a_chain(source: Source[str]) -> Sequence:
    """An async iterable through a chain of agents."""
    return (pass_agent | pass_agent | pass_agent).inquire(source)


def with_errors_handled(source: Source[str]) -> Sequence:
    """An async iterable through an agent whose errors another one handles."""
    return pass_agent.catching(pass_agent).inquire(source)


def nested(source: Source[str]) -> Sequence:
    """An async iterable among other messages, in a list in a list."""
    return pass_agent.inquire([[MessageSequencePromise([source])]])


def same(message: Message) -> Message:
    """Return what is given."""
    return message


def mapped(source: Source[str]) -> Sequence:
    """An async iterable whose messages are mapped one by one."""
    return pass_agent.inquire(map_messages(same)(pass_agent.inquire(source).messages))


MESSAGE_EDGES = [given_to_inquire, given_to_reply, through_a_chain, with_errors_handled, nested]


@pytest.mark.parametrize("edge", MESSAGE_EDGES)
async def test_messages_are_paused(edge: Callable[[Source[str]], Sequence]) -> None:
    """A stream of messages pauses at `prefetch`, goes on as it is read, and is closed when it is left."""
    source = Source(["text"] * MANY)
    async with MiniAgents(prefetch=PREFETCH):
        replies = edge(source)
        reader = aiter(replies)
        await turns(50)
        assert source.produced <= PREFETCH
        for read in range(1, 4 * PREFETCH):
            await anext(reader)
            await turns(10)
            assert source.produced <= read + PREFETCH
        del reader, replies
        await turns(10)
        assert source.closed == 1
    assert source.produced < MANY


@pytest.mark.parametrize("edge", [*MESSAGE_EDGES, mapped])
async def test_awaiting_the_whole(edge: Callable[[Source[str]], Sequence]) -> None:
    """A paused source goes on when somebody awaits the whole."""
    source = Source(["text"] * MANY)
    async with MiniAgents(prefetch=PREFETCH):
        replies = edge(source)
        async for _ in replies:
            break
        await turns(50)
        assert MANY == len(await replies)


@pytest.mark.parametrize("edge", MESSAGE_EDGES)
async def test_the_end_of_the_context(edge: Callable[[Source[str]], Sequence]) -> None:
    """A paused source whose reader has left goes on when the context drains."""
    source = Source(["text"] * MANY)
    async with MiniAgents(prefetch=PREFETCH):
        replies = edge(source)
        async for _ in replies:
            break
        await turns(50)
        assert source.produced <= 1 + PREFETCH
    assert (MANY, 1) == (source.produced, source.closed)
    assert MANY == len(await replies)


@pytest.mark.parametrize("edge", MESSAGE_EDGES)
async def test_a_reader_that_gave_up(edge: Callable[[Source[str]], Sequence]) -> None:
    """When the last one who wanted everything has left, the source is paused again."""
    source = Source(["text"] * MANY, hold_at=3)
    async with MiniAgents(prefetch=PREFETCH):
        replies = edge(source)
        subscription = replies.messages.subscribe(lambda _: None)
        await turns(30)
        subscription.dispose()
        source.go.set()
        await turns(50)
        assert source.produced <= 3 + PREFETCH
        replies.cancel()


async def test_streams_that_wait_for_their_turn() -> None:
    """Inquiries in a replied stream start at most `prefetch` ahead, also when the first one is slow."""
    go = asyncio.Event()
    started = 0

    @miniagent
    async def slow_agent(ctx: InteractionContext) -> None:
        nonlocal started
        started += 1
        await go.wait()
        ctx.reply("done")

    async def inquiries() -> AsyncGenerator[Sequence]:
        for _ in range(MANY):
            yield slow_agent.inquire()

    async with MiniAgents(prefetch=PREFETCH):
        replies = MessageSequencePromise(inquiries())
        await turns(50)
        assert started <= PREFETCH + 1
        go.set()
        assert MANY == len(await replies)


def joined(source: Sequence) -> Sequence:
    """Join into one message."""
    return MessageSequencePromise(join_messages(source, ""))


def cut(source: Sequence) -> Sequence:
    """Split at what is in no text."""
    return split_messages(source, "|", None)


def upper(source: Sequence) -> Sequence:
    """Map each token."""
    return MessageSequencePromise(map_tokens(str.upper)(source.messages))


def passed_on(source: Sequence) -> Sequence:
    """Through an agent."""
    return pass_agent.inquire(source)


def caught(source: Sequence) -> Sequence:
    """Through an agent whose errors are messages."""
    return pass_agent.errors_as_messages().inquire(source)


STEPS: list[Step] = [joined, cut, passed_on, caught]


@pytest.mark.parametrize("step", STEPS)
async def test_tokens_are_paused(step: Step) -> None:
    """The tokens of a message pause at `prefetch`, go on as they are read, and are closed when left."""
    source = Source(["x"] * MANY)
    async with MiniAgents(prefetch=PREFETCH):
        messages = aiter(step(MessageSequencePromise(Message.promise(source))))
        message = await anext(messages)
        await turns(50)
        assert source.produced <= PREFETCH
        reader = aiter(message)
        for read in range(1, 4 * PREFETCH):
            assert "x" == await anext(reader)
            await turns(10)
            assert source.produced <= read + PREFETCH
        del reader, message, messages
        await turns(10)
        assert (source.closed, source.produced < MANY) == (1, True)


async def test_a_cold_pipe_takes_everything() -> None:
    """A subscriber takes every item at once, so nothing is paused before it."""
    source = Source(["x"] * MANY)
    async with MiniAgents(prefetch=PREFETCH):
        promise = Message.promise(source)
        pipe = MessageSequencePromise(promise).messages.pipe(map_tokens(str.upper))
        (mapped_promise,) = [each async for each in to_async_iter(pipe)]
        assert "X" * MANY == str(await mapped_promise)


async def read_promises_first(sequence: Sequence) -> list[str]:
    """All promises, then each."""
    promises: list[MessagePromise[Message]] = [promise async for promise in sequence]
    return [str(await promise) for promise in promises]


async def read_the_whole(sequence: Sequence) -> list[str]:
    """Await it."""
    return [str(message) for message in await sequence]


async def read_token_by_token(sequence: Sequence) -> list[str]:
    """Each token of each message."""
    return ["".join([token async for token in promise]) async for promise in sequence]


async def read_the_last_first(sequence: Sequence) -> list[str]:
    """All promises, then each from the last one back."""
    promises = [promise async for promise in sequence]
    return [str(await promise) for promise in reversed(promises)][::-1]


async def read_its_tokens(sequence: Sequence) -> list[str]:
    """The Observable of all tokens."""
    return ["".join([token async for token in to_async_iter(sequence.tokens)])]


@settings(max_examples=amount(12, 60))
@given(
    lengths=st.lists(st.integers(0, 8), max_size=8),
    steps=st.lists(st.sampled_from([*STEPS, upper]), max_size=4),
    read=st.sampled_from(
        [read_promises_first, read_the_whole, read_token_by_token, read_the_last_first, read_its_tokens]
    ),
    prefetch=st.integers(1, 4),
)
async def test_nothing_hangs(
    lengths: list[int],
    steps: list[Step],
    read: Callable[[Sequence], Awaitable[list[str]]],
    prefetch: int,
) -> None:
    """However messages are passed on and read, and however little may run ahead, every token arrives."""

    async def messages() -> AsyncGenerator[MessagePromise[Message]]:
        for length in lengths:
            yield Message.promise(Source(["x"] * length))

    async with MiniAgents(prefetch=prefetch):
        sequence: Sequence = MessageSequencePromise(messages())
        for step in steps:
            sequence = step(sequence)
        async with asyncio.timeout(5):
            texts = await read(sequence)
        assert "x" * sum(lengths) == "".join(texts).lower()


@pytest.mark.loop(virtual=True)
async def test_awaiting_the_whole_holds_no_message_back() -> None:
    """While the first message of an awaited whole is slow, the later ones are written to their ends."""
    long = Source(["token"] * MANY)

    @miniagent
    async def slow(ctx: InteractionContext) -> None:
        async def tokens(_: object) -> AsyncGenerator[str]:
            yield "one"
            await asyncio.sleep(10.0)
            yield "two"

        ctx.reply(Message.promise(tokens))

    @miniagent
    async def fast(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(long))

    async with MiniAgents(prefetch=PREFETCH):
        waiting = asyncio.ensure_future((slow & fast).inquire("Hi").aresolve_messages())
        await asyncio.sleep(5.0)
        assert (MANY, 1) == (long.produced, long.closed)
        assert 2 == len(await waiting)
