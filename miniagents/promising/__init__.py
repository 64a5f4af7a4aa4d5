"""THE WAY OUT: promises, each a log and a fold, and the messages they resolve to."""

from ._context import PromiseResolvedHandler, PromisingContext
from ._errors_as_messages import error_message, replace_errors
from ._flattener import Flattener
from ._join import join_tokens
from ._lift import Lifted
from ._message import (
    Message,
    MessagePromise,
    MessageSink,
    PartStreamer,
    TokenStreamer,
    failed_message,
    freeze_metadata,
    text_message,
)
from ._message_type import FlatStream, MessageType, one_message
from ._message_type_of import MessageItemOf, MessageTypeOf
from ._messages import Messages
from ._owner import Context
from ._part_log import PartBuffer, Parts
from ._promise import Promise, when_complete
from ._roles import AssistantMessage, ErrorMessage, SystemMessage, ToolMessage, UserMessage
from ._sequence import MessageSequencePromise, open_sequence, tokens_of
from ._split import split_tokens
from ._streamed import StreamedPromise
from ._utils import join_messages, split_messages
from ._validation import ValidatedBuffer, Validation, validated
from ._walk import TokenFeed, TokenTransformer, resolved
from ._window import ConcurrencyLimits
from ._windowed import map_concurrently

__all__ = [
    "AssistantMessage",
    "ErrorMessage",
    "FlatStream",
    "Flattener",
    "Lifted",
    "ConcurrencyLimits",
    "TokenTransformer",
    "Message",
    "MessageItemOf",
    "MessagePromise",
    "MessageSequencePromise",
    "MessageSink",
    "MessageType",
    "MessageTypeOf",
    "Messages",
    "Context",
    "PartBuffer",
    "PartStreamer",
    "Parts",
    "Promise",
    "PromiseResolvedHandler",
    "PromisingContext",
    "StreamedPromise",
    "SystemMessage",
    "TokenStreamer",
    "TokenFeed",
    "ToolMessage",
    "UserMessage",
    "ValidatedBuffer",
    "Validation",
    "error_message",
    "failed_message",
    "freeze_metadata",
    "join_messages",
    "join_tokens",
    "one_message",
    "open_sequence",
    "replace_errors",
    "resolved",
    "split_messages",
    "split_tokens",
    "text_message",
    "tokens_of",
    "validated",
    "when_complete",
    "map_concurrently",
]
