"""miniagents: strictly typed functional-reactive streams for agents on language models.

``__all__`` has the names that a first program needs. The other names are in public modules:

* ``miniagents.errors``: every error, and ``partial_text``
* ``miniagents.parts``: what a model streams beside text, and what a message is made of
* ``miniagents.tools``: tools that a model calls
* ``miniagents.types``: message types, promise types, protocols and callback types, for annotations
* ``miniagents.operators``, ``miniagents.streams``: operators for reactivex pipelines; async iterables to
  Observables and back
* ``miniagents.testing``: scripted models and virtual time, for your tests too
* ``miniagents.ext``: providers of models, the console, histories

The names of ``errors``, ``parts``, ``tools`` and ``types`` can be imported from ``miniagents`` as well.

The layers, each of which imports only those before it: ``values`` (frozen values, errors, sentinels),
``streams``, ``messages``, ``operators``, ``agents``, ``models`` (tools, typed answers), ``runs`` (limits,
usage, what is written down), ``ext``, ``cli``.

Names are imported when they are first used (PEP 562): ``import miniagents`` imports no layer,
``miniagents.Message`` those up to ``messages``.
"""

from typing import TYPE_CHECKING

from miniagents._lazy_names import lazy_names

__all__ = [
    "AWAIT",
    "CLEAR",
    "AgentCall",
    "AssistantMessage",
    "BaseAgent",
    "ErrorMessage",
    "File",
    "Finish",
    "Image",
    "InteractionContext",
    "LLMError",
    "Message",
    "MessagePromise",
    "MessageSequencePromise",
    "MessageType",
    "Messages",
    "MiniAgent",
    "MiniAgents",
    "MiniAgentsError",
    "Promise",
    "Reasoning",
    "RetryPolicy",
    "StopLoop",
    "Stream",
    "StreamedPromise",
    "SystemMessage",
    "ToolCall",
    "ToolMessage",
    "Usage",
    "UserMessage",
    "achain_loop",
    "adialog_loop",
    "fallback",
    "identity",
    "join_messages",
    "miniagent",
    "model_agent",
    "partial_text",
    "prompt",
    "race",
    "route",
    "split_messages",
    "tool",
]

# `X as X`: a name that is not in `__all__`, but can be imported from here.
if TYPE_CHECKING:
    from miniagents import (
        errors as errors,
        operators as operators,
        parts as parts,
        promising as promising,
        streams as streams,
        testing as testing,
        tools as tools,
        types as types,
    )
    from miniagents.agents import (
        AgentCall,
        BaseAgent,
        InteractionContext,
        MiniAgent,
        MiniAgents,
        RetryPolicy,
        achain_loop,
        adialog_loop,
        fallback,
        identity,
        miniagent,
        prompt,
        race,
        route,
    )
    from miniagents.errors import (
        AgentTimeoutError as AgentTimeoutError,
        DeadlockError as DeadlockError,
        FreezeError as FreezeError,
        InquiryCancelledError as InquiryCancelledError,
        LLMConfigError as LLMConfigError,
        LLMConnectionError as LLMConnectionError,
        LLMProtocolError as LLMProtocolError,
        LLMRefusalError as LLMRefusalError,
        LLMStatusError as LLMStatusError,
        LLMTimeoutError as LLMTimeoutError,
        LLMTruncatedError as LLMTruncatedError,
        MaxTurnsError as MaxTurnsError,
        MessageValidationError as MessageValidationError,
        NestingError as NestingError,
        NoActiveContextError as NoActiveContextError,
        RaceLostError as RaceLostError,
        SchemaError as SchemaError,
        StreamOverflowError as StreamOverflowError,
        ToolArgumentsError as ToolArgumentsError,
        TypedAnswerError as TypedAnswerError,
        UnresolvedPromiseError as UnresolvedPromiseError,
        WrongLoopError as WrongLoopError,
    )
    from miniagents.messages import (
        AssistantMessage,
        ErrorMessage,
        Message,
        MessagePromise,
        Messages,
        MessageSequencePromise,
        MessageType,
        SystemMessage,
        ToolMessage,
        UserMessage,
        join_messages,
        split_messages,
    )
    from miniagents.models import model_agent, tool
    from miniagents.parts import (
        AgentPart as AgentPart,
        Citation as Citation,
        Content as Content,
        Part as Part,
        Refusal as Refusal,
        Restart as Restart,
        Retry as Retry,
        ToolCallDelta as ToolCallDelta,
        ToolResult as ToolResult,
    )
    from miniagents.streams import Promise, Stream, StreamedPromise
    from miniagents.tools import (
        AnyTool as AnyTool,
        Tool as Tool,
        ToolAgent as ToolAgent,
        ToolSpec as ToolSpec,
    )
    from miniagents.types import (
        AgentCallNode as AgentCallNode,
        AgentReplyNode as AgentReplyNode,
        AnswerSchema as AnswerSchema,
        Frozen as Frozen,
        MessageTypeOf as MessageTypeOf,
        ModelAgent as ModelAgent,
        ParsedMessage as ParsedMessage,
        PromisingContext as PromisingContext,
        RaceReport as RaceReport,
        TypedAgent as TypedAgent,
    )
    from miniagents.values import (
        AWAIT,
        CLEAR,
        File,
        Finish,
        Image,
        LLMError,
        MiniAgentsError,
        Reasoning,
        StopLoop,
        ToolCall,
        Usage,
        partial_text,
    )
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        listed=__all__,
        unlisted=(
            *("AgentCallNode", "AgentPart", "AgentReplyNode", "AgentTimeoutError"),
            *("AnswerSchema", "AnyTool", "Citation", "Content", "DeadlockError"),
            *("FreezeError", "Frozen", "InquiryCancelledError", "LLMConfigError", "LLMConnectionError"),
            *("LLMProtocolError", "LLMRefusalError", "LLMStatusError", "LLMTimeoutError"),
            *("LLMTruncatedError", "MaxTurnsError", "MessageTypeOf", "MessageValidationError"),
            *("ModelAgent", "NestingError", "NoActiveContextError", "ParsedMessage"),
            "Part",
            *("PromisingContext", "RaceLostError", "RaceReport"),
            *("Refusal", "Restart", "Retry", "SchemaError", "StreamOverflowError"),
            *("Tool", "ToolAgent", "ToolArgumentsError", "ToolCallDelta"),
            *("ToolResult", "ToolSpec", "TypedAgent"),
            *("TypedAnswerError", "UnresolvedPromiseError", "WrongLoopError"),
        ),
        layers=("values", "streams", "messages", "agents", "models"),
        modules=dict.fromkeys(("errors", "operators", "parts", "promising", "testing", "tools", "types"), ()),
    )
