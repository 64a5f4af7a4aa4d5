"""miniagents: strictly typed functional-reactive streams for agents on language models.

The map of the house, from what flows to who speaks; each floor imports only those before it:

* ``values``: frozen values, errors, sentinels
* ``streams``: the engine: one buffer, one pump, one owner; async iterables to Observables and back
* ``promising``: promises and messages
* ``operators``: one reactivex operator a file
* ``agents``: agents, their context, their loops
* ``models``: tools that a model calls, types that it answers in
* ``ext``: models, console, history
* ``testing``: scripted models, for users' tests too
* ``cli``: ``miniagents chat``

``miniagents.miniagents``, ``miniagents.messages`` and ``miniagents.utils`` are doors with the documented
names.
"""

from miniagents.agents import (
    AgentCall,
    AgentCallNode,
    AgentReplyNode,
    InteractionContext,
    MiniAgent,
    MiniAgents,
    PersistMessageHandler,
    achain_loop,
    adialog_loop,
    miniagent,
)
from miniagents.models import Tool, ToolArgumentsError, ToolDefinitionError, ToolSpec, tool
from miniagents.promising import (
    AssistantMessage,
    ErrorMessage,
    Message,
    MessagePromise,
    Messages,
    MessageSequencePromise,
    MessageType,
    Promise,
    PromiseResolvedHandler,
    PromisingContext,
    StreamedPromise,
    SystemMessage,
    TokenStreamer,
    UserMessage,
    join_messages,
    split_messages,
)
from miniagents.values import (
    AWAIT,
    CLEAR,
    DeadlockError,
    FreezeError,
    Frozen,
    InquiryCancelledError,
    LLMConfigError,
    LLMConnectionError,
    LLMError,
    LLMProtocolError,
    LLMRefusalError,
    LLMStatusError,
    LLMTimeoutError,
    LLMTruncatedError,
    MiniAgentsError,
    NestingError,
    NoActiveContextError,
    StopLoop,
    UnresolvedPromiseError,
    WrongLoopError,
    partial_text,
)

__all__ = [
    "AWAIT",
    "CLEAR",
    "AgentCall",
    "AgentCallNode",
    "AgentReplyNode",
    "AssistantMessage",
    "DeadlockError",
    "ErrorMessage",
    "FreezeError",
    "Frozen",
    "InquiryCancelledError",
    "InteractionContext",
    "LLMConfigError",
    "LLMConnectionError",
    "LLMError",
    "LLMProtocolError",
    "LLMRefusalError",
    "LLMStatusError",
    "LLMTimeoutError",
    "LLMTruncatedError",
    "Message",
    "MessagePromise",
    "MessageSequencePromise",
    "MessageType",
    "Messages",
    "MiniAgent",
    "MiniAgents",
    "MiniAgentsError",
    "NestingError",
    "NoActiveContextError",
    "PersistMessageHandler",
    "Promise",
    "PromiseResolvedHandler",
    "PromisingContext",
    "StopLoop",
    "StreamedPromise",
    "SystemMessage",
    "TokenStreamer",
    "Tool",
    "ToolArgumentsError",
    "ToolDefinitionError",
    "ToolSpec",
    "UnresolvedPromiseError",
    "UserMessage",
    "WrongLoopError",
    "achain_loop",
    "adialog_loop",
    "join_messages",
    "miniagent",
    "partial_text",
    "split_messages",
    "tool",
]
