"""Errors on their way through agents.

Crosses modules: an error starts in `_run`, goes through promises and other runs, and ends at a reader.
"""

import asyncio
from dataclasses import dataclass

import pytest
import reactivex as rx
from reactivex import operators as ops

from miniagents import (
    ErrorMessage,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgents,
    RetryPolicy,
    join_messages,
    miniagent,
    partial_text,
)
from miniagents.operators import map_tokens
from tests.support.typewriter import Typewriter


class OwnError(Exception):
    """An error of the user's own class."""


def failing(error: Exception, *tokens: str) -> Typewriter:
    """Return a streamer that writes tokens and fails."""
    typewriter = Typewriter(*tokens)
    typewriter.fail(error)
    return typewriter


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Reply what it is told."""
    ctx.reply(ctx.message_promises)


@miniagent
async def reading_agent(ctx: InteractionContext) -> None:
    """Await what it is told, then reply it."""
    ctx.reply(await ctx.messages)


@miniagent
async def raising_agent(ctx: InteractionContext, error: object = None) -> None:
    """Reply, then raise."""
    ctx.reply("before")
    assert isinstance(error, Exception)
    raise error


async def told(promise: MessageSequencePromise[Message]) -> list[object]:
    """Return what came: each text, each failing message's error, and the error at the end."""
    got: list[object] = []
    try:
        async for item in promise:
            try:
                got.append(str(await item))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
                got.append(error)
    except Exception as error:  # noqa: BLE001
        got.append(("end", error))
    return got


async def test_the_same_object() -> None:
    """The exception that reaches a reader is the one that was raised, however many agents it went through."""
    error = OwnError("mine")
    async with MiniAgents():
        promise = echo_agent.inquire(reading_agent.inquire(raising_agent.inquire(error=error)))
        for _ in range(2):
            with pytest.raises(OwnError) as caught:
                await promise
            assert caught.value is error


async def test_a_failing_agent() -> None:
    """A failing agent ends its replies with the error, after the replies already given."""
    error = OwnError("mine")
    async with MiniAgents():
        assert await told(raising_agent.inquire(error=error)) == ["before", ("end", error)]


async def test_a_failing_message() -> None:
    """A message fails where it stands; those after it still arrive, also through another agent."""
    error = OwnError("mine")

    @miniagent
    async def writing_agent(ctx: InteractionContext) -> None:
        ctx.reply(["one", Message.promise(failing(error, "half")), "two"])

    async with MiniAgents():
        assert await told(writing_agent.inquire()) == ["one", error, "two"]
        assert await told(echo_agent.inquire(writing_agent.inquire())) == ["one", error, "two"]


async def test_an_echoed_failing_sequence() -> None:
    """A failing sequence that is replied is a failing message at its place; the rest arrives."""
    error = OwnError("mine")

    @miniagent
    async def wrapping_agent(ctx: InteractionContext) -> None:
        ctx.reply(raising_agent.inquire(error=error))
        ctx.reply("after")

    async with MiniAgents():
        assert await told(wrapping_agent.inquire()) == ["before", error, "after"]


def notes(error: BaseException) -> list[str]:
    """Return the notes on the error."""
    return list(getattr(error, "__notes__", []))


async def test_the_chain_of_agents() -> None:
    """A note names the agents that the error went through, the first one first."""
    async with MiniAgents():
        a = raising_agent.described(alias="A")
        b, c = (reading_agent.described(alias=name) for name in "BC")
        with pytest.raises(OwnError) as caught:
            await c.inquire(b.inquire(a.inquire(error=OwnError("mine"))))
    assert notes(caught.value) == ["agents: A → B → C"]


async def test_the_chain_of_a_message() -> None:
    """A failing message goes through the agent that wrote it, and those that read it."""
    error = OwnError("mine")

    @miniagent
    async def writing_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(failing(error)))

    async with MiniAgents():
        with pytest.raises(OwnError):
            await reading_agent.inquire(writing_agent.inquire())
    assert notes(error) == ["agents: WRITING_AGENT → READING_AGENT"]


