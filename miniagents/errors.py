"""Every error that the library raises by itself, and what had arrived before one.

All are a `MiniAgentsError`; those of language models are an `LLMError` too. What an agent raised by itself is
never wrapped: the reader gets that very object.

Example:
    >>> from miniagents.errors import LLMError, LLMTimeoutError, MiniAgentsError
    >>> issubclass(LLMTimeoutError, LLMError), issubclass(LLMError, MiniAgentsError)
    (True, True)
"""

from miniagents.agents import (
    RaceLostError,
)
from miniagents.models import (
    JournalError,
    MaxTurnsError,
    RecordedError,
    SchemaError,
    ToolArgumentsError,
    ToolDefinitionError,
    TypedAnswerError,
)
from miniagents.values import (
    AgentFieldError,
    AgentTimeoutError,
    BudgetExceededError,
    DeadlockError,
    FreezeError,
    HashKeyError,
    InquiryCancelledError,
    JsonError,
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
    NotReplayedError,
    StopLoop,
    StreamOverflowError,
    TemplateError,
    UnresolvedPromiseError,
    UnroutedMessageError,
    WrongLoopError,
    partial_text,
)

__all__ = [
    "AgentFieldError",
    "AgentTimeoutError",
    "BudgetExceededError",
    "DeadlockError",
    "FreezeError",
    "HashKeyError",
    "InquiryCancelledError",
    "JournalError",
    "JsonError",
    "LLMConfigError",
    "LLMConnectionError",
    "LLMError",
    "LLMProtocolError",
    "LLMRefusalError",
    "LLMStatusError",
    "LLMTimeoutError",
    "LLMTruncatedError",
    "MaxTurnsError",
    "MessageValidationError",
    "MiniAgentsError",
    "NestingError",
    "NoActiveContextError",
    "NotReplayedError",
    "RaceLostError",
    "RecordedError",
    "SchemaError",
    "StopLoop",
    "StreamOverflowError",
    "TemplateError",
    "ToolArgumentsError",
    "ToolDefinitionError",
    "TypedAnswerError",
    "UnresolvedPromiseError",
    "UnroutedMessageError",
    "WrongLoopError",
    "partial_text",
]
