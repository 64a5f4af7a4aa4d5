"""``identity``: the agent that changes nothing."""

from dataclasses import dataclass
from typing import Final

from miniagents.core import Message

from .._agent import MiniAgent, composed
from ._operands import Conversation, relay


@dataclass(frozen=True, slots=True)
class Identity:
    """What ``identity`` runs."""

    alias: str = "identity"
    description: str = "Replies what it is sent."

    async def __call__(self, ctx: Conversation) -> None:
        """Pass each message on, as it streams."""
        await relay(ctx, ctx.messages)


identity: Final[MiniAgent[Message, Message]] = composed(Identity())
"""The agent that replies what it is sent, as it streams; ``a | identity`` is ``a``."""
