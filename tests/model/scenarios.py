"""Small scenarios, each with every outcome that is right, whatever the order of its tasks.

The outcomes are written from what the library promises (`docs`, tests/semantics), not from what it does. The
outcome of a part is what it noted, in its order: tokens, `end`, or the class of an error. `log` has
what is logged, `left` what is left behind; neither may be there unless it is listed.
"""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final

import reactivex as rx
from reactivex import Observable, operators as ops
from reactivex.abc import DisposableBase
from reactivex.disposable import SerialDisposable

from miniagents import (
    InteractionContext,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MiniAgent,
    MiniAgents,
    RetryPolicy,
    miniagent,
    race,
)
from miniagents.operators import map_agent
from tests.model.stage import BEGIN, Outcome, Play, Scenario, Stage, outcomes

__all__ = ["SCENARIOS"]

SCENARIOS: Final[dict[str, Scenario]] = {}

Agent = MiniAgent[Message, Message]

CUT_OFF: Final = "WARNING source had not ended drain_timeout=2.0 seconds"

READERS: Final = ("one", "two", "three")

CANCELLED: Final = "InquiryCancelledError"

STOPPED: Final = ("a InquiryCancelledError", "a InquiryCancelledError InquiryCancelledError")
"""What a reader of a message sees if the message was stopped, and if its sequence was stopped, too."""

AT_ONCE: Final = RetryPolicy(attempts=2, delay=0.0)


def scenario(*right: list[Outcome], defect: str = "", slow: bool = False) -> Callable[[Play], Play]:
    """List a scenario; its docstring is its sentence.

    Args:
        right: all outcomes that are right.
        defect: why it is red today.
        slow: whether only the gate explores it.
    """

    def listed(play: Play) -> Play:
        every = [outcome for each in right for outcome in each]
        sentence, *_ = (play.__doc__ or "").splitlines()
        SCENARIOS[play.__name__] = Scenario(play.__name__, sentence, play, every, defect, slow)
        return play

    return listed


# -- what takes part -----------------------------------------------------------------------------------------


async def read(stage: Stage, who: str, message: MessagePromise[Message]) -> None:
    """Read a message, token by token."""
    async for token in message:
        stage.note(who, token)


async def read_pieces(stage: Stage, who: str, replies: MessageSequencePromise[Message]) -> None:
    """Read each of the replies token by token; an error of one of them is noted in its place."""
    async for message in replies:
        try:
            await read(stage, who, message)
        except Exception as error:  # noqa: BLE001 - whatever it is
            stage.note(who, error)


async def read_all(stage: Stage, who: str, replies: MessageSequencePromise[Message]) -> None:
    """Read each of the replies as a whole; an error of one of them is noted in its place."""
    async for message in replies:
        try:
            stage.note(who, await message)
        except Exception as error:  # noqa: BLE001 - whatever it is
            stage.note(who, error)


def speaker(stage: Stage, who: str, *pieces: str | float | Exception) -> Agent:
    """Return an agent that replies one message with these pieces (`Stage.source`)."""

    @miniagent(alias=who)
    async def agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(stage.source(who, *pieces)))

    return agent


@miniagent
async def echo(ctx: InteractionContext) -> None:
    """Reply the messages."""
    ctx.reply(ctx.messages)


def messages_to(stage: Stage, who: str, replies: MessageSequencePromise[Message]) -> DisposableBase:
    """Subscribe to the messages of `replies`, and note how many there are and how they end."""
    return replies.messages.subscribe(
        lambda _: stage.note(who, "message"),
        lambda error: stage.note(who, error),
        lambda: stage.note(who, "completed"),
    )


# -- readers, and who cancels --------------------------------------------------------------------------------


@scenario(
    outcomes(
        source="a b CancelledError", cancel="end", **dict.fromkeys(READERS, "a b InquiryCancelledError")
    ),
    outcomes(source="a CancelledError", cancel="end", **dict.fromkeys(READERS, "a InquiryCancelledError")),
    slow=True,
)
async def three_readers_and_a_cancel(stage: Stage) -> None:
    """A message that is cancelled at the tick of a token ends alike for all its readers."""

    async def cancel(message: MessagePromise[Message]) -> None:
        await stage.until(2)
        message.cancel()

    async with MiniAgents():
        message = Message.promise(stage.source("source", 1.0, "a", 2.0, "b", 3.0, "c"))
        await stage.play(cancel=cancel(message), **{who: read(stage, who, message) for who in READERS})


