"""The contract of what makes agents of agents, each as an operator."""

import asyncio
from typing import cast

from reactivex import Observable
from typing_extensions import override

from miniagents import (
    InteractionContext,
    Message,
    MiniAgent,
    RaceLostError,
    RetryPolicy,
    fallback,
    identity,
    miniagent,
    race,
    route,
)
from tests.contract.fed import Fed
from tests.contract.rx_contract import StreamContract


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Reply each message when it comes."""
    async for message_promise in ctx.message_promises:
        ctx.reply(message_promise)


@miniagent
async def strict_agent(ctx: InteractionContext) -> None:
    """Reply each message when it has come; an error of one is that of the agent."""
    async for message_promise in ctx.message_promises:
        ctx.reply(await message_promise)


@miniagent
async def silent_agent(ctx: InteractionContext) -> None:
    """Reply nothing, when there is no more to come."""
    async for _ in ctx.message_promises:
        pass


@miniagent
async def stuck_agent(ctx: InteractionContext) -> None:
    """Come to no end."""
    await asyncio.Event().wait()


def never(error: Exception, ctx: InteractionContext) -> None:
    """Handle nothing."""
    raise error


class Lost:
    """Equal to the error of a race that was lost for a reason."""

    def __init__(self, reason: Exception) -> None:
        self._reason = reason

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, RaceLostError) and [each for _, each in other.reasons] == [self._reason] * 2

    @override
    def __hash__(self) -> int:
        return hash(self._reason)


class AgentContract(StreamContract):
    """The contract of one agent."""

    agent: MiniAgent[Message, Message] = identity

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return self.agent(source.observable)


class TestIdentity(AgentContract):
    """`identity`."""

    covers = ("identity",)


class TestBoth(AgentContract):
    """`a & b`."""

    covers = ("MiniAgent.__and__",)
    agent = echo_agent & silent_agent

    @override
    def failed(self, error: Exception, *texts: str) -> list[object]:
        return [*texts, error, error, True]  # each of the two fails in its place


class TestThen(StreamContract):
    """`a | b`, and `then` which is the same."""

    covers = ("MiniAgent.__or__", "MiniAgent.then", "Pipeline.__call__", "Pipeline.__or__", "Pipeline.then")

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return cast("Observable[object]", echo_agent.then(echo_agent)(source.observable))


class TestRace(AgentContract):
    """`race(a, b)`; it replies what is complete, and fails when all have failed."""

    covers = ("race",)
    agent = race(strict_agent, strict_agent)

    @override
    def failed(self, error: Exception, *texts: str) -> list[object]:
        return [Lost(error)]


class TestHedge(AgentContract):
    """`a.hedge(b)`."""

    covers = ("MiniAgent.hedge",)
    agent = stuck_agent.hedge(strict_agent, after=0)


class TestTimeout(AgentContract):
    """`a.timeout(...)`."""

    covers = ("MiniAgent.timeout",)
    agent = echo_agent.timeout(total=3600)


class TestRetry(AgentContract):
    """`a.retry(...)`."""

    covers = ("MiniAgent.retry",)
    agent = strict_agent.retry(RetryPolicy(attempts=1))


async def passing(ctx: InteractionContext, call: MiniAgent) -> None:
    """Pass the call on."""
    ctx.reply(call.inquire(ctx.messages))


class TestAround(AgentContract):
    """`a.around(...)`."""

    covers = ("MiniAgent.around",)
    agent = echo_agent.around(passing)

    @override
    def failed(self, error: Exception, *texts: str) -> list[object]:
        return [*texts, error, True]  # a call that is replied as it is fails in its place


class TestCatching(AgentContract):
    """`a.catching(...)`."""

    covers = ("MiniAgent.catching",)
    agent = strict_agent.catching(never)


class TestGuard(AgentContract):
    """`a.guard(...)`."""

    covers = ("MiniAgent.guard",)
    agent = strict_agent.guard(after=lambda text: None)


class TestFallback(AgentContract):
    """`fallback(a, b)`, if `a` has an error that it is not for."""

    covers = ("fallback",)
    agent = fallback(strict_agent, stuck_agent, on=())


class TestRoute(AgentContract):
    """`route()`."""

    covers = ("Route.otherwise",)
    agent = route().otherwise(echo_agent)


class TestErrorsAsMessages(AgentContract):
    """`a.errors_as_messages()`."""

    covers = ("MiniAgent.errors_as_messages",)
    agent = echo_agent.errors_as_messages()

    @override
    def failed(self, error: Exception, *texts: str) -> list[object]:
        return [*texts, f"{type(error).__name__}: {error}", True]


class TestVariant(AgentContract):
    """`fork`, `bind` and `described` give agents like the one they are called on."""

    covers = ("MiniAgent.__call__", "MiniAgent.bind", "MiniAgent.described", "MiniAgent.fork", "miniagent")
    agent = echo_agent.fork().described(alias="ANOTHER").bind()
