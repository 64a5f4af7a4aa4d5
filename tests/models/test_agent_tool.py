"""Tests of agents as tools: their arguments, and what comes of a call."""

from collections.abc import Mapping
from typing import Never, cast

import pytest
from pydantic import AliasChoices, ConfigDict, Field
from pydantic.alias_generators import to_camel
from typing_extensions import override

from miniagents import (
    AgentPart,
    AssistantMessage,
    BaseAgent,
    File,
    Image,
    InteractionContext,
    Message,
    MiniAgent,
    MiniAgents,
    SchemaError,
    ToolArgumentsError,
    ToolCall,
    ToolMessage,
    UserMessage,
    miniagent,
)
from miniagents.models._agent_tool import AgentTool


@miniagent
async def echo(ctx: InteractionContext) -> None:
    """Says it again."""
    ctx.reply([await ctx.messages, "Really."])


async def pieces(made: AgentTool, arguments: str) -> list[AgentPart | str | tuple[str | Image | File, ...]]:
    """Everything that a call gives."""
    async with MiniAgents():
        return [piece async for piece in made.run(arguments)]


async def test_any_agent_takes_a_text() -> None:
    """An agent of any messages is called with a text, and its replies together are the result."""
    made = AgentTool.of(echo)
    assert (made.spec.name, made.spec.description, made.timeout) == ("ECHO", "Says it again.", None)
    assert made.spec.parameters["required"] == ("text",)
    assert await pieces(made, '{"text": "Hello."}') == [
        AgentPart(("ECHO",), "Hello."),
        AgentPart(("ECHO",), "Really."),
        "Hello.\n\nReally.",
    ]
    with pytest.raises(ToolArgumentsError, match="text: Field required"):
        await pieces(made, "")


async def test_turns_with_tools_are_no_answer() -> None:
    """Of an agent that calls tools itself, the result is what it said in the end."""

    @miniagent
    async def thorough(ctx: InteractionContext) -> None:
        call = AssistantMessage(parts=["Let me look.", ToolCall("1", "look")])
        ctx.reply([call, ToolMessage("dark"), AssistantMessage("It is dark.")])

    assert (await pieces(AgentTool.of(thorough), '{"text": "Well?"}'))[-1] == "It is dark."


def test_agents_that_are_refused() -> None:
    """An alias that no provider takes is an error before any call."""
    with pytest.raises(SchemaError, match="'the echo' cannot be the name of a tool"):
        AgentTool.of(echo.described(alias="the echo"))


class Sum(Message):
    """Numbers to add."""

    numbers: tuple[int, ...]
    unit: str = "m"


@miniagent
async def add(ctx: InteractionContext[Sum, Message]) -> None:
    """Adds."""
    for message in await ctx.messages:
        ctx.reply(f"{sum(message.numbers)} {message.unit}")


async def test_an_agent_of_a_class_takes_its_fields() -> None:
    """The fields that a class of messages declares are the arguments, validated by it."""
    made = AgentTool.of(cast("MiniAgent", add))
    assert dict(made.spec.parameters) == {
        "type": "object",
        "properties": {
            "numbers": {"type": "array", "items": {"type": "integer"}},
            "unit": {"type": "string", "default": "m"},
        },
        "required": ("numbers",),
        "additionalProperties": False,
    }
    assert (await pieces(made, '{"numbers": [1, 2]}'))[-1] == "3 m"
    for wrong, sentence in (
        ('{"numbers": ["x"]}', r"numbers\[0\]: Input should be a valid integer"),
        ("[]", "Input should be an object"),
    ):
        with pytest.raises(ToolArgumentsError, match=sentence):
            await pieces(made, wrong)


class Request(Message):
    """Something to look for, with the names of JavaScript."""

    model_config = ConfigDict(alias_generator=to_camel)
    search_for: str
    most: int = Field(default=1, validation_alias=AliasChoices("max", "most"))


