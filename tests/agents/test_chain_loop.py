"""`achain_loop`: agents in a row, round and round."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from miniagents import (
    AWAIT,
    CLEAR,
    ErrorMessage,
    InteractionContext,
    Message,
    Messages,
    MessageSequencePromise,
    MessageType,
    MiniAgents,
    StopLoop,
    achain_loop,
    miniagent,
)
from miniagents.agents._chain_loop import ChainItem
from tests.support.sources import turns
from tests.support.typewriter import Typewriter


@miniagent
async def plus_agent(ctx: InteractionContext, mark: str = "+") -> None:
    """Add a mark to each message."""
    async for message_promise in ctx.message_promises:
        ctx.reply(f"{await message_promise}{mark}")


@miniagent
async def counting_agent(ctx: InteractionContext) -> None:
    """Reply how many messages there were."""
    ctx.reply(str(len(await ctx.messages)))


class Stopper:
    """An agent that passes messages on for some turns and then raises."""

    def __init__(self, turns: int, error: BaseException | type[BaseException] = StopLoop) -> None:
        self.heard: list[str] = []
        stopper = self

        @miniagent
        async def stopping_agent(ctx: InteractionContext) -> None:
            stopper.heard.append(str(await ctx.messages))
            if len(stopper.heard) > turns:
                ctx.reply("not seen")
                raise error
            ctx.reply(ctx.message_promises)

        self.agent = stopping_agent


def texts(messages: Messages) -> list[str | None]:
    """Return the text of each message."""
    return [message.text for message in messages]


async def test_round_and_round() -> None:
    """The replies of the last agent are what the first one gets; `max_turns` ends it."""
    async with MiniAgents():
        last = await achain_loop([plus_agent, plus_agent.fork(mark="-"), AWAIT], initial="x", max_turns=3)
    assert texts(last) == ["x+-+-+-"]
    assert isinstance(last, Messages)


async def test_initial_messages() -> None:
    """`initial` is anything that is messages; without it the first agent gets none."""
    async with MiniAgents():
        assert texts(await achain_loop([counting_agent, AWAIT], max_turns=1)) == ["0"]
        initial: list[MessageType] = ["a", plus_agent.inquire(["b", "c"])]
        assert texts(await achain_loop([counting_agent, AWAIT], initial=initial, max_turns=1)) == ["3"]


async def test_no_turns() -> None:
    """No turns at all give back what was there at first."""
    async with MiniAgents():
        assert texts(await achain_loop([plus_agent, AWAIT], initial="x", max_turns=0)) == ["x"]


@pytest.mark.parametrize("end", [StopLoop, EOFError])
async def test_an_agent_ends_it(end: type[Exception]) -> None:
    """`StopLoop` and `EOFError` end it, without error; what was resolved last comes back."""
    stopper = Stopper(2, end)
    async with MiniAgents():
        last = await achain_loop([plus_agent, stopper.agent, AWAIT], initial="x")
    assert texts(last) == ["x++"]
    assert stopper.heard == ["x+", "x++", "x+++"]


@pytest.mark.parametrize("end", [StopLoop, EOFError])
async def test_it_ends_although_errors_are_messages(end: type[Exception]) -> None:
    """In a context with `errors_as_messages` it ends as well; other errors are messages."""
    stopper = Stopper(2, end)

    @miniagent
    async def failing_agent(ctx: InteractionContext) -> None:
        await ctx.messages
        raise KeyError("lost")

    async with MiniAgents(errors_as_messages=True):
        last = await achain_loop([stopper.agent, failing_agent, AWAIT], initial="x")
    assert [type(message) for message in last] == [ErrorMessage]
    assert stopper.heard == ["x", "KeyError: 'lost'", "KeyError: 'lost'"]


async def test_an_error_is_raised() -> None:
    """Any other error of an agent is raised, the very object."""
    error = KeyError("lost")
    stopper = Stopper(1, error)
    async with MiniAgents():
        with pytest.raises(KeyError) as caught:
            await achain_loop([stopper.agent, AWAIT], initial="x")
    assert caught.value is error


def test_ctrl_c_goes_through() -> None:
    """`KeyboardInterrupt` goes through to the caller."""
    stopper = Stopper(1, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        MiniAgents().run(achain_loop([stopper.agent, AWAIT], initial="x"))


async def test_agents_without_await() -> None:
    """A list with agents and without `AWAIT` is refused before anything runs."""
    stopper = Stopper(0)
    async with MiniAgents():
        with pytest.raises(ValueError, match="needs an AWAIT"):
            await achain_loop([stopper.agent, CLEAR, None], initial="x")
    assert stopper.heard == []


async def test_what_is_no_item() -> None:
    """What cannot stand in the list is a `TypeError` that names it."""
    wrong = cast("Callable[..., list[None]]", list)(["text"])
    async with MiniAgents():
        with pytest.raises(TypeError, match=r"takes agents, None, .* this item is of type str"):
            await achain_loop(wrong)


async def test_none_is_skipped() -> None:
    """`None` in the list is as if it was not there."""
    async with MiniAgents():
        assert texts(await achain_loop([None, plus_agent, None, AWAIT], initial="x", max_turns=1)) == ["x+"]


async def test_clear() -> None:
    """`CLEAR` forgets everything that came so far."""
    async with MiniAgents():
        last = await achain_loop([plus_agent, CLEAR, counting_agent, AWAIT], initial=["x", "y"], max_turns=2)
    assert texts(last) == ["0"]


async def test_await() -> None:
    """What stands behind `AWAIT` begins when everything so far is resolved; all before it does."""
    typewriter = Typewriter()
    events: list[str] = []

    @miniagent
    async def writing_agent(ctx: InteractionContext) -> None:
        events.append("writing")
        ctx.reply(Message.promise(typewriter))

    @miniagent
    async def next_agent(ctx: InteractionContext, name: str) -> None:
        events.append(name)
        ctx.reply(ctx.messages)

    async with MiniAgents():
        chain: list[ChainItem] = [
            writing_agent,
            next_agent.fork(name="before"),
            AWAIT,
            next_agent.fork(name="behind"),
        ]
        loop = asyncio.ensure_future(achain_loop(chain, max_turns=1))
        await typewriter.started.wait()
        await turns()
        assert sorted(events) == ["before", "writing"]
        typewriter.type("text")
        typewriter.stop()
        assert texts(await loop) == ["text"]
    assert events[2:] == ["behind"]


async def test_inquiries_only() -> None:
    """A list of inquiries only is gone through once; their replies are put behind one another."""
    async with MiniAgents():
        last = await achain_loop([plus_agent.inquire("a"), plus_agent.inquire("b")], initial="x")
        assert texts(last) == ["x", "a+", "b+"]
        assert texts(await achain_loop([])) == []


async def test_an_inquiry_without_messages() -> None:
    """An inquiry made without messages takes the previous replies as its input."""
    async with MiniAgents():
        last = await achain_loop([plus_agent.inquire(), plus_agent.inquire()], initial=["x", "y"])
    assert texts(last) == ["x++", "y++"]


async def test_an_inquiry_without_messages_behind_await() -> None:
    """It does so behind an `AWAIT` as well, however long that takes."""
    typewriter = Typewriter("x")
    typewriter.stop()
    async with MiniAgents():
        initial: list[MessageType] = [Message.promise(typewriter), "y"]
        chain: list[ChainItem] = [
            plus_agent.inquire(),
            AWAIT,
            plus_agent.inquire(),
            AWAIT,
            counting_agent.inquire(),
        ]
        assert texts(await achain_loop(chain, initial=initial)) == ["2"]


async def test_an_inquiry_that_has_begun() -> None:
    """An inquiry without messages that had begun before the loop adds its replies, like one with messages."""
    async with MiniAgents():
        inquiry = counting_agent.inquire()
        await inquiry
        assert texts(await achain_loop([inquiry], initial="x")) == ["x", "0"]


async def test_an_inquiry_beside_agents() -> None:
    """Inquiries take part in the first round only."""
    async with MiniAgents():
        last = await achain_loop([plus_agent.inquire("a"), plus_agent, AWAIT], initial="x", max_turns=2)
    assert texts(last) == ["x++", "a+++"]


async def test_a_loop_that_ends_before_its_inquiries() -> None:
    """An inquiry whose turn never comes gets no messages, and does not hang."""
    stopper = Stopper(0)
    async with MiniAgents():
        inquiry = counting_agent.inquire()
        assert texts(await achain_loop([stopper.agent, AWAIT, inquiry], initial="x")) == ["x"]
        assert str(await inquiry) == "0"


async def test_a_call() -> None:
    """A call is sent the previous replies, after what it was sent before, and closed."""
    async with MiniAgents():
        call = plus_agent.initiate_inquiry().send_message("a")
        assert texts(await achain_loop([call], initial="x")) == ["a+", "x+"]


async def test_a_sequence() -> None:
    """Any promise of messages adds its messages."""
    async with MiniAgents():
        last = await achain_loop([CLEAR, MessageSequencePromise(["a", "b"])], initial="x")
    assert texts(last) == ["a", "b"]


async def test_a_cancelled_loop() -> None:
    """Cancelling the loop stops what it waits for."""
    begun, stopped = asyncio.Event(), asyncio.Event()

    @miniagent
    async def endless_agent(ctx: InteractionContext) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with MiniAgents():
        loop = asyncio.ensure_future(achain_loop([endless_agent, AWAIT]))
        await begun.wait()
        loop.cancel()
        await asyncio.wait([loop])
        assert loop.cancelled()
        del loop
        await stopped.wait()


async def test_a_loop_in_an_agent() -> None:
    """A loop can be an agent's whole function."""
    stopper = Stopper(1)

    @miniagent
    async def looping_agent(ctx: InteractionContext) -> None:
        ctx.reply(await achain_loop([plus_agent, stopper.agent, AWAIT], initial=ctx.messages))

    async with MiniAgents():
        assert str(await looping_agent.inquire("x")) == "x+"
