"""One event loop per context: a call from another thread, loop or process is a typed error that says so.

Crosses modules: whatever a user holds can be carried elsewhere.
"""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import dedent

import pytest

from miniagents import (
    AgentCall,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgents,
    NoActiveContextError,
    Promise,
    WrongLoopError,
    join_messages,
    miniagent,
)
from tests.support.sources import Source


@miniagent
async def idle_agent(ctx: InteractionContext) -> None:
    """Reply when all has been said."""
    ctx.reply(await ctx.messages)


@dataclass
class Held:
    """What a user may hold of a context that is active."""

    ctx: InteractionContext
    call: AgentCall[Message, Message]
    replies: MessageSequencePromise[Message]
    message: Promise[Message]


async def never() -> None:
    """Not awaited by anybody."""


def wait_for(held: Held) -> None:
    """Hand it something that can be awaited."""
    waiting = never()
    try:
        held.ctx.wait_for(waiting)
    finally:
        waiting.close()


CALLS: dict[str, Callable[[Held], object]] = {
    "inquire": lambda _: idle_agent.inquire("Hello"),
    "initiate_inquiry": lambda _: idle_agent.initiate_inquiry(),
    "a promise": lambda _: Message.promise(Source(["a"])),
    "join_messages": lambda held: join_messages(held.replies),
    "reply": lambda held: held.ctx.reply("one more"),
    "finish_early": lambda held: held.ctx.finish_early(),
    "wait_for": wait_for,
    "send_message": lambda held: held.call.send_message("one more"),
    "finish": lambda held: held.call.finish(),
    "reply_sequence": lambda held: held.call.reply_sequence(),
    "cancel": lambda held: held.replies.cancel(),
    "subscribe": lambda held: held.replies.messages.subscribe(),
    "subscribe to tokens": lambda held: held.replies.tokens.subscribe(),
}


async def a_loop_of_its_own(call: Callable[[Held], object], held: Held) -> None:
    """The same call on another event loop."""
    call(held)


@pytest.mark.parametrize("name", CALLS)
async def test_from_a_thread(name: str) -> None:
    """Each call from a thread, with a loop of its own or none, is a typed error that changes nothing."""
    call = CALLS[name]
    contexts: list[InteractionContext] = []
    begun, go = asyncio.Event(), asyncio.Event()

    @miniagent
    async def held_agent(ctx: InteractionContext) -> None:
        contexts.append(ctx)
        begun.set()
        await go.wait()

    async with MiniAgents():
        replies = held_agent.inquire()
        agent_call = idle_agent.initiate_inquiry()
        await begun.wait()
        held = Held(contexts[0], agent_call, replies, replies.as_single_promise())
        with pytest.raises(WrongLoopError, match="another event loop or thread or process"):
            await asyncio.to_thread(call, held)
        with pytest.raises(WrongLoopError):
            await asyncio.to_thread(asyncio.run, a_loop_of_its_own(call, held))
        contexts[0].reply("still open")
        agent_call.send_message("still open")
        go.set()
        assert "still open" == str(await replies)
        assert "still open" == str(await agent_call.reply_sequence())
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_read_from_a_thread() -> None:
    """To await or iterate there what has not ended is a typed error; what has ended is read from anywhere."""
    go = asyncio.Event()

    @miniagent
    async def held_agent(ctx: InteractionContext) -> None:
        await go.wait()
        ctx.reply("done")

    async def read(replies: MessageSequencePromise[Message]) -> list[str]:
        return [str(await promise) async for promise in replies]

    async def whole(replies: MessageSequencePromise[Message]) -> str:
        return str(await replies)

    async with MiniAgents():
        replies = held_agent.inquire()
        for reader in (read, whole):
            with pytest.raises(WrongLoopError):
                await asyncio.to_thread(asyncio.run, reader(replies))
        go.set()
        await replies
        assert ["done"] == await asyncio.to_thread(asyncio.run, read(replies))
        assert "done" == await asyncio.to_thread(asyncio.run, whole(replies))
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_a_thread_without_contextvars() -> None:
    """A thread that was started by hand sees no context, and is told so."""
    errors: list[Exception] = []

    def work() -> None:
        try:
            idle_agent.inquire("Hello")
        except NoActiveContextError as error:
            errors.append(error)

    async with MiniAgents():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert [str(NoActiveContextError())] == [str(each) for each in errors]
    assert "in other threads: `MiniAgents.from_thread(...)`" in str(errors[0])


FORK = dedent("""
    import asyncio, os, sys
    from miniagents import MiniAgents, WrongLoopError, miniagent

    @miniagent
    async def idle_agent(ctx):
        ctx.reply(await ctx.messages)

    async def main():
        asyncio.get_running_loop().slow_callback_duration = 60  # a fork is slow on a busy machine
        call = idle_agent.initiate_inquiry()
        done = idle_agent.inquire("done")
        await done
        child = os.fork()
        if child == 0:
            told = []
            for use in (
                lambda: idle_agent.inquire("Hello"),
                lambda: call.send_message("Hello"),
                lambda: call.reply_sequence(finish_call=False).cancel(),
                lambda: call.reply_sequence(finish_call=False).messages.subscribe(),
            ):
                try:
                    use()
                except WrongLoopError as error:
                    told.append("process" in str(error))
            async def whole(promise):
                return str(await promise)
            try:
                asyncio.run(whole(call.reply_sequence(finish_call=False)))
            except WrongLoopError as error:
                told.append("process" in str(error))
            fresh = MiniAgents().run(whole(done))
            again = MiniAgents().run(whole_of_inquiry())
            print(told, fresh, again, flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        call.send_message("parent")
        print(await call.reply_sequence(), flush=True)

    async def whole_of_inquiry():
        return str(await idle_agent.inquire("child"))

    MiniAgents().run(main())
""")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.gate("a process, and one that it forks")
def test_after_fork() -> None:
    """In a forked child a call into the parent's context is a typed error; a context of its own works."""
    # A process of its own: this one has a watchdog thread, and forking with threads is another matter.
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", FORK]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - it is ours
    assert f"{[True] * 5} done child\nparent\n" == run.stdout
    assert ("", 0) == (run.stderr, run.returncode)
