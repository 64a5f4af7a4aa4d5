"""`a & b`: both are asked at once, the replies of the first come first."""

import asyncio

import pytest
import reactivex as rx

from miniagents import ErrorMessage, InteractionContext, Message, MiniAgent, MiniAgents, identity, miniagent
from miniagents.agents._algebra._chains import Both, Stages
from miniagents.operators import resolve
from tests.support.sources import turns
from tests.support.speakers import Speaker, heard

OUT_OF_IDEAS = ValueError("out of ideas")


def operands(agent: MiniAgent[Message, Message]) -> list[str]:
    """Return the aliases of the parts."""
    assert isinstance(agent._function, Both)
    return [part.alias for part in agent._function.components]


@pytest.mark.loop(virtual=True)
async def test_in_order_at_once() -> None:
    """The replies of the slow first one come before those of the second, and both take the time of one."""
    slow, quick = Speaker("SLOW", 5.0, "slow"), Speaker("QUICK", 4.0, "quick")
    async with MiniAgents():
        assert await heard((slow.agent & quick.agent).inquire()) == [("slow",), ("quick",)]
    assert asyncio.get_running_loop().time() == 5


@pytest.mark.loop(virtual=True)
async def test_tokens_stream() -> None:
    """A token of the first one is there before its next one is."""
    speaker = Speaker("A", ["one ", 3600.0, "two"])
    async with MiniAgents():
        first = await anext(aiter((speaker.agent & identity).inquire("x")))
        assert await anext(aiter(first)) == "one "
        assert asyncio.get_running_loop().time() == 0


async def test_both_get_all() -> None:
    """Each is sent all messages."""
    async with MiniAgents():
        assert await heard((identity & identity).inquire(["a", "b"])) == [("a",), ("b",), ("a",), ("b",)]


async def test_a_failing_part() -> None:
    """A part that fails is a failing message where its replies end; those of the next one arrive."""
    failing, other = Speaker("F", "before", OUT_OF_IDEAS), Speaker("O", "after")
    async with MiniAgents():
        assert await heard((failing.agent & other.agent).inquire()) == [
            ("before",),
            (OUT_OF_IDEAS,),
            ("after",),
        ]


def test_it_is_flat() -> None:
    """However it is written, `&` of three agents has three parts; a part with a policy of its own is one."""
    a, b, c = (Speaker(name).agent for name in "ABC")
    assert operands((a & b) & c) == operands(a & (b & c)) == ["A", "B", "C"]
    assert operands((a & b).errors_as_messages() & c) == ["A & B", "C"]


def test_what_it_is_called() -> None:
    """Alias and description name the parts; a chain in it stands in parentheses."""
    a, b, c = (Speaker(name).agent for name in "ABC")
    assert (a & b | c).alias == "A & B | C"
    assert (a & (b | c)).alias == "A & (B | C)"
    assert (a & b).description == "The replies of A, then of B, all to the same messages."


@pytest.mark.loop(virtual=True)
async def test_cancelling() -> None:
    """Cancelling the whole cancels both, also the one whose replies wait behind those of the other."""
    speakers = [Speaker(name, [name, 3600.0], 3600.0) for name in "AB"]
    async with MiniAgents():
        async with (speakers[0].agent & speakers[1].agent).inquire() as replies:
            await anext(aiter(await anext(aiter(replies))))
        assert asyncio.get_running_loop().time() == 0
    assert [speaker.ended for speaker in speakers] == [["cancelled"], ["cancelled"]]


def test_in_a_pipe() -> None:
    """It is an operator like any agent, and begins when somebody subscribes."""
    speaker = Speaker("A", "a")
    stream = rx.of("x").pipe(speaker.agent & identity, resolve())
    assert speaker.runs == 0
    assert [str(message) for message in MiniAgents().run(stream)] == ["a", "x"]


def test_what_is_no_agent() -> None:
    """`agent & 5` is a `TypeError` where it is written, and so is an agent that lacks a keyword."""

    @miniagent
    async def needy_agent(ctx: InteractionContext, model: str) -> None:
        """Reply with a model."""

    with pytest.raises(TypeError, match="& is made of agents, and this is a value of type int"):
        identity & 5  # type: ignore[operator]
    with pytest.raises(TypeError, match=r"NEEDY_AGENT needs a value for: model\..* gets it before, by bind"):
        identity & needy_agent  # type: ignore[operator]
    with pytest.raises(TypeError, match=r"NEEDY_AGENT needs a value for: model\..* gets it before, by bind"):
        needy_agent & identity  # type: ignore[operator]
    assert (identity & needy_agent.bind(model="m")).alias == "identity & NEEDY_AGENT"


