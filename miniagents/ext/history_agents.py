"""Agents that keep a conversation: they add the messages that they get, and reply all of it.

Example:
    >>> import pathlib, tempfile
    >>> from miniagents import MiniAgents, UserMessage
    >>> async def main(folder):
    ...     history = markdown_history_agent.fork(history_md_file=f"{folder}/CHAT.md")
    ...     await history.inquire(UserMessage("Hello!"))
    ...     print(await history.inquire(UserMessage("Are you there?")))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     MiniAgents().run(main(folder))
    Hello!
    <BLANKLINE>
    Are you there?

    >>> async def chat(history):
    ...     await history.inquire(UserMessage("Hello!"))
    ...     print(len(await history.inquire(UserMessage("Are you there?"))))
    >>> MiniAgents().run(chat(in_memory_history_agent.fork()))
    2
"""

from collections.abc import Iterable
from os import PathLike
from typing import Final, Self

from typing_extensions import ParamSpec, override

from miniagents.agents import InteractionContext, MiniAgent, miniagent
from miniagents.messages import Message

from ._history import ChatHistory, ChatHistoryMD, InMemoryChatHistory, keep_and_reply

__all__ = ["in_memory_history_agent", "markdown_history_agent"]

P = ParamSpec("P")
Q = ParamSpec("Q")


@miniagent
async def markdown_history_agent(
    ctx: InteractionContext,
    history_md_file: str | PathLike[str] = "CHAT.md",
    message_classes: Iterable[type[Message]] = (),
    compact: MiniAgent[Message, Message] | None = None,
) -> None:
    """Keeps the conversation in a Markdown file.

    `markdown_history_agent.fork(history_md_file="chat.md")` does what `ChatHistoryMD("chat.md").agent` does.

    Args:
        ctx: the messages to keep.
        history_md_file: the file.
        message_classes: subclasses of `Message` that are read back as such.
        compact: shortens what is replied; its summaries are kept too.

    Raises:
        OSError: the file cannot be read or written.
    """
    history = ChatHistoryMD(history_md_file, message_classes=tuple(message_classes))
    await keep_and_reply(ctx, history, compact)


@miniagent(alias="IN_MEMORY_HISTORY_AGENT")
async def _in_memory_history_agent(
    ctx: InteractionContext,
    history: ChatHistory | None = None,
    compact: MiniAgent[Message, Message] | None = None,
) -> None:
    """Keeps the conversation in memory.

    Every fork has a history of its own, which it keeps between inquiries. Without a fork, each inquiry starts
    with an empty history. To share a history, give it as `history=`.

    Args:
        ctx: the messages to keep.
        history: keeps the messages; any `ChatHistory`.
        compact: shortens what is replied; its summaries are kept too.
    """
    await keep_and_reply(ctx, InMemoryChatHistory() if history is None else history, compact)


class _FreshInEachFork(MiniAgent[Message, Message, P]):
    """The agent above, whose forks have histories of their own, unless they are given one."""

    __slots__ = ()

    @staticmethod
    def like(agent: MiniAgent[Message, Message, Q]) -> "_FreshInEachFork[Q]":
        """The same agent, with forks of this kind."""
        return _FreshInEachFork(
            agent._function,  # noqa: SLF001 (an agent of the same function, in a class derived from its own)
            agent._keywords,  # noqa: SLF001
            alias=agent.alias,
            description=agent.description,
            defaults=agent.defaults,
        )

    @override
    def fork(self, *args: P.args, **kwargs: P.kwargs) -> Self:
        """The same agent with a history of its own, unless it is given one."""
        forked = super().fork(*args, **kwargs)
        if forked.defaults.get("history") is not None:
            return forked
        return forked._variant(defaults={**forked.defaults, "history": InMemoryChatHistory()})  # noqa: SLF001 - same class


in_memory_history_agent: Final = _FreshInEachFork.like(_in_memory_history_agent)
"""Keeps the conversation in memory: each fork of it one of its own, from inquiry to inquiry."""
