"""Journals: calls of agents that are made once, kept in a file, and played from there.

``recorded(agent, journal, version="1")`` is the agent, each call of which is made once.
"""

from miniagents.models import CallJournal, CallKey, JournalEntry, JournalError, RecordedFunction, recorded

from ._journal import Journal, Keep, StoredCall, read_calls

__all__ = [
    "CallJournal",
    "CallKey",
    "Journal",
    "JournalEntry",
    "JournalError",
    "Keep",
    "RecordedFunction",
    "StoredCall",
    "read_calls",
    "recorded",
]
