"""What flows: frozen values, sentinels, errors and pure text machines. No event loop, no streams."""

from ._control import strip_control
from ._errors import (
    DeadlockError,
    FreezeError,
    HashKeyError,
    InquiryCancelledError,
    MiniAgentsError,
    NestingError,
    NoActiveContextError,
    StopLoop,
    TemplateError,
    UnresolvedPromiseError,
    WrongLoopError,
)
from ._freeze import MAX_NESTING, freeze
from ._frozen import Frozen
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
from ._partial_text import partial_text, set_partial_text
from ._redact import redact_keys
from ._sentinels import AWAIT, CLEAR, AwaitType, ClearType
from ._splitter import SPLIT_END, SplitEndType, SplitEvent, TextSplitter

__all__ = [
    "AWAIT",
    "CLEAR",
    "MAX_NESTING",
    "SPLIT_END",
    "AwaitType",
    "ClearType",
    "DeadlockError",
    "FreezeError",
    "Frozen",
    "FrozenMapping",
    "FrozenMeta",
    "HashKeyError",
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
    "MiniAgentsError",
    "NestingError",
    "NoActiveContextError",
    "SplitEndType",
    "SplitEvent",
    "StopLoop",
    "TemplateError",
    "TextSplitter",
    "UnresolvedPromiseError",
    "WrongLoopError",
    "freeze",
    "partial_text",
    "redact_keys",
    "set_partial_text",
    "strip_control",
]
