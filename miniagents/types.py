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
    Delivery,
    InteractiveAgent,
    InteractiveCall,
    RaceReport,
    Stage,
)
from miniagents.messages import InputMessage, MessageType, MessageTypeOf
from miniagents.models import AnswerSchema, AnyTool, ModelAgent, ParsedMessage, ToolAgent, TypedAgent
from miniagents.streams import Overflow, PromisingContext
from miniagents.values import Frozen

__all__ = [
    "AgentCallNode",
    "AgentReplyNode",
    "AnswerSchema",
    "AnyTool",
    "ChainItem",
    "Delivery",
    "Frozen",
    "InputMessage",
    "InteractiveAgent",
    "InteractiveCall",
    "MessageType",
    "MessageTypeOf",
    "ModelAgent",
    "Overflow",
    "ParsedMessage",
    "PromisingContext",
    "RaceReport",
    "Stage",
    "ToolAgent",
    "TypedAgent",
]
