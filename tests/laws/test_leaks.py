"""What is done with goes at once: by its last reference, within a loop turn, not by a collection of cycles.

One exception is Python's own: an error that was raised to a reader knows, by its traceback, the frames of
that reader, and they may know the promise. That circle goes with the next collection.
"""

import asyncio
import gc
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import reactivex as rx
from reactivex import Observable, operators as ops

from miniagents import (
    AgentCall,
    InquiryCancelledError,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgents,
    join_messages,
    miniagent,
    split_messages,
)
from miniagents.messages._flattener import Flattener
from miniagents.messages._tokens import TokenFeed
from miniagents.operators import (
    as_messages,
    join,
    map_agent,
    map_tokens,
    resolve,
    split,
    to_async_iter,
    tokens,
)
from miniagents.streams import Promise, PromisingContext, StreamedPromise, from_async
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._run_task import ProducerTask
from miniagents.streams._stream import Subscription
from tests.contract.fed import Fed
from tests.support.sources import Source, turns

WATCHED = (
    *(Promise, ReplayBuffer, ProducerTask, Flattener, TokenFeed, Subscription),
    *(AgentCall, InteractionContext, PromisingContext),
)

Scenario = Callable[[], Awaitable[None]]


def alive() -> Counter[str]:
    """How many objects of the kernel this test has made that are still there."""
    return Counter(type(each).__name__ for each in gc.get_objects() if issubclass(type(each), WATCHED))


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Reply each message when it comes."""
    async for message_promise in ctx.message_promises:
        ctx.reply(message_promise)


@miniagent
async def asking_agent(ctx: InteractionContext) -> None:
    """Ask another agent and reply what it says."""
    ctx.reply([await echo_agent.inquire(ctx.messages), split_messages("a\n\nb")])


@miniagent
async def failing_agent(ctx: InteractionContext) -> None:
    """Fail after a reply."""
    ctx.reply("before")
    raise ValueError("broken")


async def promise_awaited() -> None:
    """A promise is awaited."""

    async def answer() -> int:
        return 42

    assert await Promise(answer) == 42
    assert await Promise(prefill_result=1) == 1


async def stream_awaited() -> None:
    """A stream is awaited."""
    assert await StreamedPromise[str, object](Source("abc")) == tuple("abc")


async def stream_iterated() -> None:
    """A stream is iterated to its end by two readers."""
    promise = StreamedPromise[str, object](Source("abc"))
    for _ in range(2):
        assert [piece async for piece in promise] == [*"abc"]


async def stream_left() -> None:
    """A stream is left by `break`."""
    async for _ in StreamedPromise[int, object](Source(range(10**9))):
        break


async def message_written() -> None:
    """A message is streamed, joined with another one, and split again."""
    message = Message.promise(Source(["a\n\n", "b"]))
    assert len(await split_messages([message, join_messages(["c", message])])) == 5


async def subscribed_to_the_end() -> None:
    """A stream is subscribed to, up to its end."""
    got: list[str] = []
    subscription = Message.promise(Source("abc")).tokens.subscribe(got.append)
    await turns(6)
    assert got == [*"abc"]
    subscription.dispose()


async def unsubscribed() -> None:
    """A subscription is disposed of before the end."""
    subscription = Message.promise(Source("abc", hold_at=1)).tokens.subscribe()
    await turns(4)
    subscription.dispose()


async def timed_out() -> None:
    """A reader gives up."""
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            await Message.promise(Source("abc", hold_at=1))


async def inquired() -> None:
    """An agent that asks another one is inquired and awaited."""
    assert len(await asking_agent.inquire(["x", "y"])) == 4


async def inquired_token_by_token() -> None:
    """The replies are read token by token."""
    replies = echo_agent.inquire(Message.promise(Source("xyz")))
    assert [token async for reply in replies async for token in reply] == [*"xyz"]


async def inquired_and_never_read() -> None:
    """The replies have no reader: the run goes to its end."""
    echo_agent.inquire("x")
    await turns(6)


async def inquired_and_left() -> None:
    """The replies are left in the middle of a message."""
    async for reply in echo_agent.inquire(Message.promise(Source("abc", hold_at=1))):
        async for _ in reply:
            break


async def inquiry_cancelled() -> None:
    """An inquiry is cancelled while it is read."""
    promise = echo_agent.inquire(Fed())
    reading = asyncio.ensure_future(promise)
    await turns()
    promise.cancel()
    with suppress(InquiryCancelledError):
        await reading


async def inquiry_as_a_block() -> None:
    """An inquiry is left as a block."""
    async with echo_agent.inquire(Fed()) as promise:
        assert not promise.done


async def inquiry_that_failed() -> None:
    """An inquiry fails, and its error is seen."""
    with suppress(ValueError):
        await failing_agent.inquire()


async def called() -> None:
    """An agent is called message by message."""
    call = echo_agent.initiate_inquiry().send_message("one").send_message("two")
    assert len(await call.reply_sequence()) == 2


async def call_dropped() -> None:
    """A call is dropped without being finished."""
    replies = echo_agent.initiate_inquiry().send_message("one").reply_sequence(finish_call=False)
    assert len(await replies) == 1


async def piped() -> None:
    """Two agents are piped and inquired."""
    assert str(await (echo_agent | echo_agent).inquire("x")) == "x"


async def pipeline() -> None:
    """A pipeline of operators is run to its end."""
    words: Observable[str] = rx.of("a", "b")
    stream = words.pipe(as_messages(), echo_agent, map_tokens(str.upper), join("\n\n"), split(), resolve())
    assert [str(message) async for message in to_async_iter(stream)] == ["A", "B"]


async def pipeline_left() -> None:
    """A pipeline is left early."""
    stream = rx.of("a", "b").pipe(echo_agent, ops.take(1), tokens())
    assert [token async for token in to_async_iter(stream)] == ["a"]


async def pumped() -> None:
    """An async iterable is seen as an Observable."""
    assert [piece async for piece in to_async_iter(from_async(Source("abc")))] == [*"abc"]


async def mapped() -> None:
    """An agent is mapped over rows."""
    rows = map_agent(echo_agent, concurrency=2)(["a", "b", "c"])
    assert [str(await replies) async for replies in rows] == ["a", "b", "c"]


async def nested() -> None:
    """Sequences stand in sequences."""
    inner = MessageSequencePromise(["a", Message.promise(Source("bc"))])
    assert str(await MessageSequencePromise([inner, rx.of("d")])) == "a\n\nbc\n\nd"


SCENARIOS: tuple[Scenario, ...] = (
    *(promise_awaited, stream_awaited, stream_iterated, stream_left, message_written, subscribed_to_the_end),
    *(unsubscribed, timed_out, inquired, inquired_token_by_token, inquired_and_never_read, inquired_and_left),
    *(inquiry_cancelled, inquiry_as_a_block, inquiry_that_failed, called, call_dropped, piped, pipeline),
    *(pipeline_left, pumped, mapped, nested),
)


RAISING = (inquiry_cancelled, inquiry_that_failed)


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
async def test_nothing_is_alive(scenario: Scenario) -> None:
    """After use nothing of it is alive: no promise, buffer, task, subscription, call, context of a run."""
    gc.collect()
    gc.disable()
    try:
        async with MiniAgents():
            before = alive()
            await scenario()
            await turns(4)  # the cancelled ones end, and those who wait for them
            if scenario in RAISING:
                gc.collect()
            assert alive() - before == Counter()
        del before
        await turns(1)
    finally:
        gc.enable()


@pytest.mark.loop(virtual=True)
async def test_a_context_is_not_kept() -> None:
    """A context that has ended goes with its last reference, also after an error."""
    gc.collect()
    gc.disable()
    try:
        for scenario in (inquired, stream_left, pipeline):
            async with MiniAgents():
                await scenario()
            with suppress(KeyError):
                async with MiniAgents():
                    await scenario()
                    raise KeyError
            await turns(1)
            assert alive() == Counter()
    finally:
        gc.enable()


async def test_a_leak_is_found() -> None:
    """Something that is still held is counted."""
    async with MiniAgents():
        kept = MessageSequencePromise("kept")
        assert alive()["MessageSequencePromise"] == 1
        del kept
        assert alive()["MessageSequencePromise"] == 0
