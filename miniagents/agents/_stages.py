"""What ``a | b | c`` runs: each stage inquired with the replies of the one before, all at once."""

from dataclasses import dataclass
from typing import Protocol

from typing_extensions import TypeVar

from miniagents.core import Message, MessageSequencePromise

from ._algebra._operands import Conversation, relay

In_contra = TypeVar("In_contra", bound=Message, contravariant=True)
Out_co = TypeVar("Out_co", bound=Message, covariant=True)


class Stage(Protocol[In_contra, Out_co]):
    """An agent that needs nothing but messages."""

    @property
    def alias(self) -> str:
        """How it is called."""
        ...

    def inquire(self, messages: MessageSequencePromise[In_contra], /) -> MessageSequencePromise[Out_co]:
        """Its replies."""
        ...


@dataclass(frozen=True, slots=True)
class Stages:
    """An agent function that passes its messages through several agents.

    Attributes:
        agents: in the order of the pipe.
    """

    agents: tuple[Stage[Message, Message], ...]

    async def __call__(self, ctx: Conversation) -> None:
        """Inquire every agent now; tokens stream through all of them."""
        messages = ctx.messages
        for agent in self.agents:
            messages = agent.inquire(messages)
            messages.buffer.was_read = True  # the next stage is its reader: when that ends, so does this
        await relay(ctx, messages)  # the end of the last stage is the end of the chain, its error too
