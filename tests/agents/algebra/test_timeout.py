"""`a.timeout(...)`: an agent that takes too long is stopped."""

import asyncio
import math
from collections.abc import AsyncIterator

import pytest

from miniagents import (
    AgentTimeoutError,
    ErrorMessage,
    InquiryCancelledError,
    InteractionContext,
    Message,
    MiniAgents,
    identity,
    miniagent,
    partial_text,
)
from miniagents.testing import Marbles
from tests.support.sources import Source
from tests.support.speakers import Script, Speaker, heard

OUT_OF_IDEAS = ValueError("out of ideas")


def now() -> float:
    """Return the virtual time, in seconds."""
    return asyncio.get_running_loop().time()


@pytest.mark.loop(virtual=True)
async def test_first_token() -> None:
    """No token in time: the replies end with an error that tells who, which limit, and how much came."""
    speaker = Speaker("SLOW", ["  ", 1.0], 3600.0)
    slow = Speaker("SLOW", [20.0, "late"], 3600.0)
    async with MiniAgents():
        async with speaker.agent.timeout(first_token=10).inquire() as replies:
            assert await anext(aiter(await anext(aiter(replies)))) == "  "
        with pytest.raises(AgentTimeoutError) as caught:
            await slow.agent.timeout(first_token=10).inquire()
        assert now() == 10
    error = caught.value
    assert (error.agent, error.limit, error.seconds, error.elapsed, error.tokens) == (
        "SLOW",
        "first_token",
        10,
        10,
        0,
    )
    assert str(error) == "SLOW was stopped: its limit first_token=10 s was up; tokens so far: 0."
    assert isinstance(error, TimeoutError)


@pytest.mark.loop(virtual=True)
async def test_first_token_of_one_that_does_not_read() -> None:
    """An agent that is stuck before it reads has its input all the same, however little may come unread."""
    async with MiniAgents(prefetch=1):
        question = Message.promise(Source(["What ", "is ", "it?"]))
        with pytest.raises(AgentTimeoutError, match="first_token=10"):
            await Speaker("STUCK", 3600.0).agent.timeout(first_token=10).inquire(question)
        assert now() == 10


@pytest.mark.loop(virtual=True)
async def test_stall() -> None:
    """Too long between two tokens: the message fails there, what came stays, and the agent is cancelled."""
    speaker = Speaker("A", ["one ", 4.0, "two ", 4.0, "three ", 60.0, "four"], 3600.0)
    async with MiniAgents():
        (got, end) = await heard(speaker.agent.timeout(stall=5).inquire())
        assert now() == 4 + 4 + 5
    assert isinstance(end, AgentTimeoutError)
    assert got == ("one ", "two ", "three ", end)
    assert (end.limit, end.tokens, end.partial_text) == ("stall", 3, "one two three ")
    assert partial_text(end) == "one two three "
    assert speaker.ended == ["cancelled"]


@pytest.mark.loop(virtual=True)
async def test_a_stall_before_the_first_token() -> None:
    """Without a limit for the first token a stall bounds that, too; with one it does not."""
    marbles = Marbles()
    model = marbles.model("8s a|")
    async with MiniAgents():
        await marbles.expect(model.timeout(stall=5).inquire()).to_be("5s #", error=AgentTimeoutError)
        await marbles.expect_reads(model).to_be("^ 4999ms !")
        marbles.start()
        await marbles.expect(model.timeout(first_token=10, stall=5).inquire()).to_be("8s a|")


@pytest.mark.loop(virtual=True)
async def test_total() -> None:
    """The whole takes too long, however steadily it comes."""
    at_once: list[Script] = [["x", 1.0]] * 100
    one_by_one: list[Script] = ["x", 1.0] * 9
    async with MiniAgents():
        assert len(await Speaker("A", *at_once).agent.timeout(total=3.5).inquire()) == 100
        begun = now()
        *got, end = await heard(Speaker("B", *one_by_one).agent.timeout(total=3.5).inquire())
        assert now() - begun == 3.5
    assert isinstance(end, AgentTimeoutError)
    assert (end.limit, got) == ("total", [("x",)] * 4)


