"""The smallest programs of the defects that random programs found in 0.2.0, one test for each.

`C1` to `C12` number the classes of these defects. A class has as many programs as it had different causes.
"""

import asyncio
import gc
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import aclosing, contextmanager, suppress
from contextvars import Context

import pytest

from miniagents import (
    DeadlockError,
    InteractionContext,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MiniAgent,
    MiniAgents,
    RetryPolicy,
    identity,
    miniagent,
    race,
)
from miniagents.operators import map_agent, to_async_iter

LIMIT = 100.0
"""Seconds of virtual time after which a program counts as hanging: none here needs more than 20."""

AT_ONCE = RetryPolicy(attempts=2, delay=0.0)

Agent = MiniAgent[Message, Message]


class Source:
    """Writes a message, counts what it has made, and how often it was closed.

    Args:
        count: how many tokens.
        pause: seconds before each token.
    """

    def __init__(self, count: int, pause: float = 0.0) -> None:
        self.count = count
        self.pause = pause
        self.made = 0
        self.closed = 0

    async def tokens(self, _: object = None) -> AsyncGenerator[str]:
        """Write the message."""
        try:
            for _ in range(self.count):
                await asyncio.sleep(self.pause)
                self.made += 1
                yield "x"
        finally:
            self.closed += 1

    def message(self) -> MessagePromise[Message]:
        """Return a message that this source writes."""
        return Message.promise(self.tokens)


async def rows(count: int, pause: float = 0.001) -> AsyncGenerator[str]:
    """Messages that come one after the other."""
    for number in range(count):
        await asyncio.sleep(pause)
        yield str(number)


@miniagent
async def echo(ctx: InteractionContext) -> None:
    """Reply the messages."""
    ctx.reply(ctx.messages)


@miniagent
async def silent(ctx: InteractionContext) -> None:
    """Reply nothing."""


async def got(promise: MessageSequencePromise[Message]) -> list[str]:
    """Read messages one after the other: the text of each, its tokens, and how it failed."""
    seen: list[str] = []
    try:
        async for message in promise:
            seen.append("")
            try:
                async for token in message:
                    seen[-1] += token
            except Exception as error:  # noqa: BLE001 - it is compared
                seen[-1] += repr(error)
    except Exception as error:  # noqa: BLE001 - the same
        seen.append(repr(error))
    return seen


async def subscribed(promise: MessageSequencePromise[Message]) -> int:
    """Subscribe to the messages; how many there are when they have ended."""
    count = 0
    over = asyncio.get_running_loop().create_future()

    def add(_: object) -> None:
        nonlocal count
        count += 1

    with promise.messages.subscribe(add, over.set_exception, lambda: over.set_result(None)):
        await over
    return count


async def ab(_: object = None) -> AsyncGenerator[str]:
    """Write a message of two tokens, slowly."""
    for token in "ab":
        await asyncio.sleep(1.0)
        yield token


async def broken(_: object = None) -> AsyncGenerator[str]:
    """Write a message that fails after a token."""
    await asyncio.sleep(1.0)
    yield "a"
    raise ValueError("broken")


@miniagent
async def writer(ctx: InteractionContext) -> None:
    """Reply a message that streams."""
    ctx.reply(Message.promise(ab))


@miniagent
async def failing(ctx: InteractionContext) -> None:
    """Fail after two replies, of which the second still streams."""
    ctx.reply("z")
    ctx.reply(Message.promise(ab))
    raise ValueError("failed")


@miniagent
async def failing_later(ctx: InteractionContext) -> None:
    """Fail after two replies, of which the second is that of another agent and still streams."""
    ctx.reply("z")
    ctx.reply(writer.inquire())
    await asyncio.sleep(0.1)
    raise ValueError("failed")


def writing(source: Source) -> Agent:
    """An agent that replies what a source writes."""

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        ctx.reply(source.message())

    return agent


def excuse(error: Exception, ctx: InteractionContext) -> str:
    """Handle an error."""
    return "sorry"


async def read_a_token(promise: MessageSequencePromise[Message]) -> None:
    """Leave after the first token of the first message."""
    async for message in promise:
        async for _ in message:
            return


@contextmanager
def no_collector() -> Generator[None]:
    """Switch the collector of garbage off: what only it would free stays."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def errors_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the first lines of what the library has logged."""
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("miniagents")]
    return [each.splitlines()[0] for each in logged]


# -- C1: hangs with default settings -------------------------------------------------------------------------