@scenario(
    outcomes(
        source="a b end", early=("TimeoutError", "ab end"), waiting=("TimeoutError", "ab end"), other="ab end"
    )
)
async def a_limit_at_the_end(stage: Stage) -> None:
    """A reader whose time is up at the tick of the end gets it or its TimeoutError; another one gets it."""
    async with MiniAgents():
        message = Message.promise(stage.source("source", 1.0, "a", 2.0, "b"))

        async def early() -> None:
            async with stage.limit(2):
                stage.note("early", await message)

        async def waiting() -> None:
            stage.note("waiting", await asyncio.wait_for(message, stage.seconds_until(2)))

        async def other() -> None:
            stage.note("other", await message)

        await stage.play(early=early(), waiting=waiting(), other=other())


@scenario(outcomes(source="a b c end", leaving="a end", arriving="a b c end"))
async def one_leaves_as_another_arrives(stage: Stage) -> None:
    """A reader that leaves at the tick at which another one arrives takes nothing from it."""
    async with MiniAgents():
        message = Message.promise(stage.source("source", 1.0, "a", 2.0, "b", 3.0, "c"))

        async def leaving() -> None:
            async for token in message:
                stage.note("leaving", token)
                await stage.until(2)
                return

        async def arriving() -> None:
            await stage.until(2)
            await read(stage, "arriving", message)

        await stage.play(leaving=leaving(), arriving=arriving())


# -- subscribers ---------------------------------------------------------------------------------------------


@scenario(
    outcomes(source="a b c end", leaving="a end", staying="a b c completed end"),
)
async def a_subscriber_disposes_itself(stage: Stage) -> None:
    """A subscriber that disposes itself inside its own `on_next` gets no more; the one beside it gets all."""
    async with MiniAgents():
        message = Message.promise(stage.source("source", 1.0, "a", "b", 2.0, "c"))

        async def leaving() -> None:
            def on_next(token: str) -> None:
                stage.note("leaving", token)
                subscription.dispose()

            subscription = SerialDisposable()
            subscription.disposable = message.tokens.subscribe(on_next)
            await stage.until(3)

        async def staying() -> None:
            message.tokens.subscribe(
                lambda token: stage.note("staying", token),
                on_completed=lambda: stage.note("staying", "completed"),
            )
            await stage.until(3)

        await stage.play(leaving=leaving(), staying=staying())


@scenario(
    outcomes(
        source=("a CancelledError", "a closed", "a b CancelledError", "a b closed"),
        subscriber="a end",
        reader="a end",
    ),
    outcomes(source=("a b CancelledError", "a b closed"), subscriber="a end", reader=("a b end", "a end")),
)
async def the_last_reference_goes_during_a_push(stage: Stage) -> None:
    """A source whose last reader leaves while it pushes is stopped, wherever in the push that happens."""
    async with MiniAgents():
        box = [Message.promise(stage.source("source", 1.0, "a", 2.0, "b", 3.0, "c"))]

        async def subscriber() -> None:
            def on_next(token: str) -> None:
                stage.note("subscriber", token)
                box.clear()
                subscription.dispose()

            subscription = SerialDisposable()
            subscription.disposable = box[0].tokens.subscribe(on_next)
            await stage.until(2)

        async def reader() -> None:
            with suppress(TimeoutError):
                async with stage.limit(2):
                    await read(stage, "reader", box[0])

        await stage.play(subscriber=subscriber(), reader=reader())


# -- demand --------------------------------------------------------------------------------------------------


