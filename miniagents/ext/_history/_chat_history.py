"""`ChatHistory`: whoever keeps a conversation."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import cast

from miniagents.agents import InteractionContext, MiniAgent, miniagent
from miniagents.core import Message, Messages, MessageSequencePromise, MessageType


class ChatHistory(ABC):
    """Keeps a conversation; extend it with the two methods `append` and `load`.

    Example:
        >>> from miniagents import Message, Messages, MiniAgents
        >>> class ListHistory(ChatHistory):
        ...     def __init__(self) -> None:
        ...         self.kept: list[Message] = []
        ...     async def append(self, messages: Messages) -> None:
        ...         self.kept.extend(messages)
        ...     async def load(self) -> Messages:
        ...         return Messages(self.kept)
        >>> async def main():
        ...     history = ListHistory()
        ...     await history.agent.inquire("Hi!")
        ...     print(await history.agent.inquire(["How", "are you?"]))
        >>> MiniAgents().run(main())
        Hi!
        <BLANKLINE>
        How
        <BLANKLINE>
        are you?
    """

    @abstractmethod
    async def append(self, messages: Messages) -> None:
        """Keep these finished messages behind all others, in their order.

        Args:
            messages: finished ones; a history may take more than these, such as promises.
        """

    @abstractmethod
    async def load(self) -> Messages:
        """The whole conversation, from the first message on."""

    @property
    def agent(self) -> MiniAgent[Message, Message]:
        """An agent that keeps what it is sent, each message once it is finished, and replies the whole.

        When a message fails, those before it are kept, and the error is raised to who reads the reply.
        """
        return _chat_history_agent.bind(history=self)


@miniagent(alias="CHAT_HISTORY_AGENT")
async def _chat_history_agent(ctx: InteractionContext, history: ChatHistory) -> None:
    """Keeps what it is sent and replies the whole conversation."""
    await keep_and_reply(ctx, history)


async def keep_and_reply(ctx: InteractionContext, history: ChatHistory) -> None:
    """What every history agent does."""
    async for message in finished(ctx.message_promises):
        await history.append(Messages((message,)))
    ctx.reply(await history.load())


async def finished(messages: MessageType) -> AsyncIterator[Message]:
    """Anything that is messages becomes finished messages, each as soon as it is.

    Raises:
        NoActiveContextError: there are promises among them, and no context is active.
        TypeError: something in it is no message.
    """
    if isinstance(messages, str):
        yield Message(messages)
    elif isinstance(messages, Message):
        yield messages
    elif isinstance(messages, Messages):
        for message in cast("Messages", messages):
            yield message
    else:
        async for promise in MessageSequencePromise(messages):
            yield await promise
