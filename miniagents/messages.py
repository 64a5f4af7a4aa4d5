"""Messages, their promises and their types, under their documented import path."""

from miniagents.core import (
    AssistantMessage,
    ErrorMessage,
    Message,
    MessagePromise,
    Messages,
    MessageSequencePromise,
    MessageType,
    SystemMessage,
    ToolMessage,
    UserMessage,
)

__all__ = [
    "AssistantMessage",
    "ErrorMessage",
    "Message",
    "MessagePromise",
    "MessageSequencePromise",
    "MessageType",
    "Messages",
    "SystemMessage",
    "ToolMessage",
    "UserMessage",
]
