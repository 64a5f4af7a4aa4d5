"""Agents on language models: tools that they call, typed answers, and what all providers share."""

from ._agent_tool import AgentTool
from ._answer_schema import AnswerSchema
from ._asked_model import AskedModel
from ._errors import MaxTurnsError, SchemaError, ToolArgumentsError, TypedAnswerError
from ._model_agent import ModelAgent, ToolAgent, ToolReplies, model_agent
from ._parsed import ParsedMessage, ParsedReplies, is_in_text
from ._questions import (
    CARRIER,
    Allow,
    Asked,
    Carrier,
    QuestionError,
    Reject,
    answer_data,
    approval,
    ask,
    refusal_of,
    sleep_until,
    wait_for_event,
)
from ._server_tool import ServerTool, code_execution, server_tool, web_search
from ._tool import Tool, ToolSpec, tool
from ._tool_context import TOOL_CONTEXT, ToolContext
from ._tool_loop import TOOL_INTENT, TOOL_RECORDER, AnyTool, Approval, Callee, MakeParts, Toolbox, ToolLoop
from ._typed_agent import AnswerMode, TypedAgent, TypedAnswer
from ._typed_map import TypedAgentMap, TypedItemReplies

__all__ = [
    "CARRIER",
    "TOOL_CONTEXT",
    "TOOL_INTENT",
    "TOOL_RECORDER",
    "AgentTool",
    "Allow",
    "AnswerMode",
    "AnswerSchema",
    "AnyTool",
    "Approval",
    "Asked",
    "AskedModel",
    "Callee",
    "Carrier",
    "MakeParts",
    "MaxTurnsError",
    "ModelAgent",
    "ParsedMessage",
    "ParsedReplies",
    "QuestionError",
    "Reject",
    "SchemaError",
    "ServerTool",
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
    "answer_data",
    "approval",
    "ask",
    "code_execution",
    "is_in_text",
    "model_agent",
    "refusal_of",
    "server_tool",
    "sleep_until",
    "tool",
    "wait_for_event",
    "web_search",
]