@pytest.mark.loop(virtual=True)
async def test_several_messages_at_once() -> None:
    """Every message that is still being written fails with the error; those that were complete stay."""
    speaker = Speaker("A", "whole", ["left ", 60.0], ["right ", 60.0])
    async with MiniAgents():
        whole, left, right = await heard(speaker.agent.timeout(total=5).inquire())
    assert whole == ("whole",)
    assert isinstance(left, tuple)
    assert isinstance(left[1], AgentTimeoutError)
    assert right == ("right ", left[1])
    assert left[1].partial_text == "left "


@pytest.mark.loop(virtual=True)
async def test_the_input_is_waited_for() -> None:
    """The time for the first token begins with the end of the input: in a chain all begin at once."""
    slow, quick = Speaker("SLOW", [50.0, "x"]), Speaker("QUICK", [4.0, "y"])
    async with MiniAgents():
        chain = slow.agent | quick.agent.timeout(first_token=5)
        assert await heard(chain.inquire()) == [("y",)]
        stuck = slow.agent | Speaker("A", [60.0, "y"]).agent.timeout(first_token=5)
        with pytest.raises(AgentTimeoutError) as caught:
            await stuck.inquire()
    assert caught.value.elapsed == 55


@pytest.mark.loop(virtual=True)
async def test_without_a_limit_struck() -> None:
    """Replies and errors within the limits are as without limits."""
    script: tuple[Script, ...] = (["half", 1.0, OUT_OF_IDEAS], 1.0, "whole", 1.0, OUT_OF_IDEAS)
    async with MiniAgents():
        expected = [("half", OUT_OF_IDEAS), ("whole",), OUT_OF_IDEAS]
        for limits in ({}, {"first_token": 1.5, "stall": 1.5, "total": 4}):
            assert await heard(Speaker("A", *script).agent.timeout(**limits).inquire()) == expected


@pytest.mark.loop(virtual=True)
async def test_a_message_is_there_at_once() -> None:
    """The promise of a message is there before its first token, and the next one before its end."""
    speaker = Speaker("A", [60.0, "one"], [30.0, "two"])
    async with MiniAgents():
        replies = [promise async for promise in speaker.agent.timeout(total=100).inquire()]
        assert now() == 0
        assert [str(await promise) for promise in replies] == ["one", "two"]


@pytest.mark.loop(virtual=True)
async def test_after_the_replies_were_closed() -> None:
    """A message that streams on after its agent has ended is bounded all the same."""
    speaker = Speaker("A", ["half", 3600.0])
    async with MiniAgents():
        replies = speaker.agent.timeout(total=10).inquire()
        (promise,) = [promise async for promise in replies]
        assert (speaker.ended, now()) == (["done"], 0)
        with pytest.raises(AgentTimeoutError):
            await promise
        assert now() == 10


@pytest.mark.loop(virtual=True)
async def test_of_somebody_elses_message() -> None:
    """A message that the agent only passes on is bounded for its readers, and unharmed for everybody else."""
    async with MiniAgents():
        message = await anext(aiter(Speaker("A", ["one ", 60.0, "two"]).agent.inquire()))
        with pytest.raises(AgentTimeoutError) as caught:
            await identity.timeout(total=10).inquire(message)
        assert caught.value.partial_text == "one "
        assert str(await message) == "one two"


@pytest.mark.loop(virtual=True)
async def test_a_slow_reader() -> None:
    """A reader that takes its time is no stall of the agent."""
    speaker = Speaker("A", ["x"] * 10)
    async with MiniAgents(prefetch=1):
        message = await anext(aiter(speaker.agent.timeout(stall=5).inquire()))
        got: list[str] = []
        async for token in message:
            got.append(token)
            await asyncio.sleep(60)
    assert got == ["x"] * 10


@pytest.mark.loop(virtual=True)
async def test_a_slow_reader_of_what_came_at_once() -> None:
    """A slow reader is no stall of an agent whose tokens come without a pause, either."""

    async def tokens(metadata_so_far: object) -> AsyncIterator[str]:
        for _ in range(10):
            yield "x"

    @miniagent
    async def quick(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(tokens))
        ctx.reply(Message.promise(tokens))

    got: list[str] = []
    async with MiniAgents(prefetch=2):
        async for token in quick.timeout(stall=5, total=50).inquire().tokens:
            got.append(token)
            await asyncio.sleep(60)
    assert got == ["x"] * 20


