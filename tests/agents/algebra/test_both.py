"""`a & b`: both are asked at once, the replies of the first come first."""

import asyncio

import pytest
import reactivex as rx

from miniagents import InteractionContext, Message, MiniAgent, MiniAgents, identity, miniagent
from miniagents.agents._algebra._chains import Both
from miniagents.operators import resolve
from tests.support.speakers import Speaker, heard

OUT_OF_IDEAS = ValueError("out of ideas")


def operands(agent: MiniAgent[Message, Message]) -> list[str]:
    """Return the aliases of the parts."""
    assert isinstance(agent._function, Both)
    return [part.alias for part in agent._function.agents]


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
    with pytest.raises(TypeError, match="NEEDY_AGENT needs a value for: model"):
        identity & needy_agent  # type: ignore[operator]
    with pytest.raises(TypeError, match="NEEDY_AGENT needs a value for: model"):
        needy_agent & identity  # type: ignore[misc]
    assert (identity & needy_agent.bind(model="m")).alias == "identity & NEEDY_AGENT"