@scenario(outcomes(source="a b c d end", slow="a b c d end", quick="a b c d end"))
async def two_readers_with_prefetch_1(stage: Stage) -> None:
    """With `prefetch=1` a source is at most one token ahead of its faster reader; each reader gets all."""
    async with MiniAgents(prefetch=1):
        seen = [0]

        async def source(_: object = None) -> AsyncIterator[str]:
            for made, token in enumerate("abcd"):
                if made > seen[0] + 1:
                    stage.note("source", f"{made - seen[0]} ahead")
                stage.note("source", token)
                yield token
            stage.note("source", "end")

        message = Message.promise(source)

        async def reader(who: str, pause: float) -> None:
            count = 0
            async for token in message:
                stage.note(who, token)
                count += 1
                seen[0] = max(seen[0], count)
                await stage.until(count * pause)

        await stage.play(slow=reader("slow", 2.0), quick=reader("quick", 1.0))


@scenario(
    outcomes(
        source="0 1 2 3 end", leaving="TimeoutError", staying="message message message message completed end"
    )
)
async def one_leaves_and_the_demand_of_another_stays(stage: Stage) -> None:
    """A reader that runs into its time limit takes its own demand, not that of a subscriber behind it."""
    async with MiniAgents(prefetch=1):
        source = echo.inquire(stage.source("source", 1.0, "0", 2.0, "1", 3.0, "2", "3")())
        replies = echo.inquire(source)

        async def leaving() -> None:
            async with stage.limit(2):
                await source

        async def staying() -> None:
            with messages_to(stage, "staying", replies):
                await stage.until(10)

        await stage.play(staying=staying(), leaving=leaving())


@scenario(outcomes(source="a b c d e end", early="TimeoutError", patient="abcde end"))
async def one_gives_up_and_another_waits_on(stage: Stage) -> None:
    """If one of two readers of the whole gives up, the source is not paused for the other one."""
    async with MiniAgents(prefetch=1):
        message = Message.promise(stage.source("source", 1.0, "a", 2.0, "b", "c", 3.0, "d", "e"))

        async def early() -> None:
            async with stage.limit(2):
                await message

        async def patient() -> None:
            stage.note("patient", await message)

        await stage.play(early=early(), patient=patient())


@scenario(outcomes(source="a b c end", inquire="end"))
async def a_run_that_no_one_reads(stage: Stage) -> None:
    """A run that never has a reader is not paused at `prefetch`: it ends before its context does."""
    async with MiniAgents(prefetch=1):

        async def inquire() -> None:
            speaker(stage, "source", 1.0, "a", "b", "c").inquire()
            await stage.until(2)
            if "end" not in stage.notes["source"]:
                stage.note("source", "waits")

        await stage.play(inquire=inquire())


@scenario(outcomes(source="a b c d end", reader="a end"))
async def a_paused_source_and_a_drain(stage: Stage) -> None:
    """A source that is paused, since its reader has left, runs to its end when the context drains."""
    async with MiniAgents(prefetch=1):
        message = Message.promise(stage.source("source", 1.0, "a", "b", 2.0, "c", "d"))

        async def reader() -> None:
            async for token in message:
                stage.note("reader", token)
                await stage.until(2)
                return

        await stage.play(reader=reader())


# -- errors --------------------------------------------------------------------------------------------------


@scenario(
    outcomes(source="a ValueError", reader="a ValueError", cancel="end"),
    outcomes(source="a CancelledError", reader="a InquiryCancelledError", cancel="end"),
)
async def a_cancel_at_the_tick_of_a_failure(stage: Stage) -> None:
    """A run that is cancelled as it fails ends with one of the two errors, after what it had replied."""
    async with MiniAgents():

        @miniagent
        async def agent(ctx: InteractionContext) -> None:
            ctx.reply("a")
            stage.note("source", "a")
            try:
                await stage.until(1)
            except asyncio.CancelledError as error:
                stage.note("source", error)
                raise
            stage.note("source", "ValueError")
            raise ValueError

        replies = agent.inquire()

        async def cancel() -> None:
            await stage.until(1)
            replies.cancel()

        await stage.play(reader=read_all(stage, "reader", replies), cancel=cancel())


@scenario(outcomes(source="a ValueError", one="a ValueError", two="end"))
async def an_error_seen_by_one_and_dropped_by_another(stage: Stage) -> None:
    """An error that one reader gets is not logged, though another one drops the message at the same tick."""
    async with MiniAgents():
        held = [Message.promise(stage.source("source", 1.0, "a", 2.0, ValueError()))]

        async def one(message: MessagePromise[Message]) -> None:
            await read(stage, "one", message)

        async def two(message: MessagePromise[Message]) -> None:
            async for _ in message:
                break
            await stage.until(2)

        await stage.play(one=one(held[0]), two=two(held.pop()))


