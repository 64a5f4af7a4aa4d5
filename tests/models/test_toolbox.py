"""Tests of tools by name."""

from collections.abc import Callable, Iterable
from typing import cast

import pytest

from miniagents import InteractionContext, ToolDefinitionError, miniagent, tool
from miniagents.models import AnyTool
from miniagents.models._toolbox import Toolbox


@tool
def look(where: str) -> str:
    """Look around."""
    return f"dark {where}"


@tool(name="RESEARCHER")
def namesake() -> str:
    """Is called as an agent."""
    return "me"


@miniagent
async def researcher(ctx: InteractionContext) -> None:
    """Finds things out."""
    ctx.reply("found")


def test_tools_by_name() -> None:
    """The model is told of every tool, in the order in which they were given."""
    box = Toolbox.of([look, researcher])
    assert [(spec.name, spec.description) for spec in box.specs] == [
        ("look", "Look around."),
        ("RESEARCHER", "Finds things out."),
    ]


@pytest.mark.parametrize(
    ("tools", "sentence"),
    [
        ([], "with_tools was given no tools"),
        ([look, look], "Two tools are called 'look'"),
        ([researcher, namesake], "Two tools are called 'RESEARCHER'"),
        ([cast("AnyTool", print)], "A builtin_function_or_method is no tool; decorate a function with @tool"),
        ([cast("AnyTool", lambda: 1)], "A function is no tool"),
        ([researcher | researcher], "'RESEARCHER | RESEARCHER' cannot be the name of a tool"),
    ],
)
def test_what_is_refused(tools: Iterable[AnyTool], sentence: str) -> None:
    """Tools that cannot be told apart, none, and what is no tool are refused before any model is asked."""
    with pytest.raises(ToolDefinitionError, match=sentence.replace("|", r"\|")):
        Toolbox.of(tools)


async def test_a_function_runs() -> None:
    """A function gives its result as the only piece."""
    (callee,) = Toolbox.of([look]).callees.values()
    run: Callable[[str], object] = callee.run
    assert callable(run)
    assert [piece async for piece in callee.run('{"where": "here"}')] == ["dark here"]
