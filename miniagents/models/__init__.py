"""WHAT A MODEL MAY DO: tools that it calls, and types that it answers in."""

from ._errors import MaxTurnsError, ToolArgumentsError, ToolDefinitionError
from ._model_agent import ModelAgent, ToolAgent, model_agent
from ._replies import ToolReplies
from ._tool import Tool, ToolSpec, tool
from ._tool_call import Approval
from ._toolbox import AnyTool

__all__ = [
    "AnyTool",
    "Approval",
    "MaxTurnsError",
    "ModelAgent",
    "Tool",
    "ToolAgent",
    "ToolArgumentsError",
    "ToolDefinitionError",
    "ToolReplies",
    "ToolSpec",
    "model_agent",
    "tool",
]
