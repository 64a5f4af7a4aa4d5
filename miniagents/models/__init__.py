"""Agents on language models: tools that they call, typed answers, limits, budgets, journals, usage."""

from ._answer_schema import AnswerSchema
from ._asked_model import AskedModel, TellsModel
from ._cache import cache
from ._call_keys import NOT_ASKED, CallKey, RecordedFunction
from ._call_records import CallRecords
from ._durable import DurableRun, RunJournal, durable
from ._errors import MaxTurnsError, SchemaError, ToolArgumentsError, TypedAnswerError
from ._journal import CallJournal, JournalEntry, JournalError, RecordedCalls, recorded
from ._limiter import Limiter
from ._limits import Budget, ConcurrencyLimit, RateLimiter, budget, limit, rate_limit
from ._message_records import Json, Record, Registry, decode_data, encode_data
from ._model_agent import ModelAgent, ToolAgent, ToolReplies, model_agent
from ._model_limits import ModelLimits, model_limits
from ._parsed import ParsedMessage, ParsedReplies
from ._prices import dollars
from ._recordings import CallPlayer, RecordedEvent, error_data, part_data
from ._run_store import RunRequest, RunStore, UnfinishedRun
from ._run_usage import Price, RunUsage, UsageReport
from ._tool import Tool, ToolSpec, check_timeout, error_text, tool
from ._tool_loop import AnyTool, Approval, Callee, Toolbox
from ._typed_agent import AnswerMode, TypedAgent
from ._typed_map import TypedAgentMap, TypedItemReplies
from ._unpriced import unpriced_models

__all__ = [
    "NOT_ASKED",
    "AnswerMode",
    "AnswerSchema",
    "AnyTool",
    "Approval",
    "AskedModel",
    "Budget",
    "CallJournal",
    "CallKey",
    "CallPlayer",
    "CallRecords",
    "Callee",
    "ConcurrencyLimit",
    "DurableRun",
    "JournalEntry",
    "JournalError",
    "Json",
    "Limiter",
    "MaxTurnsError",
    "ModelAgent",
    "ModelLimits",
    "ParsedMessage",
    "ParsedReplies",
    "Price",
    "RateLimiter",
    "Record",
    "RecordedCalls",
    "RecordedEvent",
    "RecordedFunction",
    "Registry",
    "RunJournal",
    "RunRequest",
    "RunStore",
    "RunUsage",
    "SchemaError",
    "TellsModel",
    "Tool",
    "ToolAgent",
    "ToolArgumentsError",
    "ToolReplies",
    "ToolSpec",
    "Toolbox",
    "TypedAgent",
    "TypedAgentMap",
    "TypedAnswerError",
    "TypedItemReplies",
    "UnfinishedRun",
    "UsageReport",
    "budget",
    "cache",
    "check_timeout",
    "decode_data",
    "dollars",
    "durable",
    "encode_data",
    "error_data",
    "error_text",
    "limit",
    "model_agent",
    "model_limits",
    "part_data",
    "rate_limit",
    "recorded",
    "tool",
    "unpriced_models",
]