async def test_two_consumers() -> None:
    """Two agents that read the same failing agent have a chain of their own each."""
    error = OwnError("mine")
    async with MiniAgents():
        failed = raising_agent.described(alias="A").inquire(error=error)
        left = reading_agent.described(alias="L").inquire(failed)
        right = reading_agent.described(alias="R").inquire(failed)
        for promise in (left, right):
            with pytest.raises(OwnError) as caught:
                await promise
            assert caught.value is error
    assert sorted(notes(error)) == ["agents: A → L", "agents: A → R"]


async def test_an_agent_that_handles_it() -> None:
    """An agent may catch the error of another; nothing of it goes on."""

    @miniagent
    async def handling_agent(ctx: InteractionContext) -> None:
        try:
            await raising_agent.inquire(error=ValueError("caught"))
        except ValueError as error:
            ctx.reply(f"handled: {error}")

    async with MiniAgents():
        assert await told(handling_agent.inquire()) == ["handled: caught"]


async def test_an_error_from_an_error() -> None:
    """What is raised `from` an error keeps its cause; the chain is that of the new error."""

    @miniagent
    async def wrapping_agent(ctx: InteractionContext) -> None:
        try:
            await ctx.messages
        except OwnError as error:
            raise KeyError("wrapped") from error

    async with MiniAgents():
        with pytest.raises(KeyError) as caught:
            await wrapping_agent.inquire(raising_agent.inquire(error=OwnError("mine")))
    assert notes(caught.value) == ["agents: WRAPPING_AGENT"]
    assert isinstance(caught.value.__cause__, OwnError)


async def test_partial_text() -> None:
    """`partial_text` gives the text that had arrived, also after the error went through agents."""
    async with MiniAgents():
        message = Message.promise(failing(OwnError("mine"), "half ", "a text"))
        with pytest.raises(OwnError) as caught:
            await reading_agent.inquire(echo_agent.inquire(message))
    assert partial_text(caught.value) == "half a text"


async def test_partial_text_of_a_joined_message() -> None:
    """The first text that is stored stays: that of the message which failed."""
    error = OwnError("mine")
    async with MiniAgents():
        with pytest.raises(OwnError):
            await join_messages(["whole", Message.promise(failing(error, "half"))])
    assert partial_text(error) == "half"


async def test_notes_of_others() -> None:
    """An exception that carries a note already keeps it."""
    error = OwnError("mine")
    error.add_note("my own note")
    async with MiniAgents():
        with pytest.raises(OwnError):
            await reading_agent.inquire(raising_agent.inquire(error=error))
    assert notes(error) == ["my own note", "agents: RAISING_AGENT → READING_AGENT"]


async def test_errors_as_messages_of_a_context() -> None:
    """The error is an `ErrorMessage` in its place, with type, text and agent; the sequence ends normally."""
    async with MiniAgents(errors_as_messages=True):
        before, error = await raising_agent.inquire(error=OwnError("mine"))
    assert isinstance(error, ErrorMessage)
    assert str(before) == "before"
    assert (error.error_type, error.error_text, error.agent_alias) == ("OwnError", "mine", "RAISING_AGENT")
    assert error.text == "OwnError: mine"


async def test_no_partial_text_in_error_messages() -> None:
    """What had arrived of a failing message stays a message; the error message follows, without its text."""

    @miniagent
    async def writing_agent(ctx: InteractionContext) -> None:
        ctx.reply([Message.promise(failing(OwnError("mine"), "half ", "a text")), "after"])

    async with MiniAgents(errors_as_messages=True):
        partial, error, after = await writing_agent.inquire()
    assert [str(partial), str(error), str(after)] == ["half a text", "OwnError: mine", "after"]
    assert isinstance(error, ErrorMessage)
    assert error.agent_alias == "WRITING_AGENT"


async def test_error_messages_through_agents() -> None:
    """An error message goes on like any message, and names the agent that failed."""
    async with MiniAgents(errors_as_messages=True):
        replies = await reading_agent.inquire(raising_agent.inquire(error=OwnError("mine")))
    error = replies[-1]
    assert isinstance(error, ErrorMessage)
    assert error.agent_alias == "RAISING_AGENT"