@scenario(
    outcomes(source="a ValueError", one="a end", two="a end", log="ERROR ValueError"),
    outcomes(source="a CancelledError", one="a end", two="a end"),
)
async def an_error_without_a_reader(stage: Stage) -> None:
    """An error of a message that all have left at its tick is logged once, or its source was stopped."""
    async with MiniAgents():
        held = [Message.promise(stage.source("source", 1.0, "a", 2.0, ValueError()))]

        async def leaving(who: str, message: MessagePromise[Message]) -> None:
            async for token in message:
                stage.note(who, token)
                await stage.until(2)
                return

        await stage.play(one=leaving("one", held[0]), two=leaving("two", held.pop()))


@scenario(
    outcomes(source="ValueError", reader="ValueError end", other="end"),
)
async def two_copies_of_one_failure(stage: Stage) -> None:
    """Of two agents that pass one failing run on, one is dropped, the other one read: nothing is logged."""

    @miniagent
    async def failing(ctx: InteractionContext) -> None:
        await stage.until(2)
        stage.note("source", error := ValueError())
        raise error

    async with MiniAgents():
        replies = failing.inquire()
        held = [echo.inquire(replies), echo.inquire(replies)]
        del replies

        async def other(replies: MessageSequencePromise[Message]) -> None:
            await stage.until(1)
            del replies

        await stage.play(reader=read_all(stage, "reader", held.pop()), other=other(held.pop()))


@scenario(
    outcomes(reader="z ab ValueError", source="a b end"),
)
async def what_was_replied_before_a_failure(stage: Stage) -> None:
    """What an agent replied before it failed is written to its end, and then its error follows."""

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        ctx.reply("z")
        ctx.reply(Message.promise(stage.source("source", 1.0, "a", 2.0, "b")))
        await stage.until(1)
        raise ValueError

    async with MiniAgents():
        await stage.play(reader=read_all(stage, "reader", agent.inquire()))


@scenario(
    outcomes(reader="z ab ValueError", source="a b end"),
)
async def what_was_replied_before_a_failure_that_is_retried(stage: Stage) -> None:
    """What an agent with `retry` replied before it failed is written to its end; then its error follows."""

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        ctx.reply("z")
        ctx.reply(Message.promise(stage.source("source", 1.0, "a", 2.0, "b")))
        await stage.until(1)
        raise ValueError

    async with MiniAgents():
        await stage.play(reader=read_all(stage, "reader", agent.retry(AT_ONCE).inquire()))


# -- the algebra ---------------------------------------------------------------------------------------------


@scenario(
    outcomes(source="a b end", reader="ab end"),
    outcomes(source=("CancelledError", "a CancelledError"), reader="AgentTimeoutError end"),
)
async def a_time_limit_at_the_first_token(stage: Stage) -> None:
    """An agent whose first token is there at the tick of its limit is stopped before it, or not at all."""
    async with MiniAgents():
        agent = speaker(stage, "source", 2.0, "a", 3.0, "b").timeout(first_token=BEGIN + 2)
        await stage.play(reader=read_all(stage, "reader", agent.inquire()))


@scenario(
    outcomes(
        one="ValueError",
        reader="TimeoutError",
        two=("", "CancelledError"),
        log=("", "ERROR ValueError"),  # if the reader had left before `retry` got it
    ),
    outcomes(one="CancelledError", reader="TimeoutError"),
)
async def a_failed_attempt_as_its_reader_leaves(stage: Stage) -> None:
    """An agent that fails as its only reader leaves is not tried again, or its second attempt is stopped."""
    attempts = iter(["one", "two"])

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        ctx.reply(
            Message.promise(stage.source(next(attempts), 1.0, 2.0 * (len(stage.notes) + 1), ValueError()))
        )

    async with MiniAgents():

        async def reader() -> None:
            async with stage.limit(2):
                await agent.retry(AT_ONCE).inquire()

        await stage.play(reader=reader())


