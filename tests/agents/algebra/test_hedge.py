"""`a.hedge(b, after=seconds)`: another agent is asked when the first one is slow to begin."""

import asyncio
import math

import pytest

from miniagents import MiniAgents, identity
from miniagents.testing import Marbles
from tests.support.speakers import Speaker, heard

GONE = ConnectionError("gone")


def now() -> float:
    """Return the virtual time, in seconds."""
    return asyncio.get_running_loop().time()


@pytest.mark.loop(virtual=True)
async def test_in_time() -> None:
    """When the first one begins in time, the second one is never asked."""
    first, second = Speaker("A", [4.0, "one ", 60.0, "two"], "three"), Speaker("B", "b")
    async with MiniAgents():
        assert await heard(first.agent.hedge(second.agent, after=5).inquire()) == [
            ("one ", "two"),
            ("three",),
        ]
    assert second.runs == 0


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize(
    ("first", "shown", "first_read", "second_read"),
    [
        ("9s a 1m a|", "9s a 1m a|", "^ 68999ms -- |", "5s ^ 3999ms !"),
        ("11s a 1m a|", "10s b 1m b|", "^ 9999ms !", "5s ^ 64999ms -- |"),
    ],
)
async def test_too_late(first: str, shown: str, first_read: str, second_read: str) -> None:
    """Else the second one is asked; who begins first replies, as it comes, and the other one is cancelled."""
    marbles = Marbles()
    one, other = marbles.model(first), marbles.model("5s b 1m b|")
    async with MiniAgents():
        await marbles.expect(one.hedge(other, after=5).inquire()).to_be(shown)
        await marbles.expect_reads(one).to_be(first_read)
        await marbles.expect_reads(other).to_be(second_read)


@pytest.mark.loop(virtual=True)
async def test_a_first_one_that_fails() -> None:
    """When the first one fails before it begins, the second one is asked at once."""
    for failure in (GONE, [GONE]):
        first, second = Speaker("A", failure), Speaker("B", "fine")
        async with MiniAgents():
            assert await heard(first.agent.hedge(second.agent, after=3600).inquire()) == [("fine",)]
    assert now() == 0


@pytest.mark.loop(virtual=True)
async def test_a_second_one_that_fails() -> None:
    """When the second one fails before it begins, the first one goes on."""
    first, second = Speaker("A", [60.0, "fine"]), Speaker("B", GONE)
    async with MiniAgents():
        assert await heard(first.agent.hedge(second.agent, after=5).inquire()) == [("fine",)]


@pytest.mark.loop(virtual=True)
async def test_both_fail() -> None:
    """When both fail before they begin, the error of the first one is passed on, with a note on the other."""
    error = ValueError("mine")
    first, second = Speaker("A", [error], "after"), Speaker("B", GONE)
    async with MiniAgents():
        assert await heard(first.agent.hedge(second.agent, after=5).inquire()) == [(error,), ("after",)]
    assert "B, inquired too, failed with ConnectionError('gone')" in error.__notes__


@pytest.mark.loop(virtual=True)
async def test_an_error_after_it_began() -> None:
    """Who has won has won: an error after its first token is the reader's."""
    first, second = Speaker("A", ["half", GONE]), Speaker("B", "fine")
    async with MiniAgents():
        assert await heard(first.agent.hedge(second.agent, after=5).inquire()) == [("half", GONE)]
    assert second.runs == 0


@pytest.mark.loop(virtual=True)
async def test_no_reply_is_a_reply() -> None:
    """An agent that ends without a message, or begins with an empty one, has begun."""
    second = Speaker("B", "b")
    async with MiniAgents():
        assert await heard(Speaker("A").agent.hedge(second.agent, after=5).inquire()) == []
        assert await heard(Speaker("A", []).agent.hedge(second.agent, after=5).inquire()) == [()]
    assert second.runs == 0


@pytest.mark.loop(virtual=True)
async def test_the_input_is_waited_for() -> None:
    """The time of the first one begins with the end of its input."""
    slow, first, second = Speaker("SLOW", 50.0, "x"), Speaker("A", [53.0, "first"]), Speaker("B", "b")
    async with MiniAgents():
        chain = slow.agent | first.agent.hedge(second.agent, after=5)
        assert await heard(chain.inquire()) == [("first",)]
        assert second.runs == 0


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("after", [1.0, 3600.0])
async def test_cancelling(after: float) -> None:
    """Cancelling it cancels all who were asked."""
    first, second = Speaker("A", 3600.0), Speaker("B", [3600.0], 3600.0)
    async with MiniAgents():
        replies = first.agent.hedge(second.agent, after=after).inquire()
        await asyncio.sleep(5)
        replies.cancel()
    assert (first.ended, second.ended) == (["cancelled"], ["cancelled"] * second.runs)
    assert (second.runs, now()) == (int(after < 5), 5)


@pytest.mark.loop(virtual=True)
async def test_where_errors_become_messages() -> None:
    """In a context with `errors_as_messages` an error is no beginning."""
    async with MiniAgents(errors_as_messages=True):
        hedged = Speaker("A", GONE).agent.hedge(Speaker("B", "fine").agent, after=5)
        assert str(await hedged.inquire()) == "fine"


def test_what_it_is_called() -> None:
    """Alias and description name the parts."""
    agent = identity.hedge(identity & identity, after=2)
    assert agent.alias == "identity.hedge(identity & identity, after=2)"
    assert agent.description == "identity, or identity & identity if that begins before it, 2 s later."


def test_what_is_no_hedge() -> None:
    """A time that makes no sense, or what is no agent, is refused where it is written."""
    for seconds in (-1, math.nan):
        with pytest.raises(ValueError, match=r"hedge\(after="):
            identity.hedge(identity, after=seconds)
    with pytest.raises(TypeError, match=r"hedge\(after='x'\): give a number of seconds."):
        identity.hedge(identity, after="x")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="hedge is made of agents, and this is a value of type int"):
        identity.hedge(5, after=1)  # type: ignore[call-overload]
