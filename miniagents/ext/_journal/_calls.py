"""The calls of a journal, in SQL that SQLite and Postgres have in common. Every call blocks."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from miniagents.runs import CallKey, JournalEntry, JournalError, RecordedEvent, RecordedFunction

from ._codec import Codec, Place
from ._database import Database, in_groups

_LOG: Final = logging.getLogger("miniagents.ext.journal")
_COLUMNS: Final = "key, scope, n, name, version, at, used, failed, asked, output"
_KEEP: Final = (
    f"INSERT INTO calls ({_COLUMNS}) VALUES {{}} ON CONFLICT (key, scope, n) DO UPDATE SET "  # noqa: S608 - constants
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[3:])
)
_FIND: Final = (
    "WITH wanted AS (VALUES {}) SELECT key, scope, n, number, name, version, used, failed, output "
    "FROM wanted JOIN calls ON key = column1 AND scope = column2 AND n = column3"
)
_PAGE: Final = f"SELECT number, {_COLUMNS} FROM calls WHERE number > ? ORDER BY number LIMIT 1000"  # noqa: S608 - the same
_SIZE: Final = "length(output) + coalesce(length(asked), 0) + 300"
_TOO_MUCH: Final = (
    f"DELETE FROM calls WHERE number IN (SELECT number FROM (SELECT number, sum({_SIZE}) "  # noqa: S608 - the same
    "OVER (ORDER BY used DESC, number DESC) AS total FROM calls) AS sums WHERE total > ?)"
)
_MANY_USES: Final = 10_000  # of which none is written yet
_FRESH: Final = 60.0  # seconds for which a use is not noted again

_Row: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call in a journal.

    Attributes:
        digest: its key, as hexadecimal digits.
        scope: what it belongs to; empty for a call that all can find.
        number: how many equal calls were made before.
        name: the name of the agent.
        version: the version of the agent.
        at: when it was kept, in seconds since 1970.
        used: when it was last used, in seconds since 1970.
        failed: whether it ended with an error.
        asked: the messages for the agent, as JSON; None if they were not kept.
        events: the events of its replies.
        size: its approximate size in the file, in bytes.

    Example:
        >>> StoredCall("00", "", 0, "JUDGE", "1", 0.0, 0.0, False, None, (), 300).text
        ''
    """

    digest: str
    scope: str
    number: int
    name: str
    version: str
    at: float
    used: float
    failed: bool
    asked: str | None
    events: tuple[RecordedEvent, ...]
    size: int

    @property
    def text(self) -> str:
        """The texts of all replies."""
        return "".join(
            event.data for event in self.events if event.what == "part" and isinstance(event.data, str)
        )


