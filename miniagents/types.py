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
    Pipeline,
    Prompt,
    RaceEntry,
    RaceReport,
    Route,
    SlotValue,
)
from miniagents.messages import MessageItemOf, MessageType, MessageTypeOf, Parts, PartStreamer, TokenStreamer
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
from miniagents.operators import (
    AgentMap,
    Inquired,
    ItemReplies,
)
from miniagents.streams import Overflow, PromiseResolvedHandler, PromisingContext
from miniagents.values import (
    AwaitType,
    ClearType,
    Frozen,
    FrozenMapping,
)

__all__ = [
    "AgentCallNode",
    "AgentMap",
    "AgentReplyNode",
    "AnswerMode",
    "AnswerSchema",
    "AnyTool",
    "AwaitType",
    "ChainItem",
    "ClearType",
    "Frozen",
    "FrozenMapping",
    "Inquired",
    "ItemReplies",
    "MessageItemOf",
    "MessageType",
    "MessageTypeOf",
    "ModelAgent",
    "Overflow",
    "ParsedMessage",
    "ParsedReplies",
    "PartStreamer",
    "Parts",
    "PersistMessageHandler",
    "Pipeline",
    "PromiseResolvedHandler",
    "PromisingContext",
    "Prompt",
    "RaceEntry",
    "RaceReport",
    "Route",
    "SlotValue",
    "TokenStreamer",
    "ToolAgent",
    "ToolReplies",
    "TypedAgent",
]
