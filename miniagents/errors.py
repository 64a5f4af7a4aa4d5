"""Every error that the library itself raises, and `partial_text`: the text that arrived before an error.

Each is a subclass of `MiniAgentsError`; errors of language models are subclasses of `LLMError` too. An
exception that an agent's own code raises is never wrapped: the reader gets the same object.

Example:
    >>> from miniagents.errors import LLMError, LLMTimeoutError, MiniAgentsError
    >>> issubclass(LLMTimeoutError, LLMError), issubclass(LLMError, MiniAgentsError)
    (True, True)
"""

from miniagents.agents import RaceLostError
from miniagents.models import MaxTurnsError, QuestionError, SchemaError, ToolArgumentsError, TypedAnswerError
from miniagents.runs import JournalError
from miniagents.values import (
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
    partial_text,
)

__all__ = [
    "AgentTimeoutError",
    "BudgetExceededError",
    "DeadlockError",
    "FreezeError",
    "GuardError",
    "InquiryCancelledError",
    "JournalError",
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
    "QuestionError",
    "RaceLostError",
    "SchemaError",
    "StopLoop",
    "StreamOverflowError",
    "ToolArgumentsError",
    "TypedAnswerError",
    "UnresolvedPromiseError",
    "WithdrawnError",
    "WrongLoopError",
    "partial_text",
]
