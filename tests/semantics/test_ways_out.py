"""However something ends, its stream ends, and nothing is left.

Crosses modules: sources, runs, contexts, a whole process.
"""

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, MutableMapping
from textwrap import dedent

import pytest
from reactivex import operators as ops

from miniagents import (
    InquiryCancelledError,
    InteractionContext,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MiniAgents,
    miniagent,
)
from miniagents.operators import map_tokens, tokens
from tests.support.sources import Recorder, keep, turns
from tests.support.typewriter import Typewriter

WAYS = [ValueError("broken"), asyncio.CancelledError(), GeneratorExit()]


@pytest.mark.parametrize("way", WAYS, ids=repr)
async def test_a_stream_ends_however_its_source_leaves(way: BaseException) -> None:
    """A source that leaves by an exception of whatever kind has ended its stream, after what it gave."""

    async def leaving(_: MutableMapping[str, object]) -> AsyncGenerator[str]:
        yield "a"
        raise way

    async with MiniAgents():
        promise = Message.promise(leaving)
        got: list[str] = []
        with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is looked at
            await asyncio.wait_for(keep(got, promise), 5)
        assert ["a"] == got
        assert caught.type is (ValueError if isinstance(way, ValueError) else InquiryCancelledError)
        assert promise.done


@pytest.mark.parametrize("way", WAYS, ids=repr)
async def test_a_run_ends_however_its_agent_leaves(way: BaseException) -> None:
    """An agent that leaves by an exception of whatever kind has ended its replies, after those it gave."""

    @miniagent
    async def leaving_agent(ctx: InteractionContext) -> None:
        ctx.reply("a")
        raise way

    async with MiniAgents():
        replies = leaving_agent.inquire()
        got: list[MessagePromise[Message]] = []
        with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is looked at
            await asyncio.wait_for(keep(got, replies), 5)
        assert ["a"] == [str(promise) for promise in got]
        assert caught.type is (ValueError if isinstance(way, ValueError) else InquiryCancelledError)


async def test_abandoned_within_a_turn() -> None:
    """When the last reader has gone, the run and its generators have left one turn of the loop later."""
    left: list[str] = []

    async def endless(_: MutableMapping[str, object]) -> AsyncGenerator[str]:
        try:
            while True:
                yield "a"
                await asyncio.Event().wait()
        finally:
            left.append("streamer")

    @miniagent
    async def waiting_agent(ctx: InteractionContext) -> None:
        try:
            ctx.reply(Message.promise(endless))
            await asyncio.Event().wait()
        finally:
            left.append("agent")

    gc.disable()
    try:
        async with MiniAgents():
            replies = waiting_agent.inquire()
            promise = await anext(aiter(replies))
            assert "a" == await anext(aiter(promise))
            del promise
            await turns(3)
            assert [] == left
            del replies
            await turns(1)
            assert {"agent", "streamer"} == {*left}
    finally:
        gc.enable()


async def test_operators_buffer_nothing() -> None:
    """Each token is through all operators, ours and those of reactivex, before the next one is written."""
    typewriter = Typewriter()
    recorder: Recorder[str] = Recorder()
    async with MiniAgents():
        sequence = MessageSequencePromise(Message.promise(typewriter))
        pipe = sequence.messages.pipe(map_tokens(str.upper), tokens(), ops.map(lambda token: f"{token}!"))
        pipe.subscribe(recorder)
        for count, token in enumerate("abc", 1):
            typewriter.type(token)
            await turns(4)
            assert [f"{each}!" for each in "ABC"[:count]] == recorder.items
        typewriter.stop()


AGENTS = dedent("""
    import asyncio, os, signal
    from miniagents import MiniAgents, Message, miniagent
    from miniagents.operators import map_agent, tokens

    @miniagent
    async def slow_agent(ctx):
        async def stream(metadata):
            try:
                yield "a"
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0)
                print("source closed", flush=True)
        try:
            ctx.reply(Message.promise(stream))
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            print("agent closed", flush=True)

    @miniagent
    async def failing_agent(ctx):
        slow_agent.inquire()
        await asyncio.sleep(0.01)
        raise ValueError("enough")

    async def first_token(replies):
        async for promise in replies:
            async for token in promise:
                return token
""")

CTRL_C = AGENTS + dedent("""
    async def main():
        await first_token(slow_agent.inquire())
        asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGINT)
        await slow_agent.inquire()

    try:
        MiniAgents().run(main())
    except KeyboardInterrupt:
        print("interrupted")
""")

EVERYTHING = AGENTS + dedent("""
    async def main():
        async with MiniAgents():
            await first_token(slow_agent.inquire())                # abandoned
        async with MiniAgents():
            async with slow_agent.inquire() as replies:            # cancelled
                await first_token(replies)
            try:
                await failing_agent.inquire()                      # failed, with what it had started
            except ValueError:
                pass
            call = slow_agent.initiate_inquiry()                   # never finished
            call.reply_sequence(finish_call=False).cancel()
            rows = map_agent(slow_agent, concurrency=2)(["a", "b", "c"])
            async for replies in rows:
                await first_token(replies)
                break                                              # left in the middle
            del rows, replies
            slow_agent.inquire().tokens.subscribe().dispose()
        try:
            async with MiniAgents():
                slow_agent.inquire()
                await asyncio.sleep(0.01)
                raise RuntimeError("the end")
        except RuntimeError:
            pass
        try:
            async with asyncio.timeout(0.05):
                async with MiniAgents():
                    slow_agent.inquire()
        except TimeoutError:
            pass
        print(len(asyncio.all_tasks()), "task")

    asyncio.run(main())
""")


def run(script: str) -> tuple[list[str], str, int]:
    """What a script prints, what is on its stderr, and its exit code, with every warning an error."""
    environment = {**os.environ, "PYTHONASYNCIODEBUG": "1", "COVERAGE_PROCESS_START": ""}
    done = subprocess.run(  # noqa: S603 - it is ours
        [sys.executable, "-X", "dev", "-W", "error", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=25,
    )
    return done.stdout.splitlines(), done.stderr, done.returncode


@pytest.mark.gate("starts programs")
def test_ctrl_c() -> None:
    """Ctrl-C ends a program when every run has cleaned up, and says nothing else."""
    printed, errors, code = run(CTRL_C)
    assert ("", 0) == (errors, code)
    assert "interrupted" == printed[-1]
    assert (2, 2) == (printed.count("agent closed"), printed.count("source closed"))


@pytest.mark.gate("starts a program")
def test_nothing_is_left() -> None:
    """After runs that were left, cancelled, failed and cut off there is no task and nothing on stderr."""
    printed, errors, code = run(EVERYTHING)
    assert ("", 0) == (errors, code)
    assert "1 task" == printed[-1]
    assert printed.count("agent closed") >= printed.count("source closed") > 4
