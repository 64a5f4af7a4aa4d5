"""What flows: frozen values, sentinels, errors and pure text machines. No event loop, no streams."""

from ._agent_errors import AgentFieldError, AgentTimeoutError, UnroutedMessageError
from ._attachments import Attachment, File, Image, media_type_of
from ._backoff import Backoff
from ._content import Content, ContentField, ToolCall, content_of, part_from_data, parts_of_content
from ._control import strip_control
from ._deadlines import Deadline, check_seconds, is_limit
from ._errors import (
    DeadlockError,
    FreezeError,
    HashKeyError,
    InquiryCancelledError,
    MessageValidationError,
    MiniAgentsError,
    NestingError,
    NoActiveContextError,
    NotReplayedError,
    StopLoop,
    StreamOverflowError,
    TemplateError,
    UnresolvedPromiseError,
    WrongLoopError,
)
from ._freeze import MAX_NESTING, freeze
from ._frozen import Frozen, of_atoms
from ._frozen_mapping import FrozenMapping
from ._json_events import JsonEnd, JsonError, JsonEvent, JsonPath, JsonText
from ._json_machine import JsonFrame, JsonMachine
from ._llm_errors import (
    LLMConfigError,
    LLMConnectionError,
    LLMError,
    LLMProtocolError,
    LLMRefusalError,
    LLMStatusError,
    LLMTimeoutError,
    LLMTruncatedError,
)
from ._meta import FrozenMeta
from ._misfit import misfit
from ._part_value import PartValue
from ._partial_text import partial_text, set_partial_text
from ._parts import (
    AgentPart,
    Citation,
    Finish,
    Part,
    Reasoning,
    Refusal,
    Restart,
    Retry,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from ._redact import is_secret_name, redact_keys
from ._sentinels import AWAIT, CLEAR, AwaitType, ClearType
from ._splitter import SPLIT_END, SplitEndType, SplitEvent, TextSplitter

__all__ = [
    "AWAIT",
    "CLEAR",
    "MAX_NESTING",
    "SPLIT_END",
    "AgentFieldError",
    "AgentPart",
    "AgentTimeoutError",
    "Attachment",
    "AwaitType",
    "Backoff",
    "Citation",
    "ClearType",
    "Content",
    "ContentField",
    "Deadline",
    "DeadlockError",
    "File",
    "Finish",
    "FreezeError",
    "Frozen",
    "FrozenMapping",
    "FrozenMeta",
    "HashKeyError",
    "Image",
    "InquiryCancelledError",
    "JsonEnd",
    "JsonError",
    "JsonEvent",
    "JsonFrame",
    "JsonMachine",
    "JsonPath",
    "JsonText",
    "LLMConfigError",
    "LLMConnectionError",
    "LLMError",
    "LLMProtocolError",
    "LLMRefusalError",
    "LLMStatusError",
    "LLMTimeoutError",
    "LLMTruncatedError",
    "MessageValidationError",
    "MiniAgentsError",
    "NestingError",
    "NoActiveContextError",
    "NotReplayedError",
    "Part",
    "PartValue",
    "Reasoning",
    "Refusal",
    "Restart",
    "Retry",
    "SplitEndType",
    "SplitEvent",
    "StopLoop",
    "StreamOverflowError",
    "TemplateError",
    "TextSplitter",
    "ToolCall",
    "ToolCallDelta",
    "ToolResult",
    "UnresolvedPromiseError",
    "UnroutedMessageError",
    "Usage",
    "WrongLoopError",
    "check_seconds",
    "content_of",
    "freeze",
    "is_limit",
    "is_secret_name",
    "media_type_of",
    "misfit",
    "of_atoms",
    "part_from_data",
    "partial_text",
    "parts_of_content",
    "redact_keys",
    "set_partial_text",
    "strip_control",
]
