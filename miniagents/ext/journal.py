"""Journals: calls of agents that are made once, kept in a file, and played from there.

``recorded(agent, journal, version="1")`` is the agent, each call of which is made once. A block ``async with
durable(journal, run_id=...)`` of many agents, which was killed and is run again, goes on from its finished
calls.
"""

from miniagents.models import (
    CallJournal,
    CallKey,
    DurableRun,
    JournalEntry,
    JournalError,
    RecordedFunction,
    RunJournal,
    RunStore,
    UnfinishedRun,
    durable,
    recorded,
)

from ._journal import Journal, Keep, StoredCall, read_calls

__all__ = [
    "CallJournal",
    "CallKey",
    "DurableRun",
    "Journal",
    "JournalEntry",
    "JournalError",
    "Keep",
    "RecordedFunction",
    "RunJournal",
    "RunStore",
    "StoredCall",
    "UnfinishedRun",
    "durable",
    "read_calls",
    "recorded",
]
