"""The runs of `timeout`, `retry` and `as_type`: how they wait, end and are cancelled."""

import asyncio
import weakref
from collections.abc import AsyncGenerator

import pytest
from pydantic import BaseModel

from miniagents import (
    AgentTimeoutError,
    AssistantMessage,
    DeadlockError,
    InquiryCancelledError,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgents,
    RetryPolicy,
    miniagent,
    model_agent,
)
from miniagents.models._typed_agent import typed_answer
from miniagents.testing import scripted_model
from tests.support.sources import turns
from tests.support.speakers import Speaker


class City(BaseModel):
    """What a model answers."""

    name: str


OVER = RuntimeError("over")
OSLO = '{"name": "Oslo"}'


@pytest.mark.loop(virtual=True)
async def test_a_circle_through_a_wrapper() -> None:
    """A run that waits for itself through `retry` is a deadlock, which names both."""
    known: list[MessageSequencePromise] = []

    @miniagent
    async def asks_itself(ctx: InteractionContext) -> None:
        ctx.reply(await known[0])

    async with MiniAgents():
        known.append(asks_itself.retry().inquire())
        with pytest.raises(
            DeadlockError, match=r"ASKS_ITSELF → ASKS_ITSELF.retry\(3\)|\.retry\(3\) → ASKS_ITSELF"
        ):
            await known[0]
        known.clear()


@pytest.mark.loop(virtual=True)
async def test_the_context_waits_for_the_next_attempt() -> None:
    """A run that nobody reads is asked again before its context ends."""
    speaker = Speaker("A", ValueError("not yet"))
    async with MiniAgents():
        speaker.agent.retry(
            RetryPolicy(attempts=3, delay=10.0, factor=1.0, jitter=0.0, errors=(ValueError,))
        ).catching(lambda error, ctx: "enough").inquire()
    assert speaker.runs == 3


@pytest.mark.loop(virtual=True)
async def test_cancelling_the_context_between_attempts() -> None:
    """A context that ends by an error waits for no further attempt."""
    speaker, shown = Speaker("A", ValueError("not yet")), list[MessageSequencePromise]()

    async def ends_by_an_error() -> None:
        async with MiniAgents():
            shown.append(speaker.agent.retry(RetryPolicy(delay=3600.0, jitter=0.0)).inquire())
            await asyncio.sleep(1)
            raise OVER

    with pytest.raises(RuntimeError, match="over"):
        await ends_by_an_error()
    assert speaker.runs == 1
    assert asyncio.get_running_loop().time() < 10
    with pytest.raises(InquiryCancelledError):
        await shown[0]


async def test_an_error_of_the_policy() -> None:
    """What a function of the policy raises is the error of the run."""

    def undecided(error: Exception) -> bool:
        raise LookupError("who knows")

    agent = Speaker("A", ValueError("not yet")).agent.retry(RetryPolicy(errors=undecided))
    async with MiniAgents():
        with pytest.raises(LookupError, match="who knows"):
            await agent.inquire()


async def test_closed_replies_are_forgotten() -> None:
    """Of a run that had closed its replies while its message streamed nothing is left when it has ended."""
    agent = scripted_model(then="one two three").timeout(total=60)
    async with MiniAgents():
        replies = agent.inquire("Hi")
        assert str(await replies) == "one two three"
        buffer = weakref.ref(replies.buffer)
        del replies
        await turns(3)  # the run itself ends
        assert buffer() is None


@pytest.mark.loop(virtual=True)
async def test_a_model_whose_replies_are_there() -> None:
    """A model with a time limit and retries can answer with a type."""
    model = scripted_model(then=OSLO).timeout(total=60).retry()
    async with MiniAgents():
        assert (await model.as_type(City).inquire("Which city?").parsed).name == "Oslo"


@pytest.mark.loop(virtual=True)
async def test_the_function_of_a_typed_agent() -> None:
    """The function of an agent with a type can be called by hand; cancelled, it ends its message."""

    @model_agent
    async def stuck_agent(
        ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[object, ...] = ()
    ) -> None:
        pause = 0 if await ctx.messages else 3600

        async def write(_: object) -> AsyncGenerator[str]:
            yield OSLO
            await asyncio.sleep(pause)

        ctx.reply(AssistantMessage.promise(write))

    function = typed_answer(stuck_agent, City, 0, "tool")

    @miniagent
    async def by_hand(ctx: InteractionContext) -> None:
        await function(ctx)

    async with MiniAgents():
        assert str(await by_hand.inquire("Which city?")) == OSLO
        replies = by_hand.inquire()
        promise = await anext(aiter(replies))
        await asyncio.sleep(1)
        replies.cancel()
        with pytest.raises(InquiryCancelledError):
            await promise


@pytest.mark.loop(virtual=True)
async def test_the_time_in_which_an_agent_waits_for_its_readers_does_not_count() -> None:
    """A reader that stands still for an hour stops no agent with a limit; an agent that hangs is stopped."""

    async def tokens(_: object) -> AsyncGenerator[str]:
        for _ in range(20):
            await asyncio.sleep(0.1)
            yield "x"
        await asyncio.sleep(3600)

    @miniagent
    async def writer(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(tokens))

    async with MiniAgents(prefetch=5), writer.timeout(stall=1.0, total=10.0).inquire() as replies:
        reader = aiter(replies.tokens)
        assert ["x", "x"] == [await anext(reader), await anext(reader)]
        await asyncio.sleep(3600)
        with pytest.raises(AgentTimeoutError, match="its limit stall=1 s was up; tokens so far: 20"):
            _ = [token async for token in reader]
        assert asyncio.get_running_loop().time() < 3610
