"""`a.catching(handler)`: what becomes of errors is said beside the agent."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping

import pytest

from miniagents import (
    AWAIT,
    AssistantMessage,
    ErrorMessage,
    InteractionContext,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MessageType,
    MiniAgent,
    MiniAgents,
    Part,
    Reasoning,
    StopLoop,
    Usage,
    achain_loop,
    identity,
    miniagent,
)
from miniagents.operators import resolve, split, to_async_iter
from tests.support.speakers import Script, Speaker, heard

OUT_OF_IDEAS = ValueError("out of ideas")


def excuse(error: Exception, ctx: InteractionContext) -> str:
    """Reply that it failed."""
    return f"sorry: {error}"


def reraise(error: Exception, ctx: InteractionContext) -> str:
    """Handle nothing."""
    raise error


async def test_a_failing_agent() -> None:
    """What was replied before the error stays; the replies of the handler come in its place, and the end."""
    async with MiniAgents():
        agent = Speaker("A", "before", OUT_OF_IDEAS).agent.catching(excuse)
        assert await heard(agent.inquire()) == [("before",), ("sorry: out of ideas",)]


async def test_a_failing_message() -> None:
    """What came of a message that fails stays a message; the handler's replies follow it, then the next."""
    async with MiniAgents():
        agent = Speaker("A", ["ha", "lf", OUT_OF_IDEAS], [OUT_OF_IDEAS], "after").agent.catching(excuse)
        expected = [("ha", "lf"), ("sorry: out of ideas",), ("sorry: out of ideas",), ("after",)]
        assert await heard(agent.inquire()) == expected
        half, *_ = await agent.inquire()
        assert str(half) == "half"


@pytest.mark.loop(virtual=True)
async def test_a_message_that_ends_when_it_is_needed() -> None:
    """A message that ends with what comes behind it (`split`) ends for a pipe that needs its whole text."""

    @miniagent
    async def each_agent(ctx: InteractionContext) -> None:
        async for message in ctx.messages:
            ctx.reply(message)

    async with MiniAgents(prefetch=3):
        texts = MessageSequencePromise([Message("a") for _ in range(6)])
        pieces = texts.messages.pipe(split("+"))
        replies = each_agent.catching(excuse).inquire(pieces)
        assert 6 == len([message async for message in to_async_iter(replies.messages.pipe(resolve()))])


async def thinking(metadata_so_far: MutableMapping[str, object]) -> AsyncIterator[Part]:
    """Fail behind a thought, a count of tokens, and a text."""
    yield Reasoning("Hm.", signature="s")
    yield Usage(7)
    yield "Hel"
    raise OUT_OF_IDEAS


@miniagent
async def thinker(ctx: InteractionContext[Message, AssistantMessage]) -> None:
    """Reply a message that fails."""
    ctx.reply(AssistantMessage.promise_of_parts(thinking, model="m"))


@pytest.mark.parametrize(
    "agent", [thinker.catching(lambda error, _: f"sorry: {error}"), thinker.errors_as_messages()], ids=repr
)
async def test_the_message_that_failed(agent: MiniAgent) -> None:
    """What stays of a message that failed has its parts, its tokens and its fields."""
    async with MiniAgents():
        replies = await agent.inquire()
    first = replies[0]
    assert isinstance(first, AssistantMessage)
    assert ("Hel", 2, Usage(7), "m") == (first.text, len(first.parts), first.usage, first.model)


async def test_nothing_to_catch() -> None:
    """Without an error it is as if there were no handler."""
    message = Message("x")
    async with MiniAgents():
        assert await heard(Speaker("A", ["a", "b"], []).agent.catching(excuse).inquire()) == [("a", "b"), ()]
        (reply,) = await identity.catching(excuse).inquire(message)
    assert reply is message


async def test_another_agent() -> None:
    """A handler may give an agent, which is sent what the first one was sent; its errors are its own."""

    def another(error: Exception, ctx: InteractionContext) -> MiniAgent:
        return identity

    async with MiniAgents():
        for script in ((OUT_OF_IDEAS,), ([OUT_OF_IDEAS],)):
            assert await heard(Speaker("A", *script).agent.catching(another).inquire("x")) == [("x",)]
        failing = Speaker("F", "f", OUT_OF_IDEAS).agent
        agent = Speaker("A", KeyError("first")).agent.catching(lambda error, ctx: failing)
        assert await heard(agent.inquire()) == [("f",), OUT_OF_IDEAS]


async def test_an_async_handler() -> None:
    """A handler may be async, look at the messages, and reply by itself."""

    async def handle(error: Exception, ctx: InteractionContext) -> None:
        ctx.reply(f"{error} about {await ctx.messages}")

    async with MiniAgents():
        agent = Speaker("A", OUT_OF_IDEAS).agent.catching(handle)
        assert await heard(agent.inquire("love")) == [("out of ideas about love",)]


