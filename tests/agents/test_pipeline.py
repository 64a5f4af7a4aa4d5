"""`Pipeline`: agents and operators composed into one operator."""

import asyncio
import time
from collections.abc import Callable
from typing import cast

import pytest
import reactivex as rx
from reactivex import operators as ops
from typing_extensions import override

from miniagents import BaseAgent, InteractionContext, Message, MessagePromise, MiniAgents, miniagent
from miniagents.agents import Pipeline
from miniagents.operators import as_messages, map_tokens, resolve, tokens


@miniagent
async def plus_agent(ctx: InteractionContext, mark: str = "+") -> None:
    """Add a mark to each message."""
    async for message_promise in ctx.message_promises:
        ctx.reply(f"{await message_promise}{mark}")


@miniagent
async def passing_on_agent(ctx: InteractionContext) -> None:
    """Reply what comes."""
    ctx.reply(ctx.messages)


def text_of(message: Message) -> str:
    """Return the text of a message."""
    return message.text or ""


def test_a_pipeline_is_an_operator() -> None:
    """`agent | operator | operator` is one operator: it can be called, piped and composed."""
    pipeline = plus_agent | map_tokens(str.upper) | resolve() | ops.map(text_of)
    assert isinstance(pipeline, Pipeline)
    assert MiniAgents().run(pipeline(rx.of("a", "b"))) == ["A+", "B+"]
    assert MiniAgents().run(rx.of("a", "b").pipe(as_messages(), pipeline)) == ["A+", "B+"]


def test_then() -> None:
    """`then` is the same as a bar."""
    pipeline = plus_agent.then(resolve()).then(ops.map(text_of))
    assert MiniAgents().run(pipeline(rx.of("a"))) == ["a+"]


def test_an_agent_after_an_operator() -> None:
    """An agent can stand behind an operator, and an operator behind a chain of agents."""
    pipeline = plus_agent | map_tokens(str.upper) | plus_agent | tokens()
    assert MiniAgents().run(pipeline(rx.of("a"))) == ["A++"]


def test_composition_is_associative() -> None:
    """`(a | b) | c` is `a | (b | c)`, for operators and agents."""
    upper: Pipeline[MessagePromise[Message], MessagePromise[Message]] = Pipeline(map_tokens(str.upper))
    left = (plus_agent | upper) | resolve()
    right = plus_agent | (upper | resolve())
    for pipeline in (left, right):
        assert [message.text for message in MiniAgents().run(pipeline(rx.of("a")))] == ["A+"]


def test_a_pipeline_is_cold() -> None:
    """Making and applying it runs nothing; each subscription runs all of it."""
    runs: list[int] = []

    @miniagent
    async def counting_agent(ctx: InteractionContext) -> None:
        runs.append(1)
        ctx.reply(ctx.messages)

    stream = (counting_agent | resolve())(rx.of("x"))
    assert runs == []
    for _ in range(2):
        MiniAgents().run(stream)
    assert runs == [1, 1]


def test_what_is_no_operator() -> None:
    """Composing with what takes no Observable is a `TypeError` where it is written, a forgotten call too."""

    class Critic(BaseAgent):
        @override
        async def run(self, ctx: InteractionContext) -> None: ...

    pipeline = plus_agent | resolve()
    for compose in (plus_agent.then, pipeline.then, Pipeline):
        for wrong in (5, None, resolve, Critic, lambda: None):
            with pytest.raises(TypeError, match=r"An operator takes an Observable and returns one; "):
                cast("Callable[[object], object]", compose)(wrong)
    with pytest.raises(TypeError, match=r"resolve cannot be called with it. Do you mean resolve\(...\)\?"):
        plus_agent | resolve  # type: ignore[operator]
    with pytest.raises(TypeError, match="a value of type int cannot be called with it"):
        plus_agent.then(5)  # type: ignore[arg-type]

    async def shout(ctx: InteractionContext) -> None:
        ctx.reply(str(await ctx.messages).upper())

    with pytest.raises(TypeError, match=r"shout is an async function, and no operator; .* with @miniagent"):
        plus_agent | shout  # type: ignore[operator]
    assert isinstance(plus_agent | min, Pipeline)  # type: ignore[operator]  # of what is written in C nothing is known
    with pytest.raises(TypeError, match="unsupported operand"):
        (plus_agent | resolve()) | "x"  # type: ignore[operator]


@pytest.mark.loop(timeout=60.0)
async def test_a_long_chain_that_waits() -> None:
    """A message through 200 agents that all wait for it takes milliseconds: none looks at all others."""
    began = time.process_time()
    async with MiniAgents():
        call = passing_on_agent.initiate_inquiry()
        replies = call.reply_sequence(finish_call=False)
        for _ in range(200):
            replies = passing_on_agent.inquire(replies)
        reading = asyncio.create_task(anext(aiter(replies)))
        await asyncio.sleep(0.05)
        call.send_message("Hi")
        assert "Hi" == str(await (await reading))
        call.finish()
    assert time.process_time() - began < 4.0  # 0.2; 30 if each looks at all behind it
