"""Agents on language models: tools that they call, typed answers, and what all providers share."""

from ._agent_tool import AgentTool as AgentTool
from ._answer_schema import AnswerSchema
from ._asked_model import AskedModel, TellsModel
from ._errors import MaxTurnsError, SchemaError, ToolArgumentsError, TypedAnswerError
from ._model_agent import ModelAgent, ToolAgent, ToolReplies, model_agent
from ._parsed import ParsedMessage, ParsedReplies
from ._tool import Tool, ToolSpec, check_timeout, error_text, tool
from ._tool_loop import (
    TOOL_RECORDER as TOOL_RECORDER,
    AnyTool,
    Approval,
    Callee,
    MakeParts as MakeParts,
    RecordTool as RecordTool,
    Toolbox,
    ToolLoop as ToolLoop,
)