async def test_fields_with_aliases_are_arguments_under_these() -> None:
    """A model gives a field under its alias, as other JSON does; and sets no field but these."""

    @miniagent
    async def look(ctx: InteractionContext[Request, Message]) -> None:
        """Looks."""
        for request in await ctx.messages:
            ctx.reply(f"{request.search_for}, {request.most}")

    made = AgentTool.of(cast("MiniAgent", look))
    assert list(cast("Mapping[str, object]", made.spec.parameters["properties"])) == ["searchFor", "max"]
    assert made.spec.parameters["required"] == ("searchFor",)
    assert (await pieces(made, '{"searchFor": "owls", "max": 2}'))[-1] == "owls, 2"


class Branch(Message):
    """A part of a tree."""

    name: str
    branches: "tuple[Branch, ...]" = ()


async def test_a_class_that_contains_itself() -> None:
    """An agent of messages that contain messages of their class takes their fields, as deep as they are."""

    @miniagent
    async def leaves(ctx: InteractionContext[Branch, Message]) -> None:
        """Counts."""
        for branch in await ctx.messages:
            ctx.reply(" ".join(each.name for each in branch.branches))

    made = AgentTool.of(cast("MiniAgent", leaves))
    assert list(cast("Mapping[str, object]", made.spec.parameters["properties"])) == ["name", "branches"]
    assert made.spec.parameters["required"] == ("name",)
    assert (await pieces(made, '{"name": "a", "branches": [{"name": "b"}, {"name": "c"}]}'))[-1] == "b c"


@pytest.mark.parametrize(("made", "arguments"), [(echo, '{"text": "Hi"'), (add, '{"numbers": []')])
async def test_a_model_cannot_say_more_than_it_is_asked(
    made: MiniAgent[Never, Message], arguments: str
) -> None:
    """What is no argument is refused: data of a message may have a meaning, as its role has."""
    with pytest.raises(ToolArgumentsError, match="role: Extra inputs are not permitted"):
        await pieces(AgentTool.of(cast("MiniAgent", made)), arguments + ', "role": "system"}')


@miniagent
async def either(ctx: InteractionContext[Sum | UserMessage, Message]) -> None:
    """Takes one or the other."""


@miniagent
async def needy(ctx: InteractionContext, *, unit: str) -> None:
    """Needs a keyword."""


def test_agents_that_cannot_be_called() -> None:
    """An agent whose arguments have no form, or that lacks a keyword, is an error before any call."""
    with pytest.raises(SchemaError, match="EITHER takes Sum or UserMessage, but the arguments"):
        AgentTool.of(cast("MiniAgent", either))
    with pytest.raises(TypeError, match="Agent NEEDY needs a value for: unit"):
        AgentTool.of(needy)
    assert AgentTool.of(needy.fork(unit="m")).spec.name == "NEEDY"


async def test_its_errors_are_errors() -> None:
    """An agent that fails gives no result, also where errors become messages."""

    @miniagent
    async def broken(ctx: InteractionContext) -> None:
        raise ValueError("no further")

    async with MiniAgents(errors_as_messages=True):
        with pytest.raises(ValueError, match="no further"):
            _ = [piece async for piece in AgentTool.of(broken).run('{"text": "go"}')]


class Adder(BaseAgent[Sum, Message]):
    """Adds, and says in what."""

    unit: str = "km"

    @override
    async def run(self, ctx: InteractionContext[Sum, Message]) -> None:
        """Add."""
        for message in await ctx.messages:
            ctx.reply(f"{sum(message.numbers)} {self.unit}")


async def test_an_agent_of_a_class_of_agents() -> None:
    """What is an instance of a class of agents is a tool as any agent is."""
    made = AgentTool.of(cast("MiniAgent", Adder(unit="miles")))
    assert (made.spec.name, made.spec.description) == ("ADDER", "Adds, and says in what.")
    assert (await pieces(made, '{"numbers": [1, 2]}'))[-1] == "3 miles"
