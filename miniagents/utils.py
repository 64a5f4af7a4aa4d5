"""The documented helpers; a door over ``miniagents.promising`` and ``miniagents.agents``."""

from miniagents.agents import achain_loop, adialog_loop
from miniagents.core import join_messages, split_messages

__all__ = ["achain_loop", "adialog_loop", "join_messages", "split_messages"]
