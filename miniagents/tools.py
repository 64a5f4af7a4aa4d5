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
    Allow,
    AnyTool,
    MaxTurnsError,
    QuestionError,
    Reject,
    Tool,
    ToolAgent,
    ToolArgumentsError,
    Toolbox,
    ToolContext,
    ToolSpec,
    approval,
    ask,
    code_execution,
    server_tool,
    sleep_until,
    tool,
    wait_for_event,
    web_search,
)
from miniagents.values import ToolCall, ToolCallDelta, ToolResult

__all__ = [
    "Allow",
    "AnyTool",
    "MaxTurnsError",
    "QuestionError",
    "Reject",
    "Tool",
    "ToolAgent",
    "ToolArgumentsError",
    "ToolCall",
    "ToolCallDelta",
    "ToolContext",
    "ToolResult",
    "ToolSpec",
    "Toolbox",
    "approval",
    "ask",
    "code_execution",
    "server_tool",
    "sleep_until",
    "tool",
    "wait_for_event",
    "web_search",
]
