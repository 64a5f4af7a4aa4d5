"""One agent in a race: its outcome, and what it has cost until then."""

import asyncio

import pytest

from miniagents import Message, MessageSequencePromise, MiniAgents, identity
from miniagents.agents._algebra._entrant import Entrant
from tests.support.speakers import Speaker


@pytest.mark.loop(virtual=True)
async def test_the_first_outcome_stays() -> None:
    """What it had cost is what it had cost when it ended for it, not later."""
    async with MiniAgents():
        entrant = Entrant(Speaker("A", ["one ", 5.0, "two"]).agent, MessageSequencePromise())
        await asyncio.sleep(2)
        entrant.end("won")
        await entrant.replies
        entrant.stop()
    assert entrant.entry is not None
    assert (entrant.entry.outcome, entrant.entry.seconds, entrant.entry.tokens) == ("won", 2, 1)


@pytest.mark.loop(virtual=True)
async def test_stopping() -> None:
    """Stopped before its end, it is cancelled."""
    speaker = Speaker("A", 3600.0)
    async with MiniAgents():
        entrant = Entrant(speaker.agent, MessageSequencePromise())
        await asyncio.sleep(1)
        entrant.stop()
    assert speaker.ended == ["cancelled"]
    assert entrant.entry is not None
    assert (entrant.entry.outcome, entrant.entry.messages) == ("cancelled", 0)


async def test_usage_that_is_none() -> None:
    """Data that is no usage in numbers is left out; a message without any tells nothing."""
    messages = [
        Message("a", usage="much"),
        Message("b", usage={"input_tokens": 2, "of": "them"}),
        Message("c"),
    ]
    async with MiniAgents():
        entrant = Entrant(identity, MessageSequencePromise(messages))
        await entrant.replies
        entrant.end("won")
    assert entrant.entry is not None
    assert dict(entrant.entry.usage) == {"input_tokens": 2}
