"""What a model streams beside text, and what a message is made of.

A `Part` is a piece of a stream: text as `str`, the rest as small frozen values. `Content` is what a finished
message contains.

Example:
    >>> from miniagents import AssistantMessage
    >>> from miniagents.parts import Reasoning
    >>> AssistantMessage("Hello", parts=[Reasoning("Hm"), "Hello"]).reasoning
    'Hm'
"""

from miniagents.values import (
    AgentPart,
    Citation,
    Content,
    File,
    Finish,
    Image,
    Part,
    Reasoning,
    Refusal,
    ResponseHeaders,
    Restart,
    Retry,
    ServerToolCall,
    ServerToolResult,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
    content_of,
)

__all__ = [
    "AgentPart",
    "Citation",
    "Content",
    "File",
    "Finish",
    "Image",
    "Part",
    "Reasoning",
    "Refusal",
    "ResponseHeaders",
    "Restart",
    "Retry",
    "ServerToolCall",
    "ServerToolResult",
    "ToolCall",
    "ToolCallDelta",
    "ToolResult",
    "Usage",
    "content_of",
]