class CallTables:
    """The statements of the calls of a journal.

    Args:
        database: the connection.
        codec: makes bytes of what is kept.
    """

    def __init__(self, database: Database, codec: Codec) -> None:
        self._database = database
        self._place, self._clock = database.place, database.clock
        self._codec = codec
        self._used: set[int] = set()
        self._pending: dict[Place, _Row] = {}

    def know(self, function: RecordedFunction) -> None:
        """Register a function; log a warning if another source of it was kept.

        Raises:
            JournalError: another function has the same name and version, or no answers are kept.
        """
        if self._codec.content == "off":
            raise JournalError(
                f"{self._place} keeps no answers (content='off'), so {function.name} cannot be recorded."
            )
        self._database.execute(
            "INSERT INTO functions (name, version, function, source) VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (function.name, function.version, function.function, function.source),
        )
        kept = self._database.execute(
            "SELECT function, source FROM functions WHERE name = ? AND version = ?",
            (function.name, function.version),
        ).fetchone()
        found, source = cast("tuple[str, str]", kept)
        if found != function.function:
            raise JournalError(
                f"In {self._place}, {function.name} of version {function.version!r} is {found}, "
                f"and this is {function.function}: each would get the answers of the other. Record this one "
                "with another name= or version=."
            )
        if source and function.source and source != function.source:
            self._database.execute(
                "UPDATE functions SET source = ? WHERE name = ? AND version = ?",
                (function.source, function.name, function.version),
            )
            _LOG.warning(
                "The source of %s has changed since its version %r was recorded in %s; if it answers "
                "differently now, record it with another version=.",
                *(function.name, function.version, self._place),
            )

    def find_all(self, keys: Sequence[CallKey]) -> list[JournalEntry | None]:
        """Return the call for each key; None where there is none, or it cannot be read.

        Raises:
            JournalError: one that belongs to a scope cannot be read.
        """
        entries: dict[Place, JournalEntry] = {}
        places = [*map(self._codec.place, keys)]
        for statement, values in in_groups(_FIND, places):
            for digest, scope, n, number, name, version, used, failed, output in cast(
                "Iterable[tuple[bytes, str, int, int, str, str, float, int, bytes]]",
                self._database.execute(statement, values).fetchall(),
            ):
                place = digest, scope, n
                try:
                    events = self._codec.call_events(place, output)
                except ValueError as error:
                    if scope:  # it is no answer that can be made again
                        raise JournalError(
                            f"Call {number} of {self._place} cannot be read ({error}); it belongs to "
                            f"{scope!r}."
                        ) from None
                    _LOG.warning(
                        "Call %s of %s cannot be read (%s), so it is made again. Others are not affected.",
                        *(number, self._place, error),
                    )
                    continue
                if self._clock() - used > _FRESH:
                    self._used.add(number)
                entries[place] = JournalEntry(
                    RecordedFunction(name, version, ""), "", events, failed=bool(failed)
                )
        return [*map(entries.get, places)]

    def keep_all(self, calls: Sequence[tuple[CallKey, JournalEntry]]) -> None:
        """Keep calls at the end of the transaction."""
        now = self._clock()
        for key, entry in calls:
            asked = self._codec.question_data(entry.question)
            place, function = self._codec.place(key), entry.function
            data = self._codec.call_data(place, entry.events)
            self._pending[place] = (
                *(*place, function.name, function.version),
                *(now, now, int(entry.failed), asked, data),
            )

    def flush(self) -> None:
        """Write the calls."""
        rows = [*self._pending.values()]
        if len(rows) > 1:
            rows.sort(key=lambda row: cast("bytes", row[0]))  # in the same order in all processes
        for statement, values in in_groups(_KEEP, rows):
            self._database.execute(statement, values)
        self._pending.clear()
        if len(self._used) > _MANY_USES:
            self.note_uses()

    def undo(self) -> None:
        """The transaction was undone."""
        self._pending.clear()

    def note_uses(self) -> None:
        """Write which calls were used."""
        now, used, self._used = self._clock(), sorted(self._used), set()
        for number in used:
            self._database.execute("UPDATE calls SET used = ? WHERE number = ?", (now, number))

    def prune(self, older_than: float | None, unused_for: float | None, max_bytes: int | None) -> int:
        """Remove calls, and return how many were removed."""
        self.note_uses()
        now = self._clock()
        removed = 0
        for statement, value in (
            ("DELETE FROM calls WHERE at < ?", None if older_than is None else now - older_than),
            ("DELETE FROM calls WHERE used < ?", None if unused_for is None else now - unused_for),
            (_TOO_MUCH, max_bytes),
        ):
            if value is not None:
                removed += self._database.execute(statement, (value,)).rowcount
        return removed


def stored_calls(page: Callable[[str, int], list[_Row]], place: str, codec: Codec) -> Iterator[StoredCall]:
    """Yield all calls in the order in which they were kept; one that cannot be read is left out.

    Args:
        page: runs a statement that returns some calls behind a number, and returns its rows.
        place: the journal, in warnings.
        codec: of the journal.
    """
    last = 0
    while rows := page(_PAGE, last):
        last = cast("int", rows[-1][0])
        for number, *row in rows:
            try:
                yield _stored(tuple(row), codec)
            except ValueError as error:
                _LOG.warning("Call %s of %s cannot be read: %s.", number, place, error)


def _stored(row: _Row, codec: Codec) -> StoredCall:
    key, scope, n, name, version, at, used, failed, asked, output = cast(
        "tuple[bytes, str, int, str, str, float, float, int, bytes | None, bytes]", row
    )
    question = None if asked is None else codec.question(asked)
    events = codec.call_events((key, scope, n), output)
    size = len(output) + len(asked or b"") + 300
    return StoredCall(key.hex(), scope, n, name, version, at, used, bool(failed), question, events, size)
