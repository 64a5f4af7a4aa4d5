"""The core: streams, promises and messages; see docs/core.md."""

from ._buffer import NO_RESULT, UNBOUNDED, ReplayBuffer
from ._concurrent_map import ConcurrencyLimits
from ._context import CURRENT_CONTEXT, Context, current_context
from ._demand import demand
from ._errors_as_messages import error_message, replace_errors
from ._events import call_handlers, on_resolved, post_event
from ._flattener import Flattener
from ._from_async import from_async
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
from ._no_replay import NoReplayBuffer, ReaderPosition
from ._overflow import Overflow
from ._part_buffer import PartBuffer, Parts
from ._producer_task import CURRENT_PRODUCER, ProducerTask, current_ancestry
from ._promise import Promise, when_complete
from ._promising_context import PromiseResolvedHandler, PromisingContext
from ._protocols import DemandLink, Producer, Sink, Subscriber
from ._pump import close, fill, pump, until_room
from ._readers import iterate, raise_error, started, until_closed, until_more
from ._reentrancy import ReentrancyGuard
from ._roles import AssistantMessage, ErrorMessage, SystemMessage, ToolMessage, UserMessage
from ._sequence import MessageSequencePromise, open_sequence, tokens_of
from ._split import split_tokens
from ._stream import Stream
from ._streamed import StreamedPromise
from ._to_async_iter import to_async_iter
from ._token_feed import TokenFeed, TokenTransformer, resolved
from ._utils import join_messages, split_messages
from ._validation import ValidatedBuffer, Validation, validated
from ._waits import chain_to
from ._windowed import map_concurrently

__all__ = [
    "CURRENT_CONTEXT",
    "CURRENT_PRODUCER",
    "NO_RESULT",
    "UNBOUNDED",
    "AssistantMessage",
    "ConcurrencyLimits",
    "Context",
    "DemandLink",
    "ErrorMessage",
    "FlatStream",
    "Flattener",
    "Lifted",
    "Message",
    "MessageItemOf",
    "MessagePromise",
    "MessageSequencePromise",
    "MessageSink",
    "MessageType",
    "MessageTypeOf",
    "Messages",
    "NoReplayBuffer",
    "Overflow",
    "PartBuffer",
    "PartStreamer",
    "Parts",
    "Producer",
    "ProducerTask",
    "Promise",
    "PromiseResolvedHandler",
    "PromisingContext",
    "ReaderPosition",
    "ReentrancyGuard",
    "ReplayBuffer",
    "Sink",
    "Stream",
    "StreamedPromise",
    "Subscriber",
    "SystemMessage",
    "TokenFeed",
    "TokenStreamer",
    "TokenTransformer",
    "ToolMessage",
    "UserMessage",
    "ValidatedBuffer",
    "Validation",
    "call_handlers",
    "chain_to",
    "close",
    "current_ancestry",
    "current_context",
    "demand",
    "error_message",
    "failed_message",
    "fill",
    "freeze_metadata",
    "from_async",
    "iterate",
    "join_messages",
    "join_tokens",
    "map_concurrently",
    "on_resolved",
    "one_message",
    "open_sequence",
    "post_event",
    "pump",
    "raise_error",
    "replace_errors",
    "resolved",
    "split_messages",
    "split_tokens",
    "started",
    "text_message",
    "to_async_iter",
    "tokens_of",
    "until_closed",
    "until_more",
    "until_room",
    "validated",
    "when_complete",
]
