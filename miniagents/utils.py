"""Functions that join and split messages, and the loops, under their documented import path."""

from miniagents.agents import achain_loop, adialog_loop
from miniagents.messages import join_messages, split_messages

__all__ = ["achain_loop", "adialog_loop", "join_messages", "split_messages"]