@scenario(
    outcomes(a="a end", b=("b end", "CancelledError"), reader="a end"),
    outcomes(b="b end", a=("a end", "CancelledError"), reader="b end"),
    slow=True,
)
async def a_race_with_two_winners(stage: Stage) -> None:
    """Of two agents that are complete at one tick one wins, and its whole reply is shown."""
    async with MiniAgents():
        agent = race(speaker(stage, "a", 2.0, "a"), speaker(stage, "b", 2.0, "b"))
        await stage.play(reader=read_all(stage, "reader", agent.inquire()))


@scenario(
    outcomes(a="a 1 end", b=("", "CancelledError"), reader="a1 end"),
    outcomes(a=("CancelledError", "a CancelledError"), b="b 2 end", reader="b2 end"),
    slow=True,
)
async def a_hedge_at_the_first_answer(stage: Stage) -> None:
    """If the second agent is due at the tick of the first one's answer, one replies, the other is stopped."""
    async with MiniAgents():
        first, second = speaker(stage, "a", 2.0, "a", 3.0, "1"), speaker(stage, "b", 4.0, "b", 5.0, "2")
        await stage.play(reader=read_all(stage, "reader", first.hedge(second, after=BEGIN + 2).inquire()))


@scenario(
    outcomes(
        row_0=("0 end", "0 closed", "0 CancelledError"),
        row_1="1 end",
        row_2="2 end",
        leaving="0 end",
        reader="1 end 2 end end",
    ),
    slow=True,
)
async def a_row_whose_reader_leaves(stage: Stage) -> None:
    """A reader that leaves its row of `map_agent` stops that row alone; the other rows are complete."""
    async with MiniAgents():

        @miniagent
        async def agent(ctx: InteractionContext) -> None:
            row = str(await ctx.messages)
            ctx.reply(Message.promise(stage.source(f"row {row}", 1.0, row, 2.0)))

        rows = aiter(map_agent(agent, concurrency=2)(iter("012")))

        async def leaving(replies: MessageSequencePromise[Message]) -> None:
            async for token in replies.tokens:
                stage.note("leaving", token)
                return

        async def reader() -> None:
            async for replies in rows:
                await read_all(stage, "reader", replies)
                stage.note("reader", "end")

        await stage.play(leaving=leaving(await anext(rows)), reader=reader())


@scenario(
    outcomes(inner="a b end", reader="before ab after end", cancel="end"),
    outcomes(
        inner=("a CancelledError", "CancelledError"),
        reader="before InquiryCancelledError after end",
        cancel="end",
    ),
)
async def a_reply_of_another_agent_is_cancelled(stage: Stage) -> None:
    """Replies of an agent that is cancelled as it ends fail where they stand; what follows them arrives."""
    async with MiniAgents():
        replies = speaker(stage, "inner", 1.0, "a", 2.0, "b").inquire()

        @miniagent
        async def outer(ctx: InteractionContext) -> None:
            ctx.reply("before")
            ctx.reply(replies)
            ctx.reply("after")

        async def cancel() -> None:
            await stage.until(2)
            replies.cancel()

        await stage.play(reader=read_all(stage, "reader", outer.inquire()), cancel=cancel())


@scenario(
    outcomes(
        first="a CancelledError", behind="x CancelledError", reader="a InquiryCancelledError", cancel="end"
    ),
    outcomes(
        first="a b CancelledError",
        behind="x CancelledError",
        reader=("a InquiryCancelledError", "a b InquiryCancelledError"),
        cancel="end",
    ),
)
async def a_reply_that_waits_behind_another_one(stage: Stage) -> None:
    """A run that is cancelled stops all its replies, also one that waits behind another one."""

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        ctx.reply(stage.source("first", 1.0, "a", 2.0, "b", 3.0, "c")())
        ctx.reply(Message.promise(stage.source("behind", 1.0, "x", 4.0, "y")))

    async with MiniAgents():
        replies = agent.inquire()

        async def cancel() -> None:
            await stage.until(2)
            replies.cancel()

        await stage.play(reader=read_all(stage, "reader", replies), cancel=cancel())


