"""The core: streams, promises and messages; docs/core.md describes how it works."""

from ._ancestry import Ancestry, extend_chain
from ._async_adapters import from_async, to_async_iter
from ._bounded_queue import Overflow
from ._buffer import NoReplayBuffer, ReaderPosition, ReplayBuffer
from ._concurrent_map import ConcurrencyLimits, map_concurrently
from ._content_message import ContentMessage
from ._context import CURRENT_CONTEXT, Context, DrainTimeout, current_context
from ._deadlocks import DeadlockWatch, WaitingTask, current_producer, record_wait
from ._errors_as_messages import error_message, replace_errors
from ._events import call_handlers, on_resolved, post_event
from ._flattener import Flattener
from ._flow import UNBOUNDED, FlowControl, request_upstream
from ._join import join_tokens
from ._join_and_split import join_messages, split_messages
from ._lifetime import NO_RESULT, Fate, Lease, Lifetime, TaskLife
from ._lift import Lifted
from ._loop_bound import running_loop
from ._message import (
    Message,
    MessagePromise,
    MessageSink,
    PartStreamer,
    TokenStreamer,
    failed_message,
    freeze_metadata,
    message_of,
    parts_of_finished,
    text_message,
    write_message,
)
from ._message_type import FlatStream, MessageType, flat_messages, one_message
from ._messages import Messages
from ._observed_buffers import current_watch, new_part_buffer, run_of, watch_run
from ._observers import (
    FirstPart,
    HeadersCame,
    ModelAsked,
    Observer,
    Observers,
    Outcome,
    PartsCame,
    RunBegan,
    RunEnded,
    RunEvent,
    RunInfo,
    RunKind,
    RunRetried,
    RunWatch,
    UsageCame,
    outcome_of,
    public_data,
)
from ._part_buffer import PartBuffer, Parts, shown_text, told_by
from ._processor import Processor
from ._producer_task import ProducerTask, current_ancestry
from ._promise import Promise, StreamedPromise, when_complete
from ._promising_context import PromiseResolvedHandler, PromisingContext
from ._protocols import Producer, Sink, Subscriber, Upstream
from ._pump import close, fill, pump, until_requested
from ._readers import NEXT_TURN, iterate, raise_error, started, until_closed, until_more
from ._role_dicts import RoleDictError, message_of_role
from ._roles import AssistantMessage, ErrorMessage, SystemMessage, ToolMessage, UserMessage
from ._run_events import run_events
from ._sequence import MessageItemOf, MessageSequencePromise, MessageTypeOf, open_sequence, tokens_of
from ._split import split_tokens
from ._stream import Stream, TokenStream
from ._taskless_life import TasklessLife
from ._token_feed import TokenFeed, TokenTransformer, resolved
from ._validation import ValidatedBuffer, Validation, validated

__all__ = [
    "CURRENT_CONTEXT",
    "NEXT_TURN",
    "NO_RESULT",
    "UNBOUNDED",
    "Ancestry",
    "AssistantMessage",
    "ConcurrencyLimits",
    "ContentMessage",
    "Context",
    "DeadlockWatch",
    "DrainTimeout",
    "ErrorMessage",
    "Fate",
    "FirstPart",
    "FlatStream",
    "Flattener",
    "FlowControl",
    "HeadersCame",
    "Lease",
    "Lifetime",
    "Lifted",
    "Message",
    "MessageItemOf",
    "MessagePromise",
    "MessageSequencePromise",
    "MessageSink",
    "MessageType",
    "MessageTypeOf",
    "Messages",
    "ModelAsked",
    "NoReplayBuffer",
    "Observer",
    "Observers",
    "Outcome",
    "Overflow",
    "PartBuffer",
    "PartStreamer",
    "Parts",
    "PartsCame",
    "Processor",
    "Producer",
    "ProducerTask",
    "Promise",
    "PromiseResolvedHandler",
    "PromisingContext",
    "ReaderPosition",
    "ReplayBuffer",
    "RoleDictError",
    "RunBegan",
    "RunEnded",
    "RunEvent",
    "RunInfo",
    "RunKind",
    "RunRetried",
    "RunWatch",
    "Sink",
    "Stream",
    "StreamedPromise",
    "Subscriber",
    "SystemMessage",
    "TaskLife",
    "TasklessLife",
    "TokenFeed",
    "TokenStream",
    "TokenStreamer",
    "TokenTransformer",
    "ToolMessage",
    "Upstream",
    "UsageCame",
    "UserMessage",
    "ValidatedBuffer",
    "Validation",
    "WaitingTask",
    "call_handlers",
    "close",
    "current_ancestry",
    "current_context",
    "current_producer",
    "current_watch",
    "error_message",
    "extend_chain",
    "failed_message",
    "fill",
    "flat_messages",
    "freeze_metadata",
    "from_async",
    "iterate",
    "join_messages",
    "join_tokens",
    "map_concurrently",
    "message_of",
    "message_of_role",
    "new_part_buffer",
    "on_resolved",
    "one_message",
    "open_sequence",
    "outcome_of",
    "parts_of_finished",
    "post_event",
    "public_data",
    "pump",
    "raise_error",
    "record_wait",
    "replace_errors",
    "request_upstream",
    "resolved",
    "run_events",
    "run_of",
    "running_loop",
    "shown_text",
    "split_messages",
    "split_tokens",
    "started",
    "text_message",
    "to_async_iter",
    "tokens_of",
    "told_by",
    "until_closed",
    "until_more",
    "until_requested",
    "validated",
    "watch_run",
    "when_complete",
    "write_message",
]
