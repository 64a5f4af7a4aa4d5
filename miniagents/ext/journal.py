"""Journals: keep the calls of agents in a file, so that no call is made twice.

``recorded(agent, journal, version="1")`` is the same agent, but a call that was made before is answered from
the journal. If a block ``async with durable(journal, run_id=...)`` was killed and runs again, its finished
calls are answered from the journal, and it continues after them.
"""

from miniagents.runs import (
    CallJournal,
    CallKey,
    CallRecords,
    JournalEntry,
    JournalError,
    RunJournal,
    RunRequest,
    RunStore,
    UnfinishedRun,
    durable,
    recorded,
)

from ._journal import Journal, StoredCall

__all__ = [
    "CallJournal",
    "CallKey",
    "CallRecords",
    "Journal",
    "JournalEntry",
    "JournalError",
    "RunJournal",
    "RunRequest",
    "RunStore",
    "StoredCall",
    "UnfinishedRun",
    "durable",
    "recorded",
]
