"""`route()`: each message goes to the agent that is there for its class."""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from typing import cast

import pytest
import reactivex as rx

from miniagents import (
    InteractionContext,
    Message,
    MessagePromise,
    MessageType,
    MessageValidationError,
    MiniAgent,
    MiniAgents,
    UserMessage,
    identity,
    miniagent,
    route,
)
from miniagents.operators import resolve
from tests.support.speakers import Speaker, heard

OUT_OF_IDEAS = ValueError("out of ideas")


class Question(Message):
    """A question."""


class Riddle(Question):
    """A question of a kind."""


class Bug(Message):
    """A bug."""


@miniagent
async def answering_agent(ctx: InteractionContext) -> None:
    """Answer each question."""
    async for promise in ctx.messages:
        ctx.reply(f"answer to {await promise}")


@miniagent
async def fixing_agent(ctx: InteractionContext) -> None:
    """Fix each bug, which takes an hour."""
    async for promise in ctx.messages:
        text = str(await promise)
        await asyncio.sleep(3600)
        ctx.reply(f"{text} fixed")


desk = route().case(Question, answering_agent).case(Bug, fixing_agent)


@pytest.mark.loop(virtual=True)
async def test_by_class() -> None:
    """Each message goes to its agent; the replies come in the order of the messages."""
    async with MiniAgents():
        replies = await desk.inquire([Bug("b1"), Question("q1"), Riddle("r1"), Bug("b2")])
    assert [str(reply) for reply in replies] == ["b1 fixed", "answer to q1", "answer to r1", "b2 fixed"]
    assert asyncio.get_running_loop().time() == 3600  # both bugs at once


async def test_the_rest() -> None:
    """`otherwise` gets all others."""
    async with MiniAgents():
        replies = await desk.otherwise(identity).inquire(["plain", Question("q"), UserMessage("user")])
    assert [str(reply) for reply in replies] == ["plain", "answer to q", "user"]


async def test_the_first_case_that_fits() -> None:
    """Cases are tried in their order, so a narrower one stands before."""
    narrow = Speaker("NARROW", "a riddle!")
    agent = route().case(Riddle, narrow.agent).case(Question, answering_agent)
    async with MiniAgents():
        assert [str(reply) for reply in await agent.inquire([Question("q"), Riddle("r")])] == [
            "answer to q",
            "a riddle!",
        ]


async def test_no_case() -> None:
    """A message without a case is an error in its place that names its class and the cases."""
    async with MiniAgents():
        sent: list[MessageType] = [Question("q"), "plain", Question("r")]
        first, wrong, last = [promise async for promise in cast("MiniAgent", desk).inquire(sent)]
        assert (str(await first), str(await last)) == ("answer to q", "answer to r")
        with pytest.raises(MessageValidationError) as caught:
            await wrong
    error = caught.value
    assert error.agent_alias.startswith("route().case(Question, ")
    assert str(error).startswith("A Message came to a route with no case for it; its cases: Question, Bug. ")


async def test_a_route_without_cases() -> None:
    """A route without cases takes nothing."""
    async with MiniAgents():
        with pytest.raises(MessageValidationError, match="its cases: none"):
            await cast("MiniAgent", route()).inquire(Message("x"))


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("kind", [Question, UserMessage])
async def test_it_streams(kind: type[Message]) -> None:
    """A message whose class is known at once streams into its agent."""

    async def tokens(metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
        yield "one"
        await asyncio.sleep(60)
        yield "two"

    async with MiniAgents():
        agent = route().case(Question, identity).otherwise(identity)
        reply = await anext(aiter(agent.inquire(kind.promise(tokens))))
        assert await anext(aiter(reply)) == "one"
        assert asyncio.get_running_loop().time() == 0


async def test_a_class_that_is_known_late() -> None:
    """A promise of any message that turns out to be of a class goes to the case of that class."""
    async with MiniAgents():
        promise = MessagePromise[Message](Question("q"))
        promise.message_class = Message
        assert str(await cast("MiniAgent", desk).inquire(promise)) == "answer to q"


async def test_failing_messages() -> None:
    """A message that has failed goes nowhere; one that fails later fails its agent; the next is unharmed."""
    failing = Speaker("F", [OUT_OF_IDEAS], ["half", OUT_OF_IDEAS])
    async with MiniAgents():
        sent = failing.agent.inquire()
        await heard(sent)
        assert await heard(cast("MiniAgent", desk).inquire([sent, Question("q")])) == [
            (OUT_OF_IDEAS,),
            ("half", OUT_OF_IDEAS),
            ("answer to q",),
        ]
        late = Speaker("L", [0.0, OUT_OF_IDEAS]).agent.inquire()
        agent = route().otherwise(answering_agent)
        assert await heard(agent.inquire([late, "x"])) == [(OUT_OF_IDEAS,), ("answer to x",)]


async def test_a_failing_agent() -> None:
    """The failure of an agent stands where its reply would; the replies to the others arrive."""
    agent = route().case(Bug, Speaker("F", OUT_OF_IDEAS).agent).otherwise(identity)
    async with MiniAgents():
        assert await heard(agent.inquire([Bug("b"), "x"])) == [(OUT_OF_IDEAS,), ("x",)]


@pytest.mark.loop(virtual=True)
async def test_cancelling() -> None:
    """Cancelling it cancels every agent that was asked."""
    speakers = [Speaker(name, 3600.0) for name in "AB"]
    agent = route().case(Bug, speakers[0].agent).otherwise(speakers[1].agent)
    async with MiniAgents():
        replies = agent.inquire([Bug("b"), "x"])
        await asyncio.sleep(1)
        replies.cancel()
    assert [speaker.ended for speaker in speakers] == [["cancelled"]] * 2


def test_in_a_pipe() -> None:
    """It is an operator like any agent, and can be composed further."""
    stream = rx.of(Question("q"), Question("r")).pipe(desk | identity, resolve())
    assert [str(message) for message in MiniAgents().run(stream)] == ["answer to q", "answer to r"]


def test_it_is_never_changed() -> None:
    """`case` makes another route."""
    base = route().case(Question, answering_agent)
    assert (
        base.case(Bug, fixing_agent).alias
        == "route().case(Question, ANSWERING_AGENT).case(Bug, FIXING_AGENT)"
    )
    assert base.alias == "route().case(Question, ANSWERING_AGENT)"


def test_what_it_is_called() -> None:
    """Alias and description name the cases."""
    agent = desk.otherwise(identity)
    assert agent.alias.endswith(".case(Bug, FIXING_AGENT).otherwise(identity)")
    assert agent.description == (
        "Question goes to ANSWERING_AGENT, Bug goes to FIXING_AGENT, anything else to identity."
    )
    assert route().description == "Nothing goes anywhere yet."


def test_what_is_no_case() -> None:
    """What is no class of messages, no agent, or can never be reached is refused where it is written."""
    with pytest.raises(
        TypeError, match=r"route\(\).case\(<class 'int'>, ...\): a case is for a class of messages."
    ):
        route().case(int, identity)  # type: ignore[type-var]
    with pytest.raises(TypeError, match=r"route\(\).case\(5, ...\)"):
        route().case(5, identity)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="case is made of agents"):
        route().case(Bug, "x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="otherwise is made of agents"):
        route().otherwise(None)  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match=r"no message can come to it, since case\(Question, ...\) before it takes them all"
    ):
        desk.case(Riddle, answering_agent)
