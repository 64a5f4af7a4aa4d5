"""The tools of one model: functions and agents, by name."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
from typing import Never, Protocol, TypeAlias, cast

from miniagents.agents import MiniAgent
from miniagents.core import Message
from miniagents.values import AgentPart

from ._agent_tool import AgentTool
from ._errors import ToolDefinitionError
from ._tool import Tool, ToolSpec

__all__ = ["AnyTool", "Callee", "Toolbox"]

AnyTool: TypeAlias = Tool[..., object] | MiniAgent[Never, Message, ...]
"""What `with_tools` takes: a function made a tool by `@tool`, or any agent."""


class Callee(Protocol):
    """A tool as the loop sees it."""

    @property
    def spec(self) -> ToolSpec:
        """What the model is told of it."""
        ...

    @property
    def timeout(self) -> float | None:
        """Seconds that a call may take; None if it does not say."""
        ...

    def run(self, arguments: str, /) -> AsyncGenerator[AgentPart | str]:
        """Call it: what it streams on the way, and last, as a text, its result."""
        ...


@dataclass(frozen=True, slots=True)
class _Function:
    """A function as a tool."""

    tool: Tool[..., object]

    @property
    def spec(self) -> ToolSpec:
        return self.tool.spec

    @property
    def timeout(self) -> float | None:
        return self.tool.timeout

    async def run(self, arguments: str, /) -> AsyncGenerator[AgentPart | str]:
        yield await self.tool.invoke(arguments)


@dataclass(frozen=True, slots=True)
class Toolbox:
    """Tools by the names by which a model calls them.

    Attributes:
        callees: by name, in the order in which they were given.

    Example:
        >>> from miniagents import tool
        >>> @tool
        ... def now() -> str:
        ...     '''Tell the time.'''
        ...     return "noon"
        >>> [spec.name for spec in Toolbox.of([now]).specs]
        ['now']
    """

    callees: Mapping[str, Callee]

    @classmethod
    def of(cls, tools: Iterable[AnyTool]) -> "Toolbox":
        """Gather tools.

        Args:
            tools: functions and agents.

        Raises:
            ToolDefinitionError: there are none, two have one name, or something is no tool.

        Example:
            >>> try:
            ...     Toolbox.of([])
            ... except ToolDefinitionError as error:
            ...     print(error)
            with_tools was given no tools; without them, inquire the model itself.
        """
        callees: dict[str, Callee] = {}
        for each in tools:
            callee = _callee(each)
            name = callee.spec.name
            if name in callees:
                raise ToolDefinitionError(
                    f"Two tools are called {name!r}, and a model could not tell them apart; "
                    "give one of them another name, with @tool(name=...) or agent.described(alias=...)."
                )
            callees[name] = callee
        if not callees:
            raise ToolDefinitionError(
                "with_tools was given no tools; without them, inquire the model itself."
            )
        return cls(callees)

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told of them."""
        return tuple(callee.spec for callee in self.callees.values())


def _callee(each: object) -> Callee:
    if isinstance(each, Tool):
        return _Function(cast("Tool[..., object]", each))
    if isinstance(each, MiniAgent):
        return AgentTool.of(cast("MiniAgent[Message, Message, ...]", each))
    raise ToolDefinitionError(
        f"A {type(each).__name__} is no tool; decorate a function with @tool, or give an agent."
    )
