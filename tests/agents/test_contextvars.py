"""Every stage sees the contextvars of the inquirer or of the subscriber.

Crosses modules: agents, streams, promises, operators.
"""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from contextvars import ContextVar

from reactivex import Observable, operators as ops

from miniagents import InteractionContext, Message, MessageSequencePromise, MiniAgents, miniagent
from miniagents.operators import (
    as_messages,
    from_async,
    map_agent,
    map_messages,
    map_tokens,
    to_async_iter,
    tokens,
)

WHO: ContextVar[str] = ContextVar("who", default="nobody")


class Stages:
    """Which contextvars each stage saw."""

    def __init__(self) -> None:
        self.seen: dict[str, set[str]] = {}

    def saw(self, stage: str) -> None:
        """Note it."""
        self.seen.setdefault(stage, set()).add(WHO.get())

    async def rows(self) -> AsyncGenerator[str]:
        """A source."""
        try:
            for row in ("one", "two"):
                self.saw("source")
                await asyncio.sleep(0)
                yield row
        finally:
            self.saw("the clean-up of the source")

    async def words(self, _: MutableMapping[str, object]) -> AsyncGenerator[str]:
        """A streamer of a message."""
        self.saw("token streamer")
        await asyncio.sleep(0)
        yield "word"

    def token(self, token: str) -> str:
        """Map a token."""
        self.saw("map_tokens")
        return token

    def message(self, message: Message) -> Message:
        """Map a message."""
        self.saw("map_messages")
        return message

    def plain(self, token: str) -> str:
        """Map a token with an operator of reactivex."""
        self.saw("ops.map")
        return token

    def pipe(self, source: Observable[str]) -> Observable[str]:
        """Everything that can stand in a pipe."""
        return source.pipe(
            as_messages(),
            speaking_agent.bind(stages=self),
            map_messages(self.message),
            map_tokens(self.token),
            tokens(),
            ops.map(self.plain),
        )


@miniagent
async def speaking_agent(ctx: InteractionContext, stages: Stages) -> None:
    """Reply each message and one of its own, asking another agent and a task of its own."""
    stages.saw("agent")

    async def aside() -> None:
        stages.saw("task of the agent")

    async for promise in ctx.messages:
        stages.saw("agent between messages")
        ctx.reply(promise)
    ctx.wait_for(aside())
    ctx.reply([Message.promise(stages.words), inner_agent.inquire(stages=stages)])


@miniagent
async def inner_agent(_: InteractionContext, stages: Stages) -> None:
    """An agent that is asked by an agent."""
    stages.saw("inner agent")


WITHIN_AN_AGENT = {"agent", "agent between messages", "task of the agent", "token streamer", "inner agent"}
IN_A_PIPE = {"map_messages", "map_tokens", "ops.map"}
OF_A_SOURCE = {"source", "the clean-up of the source"}


async def test_of_the_subscriber() -> None:
    """In a cold pipe every stage sees the contextvars of the subscriber, not of the maker of the pipe."""
    stages = Stages()
    WHO.set("maker")
    async with MiniAgents():
        pipe = stages.pipe(from_async(stages.rows()))
        done = asyncio.Event()

        async def subscribe() -> None:
            WHO.set("subscriber")
            pipe.subscribe(lambda _: stages.saw("subscriber"), on_completed=done.set)

        await asyncio.create_task(subscribe())
        WHO.set("somebody else")
        await done.wait()
    expected = WITHIN_AN_AGENT | IN_A_PIPE | OF_A_SOURCE | {"subscriber"}
    assert {stage: {"subscriber"} for stage in expected} == stages.seen


async def test_of_the_inquirer() -> None:
    """What an inquiry begins sees the contextvars of the inquirer, not of a reader."""
    stages = Stages()
    async with MiniAgents():
        WHO.set("inquirer")
        replies = speaking_agent.inquire(stages.rows(), stages=stages)
        WHO.set("reader")
        assert 3 == len(await replies)
    assert {stage: {"inquirer"} for stage in WITHIN_AN_AGENT | OF_A_SOURCE} == stages.seen


async def test_of_each_subscriber() -> None:
    """Of one hot stream each subscriber's operators see the contextvars of that subscriber."""
    stages = Stages()
    seen: list[tuple[str, str]] = []
    async with MiniAgents():
        replies = MessageSequencePromise(stages.rows())
        for who in ("one", "two"):
            WHO.set(who)
            pipe = replies.messages.pipe(map_tokens(stages.token), tokens())
            pipe.subscribe(lambda token: seen.append((WHO.get(), token)))
        WHO.set("somebody else")
        await replies
    assert {(who, token) for who in ("one", "two") for token in ("one", "two")} == {*seen}
    assert {"one", "two"} == stages.seen["map_tokens"]


async def test_of_map_agent() -> None:
    """The inquiries of `map_agent` see the contextvars of its reader, or of its subscriber."""
    for subscribed in (True, False):
        stages = Stages()
        WHO.set("maker")
        mapped = map_agent(speaking_agent.bind(stages=stages), concurrency=1)
        source = stages.rows()
        results = to_async_iter(mapped(from_async(source))) if subscribed else mapped(source)
        WHO.set("reader")
        async with MiniAgents():
            async for replies in results:
                assert 2 == len(await replies)
        assert {stage: {"reader"} for stage in WITHIN_AN_AGENT | OF_A_SOURCE} == stages.seen