@pytest.mark.loop(virtual=True)
async def test_a_time_limit_leaves_the_demand_of_its_agent_alone() -> None:
    """An agent with `timeout(first_token=...)` gets all of an input that is longer than `prefetch`."""
    async with MiniAgents(), asyncio.timeout(LIMIT):
        assert 2_000 == len(await echo.timeout(first_token=5).inquire(rows(2_000)))


@pytest.mark.loop(virtual=True)
async def test_a_reader_that_times_out_leaves_the_demand_of_others_alone() -> None:
    """A subscriber gets all replies, also if another reader of their source has run into its time limit."""
    async with MiniAgents(), asyncio.timeout(LIMIT):
        source = echo.inquire(rows(3_000))
        replies = echo.inquire(source)
        count, error = await asyncio.gather(
            subscribed(replies), asyncio.wait_for(source, 0.5), return_exceptions=True
        )
        assert isinstance(error, TimeoutError)
        assert 3_000 == count


@pytest.mark.loop(virtual=True)
async def test_a_reader_that_leaves_a_row_does_not_stop_the_rows_after_it() -> None:
    """`map_agent` finishes a long row whose reader had a time limit, and goes on with the next row."""
    long = Source(3_000, 0.001)

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        ctx.reply(long.message() if "long" in str(await ctx.messages) else "short")

    async with MiniAgents(), asyncio.timeout(LIMIT):
        kept: list[object] = []
        async for replies in map_agent(agent, concurrency=1)(["long", "short"]):
            kept.append(replies)
            with suppress(TimeoutError):
                await asyncio.wait_for(replies, 0.5)
        assert 2 == len(kept)


@pytest.mark.loop(virtual=True)
async def test_a_failed_attempt_leaves_the_demand_of_a_subscriber_alone() -> None:
    """A subscriber of a retried agent gets all messages of the second attempt, also more than `prefetch`."""
    attempts = 0

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise ValueError("not yet")
        ctx.reply(rows(3_000))

    async with MiniAgents(), asyncio.timeout(LIMIT):
        assert 3_000 == await subscribed(agent.retry(AT_ONCE).inquire())


# -- C2: what an agent replied before it failed is cancelled -------------------------------------------------

ZAB = ["z", "ab", "ValueError('failed')"]


@pytest.mark.loop(virtual=True)
async def test_what_a_failing_agent_replied_is_written_to_its_end() -> None:
    """A reply that streams when its agent fails is complete; the error follows it."""
    async with MiniAgents(), asyncio.timeout(LIMIT):
        assert ZAB == await got(failing.inquire())
        assert ZAB == await got(failing_later.inquire())


@pytest.mark.loop(virtual=True)
async def test_what_a_retried_agent_replied_is_written_to_its_end() -> None:
    """The same of an agent with `retry`."""
    async with MiniAgents(), asyncio.timeout(LIMIT):
        assert ZAB == await got(failing.retry(AT_ONCE).inquire())


@pytest.mark.loop(virtual=True)
async def test_what_an_agent_beside_another_one_replied_is_written_to_its_end() -> None:
    """The same of an agent beside a slower one."""
    async with MiniAgents(), asyncio.timeout(LIMIT):
        assert ["ab", *ZAB] == await got((writer & failing_later).inquire())


@pytest.mark.loop(virtual=True)
async def test_what_an_agent_in_a_chain_replied_is_written_to_its_end() -> None:
    """The same of an agent in a chain."""
    async with MiniAgents(), asyncio.timeout(LIMIT):
        assert ZAB == await got(((identity | failing) & silent).inquire())


@pytest.mark.loop(virtual=True)
async def test_what_an_agent_replied_behind_a_slow_reply_is_written_to_its_end() -> None:
    """The same of an agent whose first reply is slow, so that the others wait behind it."""

    async def slow() -> AsyncGenerator[str]:
        await asyncio.sleep(1.0)
        yield "slow"

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        ctx.reply(slow())
        ctx.reply(writer.inquire())
        await asyncio.sleep(0.1)
        raise ValueError("failed")

    async with MiniAgents(), asyncio.timeout(LIMIT):
        assert ["slow", "ab", "ValueError('failed')"] == await got(agent.inquire())


@pytest.mark.loop(virtual=True)
async def test_what_an_agent_replied_is_not_missing_where_its_error_is_handled() -> None:
    """`catching` keeps all replies that came before the error, complete, and handles the one error."""
    async with MiniAgents(), asyncio.timeout(LIMIT):
        caught = failing.retry(AT_ONCE).catching(excuse)
        assert ["z", "ab", "sorry"] == await got(caught.inquire())


