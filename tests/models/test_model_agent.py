"""Models as agents: their kinds, their replies with tools, and what wraps them."""

from collections.abc import Callable
from typing import cast

import pytest

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgent,
    MiniAgents,
    ModelAgent,
    SchemaError,
    ToolAgent,
    ToolMessage,
    ToolResult,
    ToolSpec,
    miniagent,
    model_agent,
    tool,
)
from miniagents.models import ToolReplies
from miniagents.streams import Promise


class Loud(MiniAgent):
    """Has a method of its own."""

    __slots__ = ()

    def shout(self) -> str:
        """Shout."""
        return f"{self.alias}!"


@miniagent(alias="ECHO")
async def echo(ctx: InteractionContext, mark: str = ".") -> None:
    """Says it again."""
    ctx.reply(f"{await ctx.messages}{mark}")


async def test_the_same_agent() -> None:
    """It runs as before, with its alias, description and defaults, and can do more."""
    loud = echo.fork(mark="?")._as_kind(Loud)  # pyright: ignore[reportPrivateUsage]
    assert (loud.shout(), loud.alias, loud.description, dict(loud.defaults)) == (
        "ECHO!",
        "ECHO",
        "Says it again.",
        {"mark": "?"},
    )
    async with MiniAgents():
        assert str(await loud.inquire("hi")) == "hi?"


TURNS = (
    AssistantMessage("Let me look."),
    ToolMessage(parts=[ToolResult("1", "dark")]),
    AssistantMessage("It is dark."),
)


async def test_a_view_of_the_same_replies() -> None:
    """The view has the same messages and the final one; handlers are told of the replies once."""
    told: list[Promise[object]] = []

    async def tell(promise: Promise[object], result: object, /) -> None:
        if isinstance(promise, MessageSequencePromise):
            told.append(cast("Promise[object]", promise))

    async with MiniAgents(on_promise_resolved=tell):
        replies = MessageSequencePromise[Message](TURNS)
        view = ToolReplies.of(cast("MessageSequencePromise[AssistantMessage | ToolMessage]", replies))
        assert await view == TURNS
        assert await view.final == TURNS[-1]
        del replies
        assert [str(message) for message in await view] == ["Let me look.", "dark", "It is dark."]
    assert len(told) == 1


@tool
def now() -> str:
    """Tell the time."""
    return "noon"


@model_agent(alias="PARROT", description="Says it again.")
async def parrot(
    ctx: InteractionContext[Message, AssistantMessage],
    *,
    model: str = "grey",
    tools: tuple[ToolSpec, ...] = (),
) -> None:
    """Never read."""
    names = ", ".join(spec.name for spec in tools)
    ctx.reply(AssistantMessage(f"{model} {await ctx.messages} ({names})"))


@model_agent
async def plain(
    ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[ToolSpec, ...] = ()
) -> None:
    """Is plain."""
    ctx.reply(AssistantMessage("plain"))


async def test_variants_stay_what_they_are() -> None:
    """A fork of a model is a model, one of a model with tools has them; keywords beat as always."""
    assert (parrot.alias, parrot.description, plain.alias, plain.description) == (
        "PARROT",
        "Says it again.",
        "PLAIN",
        "Is plain.",
    )
    red = parrot.fork(model="red")
    tooled = red.with_tools(now)
    assert [
        type(each)
        for each in (
            red,
            red.described(alias="RED"),
            tooled,
            tooled.fork(model="blue"),
            tooled.described(alias="X"),
        )
    ] == [
        ModelAgent,
        ModelAgent,
        ToolAgent,
        ToolAgent,
        ToolAgent,
    ]
    async with MiniAgents():
        assert str(await red.inquire("hi")) == "red hi ()"
        replies = tooled.inquire("hi")
        assert isinstance(replies, ToolReplies)
        assert str(await replies) == "red hi (now)"
        assert str(await tooled.fork(model="blue").inquire("hi")) == "blue hi (now)"
        assert str(await tooled.inquire("hi", model="green")) == "green hi (now)"


async def test_it_is_an_agent_like_others() -> None:
    """A model with tools goes into a pipe, and its errors can become messages."""

    @model_agent
    async def broken(
        ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[ToolSpec, ...] = ()
    ) -> None:
        raise ConnectionError("cut")

    async with MiniAgents():
        assert str(await (parrot.with_tools(now).bind() | plain.bind()).inquire("hi")) == "plain"
        (error,) = await broken.with_tools(now).errors_as_messages().inquire("hi")
        assert (error.role, str(error)) == ("error", "ConnectionError: cut")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (parrot.with_tools, "with_tools was given no tools"),
        (lambda: parrot.with_tools(now, now), "Two tools are called 'now'"),
        (lambda: parrot.with_tools(now, max_turns=0), "max_turns=0 leaves no turn for an answer"),
        (lambda: parrot.with_tools(now, timeout=-1), "timeout=-1 of with_tools is not a positive number"),
    ],
)
def test_what_is_refused(make: Callable[[], object], sentence: str) -> None:
    """What makes no sense is refused before anything is asked."""
    with pytest.raises(SchemaError, match=sentence):
        make()


def test_keywords_are_checked() -> None:
    """An unknown keyword is an error at once, also of a model with tools."""
    with pytest.raises(TypeError, match="takes no keyword 'colour'"):
        parrot.with_tools(now).fork(colour="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_a_model_takes_tools() -> None:
    """A function that takes no tools is no model; it is refused where it is decorated."""

    async def dumb(ctx: InteractionContext[Message, AssistantMessage]) -> None:
        """Takes nothing."""

    with pytest.raises(TypeError, match="The model DUMB does not take the keyword `tools`; add"):
        model_agent(dumb)


async def test_the_policy_of_errors_stays() -> None:
    """A model whose errors become messages is one with tools, too."""

    @model_agent
    async def broken(
        ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[ToolSpec, ...] = ()
    ) -> None:
        raise ConnectionError("cut")

    kind = broken.errors_as_messages()
    assert isinstance(kind, ModelAgent)
    async with MiniAgents():
        (error,) = await kind.with_tools(now).inquire("hi")
        assert (error.role, str(error)) == ("error", "ConnectionError: cut")


async def test_around_a_model() -> None:
    """Calls go through a function, which may say something else; what was known of the model stays."""
    asked: list[dict[str, object]] = []

    async def louder(ctx: InteractionContext[Message, AssistantMessage], model: ModelAgent[...]) -> None:
        asked.append(dict(model.defaults))
        for answer in await model.inquire(ctx.messages):
            ctx.reply(AssistantMessage(str(answer).upper()))

    loud = parrot.fork(model="red").around(louder)
    assert (type(loud), loud.alias, loud.description) == (ModelAgent, "PARROT", "Says it again.")
    async with MiniAgents():
        assert str(await loud.inquire("hi")) == "RED HI ()"
        assert str(await loud.fork(model="blue").with_tools(now).inquire("hi").final) == "BLUE HI (NOW)"
    assert asked == [{"model": "red", "tools": ()}, {"model": "blue", "tools": (now.spec,)}]
    with pytest.raises(TypeError, match="takes no keyword 'colour'"):
        loud.fork(colour="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
