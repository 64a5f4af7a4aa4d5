"""Functions that join and split messages, the loops, and what makes a text safe to show or to log."""

from miniagents.agents import achain_loop, adialog_loop
from miniagents.messages import join_messages, split_messages
from miniagents.values import redact_keys, strip_control

__all__ = ["achain_loop", "adialog_loop", "join_messages", "redact_keys", "split_messages", "strip_control"]
