"""Messages, their promises and their types, under their documented import path."""

from ._join_and_split import join_messages, split_messages
from ._message import Message, MessagePromise
from ._message_type import MessageType
from ._role_dicts import message_of_role
from ._roles import (
    AssistantMessage,
    ErrorMessage,
    InputMessage,
    Summary,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from ._sequence import Messages, MessageSequencePromise, MessageTypeOf

__all__ = [
    "AssistantMessage",
    "ErrorMessage",
    "InputMessage",
    "Message",
    "MessagePromise",
    "MessageSequencePromise",
    "MessageType",
    "MessageTypeOf",
    "Messages",
    "Summary",
    "SystemMessage",
    "ToolMessage",
    "UserMessage",
    "join_messages",
    "message_of_role",
    "split_messages",
]
