"""A call that is held open outside of every run, by who awaits its replies.

Crosses rooms: what is found in `_outsider.py` shows in a call, its replies and its run.
"""

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import nullcontext
from weakref import ref

import pytest

from miniagents import AgentCall, DeadlockError, InteractionContext, Message, MiniAgent, MiniAgents, miniagent
from tests.support.sources import turns

pytestmark = pytest.mark.loop(virtual=True)


@miniagent(alias="LISTENER")
async def listening_agent(ctx: InteractionContext) -> None:
    """Reply when all has been said."""
    ctx.reply(f"{len(await ctx.messages)} messages")


@miniagent(alias="LISTENER")
async def reading_agent(ctx: InteractionContext) -> None:
    """Read message by message."""
    count = 0
    async for message in ctx.messages:
        count += bool(await message)
    ctx.reply(f"{count} messages")


@pytest.mark.parametrize("errors_as_messages", [True, False])
@pytest.mark.parametrize("agent", [listening_agent, reading_agent])
@pytest.mark.parametrize("before", [0, 1, 5])
@pytest.mark.parametrize("between", [0, 1, 5])
async def test_who_waits_for_itself(
    before: int, between: int, agent: MiniAgent, *, errors_as_messages: bool
) -> None:
    """Who awaits all replies to a call that it alone could finish is told so, whoever waited first.

    The agent is not harmed: who is told so can finish the call.
    """
    task = asyncio.current_task()
    assert task is not None
    async with MiniAgents(errors_as_messages=errors_as_messages):
        call = agent.initiate_inquiry().send_message("one")
        await turns(before)
        replies = call.reply_sequence(finish_call=False)
        await turns(between)
        found = "nothing"
        try:
            await replies
        except DeadlockError as error:
            found = str(error)
        assert f"{task.get_name()} → LISTENER → {task.get_name()}" == found
        call.send_message("two").finish()
        assert "2 messages" == str(await replies)


@pytest.mark.parametrize("busy", [0.0, 5.0])
@pytest.mark.parametrize("seconds", [1.0, 10.0])
async def test_after_other_waits(busy: float, seconds: float) -> None:
    """It is found as well if both have been waiting for something else when the call was looked at."""

    @miniagent(alias="LISTENER")
    async def busy_agent(ctx: InteractionContext) -> None:
        await asyncio.sleep(busy)
        await ctx.messages

    async with MiniAgents():
        call = busy_agent.initiate_inquiry()
        replies = call.reply_sequence(finish_call=False)
        await asyncio.sleep(seconds)
        found = False
        try:
            await replies
        except DeadlockError:
            found = True
        assert found
        call.finish()


async def test_while_a_reply_is_written() -> None:
    """As long as a reply is still being written, nothing is said: it is that which is waited for."""

    async def slowly(_: object) -> AsyncGenerator[str]:
        await asyncio.sleep(5)
        yield "hello"

    @miniagent
    async def greeting_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(slowly))
        await ctx.messages

    loop = asyncio.get_running_loop()
    async with MiniAgents():
        call = greeting_agent.initiate_inquiry()
        replies = call.reply_sequence(finish_call=False)
        told = -1.0
        try:
            await replies
        except DeadlockError:
            told = loop.time()
        assert 5 == told
        call.finish()


def test_in_a_blocking_run() -> None:
    """It is found in `MiniAgents().run` as well; the context ends."""

    async def main() -> None:
        call = listening_agent.initiate_inquiry().send_message("one")
        await call.reply_sequence(finish_call=False)

    with pytest.raises(DeadlockError, match="→ LISTENER →"):
        MiniAgents().run(main())


async def by_a_task() -> str:
    """A task of the program sends more."""
    call = listening_agent.initiate_inquiry().send_message("one")

    async def feed() -> None:
        await asyncio.sleep(5)
        call.send_message("two").finish()

    feeding = asyncio.create_task(feed())
    replies = await call.reply_sequence(finish_call=False)
    await feeding
    return str(replies)


async def by_a_callback() -> str:
    """The event loop is going to finish it."""
    call = listening_agent.initiate_inquiry().send_message("one")
    asyncio.get_running_loop().call_later(5, call.finish)
    return str(await call.reply_sequence(finish_call=False))


async def by_who_has_it_too() -> str:
    """It is in a list as well, which others may see."""
    call = listening_agent.initiate_inquiry().send_message("one")
    shared = [call]
    asyncio.get_running_loop().call_later(5, lambda: shared.pop().finish())
    return str(await call.reply_sequence(finish_call=False))