@pytest.mark.loop(virtual=True)
async def test_a_held_message_goes_on() -> None:
    """Who left the replies and holds a message reads it to its end; then nothing is left."""
    speaker = Speaker("A", ["one ", 5.0, "two"], 3600.0)
    async with MiniAgents():
        message = await anext(aiter(speaker.agent.timeout(stall=60).inquire()))
        await asyncio.sleep(1)
        assert speaker.ended == ["cancelled"]
        assert str(await message) == "one two"


@pytest.mark.loop(virtual=True)
async def test_leaving() -> None:
    """When no reader can come any more, the agent is stopped."""
    speaker = Speaker("A", ["one ", 3600.0])
    async with MiniAgents():
        message = await anext(aiter(speaker.agent.timeout(total=60).inquire()))
        assert await anext(aiter(message)) == "one "
        del message
        await asyncio.sleep(1)
    assert now() == 1  # else the context would have waited for the message


@pytest.mark.loop(virtual=True)
async def test_finished_early() -> None:
    """An agent that works on after its replies is stopped with the message that takes too long."""
    ended: list[float] = []

    async def tokens(_: object) -> AsyncIterator[str]:
        yield "one "
        await asyncio.sleep(3600)

    @miniagent
    async def early_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(tokens))
        ctx.finish_early()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(now())

    async with MiniAgents():
        with pytest.raises(AgentTimeoutError):
            await early_agent.timeout(total=60).inquire()
    assert (ended, now()) == ([60], 60)


@pytest.mark.loop(virtual=True)
async def test_cancelling() -> None:
    """Cancelled, its readers get that and no timeout."""
    speaker = Speaker("A", ["one ", 3600.0], 3600.0)
    async with MiniAgents():
        replies = speaker.agent.timeout(total=60).inquire()
        await asyncio.sleep(1)
        replies.cancel()
        (got, end) = await heard(replies)
        assert isinstance(end, InquiryCancelledError)
        assert isinstance(got, tuple)
        assert isinstance(got[1], InquiryCancelledError)
    assert (speaker.ended, now()) == (["cancelled"], 1)


@pytest.mark.loop(virtual=True)
async def test_where_errors_become_messages() -> None:
    """In a context with `errors_as_messages` the limit strikes all the same, and is one error message."""
    async with MiniAgents(errors_as_messages=True):
        half, error = await Speaker("A", ["half", 60.0]).agent.timeout(total=10).inquire()
    assert str(half) == "half"
    assert isinstance(error, ErrorMessage)
    assert error.error_type == "AgentTimeoutError"


@pytest.mark.loop(virtual=True)
async def test_the_same_message() -> None:
    """What comes out is the very message that the agent replied, with its class and data."""
    message = Message("x", page=1)
    async with MiniAgents():
        (reply,) = await identity.timeout(total=1).inquire(message)
    assert reply is message


def test_what_it_is_called() -> None:
    """Alias and description name the part and its limits."""
    agent = (identity & identity).timeout(first_token=1.5, total=60)
    assert agent.alias == "(identity & identity).timeout(first_token=1.5, total=60)"
    assert agent.description == "identity & identity, stopped when it takes too long."


@pytest.mark.parametrize("seconds", [-1, math.nan])
@pytest.mark.parametrize("name", ["first_token", "stall", "total"])
def test_no_time_at_all(name: str, seconds: float) -> None:
    """A limit that is negative or not a number is refused where it is written."""
    with pytest.raises(ValueError, match=rf"timeout\({name}="):
        identity.timeout(**{name: seconds})


@pytest.mark.loop(virtual=True)
async def test_the_error_of_a_part_is_shown() -> None:
    """A part of the agent that failed at once is a message with its error, as without limits."""

    @miniagent
    async def failing(_: InteractionContext) -> None:
        raise OUT_OF_IDEAS

    async with MiniAgents():
        replies = [each async for each in (identity & failing).timeout(total=5).inquire("Hi")]
        assert "Hi" == str(await replies[0])
        (error,) = await asyncio.gather(*replies[1:], return_exceptions=True)
        assert error is OUT_OF_IDEAS
