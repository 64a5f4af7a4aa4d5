"""WHAT A MODEL MAY DO: tools that it calls, and types that it answers in."""

from ._errors import ToolArgumentsError, ToolDefinitionError
from ._tool import Tool, ToolSpec, tool

__all__ = ["Tool", "ToolArgumentsError", "ToolDefinitionError", "ToolSpec", "tool"]
