"""Tools that a model calls: how a function becomes one, how a call is approved, and what can go wrong.

Example:
    >>> from miniagents.tools import tool
    >>> @tool
    ... def add(a: int, b: int) -> int:
    ...     "Add two numbers."
    ...     return a + b
    >>> add.spec.name, add.spec.description
    ('add', 'Add two numbers.')
"""

from miniagents.models import (
    AnyTool,
    MaxTurnsError,
    Tool,
    ToolAgent,
    ToolArgumentsError,
    Toolbox,
    ToolContext,
    ToolSpec,
    code_execution,
    server_tool,
    tool,
    web_search,
)
from miniagents.values import (
    ToolCall,
    ToolCallDelta,
    ToolResult,
)

__all__ = [
    "AnyTool",
    "MaxTurnsError",
    "Tool",
    "ToolAgent",
    "ToolArgumentsError",
    "ToolCall",
    "ToolCallDelta",
    "ToolContext",
    "ToolResult",
    "ToolSpec",
    "Toolbox",
    "code_execution",
    "server_tool",
    "tool",
    "web_search",
]