@scenario(
    outcomes(source="a ValueError", reader="a handled end", cancel="end"),
    outcomes(source="a ValueError", reader=STOPPED, cancel="end", log=("", "ERROR ValueError")),
    outcomes(source="a CancelledError", reader=STOPPED, cancel="end"),
    slow=True,
)
async def catching_as_it_is_cancelled(stage: Stage) -> None:
    """An agent with `catching` that is cancelled as it fails ends with the handler's reply, or cancelled.

    The error is logged only if the handler did not get it any more.
    """

    def handle(error: Exception, _: object) -> str:
        return "handled" if type(error) is ValueError else f"handled {type(error).__name__}"

    async with MiniAgents():
        replies = speaker(stage, "source", 1.0, "a", 2.0, ValueError()).catching(handle).inquire()

        async def cancel() -> None:
            await stage.until(2)
            replies.cancel()

        await stage.play(reader=read_pieces(stage, "reader", replies), cancel=cancel())


# -- contexts ------------------------------------------------------------------------------------------------


@scenario(
    outcomes(
        source=("", "CancelledError"),
        context="ValueError",
        caller=("InquiryCancelledError", "NoActiveContextError"),
    ),
)
async def a_context_that_stops_during_inquire(stage: Stage) -> None:
    """An inquiry at the tick at which its context fails is refused, or its run is stopped with the others."""
    agent = speaker(stage, "source", 2.0, "a")

    async def context() -> None:
        async with MiniAgents():
            inside.append(contextvars.copy_context())
            await stage.until(1)
            raise ValueError

    inside: list[contextvars.Context] = []

    async def caller() -> None:
        await stage.until(1)
        await inside[0].run(agent.inquire)

    await stage.play(context=context(), caller=caller())


@scenario(outcomes(inner="a end", outer="b end", inside="end", outside="end"))
async def two_contexts_that_end_at_once(stage: Stage) -> None:
    """Nested contexts whose runs end at one tick both wait for their own, and end."""

    async def outside() -> None:
        async with MiniAgents():
            speaker(stage, "outer", 2.0, "b").inquire()
            await asyncio.create_task(inside(), name="inside")
            await stage.until(2)

    async def inside() -> None:
        async with MiniAgents():
            speaker(stage, "inner", 2.0, "a").inquire()
        stage.note("inside", "end")

    await stage.play(outside=outside())


@scenario(
    outcomes(source=("a CancelledError",), block="end", cancel="end", reader="a InquiryCancelledError"),
    outcomes(source="a b CancelledError", block="end", cancel="end", reader="a b InquiryCancelledError"),
    slow=True,
)
async def a_block_that_ends_as_it_is_cancelled(stage: Stage) -> None:
    """A run whose block ends at the tick of its `cancel()` is stopped once, and ends alike for its reader."""
    async with MiniAgents():
        replies = speaker(stage, "source", 1.0, "a", 2.0, "b", 3.0, "c").inquire()

        async def block() -> None:
            async with replies:
                await stage.until(2)

        async def cancel() -> None:
            await stage.until(2)
            replies.cancel()

        async def reader() -> None:
            async for token in replies.tokens:
                stage.note("reader", token)

        await stage.play(block=block(), cancel=cancel(), reader=reader())


@scenario(
    outcomes(source="a b end", helper=("CancelledError", "x CancelledError"), reader="ab ValueError"),
)
async def what_a_failing_run_had_started(stage: Stage) -> None:
    """A run that fails stops what it has started and nothing can read, at any tick; its replies go on."""

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(stage.source("source", 1.0, "a", 2.0, "b")))
        helper = speaker(stage, "helper", 1.0, "x", 2.0, "y").inquire()
        await stage.until(1)
        raise ValueError(repr(helper))

    async with MiniAgents():
        await stage.play(reader=read_all(stage, "reader", agent.inquire()))


