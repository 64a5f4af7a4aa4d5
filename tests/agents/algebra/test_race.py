"""`race(a, b, ...)`: the first good reply counts."""

import asyncio

import pytest

from miniagents import (
    ErrorMessage,
    InteractionContext,
    Message,
    Messages,
    MiniAgents,
    RaceLostError,
    identity,
    miniagent,
    race,
)
from miniagents.testing import Marbles, scripted_model
from tests.support.speakers import Speaker, heard

OUT_OF_IDEAS = ValueError("out of ideas")


@pytest.mark.loop(virtual=True)
async def test_the_first_complete_reply() -> None:
    """The first that is complete wins, not the first that begins; the others are cancelled."""
    marbles = Marbles()
    early, quick, slow = (marbles.model(diagram) for diagram in ("a 60s b|", "5s y 1s e|", "7s n|"))
    async with MiniAgents():
        await marbles.expect(race(early, quick, slow).inquire()).to_be("6002ms (ye|)")
        await marbles.expect_reads(early).to_be("^ 6001ms !")
        await marbles.expect_reads(quick).to_be("^ 6001ms |")
        await marbles.expect_reads(slow).to_be("^ 6001ms !")


@pytest.mark.loop(virtual=True)
async def test_the_predicate() -> None:
    """A reply that the predicate refuses loses; the next one may win."""
    async with MiniAgents():
        replies = race(
            Speaker("A", 1.0, "short").agent,
            Speaker("B", 2.0, "much longer").agent,
            Speaker("C", 3.0, "the longest of all").agent,
            win=lambda messages: len(str(messages)) > 5,
        ).inquire()
        assert str(await replies) == "much longer"
        assert asyncio.get_running_loop().time() == 2


@pytest.mark.loop(virtual=True)
async def test_an_async_predicate() -> None:
    """A predicate may take its time; a reply that comes meanwhile is looked at meanwhile."""

    async def careful(messages: Messages) -> bool:
        await asyncio.sleep(10 if str(messages) == "a" else 1)
        return True

    async with MiniAgents():
        agents = Speaker("A", 1.0, "a").agent, Speaker("B", 2.0, "b").agent
        assert str(await race(*agents, win=careful).inquire()) == "b"


@pytest.mark.loop(virtual=True)
async def test_a_tie() -> None:
    """Of two that are ready at the same moment the first one wins."""
    marbles = Marbles()
    agents = [marbles.model(diagram) for diagram in ("--a|", "--b|", "--c|")]
    async with MiniAgents():
        await marbles.expect(race(*agents).inquire()).to_be("---(a|)")


@pytest.mark.loop(virtual=True)
async def test_failing_agents_lose() -> None:
    """An agent that fails, or replies a message that does, has lost, however quick it was."""
    quick = [Speaker("A", OUT_OF_IDEAS).agent, Speaker("B", ["half", OUT_OF_IDEAS]).agent]
    async with MiniAgents():
        assert await heard(race(*quick, Speaker("C", 5.0, "fine").agent).inquire()) == [("fine",)]


@pytest.mark.loop(virtual=True)
async def test_all_lose() -> None:
    """When all have lost, the error holds each one's reason and what each has cost."""
    failing, refused = Speaker("A", OUT_OF_IDEAS), Speaker("B", "no")
    async with MiniAgents():
        with pytest.raises(RaceLostError) as caught:
            await race(failing.agent, refused.agent, win=lambda messages: str(messages) == "yes").inquire()
    error = caught.value
    assert error.reasons == (("A", OUT_OF_IDEAS), ("B", None))
    assert error.__cause__ is OUT_OF_IDEAS
    assert [entry.outcome for entry in error.report.entries] == ["failed", "refused"]
    assert error.report.winner is None
    assert str(error) == "race(A, B): all have lost. A: ValueError: out of ideas; B: its reply was refused"


