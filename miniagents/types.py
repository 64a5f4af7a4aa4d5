"""Types for annotations: message types, promise types, protocols and the types of callbacks.

Example:
    >>> from miniagents import miniagent
    >>> from miniagents.types import MessageType
    >>> def question(about: MessageType) -> MessageType:
    ...     return ["Answer in one sentence.", about]
"""

from miniagents.agents import (
    AgentCallNode,
    AgentReplyNode,
    ChainItem,
    PersistMessageHandler,
    Prompt,
    RaceEntry,
    RaceReport,
    Route,
)
from miniagents.messages import MessageType, MessageTypeOf, Parts, PartStreamer, TokenStreamer
from miniagents.models import (
    AnswerMode,
    AnswerSchema,
    AnyTool,
    ModelAgent,
    ParsedMessage,
    ParsedReplies,
    ToolAgent,
    ToolReplies,
    TypedAgent,
)
from miniagents.operators import AgentMap, ItemReplies
from miniagents.streams import Overflow, PromiseResolvedHandler, PromisingContext
from miniagents.values import Frozen

__all__ = [
    "AgentCallNode",
    "AgentMap",
    "AgentReplyNode",
    "AnswerMode",
    "AnswerSchema",
    "AnyTool",
    "ChainItem",
    "Frozen",
    "ItemReplies",
    "MessageType",
    "MessageTypeOf",
    "ModelAgent",
    "Overflow",
    "ParsedMessage",
    "ParsedReplies",
    "PartStreamer",
    "Parts",
    "PersistMessageHandler",
    "PromiseResolvedHandler",
    "PromisingContext",
    "Prompt",
    "RaceEntry",
    "RaceReport",
    "Route",
    "TokenStreamer",
    "ToolAgent",
    "ToolReplies",
    "TypedAgent",
]