@miniagent
async def plus_agent(ctx: InteractionContext, mark: str = "+") -> None:
    """Add a mark to each message."""
    async for message_promise in ctx.message_promises:
        ctx.reply(f"{await message_promise}{mark}")


@miniagent
async def failing_agent(ctx: InteractionContext) -> None:
    """Reply what it is told, then fail."""
    ctx.reply(ctx.message_promises)
    raise ValueError("broken")


def stages_of(agent: MiniAgent[Message, Message]) -> int:
    """Return how many agents a chain is made of."""
    assert isinstance(agent._function, Stages)
    return len(agent._function.components)


def test_a_chain_of_chains_is_one_chain() -> None:
    """However it is written, a chain of four is four stages, not a chain in a chain."""
    a, b, c, d = (plus_agent.bind(mark=mark) for mark in "abcd")
    assert stages_of(a | b | c | d) == stages_of((a | b) | (c | d)) == stages_of(a | (b | (c | d))) == 4


async def test_a_chain_with_its_own_policy_is_one_stage() -> None:
    """A chain whose errors are messages stays a stage of its own, so that it keeps doing that."""
    tolerant = (plus_agent | failing_agent).errors_as_messages()
    chain = tolerant | plus_agent
    assert stages_of(chain) == 2
    async with MiniAgents():
        texts = [message.text for message in await chain.inquire("x")]
    assert texts == ["x++", "ValueError: broken+"]


async def test_all_stages_run_at_once() -> None:
    """The second agent has begun before the first has replied anything."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    @miniagent
    async def slow_agent(ctx: InteractionContext) -> None:
        await go_on.wait()
        ctx.reply("done")

    @miniagent
    async def eager_agent(ctx: InteractionContext) -> None:
        begun.set()
        ctx.reply(ctx.message_promises)

    async with MiniAgents():
        replies = (slow_agent | eager_agent).inquire()
        await begun.wait()
        assert not replies.done
        go_on.set()
        assert str(await replies) == "done"


async def test_a_failing_stage() -> None:
    """What a stage replied before it failed goes through the rest; then its error does."""
    async with MiniAgents():
        replies = (failing_agent | plus_agent).inquire("x")
        assert [str(await item) for item in [await anext(aiter(replies))]] == ["x+"]
        with pytest.raises(ValueError, match="broken"):
            await replies


async def test_errors_of_a_stage_as_messages() -> None:
    """In a context with `errors_as_messages` the next stage gets the error as a message."""
    async with MiniAgents(errors_as_messages=True):
        replies = await (failing_agent | plus_agent).inquire("x")
    assert [message.text for message in replies] == ["x+", "ValueError: broken+"]
    assert not any(isinstance(message, ErrorMessage) for message in replies)


async def test_cancelling_a_chain() -> None:
    """Cancelling the chain cancels every stage."""
    begun, cancelled = asyncio.Semaphore(0), asyncio.Semaphore(0)

    @miniagent
    async def endless_agent(ctx: InteractionContext) -> None:
        begun.release()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.release()

    async with MiniAgents():
        replies = (endless_agent | endless_agent | endless_agent).inquire()
        for _ in range(3):
            await begun.acquire()
        replies.cancel()
        for _ in range(3):
            await cancelled.acquire()


async def test_a_forked_chain() -> None:
    """A chain has no keywords of its own; those of its stages are given before."""
    chain = plus_agent.fork(mark="1") | plus_agent.fork(mark="2")
    async with MiniAgents():
        assert str(await chain.described(alias="BOTH").inquire("x")) == "x12"
    with pytest.raises(TypeError, match="takes no keyword 'mark'; it knows: none"):
        chain.fork(mark="3")  # type: ignore[call-arg]


async def test_a_stage_that_is_not_listened_to() -> None:
    """A stage whose reader, the next one, has ended without reading it to its end is stopped."""
    ended: list[str] = []

    @miniagent
    async def endless_agent(ctx: InteractionContext) -> None:
        try:
            ctx.reply("one")
            await asyncio.Event().wait()
        finally:
            ended.append("endless")

    @miniagent
    async def hasty_agent(ctx: InteractionContext) -> None:
        await turns()
        ctx.reply("I know enough.")

    async with MiniAgents():
        assert "I know enough." == str(await (endless_agent | hasty_agent).inquire())
        await turns(4)
        assert ["endless"] == ended