async def test_how_the_reasons_are_told() -> None:
    """The reason of who has lost has no key, and is the class of the error alone if that has no text."""
    slow = scripted_model(TimeoutError(), alias="A")
    refused = scripted_model(ValueError("no such key: sk-abcdefghij0123456789"), alias="B")
    async with MiniAgents():
        with pytest.raises(RaceLostError) as caught:
            await race(slow, refused).inquire()
    lost = "A: TimeoutError; B: ValueError: no such key: [redacted]"
    assert f"race(A, B): all have lost. {lost}" == str(caught.value)


@pytest.mark.loop(virtual=True)
async def test_a_failing_predicate() -> None:
    """What the predicate raises is the error of the race, and all are cancelled."""
    speakers = [Speaker("A", "a"), Speaker("B", 3600.0)]

    def broken(messages: Messages) -> bool:
        raise OUT_OF_IDEAS

    async with MiniAgents():
        replies = race(*(speaker.agent for speaker in speakers), win=broken).inquire()
        assert await heard(replies) == [OUT_OF_IDEAS]
        assert asyncio.get_running_loop().time() == 0
    assert speakers[1].ended == ["cancelled"]


@pytest.mark.loop(virtual=True)
async def test_cancelling() -> None:
    """Cancelling the race cancels all who are in it."""
    marbles = Marbles()
    agents = [marbles.model("a 1m b|") for _ in range(3)]
    async with MiniAgents():
        replies = race(*agents).inquire()
        await asyncio.sleep(1)
        replies.cancel()
        for agent in agents:
            await marbles.expect_reads(agent).to_be("^ 999ms !")


@pytest.mark.loop(virtual=True)
async def test_leaving() -> None:
    """The last reader who stops waiting for a race stops all who are in it."""
    speakers = [Speaker(name, 3600.0) for name in "AB"]
    async with MiniAgents():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await race(*(speaker.agent for speaker in speakers)).inquire()
        await asyncio.sleep(1)
        assert [speaker.ended for speaker in speakers] == [["cancelled"]] * 2


async def test_all_get_the_same() -> None:
    """Each is sent all messages, and what it replies is passed on as the very messages."""
    message = Message("x")
    async with MiniAgents():
        (reply,) = await race(identity, identity, win=lambda messages: True).inquire(message)
    assert reply is message


@pytest.mark.loop(virtual=True)
async def test_where_errors_become_messages() -> None:
    """In a context with `errors_as_messages` an error is no reply that could win."""
    async with MiniAgents(errors_as_messages=True):
        fine = Speaker("B", 5.0, "fine").agent
        assert str(await race(Speaker("A", OUT_OF_IDEAS).agent, fine).inquire()) == "fine"
        (error,) = await race(Speaker("A", OUT_OF_IDEAS).agent, Speaker("B", OUT_OF_IDEAS).agent).inquire()
    assert isinstance(error, ErrorMessage)
    assert error.error_type == "RaceLostError"


def test_a_race_of_one() -> None:
    """A race of one agent is that agent, unless there is something to win."""
    assert race(identity) is identity
    assert race(identity, win=bool).alias == "race(identity)"


def test_what_it_is_called() -> None:
    """Alias and description name all who are in it."""
    agent = race(identity, identity & identity)
    assert agent.alias == "race(identity, identity & identity)"
    assert agent.description == "The first good reply of identity, identity & identity."


def test_what_is_no_race() -> None:
    """A race of nothing, of no agent, or of one that lacks a keyword is refused where it is written."""

    @miniagent
    async def needy_agent(ctx: InteractionContext, model: str) -> None:
        """Reply with a model."""

    with pytest.raises(TypeError, match=r"race\(\) is made of agents: give it at least one."):
        race()  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="race is made of agents, and this is a value of type str"):
        race(identity, "x")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"is a value of type list; give its items: \*agents"):
        race([identity, identity])  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="NEEDY_AGENT needs a value for: model"):
        race(identity, needy_agent)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"race\(win=5\): it is a function that says"):
        race(identity, win=5)  # type: ignore[call-overload]