async def test_errors_as_messages_stream() -> None:
    """With `errors_as_messages` a message streams as it is written."""
    typewriter = Typewriter()
    async with MiniAgents(errors_as_messages=True):
        letters = aiter(echo_agent.inquire(Message.promise(typewriter)).as_single_promise())
        for letter in "ab":
            typewriter.type(letter)
            assert await anext(letters) == letter
        typewriter.stop()
        assert [letter async for letter in letters] == []


async def test_cancelling_with_errors_as_messages() -> None:
    """With `errors_as_messages` cancelling leaves no reader waiting, also none of a message being written."""
    typewriter = Typewriter("half")

    @miniagent
    async def writing_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(typewriter))
        await asyncio.Event().wait()

    async with MiniAgents(errors_as_messages=True):
        promise = writing_agent.inquire()
        message = await anext(aiter(promise))
        letters = aiter(message)
        assert await anext(letters) == "half"
        promise.cancel()
        await typewriter.closed.wait()
        assert len(await told(promise)) == 2


async def test_an_error_of_the_input() -> None:
    """An exception among the messages fails the agent that awaits it, and one that passes it on does not."""
    error = OwnError("mine")
    async with MiniAgents():
        assert await told(reading_agent.inquire(["a", error])) == [("end", error)]
        assert await told(echo_agent.inquire(["a", error, "b"])) == ["a", error, "b"]


async def test_an_observable_that_fails() -> None:
    """An Observable that fails is a failing message at its place."""
    error = OwnError("mine")
    async with MiniAgents():
        source = rx.concat(rx.of("a"), rx.throw(error))
        assert await told(echo_agent.inquire([source, "b"])) == ["a", error, "b"]


def test_the_chain_in_a_pipe() -> None:
    """In a pipe the chain goes from agent to agent, also through operators between them."""
    error = OwnError("mine")
    a = raising_agent.described(alias="A").bind(error=error)
    b, c = (reading_agent.described(alias=name) for name in "BC")
    with pytest.raises(OwnError) as caught:
        MiniAgents().run(c(b(a(rx.of("x"))).pipe(map_tokens(str.upper), ops.skip(0))))
    assert caught.value is error
    assert notes(error) == ["agents: A → B → C"]


@miniagent
async def failing_agent(ctx: InteractionContext, within: bool = False) -> None:
    """Fail, within a message or as a whole."""
    if not within:
        raise OwnError("mine")
    ctx.reply(Message.promise(failing(OwnError("mine"), "half")))


@pytest.mark.parametrize("within", [False, True])
async def test_an_agent_that_only_passes_on_is_named(*, within: bool) -> None:
    """The note names an agent that replied what another one replies, and so let its error through."""

    @miniagent
    async def middle_agent(ctx: InteractionContext) -> None:
        ctx.reply(failing_agent.inquire(ctx.messages, within=within))

    @miniagent
    async def outer_agent(ctx: InteractionContext) -> None:
        ctx.reply(await middle_agent.inquire(ctx.messages))

    async with MiniAgents():
        for _ in range(2):  # each time it is another error, and read twice it has one note
            replies = outer_agent.inquire("x")
            for _ in range(2):
                with pytest.raises(OwnError) as caught:
                    await replies
                assert notes(caught.value) == ["agents: FAILING_AGENT → MIDDLE_AGENT → OUTER_AGENT"]


@dataclass(frozen=True)
class FrozenError(Exception):
    """An error of which no attribute can be set, so nothing can be noted on it, either."""

    code: int


async def test_an_error_that_cannot_be_changed() -> None:
    """An exception that is a frozen dataclass comes to readers as any other, with the agents in its notes."""
    agent = raising_agent.bind(error=FrozenError(7))
    retried = agent.retry(RetryPolicy(attempts=2, delay=0))
    hedged = agent.hedge(agent, after=0)
    async with MiniAgents(), asyncio.timeout(5):
        for failing_agent in (agent | echo_agent, agent | reading_agent, retried, hedged):
            with pytest.raises(FrozenError) as caught:
                await failing_agent.inquire("Hello")
            assert caught.value.code == 7
            assert "RAISING_AGENT" in caught.value.__notes__[0]
