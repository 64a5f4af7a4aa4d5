"""The rows of a job in a journal, and the state of the job."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple, cast

from miniagents.messages import Message
from miniagents.models import BatchJournal, CallKey, CallRecords, JournalEntry, Json

from ._calls import dollars_of

__all__ = ["JOB", "JobState", "KeptRows"]

JOB = ":job"
"""The run id under which a journal keeps the state of a job; no run of a user has this id."""


class JobState(NamedTuple):
    """The state of a job in its journal, kept with each group of rows.

    Attributes:
        spent: dollars, of all its runs; None if a price was not known.
        asked: how many rows its last run has asked.
        kept: how many of these are in the journal.
        source: a hash of its input.
        dearest: dollars that its dearest row has cost; None if that is not known.
    """

    spent: Decimal | None = Decimal()
    asked: int = 0
    kept: int = 0
    source: str = ""
    dearest: Decimal | None = None

    @property
    def data(self) -> Json:
        """As JSON."""
        said: dict[str, Json] = {"asked": self.asked, "kept": self.kept, "source": self.source}
        for name, amount in (("spent", self.spent), ("dearest", self.dearest)):
            said[name] = None if amount is None else str(amount)
        return said

    @classmethod
    def of(cls, data: Json) -> "JobState":
        """The state from an entry; an empty one if it cannot be read.

        Args:
            data: of a journal.
        """
        match data:
            case {"spent": spent, "asked": int(asked), "kept": int(kept), "source": str(source), **others}:
                return cls(
                    dollars_of(spent), asked, kept, source, dollars_of(cast("Json", others.get("dearest")))
                )
            case _:
                return cls()


class KeptRows:
    """The rows of a job in a journal.

    Args:
        journal: keeps the calls.
        records: knows how they stand in it.

    Attributes:
        records: knows how they stand in it.
    """

    def __init__(self, journal: BatchJournal, records: CallRecords) -> None:
        self.records: CallRecords = records
        self._journal = journal
        self._state_key = CallKey(records.key("job").digest, JOB)

    async def begin(self) -> JobState:
        """The state after earlier runs.

        Raises:
            JournalError: the journal has calls of another function under this name and version.
        """
        await self._journal.check(self.records.function)
        (state,) = await self._journal.find_all([self._state_key])
        return JobState.of(None if state is None else self.records.note_of(state))

    async def find_all(self, keys: Sequence[CallKey]) -> list[JournalEntry | None]:
        """The entries of rows.

        Args:
            keys: of these.
        """
        return await self._journal.find_all(keys)

    async def keep_all(self, rows: Sequence[tuple[CallKey, JournalEntry]], state: JobState) -> None:
        """Keep rows, with the state of the job.

        Args:
            rows: with their keys.
            state: with these rows.
        """
        entry = self.records.noted(JournalEntry(self.records.function, "job", ()), state.data)
        await self._journal.keep_all([*rows, (self._state_key, entry)])

    def value_of(self, entry: JournalEntry) -> Message:
        """The answer of the agent.

        Args:
            entry: of a row that did not fail.

        Raises:
            JournalError: it cannot be read.
        """
        return self.records.messages_of(entry)[-1]
