"""What ``a | b | c`` runs: each stage inquired with the replies of the one before, all at once."""

from dataclasses import dataclass
from typing import Protocol

from miniagents.promising import MessageSequencePromise, MessageType


class Inquirable(Protocol):
    """An agent that needs nothing but messages."""

    def inquire(self, messages: MessageType = None, /) -> MessageSequencePromise:
        """Its replies."""
        ...


class Conversation(Protocol):
    """What a run offers: messages and replies."""

    @property
    def messages(self) -> MessageSequencePromise:
        """What came in."""
        ...

    def reply(self, messages: MessageType) -> None:
        """What goes out."""
        ...


@dataclass(frozen=True, slots=True)
class Stages:
    """An agent function that passes its messages through several agents.

    Attributes:
        agents: in the order of the pipe.
    """

    agents: tuple[Inquirable, ...]

    async def __call__(self, ctx: Conversation) -> None:
        """Inquire every agent now; tokens stream through all of them."""
        messages = ctx.messages
        for agent in self.agents:
            messages = agent.inquire(messages)
            messages.log.was_read = True  # the next stage is its reader: when that ends, so does this
        ctx.reply(messages)
