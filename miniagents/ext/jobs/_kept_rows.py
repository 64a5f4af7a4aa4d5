"""The rows of a job in a journal, and the state of the job."""

import hashlib
import logging
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple, cast

from miniagents.errors import JournalError
from miniagents.messages import Message

from ..journal import CallKey, CallRecords, CallStore, JournalEntry
from ._calls import Figures, Json, dollars_of

_LOG: Final = logging.getLogger("miniagents.ext.jobs")

JOB = ":job"
"""The scope of the calls in which a journal keeps the state of a job."""

_SPENT: Final = CallKey(hashlib.sha256(b"spent").digest(), JOB)
"""Where a journal keeps the dollars of all jobs: also of other agents, and with other models and settings."""


class JobState(NamedTuple):
    """The state of a job in its journal, kept with each group of rows.

    Attributes:
        spent: dollars, of all its runs; None if a price was not known.
        sent: how many rows its last run has sent.
        kept: how many of these are in the journal.
        source: a hash of its input.
        highest_cost: the dollars of its most expensive row; None if that is not known.
    """

    spent: Decimal | None = Decimal()
    sent: int = 0
    kept: int = 0
    source: str = ""
    highest_cost: Decimal | None = None

    @property
    def data(self) -> Json:
        """As JSON."""
        data: dict[str, Json] = {"asked": self.sent, "kept": self.kept, "source": self.source}
        for name, amount in (("spent", self.spent), ("dearest", self.highest_cost)):
            data[name] = None if amount is None else str(amount)
        return data

    @classmethod
    def of(cls, data: Json) -> "JobState":
        """Return the state from an entry; an empty one if it cannot be read."""
        match data:
            case {"spent": spent, "asked": int(sent), "kept": int(kept), "source": str(source), **others}:
                highest_cost = dollars_of(cast("Json", others.get("dearest")))
                return cls(dollars_of(spent), sent, kept, source, highest_cost)
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

    def __init__(self, journal: CallStore, records: CallRecords) -> None:
        self.records: CallRecords = records
        self._journal = journal
        self._same: dict[type[Message], bool] = {}  # whether a later run returns this class
        self._state_key = CallKey(records.key("job").digest, JOB)

    async def begin(self) -> JobState:
        """Return the state after earlier runs.

        Raises:
            JournalError: the journal has calls of another function under this name and version.
        """
        await self._journal.check(self.records.function)
        try:
            kept = await self._journal.find_all([self._state_key, _SPENT])
        except JournalError as error:
            _LOG.warning("%s The cost of earlier runs is not known.", error)
            return JobState(spent=None)
        state, last = (JobState.of(None if each is None else self.records.note_of(each)) for each in kept)
        return state if kept[1] is None else state._replace(spent=last.spent)

    async def find_all(self, keys: Sequence[CallKey]) -> list["KeptRow | None"]:
        """Return the rows with these keys, each None if it is not kept, or cannot be read."""
        return [None if entry is None else self._row(entry) for entry in await self._journal.find_all(keys)]

    def _row(self, entry: JournalEntry) -> "KeptRow | None":
        figures = Figures.of(entry)
        if entry.failed:
            error = CallRecords.error_of(entry, figures.partial)
            return KeptRow(figures, None, error or ValueError("The row has failed; its error is not known."))
        try:
            return KeptRow(figures, self.records.messages_of(entry)[-1], None)
        except (JournalError, IndexError) as error:
            _LOG.warning("An answer in the journal cannot be read, so its row is sent again: %s", error)
            return None

    async def keep_all(self, rows: Sequence[tuple[CallKey, JournalEntry]], state: JobState) -> None:
        """Keep rows, with the state of the job."""
        entry = self.records.noted(JournalEntry(self.records.function, "job", ()), state.data)
        await self._journal.keep_all([*rows, (self._state_key, entry), (_SPENT, entry)])

    def checked(self, alias: str, entry: JournalEntry, message: Message, *, as_kept: bool) -> Message:
        """Return an answer, `as_kept` as a later run will return it.

        If that is another class, this logs a warning, once for each class.
        """
        kind = type(message)
        same = self._same.get(kind)
        if same or (same is False and not as_kept):
            return message
        try:
            later = self.records.messages_of(entry)[-1]
        except JournalError:  # a later run sends the row again
            return message
        if same is None:
            self._same[kind] = type(later) is kind
            if type(later) is not kind:
                _LOG.warning(
                    "%s replied a %s, which it does not declare. From the journal, the answer comes as a %s. "
                    "Declare the class in the agent, or give the job message_classes=[%s].",
                    *(alias, kind.__name__, type(later).__name__, kind.__name__),
                )
        return later if as_kept else message


class KeptRow(NamedTuple):
    """A row that has ended, as the journal keeps it.

    Attributes:
        figures: its attempts, tokens and cost.
        message: the answer of the agent; None if it failed.
        error: why it failed.
    """

    figures: Figures
    message: Message | None
    error: Exception | None
