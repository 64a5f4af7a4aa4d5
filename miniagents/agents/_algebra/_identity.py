"""``identity``: the agent that changes nothing."""

from typing import Final

from miniagents.core import Message

from .._agent import MiniAgent, composed
from ._chains import PassThrough

identity: Final[MiniAgent[Message, Message]] = composed(PassThrough())
"""The agent that replies what it is sent, as it streams; ``a | identity`` is ``a``."""
