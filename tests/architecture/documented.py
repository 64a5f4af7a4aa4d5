"""The import lines that users were promised, as the documentation has them."""

from types import MappingProxyType

__all__ = ["LINES", "OUTSIDE_EXT", "try_line"]

LINES: tuple[str, ...] = (
    "from miniagents.miniagents import MiniAgents, MiniAgent, miniagent, InteractionContext, AgentCall",
    "from miniagents.messages import Message, MessageType, MessagePromise, MessageSequencePromise, Messages",
    "from miniagents.messages import UserMessage, SystemMessage, AssistantMessage, ErrorMessage",
    "from miniagents.streams import Promise, StreamedPromise, PromisingContext",
    "from miniagents.promising.sentinels import AWAIT, CLEAR",
    "from miniagents.utils import join_messages, split_messages, achain_loop, adialog_loop",
    "from miniagents.ext.llm.openai import openai_agent, create_openai_agent",
    "from miniagents.ext.llm.anthropic import anthropic_agent, create_anthropic_agent",
    "from miniagents.ext.misc_agents import console_user_agent",
    "from miniagents.ext.console_user_agent import console_user_agent, create_console_user_agent",
    "from miniagents.ext.history_agents import markdown_history_agent, in_memory_history_agent",
    "from miniagents.ext.chat_history_md import ChatHistoryMD",
    "from miniagents.ext.chat_history_sqlite import ChatHistorySQLite, HistoryThread",
    "from miniagents.ext.chat_history import ChatHistory, InMemoryChatHistory",
    "from miniagents.operators import as_messages, resolve, tokens, map_tokens, map_messages",
    "from miniagents.operators import join, split, flatten, errors_as_messages, from_async, to_async_iter",
    "from miniagents.streams import from_async, to_async_iter",
    "from miniagents.testing import VirtualClock, scripted_model, virtual_time",
    "from miniagents.errors import LLMError, LLMTimeoutError, MiniAgentsError, partial_text",
    "from miniagents.parts import Content, Finish, Part, Reasoning, Usage",
    "from miniagents.tools import Tool, ToolCall, ToolResult, tool",
    "from miniagents.types import MessageType, MessageTypeOf, ModelAgent, TypedAgent",
)

OUTSIDE_EXT = MappingProxyType(
    {
        "miniagents.miniagents": ("MiniAgents", "MiniAgent", "miniagent", "InteractionContext", "AgentCall"),
        "miniagents.messages": (
            *("Message", "MessageType", "MessagePromise", "MessageSequencePromise", "Messages"),
            *("UserMessage", "SystemMessage", "AssistantMessage", "ErrorMessage"),
        ),
        "miniagents.promising": ("Promise", "StreamedPromise", "PromisingContext"),
        "miniagents.promising.sentinels": ("AWAIT", "CLEAR"),
        "miniagents.utils": ("join_messages", "split_messages", "achain_loop", "adialog_loop"),
    }
)
"""Where each name is documented that `miniagents` itself re-exports, too."""


def try_line(line: str) -> dict[str, object]:
    """Run one line as a user would, in an empty namespace, and return what it bound."""
    bound: dict[str, object] = {}
    exec(line, bound)  # noqa: S102 - the lines above, as they are written
    del bound["__builtins__"]
    return bound