@scenario(
    outcomes(child="a b end", parent="CancelledError", reader="a b end", cancel="end"),
)
async def an_inquiry_that_another_one_reads(stage: Stage) -> None:
    """A run that is cancelled stops no inquiry of its own that has another reader."""
    started: list[MessageSequencePromise[Message]] = []

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        started.append(speaker(stage, "child", 2.0, "a", 3.0, "b").inquire())
        try:
            await stage.until(9)
        except asyncio.CancelledError as error:
            stage.note("parent", error)
            raise

    async with MiniAgents():
        replies = agent.inquire()

        async def reader() -> None:
            await stage.until(0.5)
            await read_pieces(stage, "reader", started.pop())

        async def cancel() -> None:
            await stage.until(2)
            replies.cancel()

        await stage.play(reader=reader(), cancel=cancel())


@scenario(
    outcomes(source="a b end", subscriber="a b completed end", other="end"),
    outcomes(source=("a CancelledError", "a b CancelledError"), subscriber=("a end", "a b end"), other="end"),
)
async def a_pipe_that_is_disposed_at_its_end(stage: Stage) -> None:
    """A cold run belongs to its subscriber: disposed at the tick of its end, it has ended or is stopped."""
    async with MiniAgents():
        subscription = SerialDisposable()

        async def subscriber() -> None:
            tokens = rx.of("x").pipe(speaker(stage, "source", 1.0, "a", 2.0, "b"), ops.flat_map(_tokens))
            subscription.disposable = tokens.subscribe(
                lambda token: stage.note("subscriber", token),
                on_completed=lambda: stage.note("subscriber", "completed"),
            )
            await stage.until(4)

        async def other() -> None:
            await stage.until(2)
            subscription.dispose()

        await stage.play(subscriber=subscriber(), other=other())


def _tokens(message: MessagePromise[Message]) -> Observable[str]:
    return message.tokens


@scenario(
    outcomes(source="a end", block="end"),
    outcomes(source=("CancelledError", "a CancelledError"), block="end", log=CUT_OFF),
)
async def a_drain_that_is_over_at_the_end(stage: Stage) -> None:
    """A run that ends at the tick of `drain_timeout` has ended, or is cancelled with a warning."""

    async def block() -> None:
        async with MiniAgents(drain_timeout=2.0):
            speaker(stage, "source", 2.0, "a").inquire()
            await stage.until(0)

    await stage.play(block=block())


@scenario(
    outcomes(run="DeadlockError", early="DeadlockError", late="DeadlockError"),
)
async def a_run_that_waits_for_itself(stage: Stage) -> None:
    """A run that waits for its own replies ends with a DeadlockError, and so does each of its readers."""
    replies: list[MessageSequencePromise[Message]] = []

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        await stage.until(1)
        try:
            await replies[0]
        except Exception as error:
            stage.note("run", error)
            raise

    async with MiniAgents():
        replies.append(agent.inquire())

        async def late() -> None:
            await stage.until(1)
            await read_all(stage, "late", replies[0])

        await stage.play(early=read_all(stage, "early", replies[0]), late=late())


@scenario(
    outcomes(failed="ValueError", again="a b end", one="a b end", two="a b end", three="a end"),
    slow=True,
)
async def a_second_attempt_for_several_readers(stage: Stage) -> None:
    """An agent that fails as a reader arrives is tried again; each reader gets the second attempt alone."""
    attempts = iter([("failed", 1.0, ValueError()), ("again", 2.0, "a", 3.0, "b")])

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        who, *pieces = next(attempts)
        ctx.reply(Message.promise(stage.source(str(who), *pieces)))

    async with MiniAgents():
        replies = agent.retry(AT_ONCE).inquire()

        async def late() -> None:
            await stage.until(1)
            await read_pieces(stage, "two", replies)

        async def leaving() -> None:
            async for token in replies.tokens:
                stage.note("three", token)
                return

        await stage.play(one=read_pieces(stage, "one", replies), two=late(), three=leaving())


@scenario(
    outcomes(source="a b end", waiting="CancelledError", other="a b end", cancel="end"),
    outcomes(source="a b end", waiting="ab end", other="a b end", cancel="end"),
)
async def a_reader_that_is_cancelled_at_the_end(stage: Stage) -> None:
    """A reader whose task is cancelled at the tick of the end leaves alone; no other reader is cancelled."""
    async with MiniAgents():
        replies = speaker(stage, "source", 1.0, "a", 2.0, "b").inquire()
        tasks: list[asyncio.Task[object] | None] = []

        async def waiting() -> None:
            tasks.append(asyncio.current_task())
            for message in await replies:
                stage.note("waiting", message)

        async def cancel() -> None:
            await stage.until(2)
            task = tasks.pop()
            assert task is not None
            task.cancel()

        await stage.play(waiting=waiting(), other=read_pieces(stage, "other", replies), cancel=cancel())