# -- C3: replies that wait behind another one ----------------------------------------------------------------


@pytest.mark.parametrize("way", ["cancel", "async with", "leave"])
@pytest.mark.loop(virtual=True)
async def test_a_reply_that_waits_behind_another_one_is_stopped(way: str) -> None:
    """`cancel()`, the end of `async with` and the last reader's leaving stop every reply, also later ones."""
    first, second = Source(10, 1.0), Source(10, 1.0)

    async def slow() -> AsyncIterator[str]:
        async for token in first.tokens():
            yield token

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        ctx.reply(slow())
        ctx.reply(second.message())

    async with MiniAgents(), asyncio.timeout(LIMIT):
        replies = agent.inquire()
        if way == "cancel":
            await asyncio.sleep(2.5)
            replies.cancel()
        elif way == "async with":
            async with replies:
                await asyncio.sleep(2.5)
        else:
            await read_a_token(replies)
            del replies
        await asyncio.sleep(0.1)
        assert (1, 1) == (first.closed, second.closed)


# -- C4: an error keeps alive what it must not ---------------------------------------------------------------


@pytest.mark.loop(virtual=True)
async def test_a_handled_error_does_not_keep_its_source_alive() -> None:
    """After `async with` a chain has stopped, also if its second stage handled an error of the first."""
    source = Source(10, 1.0)

    @miniagent
    async def up(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(broken))
        ctx.reply(source.message())

    @miniagent
    async def whole(ctx: InteractionContext) -> None:
        await ctx.messages

    async with MiniAgents(), asyncio.timeout(LIMIT):
        with no_collector():
            async with (up | whole.catching(excuse)).inquire() as replies:
                assert ["sorry"] == await got(replies)
            await asyncio.sleep(0.1)
            assert 1 == source.closed


@pytest.mark.loop(virtual=True)
async def test_an_agent_that_fails_while_it_reads_a_model_lets_the_model_go() -> None:
    """What a failed run was reading is stopped at once, without a collection of garbage."""
    source = Source(10, 1.0)

    @miniagent
    async def reading(ctx: InteractionContext) -> None:
        answer = writing(source).inquire()
        async for _ in answer.tokens:
            raise ValueError("failed")

    async with MiniAgents(), asyncio.timeout(LIMIT):
        with no_collector():
            with suppress(ValueError):
                await reading.inquire()
            await asyncio.sleep(0.1)
            assert 1 == source.closed


# -- C5: the last reader leaves ------------------------------------------------------------------------------


@pytest.mark.loop(virtual=True)
async def test_an_agent_in_a_pipe_that_is_a_reply_is_stopped_when_its_reader_leaves() -> None:
    """`ctx.reply(ctx.messages.messages.pipe(agent))` lets its input go when the last reader has left."""
    source, unread = Source(10, 1.0), Source(10, 1.0)

    @miniagent
    async def piping(ctx: InteractionContext) -> None:
        ctx.reply(ctx.messages.messages.pipe(writing(source)))

    async with MiniAgents(), asyncio.timeout(LIMIT):
        with no_collector():
            await read_a_token(piping.inquire(unread.message()))
            await asyncio.sleep(0.1)
            assert (1, 1) == (source.closed, unread.closed)


@pytest.mark.loop(virtual=True)
async def test_a_run_is_abandoned_where_no_context_is_active(monkeypatch: pytest.MonkeyPatch) -> None:
    """An abandoned race stops both agents, also with `errors_as_messages`, wherever it is dropped."""
    raised: list[BaseException | None] = []

    def keep(unraisable: "sys.UnraisableHookArgs") -> None:
        raised.append(unraisable.exc_value)

    monkeypatch.setattr(sys, "unraisablehook", keep)
    winner, loser = Source(10, 1.0), Source(10, 2.0)
    async with MiniAgents(), asyncio.timeout(LIMIT):
        held = [race(writing(winner), writing(loser)).errors_as_messages().inquire()]
        with suppress(TimeoutError):
            await asyncio.wait_for(held[0], 1.5)
        asyncio.get_running_loop().call_soon(held.clear, context=Context())
        await asyncio.sleep(0.1)
        assert ((1, 1), []) == ((winner.closed, loser.closed), raised)


# -- C6: fire and forget -------------------------------------------------------------------------------------


