"""One agent in a race: its outcome, and what it has cost until then."""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping

import pytest

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgents,
    Part,
    Usage,
    identity,
    miniagent,
)
from miniagents.agents._algebra._entrant import Entrant, ended, first_good
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
    assert entrant.entry.usage == Usage(input_tokens=2)


async def test_usage_of_a_model() -> None:
    """What a model has told so far counts: the last word of each message, of a finished one what it has."""
    told = asyncio.Event()

    async def answer(metadata: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        yield Usage(7)
        yield "half"
        yield Usage(7, 2)
        told.set()
        await asyncio.Event().wait()

    @miniagent
    async def model_agent(ctx: InteractionContext) -> None:
        ctx.reply(AssistantMessage("whole", usage=Usage(1, 1)))
        ctx.reply(AssistantMessage.promise_of_parts(answer))

    async with MiniAgents():
        entrant = Entrant(model_agent, MessageSequencePromise())
        await told.wait()
        entrant.stop()
    assert entrant.entry is not None
    assert (entrant.entry.usage, entrant.entry.tokens) == (Usage(8, 3), 2)


async def after(seconds: float, *, good: bool) -> bool:
    """Say something after a while."""
    await asyncio.sleep(seconds)
    return good


@pytest.mark.loop(virtual=True)
async def test_the_first_good_one() -> None:
    """The first that says True is it, after any that say False; of two at once the one that stands first."""
    for tasks, place in (
        (((1, False), (3, True), (2, True)), 2),
        (((2, True), (2, True)), 0),
        (((1, False), (2, False)), None),
        ((), None),
    ):
        running = [asyncio.ensure_future(after(seconds, good=good)) for seconds, good in tasks]
        assert await first_good(running) == place
        await ended(running)


async def test_what_a_task_raises() -> None:
    """What a task raises is raised."""

    async def broken() -> bool:
        raise KeyError("broken")

    with pytest.raises(KeyError):
        await first_good([asyncio.ensure_future(broken())])


async def test_ending() -> None:
    """All have ended when it returns, with what they had to clean up."""
    cleaned: list[int] = []
    begun = asyncio.Semaphore(0)

    async def stubborn() -> bool:
        begun.release()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(1)
        return True

    tasks = [asyncio.ensure_future(stubborn()) for _ in range(3)]
    for _ in tasks:
        await begun.acquire()
    await ended(tasks)
    assert cleaned == [1] * 3
    assert all(task.cancelled() for task in tasks)
