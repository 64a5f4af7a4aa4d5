"""What a model streams beside text, and what a message is made of.

A `Part` is a piece of a stream: text as `str`, the rest as small frozen values. `Content` is what a finished
message contains.

Example:
    >>> from miniagents.parts import Finish, Reasoning, content_of
    >>> content_of([Reasoning("Hm"), "Hel", "lo", Finish("stop")])[1]
    'Hello'
"""

from miniagents.values import (
    AgentPart,
    Attachment,
    Citation,
    Content,
    ContentField,
    File,
    Finish,
    Image,
    Part,
    PartValue,
    RateLimit,
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
    part_from_data,
    parts_of_content,
)

__all__ = [
    "AgentPart",
    "Attachment",
    "Citation",
    "Content",
    "ContentField",
    "File",
    "Finish",
    "Image",
    "Part",
    "PartValue",
    "RateLimit",
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
    "part_from_data",
    "parts_of_content",
]