@pytest.mark.loop(virtual=True)
async def test_a_promise_for_an_answer() -> None:
    """A promise that a handler returns streams, like any reply."""

    def handle(error: Exception, ctx: InteractionContext) -> MessageType:
        return Speaker("B", ["one", 60.0, "two"]).agent.inquire()

    async with MiniAgents():
        reply = await anext(aiter(Speaker("A", OUT_OF_IDEAS).agent.catching(handle).inquire()))
        assert await anext(aiter(reply)) == "one"
        assert asyncio.get_running_loop().time() == 0


async def test_raising_again() -> None:
    """A handler that raises the error again changes nothing: each error stays where it was."""
    script: tuple[Script, ...] = (["half", OUT_OF_IDEAS], [OUT_OF_IDEAS], "after", OUT_OF_IDEAS)
    async with MiniAgents():
        expected = [("half", OUT_OF_IDEAS), (OUT_OF_IDEAS,), ("after",), OUT_OF_IDEAS]
        assert await heard(Speaker("A", *script).agent.catching(reraise).inquire()) == expected


async def test_raising_another() -> None:
    """What a handler raises instead is the error then, with the handled one as its context."""
    other = KeyError("another")

    def handle(error: Exception, ctx: InteractionContext) -> str:
        raise other

    async with MiniAgents():
        agent = Speaker("A", ["half", OUT_OF_IDEAS], OUT_OF_IDEAS).agent.catching(handle)
        assert await heard(agent.inquire()) == [("half", other), other]
    assert other.__context__ is OUT_OF_IDEAS


@pytest.mark.loop(virtual=True)
async def test_it_streams() -> None:
    """A token is there as it comes."""
    async with MiniAgents():
        reply = await anext(aiter(Speaker("A", ["one", 60.0, "two"]).agent.catching(excuse).inquire()))
        assert await anext(aiter(reply)) == "one"
        assert asyncio.get_running_loop().time() == 0


@pytest.mark.loop(virtual=True)
async def test_a_held_message_goes_on() -> None:
    """Who left the replies and holds a message reads it to its end, or to its own error."""
    for end, expected in (("two", ("one ", "two")), (OUT_OF_IDEAS, ("one ", OUT_OF_IDEAS))):
        async with MiniAgents():
            speaker = Speaker("A", ["one ", 5.0, end], 3600.0)
            promise: MessagePromise = await anext(aiter(speaker.agent.catching(excuse).inquire()))
            await asyncio.sleep(1)
            assert speaker.ended == ["cancelled"]
            assert await heard(identity.inquire(promise)) == [expected]


@pytest.mark.loop(virtual=True)
async def test_cancelling() -> None:
    """Cancelling it cancels the agent, and asks no handler."""
    asked: list[Exception] = []
    speaker = Speaker("A", ["one ", 3600.0], 3600.0)

    def handle(error: Exception, ctx: InteractionContext) -> None:
        asked.append(error)

    async with MiniAgents():
        replies = speaker.agent.catching(handle).inquire()
        await asyncio.sleep(1)
        replies.cancel()
    assert (speaker.ended, asked) == (["cancelled"], [])


async def test_the_end_of_a_loop() -> None:
    """What ends a loop is no error in it, so no handler is asked; elsewhere it is one like any other."""
    ending = Speaker("A", StopLoop()).agent.catching(excuse)
    async with MiniAgents():
        await achain_loop([ending, AWAIT])
        assert await heard(ending.inquire()) == [("sorry: an agent asked its loop to stop",)]


async def test_where_errors_become_messages() -> None:
    """In a context with `errors_as_messages` the handler is asked first."""
    async with MiniAgents(errors_as_messages=True):
        assert str(await Speaker("A", OUT_OF_IDEAS).agent.catching(excuse).inquire()) == "sorry: out of ideas"
        (error,) = await Speaker("A", OUT_OF_IDEAS).agent.catching(reraise).inquire()
    assert isinstance(error, ErrorMessage)


async def test_an_agent_with_its_own_policy() -> None:
    """An agent whose errors are messages has none to handle."""
    async with MiniAgents():
        (error,) = await Speaker("A", OUT_OF_IDEAS).agent.errors_as_messages().catching(excuse).inquire()
    assert isinstance(error, ErrorMessage)


def test_what_it_is_called() -> None:
    """Alias and description name the part, and the handler."""
    agent = identity.catching(excuse)
    assert (agent.alias, agent.description) == (
        "identity.catching(excuse)",
        "identity; its errors are handled.",
    )


def test_what_is_no_handler() -> None:
    """A handler that cannot be called, or an agent that lacks a keyword, is refused where it is written."""

    @miniagent
    async def needy_agent(ctx: InteractionContext, model: str) -> None:
        """Reply with a model."""

    with pytest.raises(
        TypeError, match=r"catching\(5\): a handler is a function of the error and the context."
    ):
        identity.catching(5)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="NEEDY_AGENT needs a value for: model"):
        needy_agent.catching(excuse)  # type: ignore[arg-type]
