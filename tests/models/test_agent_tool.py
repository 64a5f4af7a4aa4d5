"""Tests of agents as tools: their arguments, and what comes of a call."""

import pytest

from miniagents import (
    AgentPart,
    AssistantMessage,
    InteractionContext,
    MiniAgents,
    ToolArgumentsError,
    ToolCall,
    ToolDefinitionError,
    ToolMessage,
    miniagent,
)
from miniagents.models._agent_tool import AgentTool


@miniagent
async def echo(ctx: InteractionContext) -> None:
    """Says it again."""
    ctx.reply([await ctx.messages, "Really."])


async def pieces(made: AgentTool, arguments: str) -> list[AgentPart | str]:
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
    with pytest.raises(ToolDefinitionError, match="'the echo' cannot be the name of a tool"):
        AgentTool.of(echo.described(alias="the echo"))