@scenario(
    outcomes(slow="a b c end", quick="a b c end", leaving="a end", source="a b c end"),
    slow=True,
)
async def a_paused_source_whose_quick_reader_leaves(stage: Stage) -> None:
    """With `prefetch=1` a reader that leaves takes its demand with it; those that stay still get all."""
    async with MiniAgents(prefetch=1):
        message = Message.promise(stage.source("source", 1.0, "a", 2.0, "b", "c"))

        async def leaving() -> None:
            async for token in message:
                stage.note("leaving", token)
                await stage.until(2)
                return

        async def slow() -> None:
            moment = 2.0
            async for token in message:
                stage.note("slow", token)
                await stage.until(moment)
                moment += 1

        await stage.play(slow=slow(), quick=read(stage, "quick", message), leaving=leaving())


@scenario(
    outcomes(
        child=("x CancelledError", "x y CancelledError"),
        parent="CancelledError",
        reader=CANCELLED,
        cancel="end",
    ),
)
async def what_a_cancelled_run_had_started(stage: Stage) -> None:
    """A run that is cancelled at the tick of a token of an inquiry of its own stops that inquiry."""
    started: list[MessageSequencePromise[Message]] = []

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        started.append(speaker(stage, "child", 1.0, "x", 2.0, "y", 3.0, "z").inquire())
        try:
            await stage.until(9)
        except asyncio.CancelledError as error:
            stage.note("parent", error)
            raise

    async with MiniAgents():
        replies = agent.inquire()

        async def cancel() -> None:
            await stage.until(2)
            replies.cancel()

        await stage.play(reader=read_all(stage, "reader", replies), cancel=cancel())


@scenario(
    outcomes(first="a b end", second=("x CancelledError", "x y CancelledError"), reader="a b ValueError"),
)
async def what_a_failing_run_had_passed_on(stage: Stage) -> None:
    """A run that fails stops what it has started, but for the messages of others that it had replied."""

    @miniagent
    async def both(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(stage.source("first", 1.0, "a", 3.0, "b")))
        ctx.reply(Message.promise(stage.source("second", 1.0, "x", 2.0, "y", 3.0, "z")))

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        replies = both.inquire()
        unread = [message async for message in replies]
        ctx.reply(unread.pop(0))
        await stage.until(2)
        raise ValueError

    async with MiniAgents():
        await stage.play(reader=read_pieces(stage, "reader", agent.inquire()))


@scenario(
    outcomes(a="a ValueError", b="b KeyError", reader="a ValueError b KeyError end"),
    slow=True,
)
async def two_failures_at_once(stage: Stage) -> None:
    """If both agents of `a & b` fail at one tick, each error is raised in its place, and none is logged."""
    async with MiniAgents():
        both = speaker(stage, "a", 1.0, "a", 2.0, ValueError()) & speaker(
            stage, "b", 1.0, "b", 2.0, KeyError()
        )
        await stage.play(reader=read_pieces(stage, "reader", both.inquire()))


@scenario(
    outcomes(source="a ValueError", one="a end", two="a end"),
    outcomes(source="a CancelledError", one="a end", two="a end"),
    outcomes(source="a ValueError", one="a end", two="a end", log="ERROR ValueError"),
)
async def errors_as_messages_as_a_reader_leaves(stage: Stage) -> None:
    """With `errors_as_messages` a reader that leaves at the tick of the end leaves no error behind."""
    async with MiniAgents(errors_as_messages=True):
        held = [speaker(stage, "source", 1.0, "a", 2.0, ValueError()).inquire()]

        async def leaving(who: str, replies: MessageSequencePromise[Message]) -> None:
            async for message in replies:
                async for token in message:
                    stage.note(who, token)
                    await stage.until(2)
                    return

        await stage.play(one=leaving("one", held[0]), two=leaving("two", held.pop()))
