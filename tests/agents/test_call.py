"""`AgentCall`: an inquiry whose input is still open."""

import asyncio
import gc
from typing import cast

import pytest

from miniagents import (
    AgentCall,
    InteractionContext,
    Message,
    MessageType,
    MiniAgents,
    MiniAgentsError,
    NoActiveContextError,
    miniagent,
)
from tests.support.sources import turns
from tests.support.typewriter import Typewriter


@miniagent
async def plus_agent(ctx: InteractionContext, mark: str = "+") -> None:
    """Add a mark to each message, as soon as it comes."""
    async for message_promise in ctx.message_promises:
        ctx.reply(f"{await message_promise}{mark}")


@miniagent
async def counting_agent(ctx: InteractionContext) -> None:
    """Reply how many messages there were, when all have come."""
    ctx.reply(str(len(await ctx.messages)))


async def test_full_duplex() -> None:
    """Replies arrive while the input is still open."""
    async with MiniAgents():
        call = plus_agent.initiate_inquiry()
        replies = aiter(call.reply_sequence(finish_call=False))
        for word in ("one", "two"):
            call.send_message(word)
            assert str(await (await anext(replies))) == f"{word}+"
        call.finish()
        assert [item async for item in replies] == []


async def test_token_by_token() -> None:
    """A message that is sent while it is written streams into the run."""
    typewriter = Typewriter()

    @miniagent
    async def echo_agent(ctx: InteractionContext) -> None:
        ctx.reply(ctx.message_promises)

    async with MiniAgents():
        call = echo_agent.initiate_inquiry().send_message(Message.promise(typewriter))
        letters = aiter(await anext(aiter(call.reply_sequence(finish_call=False))))
        for letter in "ab":
            typewriter.type(letter)
            assert await anext(letters) == letter
        typewriter.stop()
        assert str(await call.reply_sequence()) == "ab"


async def test_send_message_chains() -> None:
    """`send_message` returns the call, and takes anything that is messages."""
    async with MiniAgents():
        call = plus_agent.initiate_inquiry()
        assert call.send_message("a").send_message(["b", {"text": "c"}]).send_message(None) is call
        assert [message.text for message in await call.reply_sequence()] == ["a+", "b+", "c+"]


async def test_keywords() -> None:
    """`initiate_inquiry` takes the keywords of the agent."""
    async with MiniAgents():
        call = plus_agent.fork(mark="1").initiate_inquiry(mark="2").send_message("x")
        assert str(await call.reply_sequence()) == "x2"


async def test_reply_sequence_twice() -> None:
    """`reply_sequence` closes the input, and is the same promise every time."""
    async with MiniAgents():
        call = counting_agent.initiate_inquiry().send_message("one")
        first = call.reply_sequence()
        assert call.reply_sequence() is first
        assert call.reply_sequence(finish_call=False) is first
        assert str(await first) == "1"


async def test_send_after_finish() -> None:
    """Sending after `finish` or `reply_sequence` says what to do; finishing twice is no error."""
    async with MiniAgents():
        finished, replied = counting_agent.initiate_inquiry(), counting_agent.initiate_inquiry()
        finished.finish()
        finished.finish()
        replied.reply_sequence()
        for call in (finished, replied):
            with pytest.raises(MiniAgentsError) as caught:
                call.send_message("late")
            assert str(caught.value) == (
                "The call of COUNTING_AGENT is finished; start another one with initiate_inquiry(). To send "
                "more while replies are read, get them with reply_sequence(finish_call=False)."
            )
            assert str(await call.reply_sequence()) == "0"


async def test_sending_nonsense() -> None:
    """What cannot become a message is refused where it is sent; the call goes on."""
    async with MiniAgents():
        call = counting_agent.initiate_inquiry()
        with pytest.raises(TypeError, match="type int"):
            call.send_message(cast("MessageType", 5))
        assert str(await call.send_message("fine").reply_sequence()) == "1"


async def test_a_dropped_call_is_finished() -> None:
    """A call that is dropped without `reply_sequence()` or `finish()` is finished for the caller."""
    async with MiniAgents():
        call = counting_agent.initiate_inquiry().send_message("one")
        replies = call.reply_sequence(finish_call=False)
        del call
        assert str(await replies) == "1"


async def test_a_call_dropped_by_its_run() -> None:
    """A run that ends finishes the calls that it held."""
    counted: list[str] = []

    @miniagent
    async def listening_agent(ctx: InteractionContext) -> None:
        counted.append(str(len(await ctx.messages)))

    @miniagent
    async def calling_agent(ctx: InteractionContext) -> None:
        call = listening_agent.initiate_inquiry()
        call.send_message(["a", "b"])
        raise ValueError("forgot it")

    async with MiniAgents():
        promise = calling_agent.inquire()
        with pytest.raises(ValueError, match="forgot it"):
            await promise


async def test_a_call_kept_open_does_not_hang_the_context() -> None:
    """At the latest, the end of the context finishes a call that was made outside of any run."""
    calls: list[AgentCall] = []
    async with MiniAgents():
        calls.append(counting_agent.initiate_inquiry().send_message("one"))
        replies = calls[0].reply_sequence(finish_call=False)
    assert [str(await item) async for item in replies] == ["1"]


async def test_a_call_in_a_cycle() -> None:
    """A call in a cycle is finished when the cycle is collected."""
    async with MiniAgents():
        box: list[object] = []
        call = counting_agent.initiate_inquiry().send_message("one")
        replies = call.reply_sequence(finish_call=False)
        box.extend((call, box))
        del call, box
        await asyncio.sleep(0)
        assert not replies.done
        gc.collect()
        assert str(await replies) == "1"


def test_without_a_context() -> None:
    """A call needs a context."""
    with pytest.raises(NoActiveContextError):
        plus_agent.initiate_inquiry()


async def test_a_call_dropped_on_another_thread() -> None:
    """A call that another thread drops is finished, on the loop of its context."""
    async with MiniAgents():
        held = [counting_agent.initiate_inquiry().send_message("one")]
        replies = held[0].reply_sequence(finish_call=False)
        await turns(4)  # by now the agent waits; a debugged loop refuses whatever is not of its thread
        await asyncio.to_thread(held.clear)
        assert "1" == str(await replies)
