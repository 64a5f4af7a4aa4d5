"""The laws of the algebra of agents, on agents of all sorts.

Two agents are the same if every reader gets the same of them: the same messages in the same tokens, the same
errors where they were, through every face, at the first reading and the second.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest
import reactivex as rx
from hypothesis import given, settings, strategies as st

from miniagents import (
    InteractionContext,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MiniAgent,
    MiniAgents,
    RetryPolicy,
    fallback,
    identity,
    miniagent,
    race,
)
from tests.laws.grammar import INPUTS, SIMPLE, Faces, Got, Recipe, Runs, agents, faces, reraise, told
from tests.support.amounts import amount

Agent = MiniAgent[Message, Message]
Law = Callable[[Agent, Agent, Agent], tuple[Agent, Agent]]

ONCE = RetryPolicy(attempts=1)
EVER = 1e9


@miniagent
async def failing_agent(ctx: InteractionContext) -> None:
    """Only fail."""
    raise LookupError


def finds_nothing(text: str) -> None:
    """Let everything pass."""


def boxed(agent: Agent) -> Agent:
    """Return the agent as one part, which no other operator takes apart."""
    return agent.catching(reraise)


LAWS: dict[str, Law] = {
    "| is associative": lambda a, b, c: ((a | b) | c, a | (b | c)),
    "| is associative, taken apart or not": lambda a, b, c: (boxed(a | b) | c, a | boxed(b | c)),
    "identity | a is a": lambda a, b, c: (identity | a, a),
    "a | identity is a": lambda a, b, c: (a | identity, a),
    "& is associative": lambda a, b, c: ((a & b) & c, a & (b & c)),
    "& is associative, taken apart or not": lambda a, b, c: (boxed(a & b) & c, a & boxed(b & c)),
    "a race of one is that one": lambda a, b, c: (race(a), a),
    "catching that raises again is neutral": lambda a, b, c: (a.catching(reraise), a),
    "one attempt is neutral": lambda a, b, c: (a.retry(ONCE), a),
    "no limit is neutral": lambda a, b, c: (a.timeout(), a),
    "limits that are not reached are neutral": lambda a, b, c: (
        a.timeout(first_token=EVER, stall=EVER, total=EVER),
        a,
    ),
    "a hedge that is not needed is neutral": lambda a, b, c: (a.hedge(a, after=EVER), a),
    "the end of a failing agent is that of the other": lambda a, b, c: (
        failing_agent.catching(lambda error, ctx: a),
        a,
    ),
    "if the first agent fails, a fallback is the second": lambda a, b, c: (fallback(failing_agent, a), a),
    "an agent that takes over is all there is": lambda a, b, c: (failing_agent.catching(a), a),
    "a fallback for no error is neutral": lambda a, b, c: (fallback(a, b, c, on=()), a),
    "a guard that finds nothing is neutral": lambda a, b, c: (a.guard(during=finds_nothing, hold=2), a),
    "holding is neutral": lambda a, b, c: (fallback(a, b, on=(), hold=True), a),
    "another alias is neutral": lambda a, b, c: (a.described(alias="X"), a),
}

pytestmark = pytest.mark.logs(
    "No reader ever saw this error"
)  # what is drawn may be broken where it is not read


async def looked_at(agent: Agent, messages: Sequence[Sequence[str]]) -> Faces:
    """Return what all readers get of a run."""
    async with MiniAgents():
        return await faces(agent.inquire(told(messages)))


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
async def test_law_of_simple_agents(law: Law) -> None:
    """Each simple agent obeys the law, with the others beside it."""
    messages = [["a", "b "], [], ["cd", "a"]]
    others = (*SIMPLE[1:], SIMPLE[0])
    for a, b in zip(SIMPLE, others, strict=True):
        left, right = law(a.make(Runs()), b.make(Runs()), SIMPLE[1].make(Runs()))
        assert await looked_at(left, messages) == await looked_at(right, messages), (a, b)


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@settings(max_examples=amount(5, 12))
@given(a=agents, b=agents, c=agents, messages=INPUTS)
async def test_law(law: Law, a: Recipe, b: Recipe, c: Recipe, messages: list[list[str]]) -> None:
    """Both sides of the law are the same agent to every reader."""
    left, right = law(*(recipe.make(Runs()) for recipe in (a, b, c)))
    assert await looked_at(left, messages) == await looked_at(right, messages)


@pytest.mark.loop(virtual=True)
@settings(max_examples=amount(8, 40))
@given(recipe=agents, messages=INPUTS)
async def test_all_faces_are_equal(recipe: Recipe, messages: list[list[str]]) -> None:
    """All readers get what the first one got; who awaits gets the texts, or the first error."""
    got = await looked_at(recipe.make(Runs()), messages)
    assert got.again == got.subscribed == got.iterated
    errors = [piece for piece in flat(got.iterated) if piece.startswith("<")]
    assert got.awaited == (errors[0] if errors else got.texts)


@pytest.mark.loop(virtual=True)
@settings(max_examples=amount(8, 40))
@given(recipe=agents, messages=INPUTS)
async def test_cold_is_hot(recipe: Recipe, messages: list[list[str]]) -> None:
    """In a pipe an agent replies what it replies when it is inquired."""
    async with MiniAgents():
        piped = await faces(MessageSequencePromise(recipe.make(Runs())(rx.from_iterable(told(messages)))))
    inquired = await looked_at(recipe.make(Runs()), messages)
    assert flat(piped.iterated) == flat(inquired.iterated)


@pytest.mark.loop(virtual=True)
@settings(max_examples=amount(8, 40))
@given(recipe=agents, messages=INPUTS, seconds=st.sampled_from([0.0, 0.5, 2.5, 4.5]))
async def test_cancelling_the_whole(recipe: Recipe, messages: list[list[str]], seconds: float) -> None:
    """When the whole is cancelled, all its parts are: none of them lives on, not for a moment."""
    runs = Runs()
    async with MiniAgents():
        sent = MessageSequencePromise(told(messages, pause=0.0))
        await sent
        loop = asyncio.get_running_loop()
        begun = loop.time()
        replies = recipe.make(runs).inquire(sent)
        await asyncio.sleep(seconds)
        replies.cancel()
    assert (loop.time() - begun, runs.ended) == (seconds, runs.begun)


@pytest.mark.loop(virtual=True)
@settings(max_examples=amount(8, 40))
@given(recipe=agents, messages=INPUTS)
async def test_leaving_the_whole(recipe: Recipe, messages: list[list[str]]) -> None:
    """When the last reader has left and no other one can come, all its parts are stopped."""
    runs = Runs()
    async with MiniAgents():
        sent = MessageSequencePromise(told(messages, pause=0.0))
        await sent
        loop = asyncio.get_running_loop()
        await first_token(recipe.make(runs).inquire(sent))
        left = loop.time()
    assert (loop.time() - left, runs.ended) == (0, runs.begun)


async def first_token(replies: MessageSequencePromise[Message]) -> None:
    """Read until there is a token, or nothing more, and leave."""
    with suppress(Exception):
        async for promise in replies:
            if await begun(promise):
                return


async def begun(promise: MessagePromise[Message]) -> bool:
    """Return whether there is a token; an error that came here holds on to this frame, and to no sequence."""
    with suppress(Exception):
        async for _ in promise:
            return True
    return False


def flat(got: Sequence[Got]) -> list[str]:
    """Return all tokens and errors, without the messages around them."""
    return [piece for each in got for piece in (each if isinstance(each, tuple) else (each,))]
