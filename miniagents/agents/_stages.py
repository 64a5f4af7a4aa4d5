"""What ``a | b | c`` runs: each stage inquired with the replies of the one before, all at once."""

from dataclasses import dataclass
from typing import Protocol

from miniagents.promising import MessageSequencePromise, MessageType

from ._algebra._operands import Conversation, relay


class Inquirable(Protocol):
    """An agent that needs nothing but messages."""

    def inquire(self, messages: MessageType = None, /) -> MessageSequencePromise:
        """Its replies."""
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
        await relay(ctx, messages)  # the end of the last stage is the end of the chain, its error too