async def by_its_own_time_limit() -> str:
    """Who waits does not wait for ever."""
    call = listening_agent.initiate_inquiry().send_message("one")
    try:
        async with asyncio.timeout(5):
            await call.reply_sequence(finish_call=False)
    except TimeoutError:
        call.send_message("two")
    return str(await call.reply_sequence())


async def by_a_time_limit_further_in() -> str:
    """Nor does it if the limit stands between who holds the call and who waits."""

    async def within(seconds: float, replies: Awaitable[object]) -> None:
        async with asyncio.timeout(seconds):
            await replies

    call = listening_agent.initiate_inquiry().send_message("one")
    try:
        await within(5, call.reply_sequence(finish_call=False))
    except TimeoutError:
        call.send_message("two")
    return str(await call.reply_sequence())


async def by_the_time_limit_of_the_agent() -> str:
    """The agent does not wait for ever."""

    @miniagent
    async def patient_agent(ctx: InteractionContext) -> None:
        try:
            async with asyncio.timeout(5):
                await ctx.messages
        except TimeoutError:
            ctx.reply("nobody says anything")

    call = patient_agent.initiate_inquiry().send_message("one")
    return str(await call.reply_sequence(finish_call=False))


async def by_the_agent() -> str:
    """The agent waits for something else than a message."""

    @miniagent
    async def busy_agent(ctx: InteractionContext) -> None:
        first = await anext(aiter(ctx.messages))
        await asyncio.sleep(5)
        ctx.reply([first, "enough"])

    call = busy_agent.initiate_inquiry().send_message("one")
    return str(await call.reply_sequence(finish_call=False))


async def by_the_first_reply() -> str:
    """Who waits wants only the next reply, and sends more then."""

    @miniagent
    async def greeting_agent(ctx: InteractionContext) -> None:
        asyncio.get_running_loop().call_later(5, ctx.reply, "hello")
        await ctx.messages

    call = greeting_agent.initiate_inquiry()
    greeting = await anext(aiter(call.reply_sequence(finish_call=False)))
    call.finish()
    return str(await greeting)


async def by_the_end_of_the_context() -> str:
    """A task beside the context is told by its end that nothing more is sent."""
    tasks: list[asyncio.Task[str]] = []

    async def ask() -> str:
        call = listening_agent.initiate_inquiry().send_message("one")
        return str(await call.reply_sequence(finish_call=False))

    async with MiniAgents():
        tasks.append(asyncio.create_task(ask()))
        await asyncio.sleep(5)
    return await tasks[0]


@pytest.mark.parametrize(
    ("ways_on", "expected"),
    [
        (by_a_task, "2 messages"),
        (by_a_callback, "1 messages"),
        (by_who_has_it_too, "1 messages"),
        (by_its_own_time_limit, "2 messages"),
        (by_a_time_limit_further_in, "2 messages"),
        (by_the_time_limit_of_the_agent, "nobody says anything"),
        (by_the_agent, "one\n\nenough"),
        (by_the_first_reply, "hello"),
        (by_the_end_of_the_context, "1 messages"),
    ],
)
async def test_who_does_not_wait_for_itself(ways_on: Callable[[], Awaitable[str]], expected: str) -> None:
    """Whatever else lets the wait end is waited for."""
    async with MiniAgents():
        assert expected == await ways_on()


async def test_in_a_block_of_somebody_else() -> None:
    """Any `with` block might be a time limit, so nothing is claimed in one."""

    def finish() -> None:
        made = weak()
        assert made is not None
        made.finish()

    async with MiniAgents():
        call = listening_agent.initiate_inquiry().send_message("one")
        weak = ref(call)
        replies = call.reply_sequence(finish_call=False)
        asyncio.get_running_loop().call_later(5, finish)
        with nullcontext():
            assert "1 messages" == str(await replies)


async def test_nothing_is_held() -> None:
    """A call whose replies were looked at is finished when it is dropped, without any collection."""
    gc.disable()
    try:
        async with MiniAgents():
            call: AgentCall[Message, Message] = listening_agent.initiate_inquiry().send_message("one")
            replies = call.reply_sequence(finish_call=False)
            await turns(5)
            del call
            assert "1 messages" == str(await replies)
    finally:
        gc.enable()


async def test_outside_of_a_task() -> None:
    """Replies can be asked for in a callback, where nobody can wait."""
    loop = asyncio.get_running_loop()
    async with MiniAgents():
        call = listening_agent.initiate_inquiry().send_message("one")
        asked = loop.create_future()
        loop.call_soon(lambda: asked.set_result(call.reply_sequence(finish_call=False)))
        replies = await asked
        call.finish()
        assert "1 messages" == str(await replies)
