"""Messages, their promises and their types, under their documented import path."""

from ._join_and_split import join_messages, split_messages
from ._message import Message, MessagePromise, PartStreamer, TokenStreamer
from ._message_type import MessageType
from ._parts import Parts
from ._roles import AssistantMessage, ErrorMessage, SystemMessage, ToolMessage, UserMessage
from ._sequence import MessageItemOf, Messages, MessageSequencePromise, MessageTypeOf

__all__ = [
    "AssistantMessage",
    "ErrorMessage",
    "Message",
    "MessageItemOf",
    "MessagePromise",
    "MessageSequencePromise",
    "MessageType",
    "MessageTypeOf",
    "Messages",
    "PartStreamer",
    "Parts",
    "SystemMessage",
    "TokenStreamer",
    "ToolMessage",
    "UserMessage",
    "join_messages",
    "split_messages",
]
