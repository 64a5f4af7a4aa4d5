"""Values: frozen values, parts, errors, sentinels and incremental text parsers. No event loop, no streams."""

from typing import TYPE_CHECKING

from miniagents._lazy_names import lazy_names

from ._aliases import unaliased
from ._attachments import Attachment, File, Image, media_type_of
from ._content import Content, ContentField, ToolCall, content_of, part_from_data, parts_of_content
from ._deadlines import Deadline, check_count, check_seconds, is_limit
from ._declared import refuse_changeable
from ._errors import (
    AgentTimeoutError,
    BudgetExceededError,
    DeadlockError,
    FreezeError,
    GuardError,
    InquiryCancelledError,
    LLMConfigError,
    LLMConnectionError,
    LLMError,
    LLMProtocolError,
    LLMRefusalError,
    LLMStatusError,
    LLMTimeoutError,
    LLMTruncatedError,
    MessageValidationError,
    MiniAgentsError,
    NestingError,
    NoActiveContextError,
    StopLoop,
    StreamOverflowError,
    UnresolvedPromiseError,
    WithdrawnError,
    WrongLoopError,
    notes_of,
    partial_text,
    set_partial_text,
)
from ._frames import frames_within
from ._freeze import (
    ATOMS,
    MAX_NESTING,
    FrozenMapping,
    freeze,
    freeze_data,
    is_record,
    record_data,
    text_form,
)
from ._frozen import Frozen, FrozenMeta, fill_with_atoms, made_of
from ._names import doc_of, name_of
from ._part_value import PartValue
from ._parts import (
    AgentPart,
    Citation,
    Finish,
    Part,
    RateLimit,
    Reasoning,
    Refusal,
    ResponseHeaders,
    Restart,
    ResultContent,
    Retry,
    ServerToolCall,
    ServerToolResult,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from ._redact import SafeErrors, is_secret_name, label_of, misfit, redact_keys, safe_traceback, text_of_error
from ._sentinels import AWAIT, CLEAR, AwaitType, ClearType
from ._template import named_fields

__all__ = [
    "ATOMS",
    "AWAIT",
    "CLEAR",
    "MAX_NESTING",
    "SPLIT_END",
    "AgentPart",
    "AgentTimeoutError",
    "Attachment",
    "AwaitType",
    "Backoff",
    "BudgetExceededError",
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
    "GuardError",
    "Image",
    "InquiryCancelledError",
    "JsonEnd",
    "JsonError",
    "JsonEvent",
    "JsonFrame",
    "JsonParser",
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
    "Part",
    "PartValue",
    "RateLimit",
    "Reasoning",
    "Refusal",
    "ResponseHeaders",
    "Restart",
    "ResultContent",
    "Retry",
    "SafeErrors",
    "ServerToolCall",
    "ServerToolResult",
    "SplitEvent",
    "StopLoop",
    "StreamOverflowError",
    "TextSplitter",
    "ToolCall",
    "ToolCallDelta",
    "ToolResult",
    "UnresolvedPromiseError",
    "Usage",
    "WithdrawnError",
    "WrongLoopError",
    "check_count",
    "check_seconds",
    "content_of",
    "doc_of",
    "fill_with_atoms",
    "frames_within",
    "freeze",
    "freeze_data",
    "is_limit",
    "is_record",
    "is_secret_name",
    "label_of",
    "made_of",
    "media_type_of",
    "misfit",
    "name_of",
    "named_fields",
    "notes_of",
    "part_from_data",
    "partial_text",
    "parts_of_content",
    "record_data",
    "redact_keys",
    "refuse_changeable",
    "safe_traceback",
    "set_partial_text",
    "strip_control",
    "text_form",
    "text_of_error",
    "tokens_in",
    "unaliased",
]

if TYPE_CHECKING:
    from ._backoff import Backoff
    from ._json_parser import JsonEnd, JsonError, JsonEvent, JsonFrame, JsonParser, JsonPath, JsonText
    from ._splitter import SPLIT_END, SplitEvent, TextSplitter
    from ._terminal_text import strip_control
    from ._token_count import tokens_in
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        listed=__all__,
        modules={
            "_backoff": ("Backoff",),
            "_json_parser": (
                *("JsonEnd", "JsonError", "JsonEvent", "JsonFrame"),
                *("JsonParser", "JsonPath", "JsonText"),
            ),
            "_splitter": ("SPLIT_END", "SplitEvent", "TextSplitter"),
            "_terminal_text": ("strip_control",),
            "_token_count": ("tokens_in",),
        },
    )
