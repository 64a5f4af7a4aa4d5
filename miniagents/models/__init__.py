"""Agents on language models: tools that they call, typed answers, and what all providers share."""

from ._agent_tool import AgentTool
from ._answer_schema import AnswerSchema
from ._asked_model import AskedModel, TellsModel
from ._errors import MaxTurnsError, SchemaError, ToolArgumentsError, TypedAnswerError
from ._model_agent import ModelAgent, ToolAgent, ToolReplies, model_agent
from ._parsed import ParsedMessage, ParsedReplies
from ._server_tool import ServerTool, code_execution, server_tool, web_search
from ._tool import Tool, ToolSpec, check_timeout, error_text, tool
from ._tool_context import TOOL_CONTEXT, ToolContext
from ._tool_loop import (
    TOOL_RECORDER,
    AnyTool,
    Approval,
    Callee,
    MakeParts,
    RecordTool,
    Toolbox,
    ToolLoop,
)
from ._typed_agent import AnswerMode, TypedAgent, TypedAnswer
from ._typed_map import TypedAgentMap, TypedItemReplies

__all__ = [
    "TOOL_CONTEXT",
    "TOOL_RECORDER",
    "AgentTool",
    "AnswerMode",
    "AnswerSchema",
    "AnyTool",
    "Approval",
    "AskedModel",
    "Callee",
    "MakeParts",
    "MaxTurnsError",
    "ModelAgent",
    "ParsedMessage",
    "ParsedReplies",
    "RecordTool",
    "SchemaError",
    "ServerTool",
    "TellsModel",
    "Tool",
    "ToolAgent",
    "ToolArgumentsError",
    "ToolContext",
    "ToolLoop",
    "ToolReplies",
    "ToolSpec",
    "Toolbox",
    "TypedAgent",
    "TypedAgentMap",
    "TypedAnswer",
    "TypedAnswerError",
    "TypedItemReplies",
    "check_timeout",
    "code_execution",
    "error_text",
    "model_agent",
    "server_tool",
    "tool",
    "web_search",
]