@pytest.mark.loop(virtual=True)
async def test_a_run_without_a_reader_runs_to_its_end() -> None:
    """A run that never had a reader is not paused, however long it is."""
    source = Source(3_000)
    async with MiniAgents(), asyncio.timeout(LIMIT):
        writing(source).inquire()
        await asyncio.sleep(1.0)
        assert (3_000, 1) == (source.made, source.closed)


# -- C7: which errors are logged, and how --------------------------------------------------------------------


@pytest.mark.loop(virtual=True)
async def test_an_error_that_a_reader_got_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The error of a source that two agents pass on is raised to a reader of one of them, and not logged."""

    @miniagent
    async def source(ctx: InteractionContext) -> None:
        await asyncio.sleep(1.0)
        raise ValueError("failed")

    async with MiniAgents(), asyncio.timeout(LIMIT):
        replies = source.inquire()
        read, dropped = echo.inquire(replies), echo.inquire(replies)
        await asyncio.sleep(0.5)
        del replies, dropped
        assert ["ValueError('failed')"] == await got(read)
    assert [] == errors_in(caplog)


@pytest.mark.loop(virtual=True)
async def test_the_error_of_a_run_that_was_left_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An error that waits behind a slow reply is logged once if the reader leaves before it."""
    source = Source(10, 1.0)

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        ctx.reply(source.tokens())
        raise ValueError("failed")

    async with MiniAgents(), asyncio.timeout(LIMIT):
        await read_a_token(agent.inquire())
    assert ["No reader ever saw this error: ValueError('failed')"] == errors_in(caplog)


@pytest.mark.loop(virtual=True)
async def test_an_error_names_the_agent_whose_generator_made_its_message() -> None:
    """An error of a message that was made in a generator of an agent has a note that names the agent."""

    async def messages() -> AsyncGenerator[MessagePromise[Message]]:
        yield Message.promise(broken)

    @miniagent(alias="MAKER")
    async def maker(ctx: InteractionContext) -> None:
        ctx.reply(messages())

    async with MiniAgents(), asyncio.timeout(LIMIT):
        with pytest.raises(ValueError, match="broken") as caught:
            await maker.inquire()
    assert ["agents: MAKER"] == getattr(caught.value, "__notes__", [])


# -- C8: sources that run ahead ------------------------------------------------------------------------------


@pytest.mark.parametrize("operator", ["timeout", "catching", "guard"])
@pytest.mark.loop(virtual=True)
async def test_a_watched_source_waits_for_its_reader(operator: str) -> None:
    """A source is at most `prefetch` tokens ahead of its reader, also behind these operators."""
    source = Source(50_000)
    agent = writing(source)
    watched = {
        "timeout": agent.timeout(stall=5.0),
        "catching": agent.catching(excuse),
        "guard": agent.guard(during=lambda text: None, hold=0),
    }[operator]
    async with MiniAgents(), watched.inquire() as replies, aclosing(aiter(replies.tokens)) as tokens:
        for _ in range(10):
            await anext(tokens)
        await asyncio.sleep(1.0)
        assert source.made <= 10 + 1_024 + 1


# -- C12: waiting for oneself --------------------------------------------------------------------------------


@pytest.mark.loop(virtual=True)
async def test_a_run_that_reads_itself_through_to_async_iter_gets_an_error() -> None:
    """A run that waits for its own replies through `to_async_iter` gets a `DeadlockError`."""
    own: list[MessageSequencePromise[Message]] = []

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        await asyncio.sleep(0.1)
        async for _ in to_async_iter(own[0].tokens):
            pass
        ctx.reply("never")

    async with MiniAgents(drain_timeout=0), asyncio.timeout(LIMIT):
        own.append(agent.inquire())
        with pytest.raises(DeadlockError):
            await asyncio.wait_for(own[0], 50.0)


@pytest.mark.loop(virtual=True)
@pytest.mark.logs("may wait for each other")
async def test_a_run_that_awaits_a_subscription_to_itself_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A run that subscribes to its own replies and waits for the subscriber is logged once, by its name."""
    own: list[MessageSequencePromise[Message]] = []

    @miniagent(alias="SELFISH")
    async def agent(ctx: InteractionContext) -> None:
        await asyncio.sleep(0.1)
        await subscribed(own[0])
        ctx.reply("never")

    async with MiniAgents(drain_timeout=0), asyncio.timeout(LIMIT):
        own.append(agent.inquire())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(own[0], 50.0)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert ["SELFISH → SELFISH"] == [text.split(":")[0] for text in warnings if "for ever" in text]
