"""Journals: keep the calls of agents in a file, so that no call is made twice.

``recorded(agent, journal, version="1")`` is the same agent, but a call that was made before is answered from
the journal. If a block ``async with durable(journal, run_id=...)`` was killed and runs again, its finished
calls are answered from the journal, and it continues after them.
"""

from miniagents.runs import (
    CallKey,
    CallRecords,
    CallStore,
    Event,
    JournalEntry,
    JournalError,
    Lease,
    MemoryJournal,
    Question,
    RunPage,
    RunRecord,
    RunStore,
    answer_question,
    durable,
    events_of_run,
    open_questions,
    recorded,
    send_event,
)

from ._journal import Journal, PostgresJournal, StoredCall, open_journal

__all__ = [
    "CallKey",
    "CallRecords",
    "CallStore",
    "Event",
    "Journal",
    "JournalEntry",
    "JournalError",
    "Lease",
    "MemoryJournal",
    "PostgresJournal",
    "Question",
    "RunPage",
    "RunRecord",
    "RunStore",
    "StoredCall",
    "answer_question",
    "durable",
    "events_of_run",
    "open_journal",
    "open_questions",
    "recorded",
    "send_event",
]
