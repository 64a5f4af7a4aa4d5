"""A history that lasts as long as the object."""

from collections.abc import Iterable

from typing_extensions import override

from miniagents.core import Message, Messages, MessageType

from ._chat_history import ChatHistory, finished


class InMemoryChatHistory(ChatHistory):
    """Keeps a conversation in this object, for who holds it.

    Args:
        messages: what was said before.

    Example:
        >>> import asyncio
        >>> from miniagents import UserMessage
        >>> history = InMemoryChatHistory([UserMessage("Hi!")])
        >>> print(asyncio.run(history.load()))
        Hi!
    """

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._messages = Messages(messages)

    @override
    async def append(self, messages: MessageType) -> None:
        """Keep anything that is messages; promises are waited for.

        Raises:
            NoActiveContextError: there are promises among them, and no context is active.
        """
        async for message in finished(messages):
            self._messages = Messages((*self._messages, message))

    @override
    async def load(self) -> Messages:
        """The whole conversation."""
        return self._messages
