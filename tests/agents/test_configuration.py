"""The keywords of an agent: who beats whom, what is refused, what is frozen."""

from collections.abc import Callable, Mapping
from typing import cast

import pytest
import reactivex as rx

from miniagents import InteractionContext, Message, MiniAgent, MiniAgents, miniagent
from miniagents.values import FrozenMapping


class Client:
    """Something that is no data."""


@miniagent(mark="default")
async def marking_agent(ctx: InteractionContext, mark: object = "function", other: object = "none") -> None:
    """Reply its keywords."""
    ctx.reply(f"{mark} {other}")


@miniagent
async def required_agent(ctx: InteractionContext, client: object, mark: str, level: int = 1) -> None:
    """Reply its keywords."""
    ctx.reply(f"{type(client).__name__} {mark} {level}")


@miniagent
async def open_agent(ctx: InteractionContext, /, mark: str = "!", **further: object) -> None:
    """Reply its keywords."""
    ctx.reply(f"{mark} {sorted(further.items())}")


def untyped(method: object) -> Callable[..., object]:
    """Give a method arguments that its type refuses."""
    return cast("Callable[..., object]", method)


async def said(agent: MiniAgent[Message, Message]) -> str:
    """Inquire without keywords."""
    return str(await agent.inquire())


async def test_precedence() -> None:
    """`inquire` beats `fork`, which beats the defaults, which beat the function's own."""
    async with MiniAgents():
        assert str(await marking_agent.inquire()) == "default none"
        assert str(await marking_agent.fork(mark="fork").inquire()) == "fork none"
        assert str(await marking_agent.fork(mark="fork").inquire(mark="inquire")) == "inquire none"
        assert str(await marking_agent.inquire(mark="inquire")) == "inquire none"


async def test_fork_of_a_fork() -> None:
    """A fork of a fork keeps what it does not name; the same keyword may be forked again."""
    first = marking_agent.fork(mark="first", other="kept")
    second = first.fork(mark="second")
    async with MiniAgents():
        assert str(await second.inquire()) == "second kept"
        assert str(await first.inquire()) == "first kept"
        assert str(await marking_agent.inquire()) == "default none"


def test_fork_outside_of_a_context() -> None:
    """Forking needs no context, and leaves the agent it was made of as it was."""
    forked = marking_agent.fork(mark="forked")
    assert (marking_agent.defaults["mark"], forked.defaults["mark"]) == ("default", "forked")
    assert forked.alias == marking_agent.alias


async def test_by_position() -> None:
    """Values may be given by position, after the messages."""
    async with MiniAgents():
        assert str(await marking_agent.inquire(None, "one", "two")) == "one two"
        assert str(await marking_agent.fork("one").inquire(None, other="two")) == "one two"


async def test_an_unknown_keyword() -> None:
    """The error names the agent, the keyword, and the keywords it knows; nothing runs."""
    sentence = r"Agent MARKING_AGENT takes no keyword 'mrak'; it knows: mark, other\."
    for method in (marking_agent.inquire, marking_agent.fork, marking_agent.bind):
        async with MiniAgents():
            with pytest.raises(TypeError, match=sentence):
                untyped(method)(mrak=1)
    async with MiniAgents():
        with pytest.raises(TypeError, match=sentence):
            untyped(marking_agent.initiate_inquiry)(mrak=1)


def test_an_agent_without_keywords() -> None:
    """If it knows none, the error says so."""

    @miniagent
    async def bare_agent(ctx: InteractionContext) -> None:
        pass

    with pytest.raises(TypeError, match=r"Agent BARE_AGENT takes no keyword 'ctx'; it knows: none\."):
        untyped(bare_agent.fork)(ctx=1)


def test_given_twice() -> None:
    """A value by position and by keyword is refused, and so are too many values."""
    with pytest.raises(TypeError, match="was given 'mark' twice"):
        untyped(marking_agent.fork)("x", mark="y")
    with pytest.raises(TypeError, match="takes 2 values after the messages, 3 were given"):
        untyped(marking_agent.fork)(1, 2, 3)


async def test_a_missing_keyword() -> None:
    """A required keyword that was not given is missed where the agent is inquired, not later."""
    async with MiniAgents():
        with pytest.raises(TypeError, match="Agent REQUIRED_AGENT needs a value for: client, mark"):
            untyped(required_agent.inquire)("hi")
        with pytest.raises(
            TypeError, match=r"needs a value for: mark\. Give it to inquire; an agent that becomes a part of"
        ):
            untyped(required_agent.fork)(client=1).inquire("hi")  # type: ignore[attr-defined]
        assert str(await required_agent.bind(Client(), "x").inquire("hi")) == "Client x 1"


def test_a_missing_keyword_in_a_pipe() -> None:
    """In a pipe it is missed where the pipe is written."""
    with pytest.raises(TypeError, match="needs a value for"):
        untyped(required_agent)(rx.of("x"))


async def test_an_open_agent() -> None:
    """A function with `**keywords` takes any name."""
    async with MiniAgents():
        assert str(await open_agent.fork(mark="?", size=1).inquire(tint=2)) == "? [('size', 1), ('tint', 2)]"


async def test_data_is_frozen() -> None:
    """Values that are data are frozen as they are at the call."""
    given: dict[str, list[int]] = {"numbers": [1, 2]}
    got: list[object] = []

    @miniagent
    async def keeping_agent(ctx: InteractionContext, data: Mapping[str, object]) -> None:
        got.append(data)

    async with MiniAgents():
        forked = keeping_agent.bind(given)
        inquired = keeping_agent.inquire(data=given)
        given["numbers"].append(3)
        await inquired
        await forked.inquire()
    assert got == [FrozenMapping({"numbers": (1, 2)})] * 2


async def test_clients_stay() -> None:
    """Values that are not data are kept as they are, the very object."""
    client = Client()
    got: list[object] = []

    @miniagent
    async def keeping_agent(ctx: InteractionContext, client: object) -> None:
        got.append(client)

    async with MiniAgents():
        await keeping_agent.inquire(client=client)
        await keeping_agent.bind(client).inquire()
        await keeping_agent.inquire(client=[client])
    assert got == [client, client, [client]]


async def test_messages_keyword() -> None:
    """A parameter of the function may be called `messages`; what is sent stays what it is."""

    @miniagent
    async def odd_agent(ctx: InteractionContext, messages: str = "none") -> None:
        ctx.reply(f"{await ctx.messages} {messages}")

    async with MiniAgents():
        assert str(await odd_agent.inquire("hi", messages="there")) == "hi there"


async def test_bound_agents_close() -> None:
    """`bind` gives an agent that pipes and is inquired without keywords."""
    async with MiniAgents():
        assert await said(marking_agent.bind(mark="bound")) == "bound none"
