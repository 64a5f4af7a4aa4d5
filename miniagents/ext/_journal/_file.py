"""The SQL of a journal. Every call blocks; the thread of the journal makes them."""

import json
import logging
import sqlite3
import zlib
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeAlias, cast
from urllib.parse import quote

from miniagents.runs import (
    CallKey,
    JournalEntry,
    JournalError,
    Json,
    RecordedEvent,
    RecordedFunction,
    UnfinishedRun,
)
from miniagents.values import redact_keys

from .._sqlite import DatabaseForm, number_of, prepare, transaction
from ._key_filter import KeyFilter

_UNFINISHED: Final = (
    "CREATE TABLE unfinished (run TEXT PRIMARY KEY, request BLOB NOT NULL, attempts INTEGER NOT NULL) "
    "WITHOUT ROWID"
)
FORM: Final = DatabaseForm(
    0x6D696E6A,  # "minj", which identifies a journal
    2,
    (
        (
            "CREATE TABLE function (name TEXT NOT NULL, version TEXT NOT NULL, function TEXT NOT NULL, "
            "source TEXT NOT NULL, PRIMARY KEY (name, version)) WITHOUT ROWID"
        ),
        (
            "CREATE TABLE call (number INTEGER PRIMARY KEY, key BLOB NOT NULL, run TEXT NOT NULL, "
            "n INTEGER NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, at REAL NOT NULL, "
            "used REAL NOT NULL, failed INTEGER NOT NULL, question BLOB NOT NULL, asked BLOB, "
            "output BLOB NOT NULL)"
        ),
        "CREATE UNIQUE INDEX call_by_key ON call (key, run, n)",
        "CREATE INDEX call_by_run ON call (run) WHERE run != ''",
        _UNFINISHED,
    ),
    upgrades=((_UNFINISHED,),),
)
_FOUND: Final = "call.number, name, version, used, failed, output"
_FIND: Final = f"SELECT {_FOUND} FROM call WHERE key = ? AND run = ? AND n = ?"  # noqa: S608 - a constant
_FIND_ALL: Final = (
    f"WITH asked AS (VALUES {{}}) SELECT key, run, n, {_FOUND} FROM asked "  # noqa: S608 - the same
    "CROSS JOIN call ON key = column1 AND run = column2 AND n = column3"
)
_FOUND_AT_ONCE: Final = 64  # of a statement
INSERT: Final = (
    "INSERT OR REPLACE INTO call (key, run, n, name, version, at, used, failed, question, asked, output)"
)
_PAGE: Final = (
    "SELECT number, key, run, n, name, version, at, used, failed, asked, output FROM call "
    "WHERE number > ? ORDER BY number LIMIT 1000"
)
_SIZE: Final = "length(output) + ifnull(length(asked), 0) + 300"
_LOG: Final = logging.getLogger("miniagents.ext.journal")
_TOO_MUCH: Final = (
    f"DELETE FROM call WHERE number IN (SELECT number FROM (SELECT number, sum({_SIZE}) "  # noqa: S608 - constants
    "OVER (ORDER BY used DESC, number DESC) AS total FROM call) WHERE total > ?)"
)
_written: Final = json.JSONEncoder(separators=(",", ":")).encode  # to make one takes longer than to write
_SHORT: Final = 4096  # bytes: what a window of 12 bits holds
_MANY_USES: Final = 10_000  # of which none is written yet
_FRESH: Final = 60.0  # seconds for which a use is not noted again


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call in a journal.

    Attributes:
        digest: its key, as hexadecimal digits.
        run: the id of its run; empty for none.
        number: how many equal calls the run had made before.
        name: the name of the agent.
        version: the version of the agent.
        at: when it was kept, in seconds since 1970.
        used: when it was last used, in seconds since 1970.
        failed: whether it ended with an error.
        asked: the messages for the agent, as JSON; None if only their hash was kept.
        events: the events of its replies.
        size: its approximate size in the file, in bytes.

    Example:
        >>> StoredCall("00", "", 0, "JUDGE", "1", 0.0, 0.0, False, None, (), 300).text
        ''
    """

    digest: str
    run: str
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


_Found: TypeAlias = tuple[int, str, str, float, int, bytes]
_Row: TypeAlias = tuple[bytes, str, int, str, str, float, float, int, bytes | None, bytes]


class JournalFile:
    """The statements of a journal.

    Args:
        path: the path of the file, for errors.
        clock: returns the time in seconds since 1970.
        texts: whether to keep the messages for agents, and not only their hash.
    """

    def __init__(self, path: Path, clock: Callable[[], float], *, texts: bool) -> None:
        self._path = path
        self._clock = clock
        self._texts = texts
        self._used: set[int] = set()

    def know(self, connection: sqlite3.Connection, function: RecordedFunction) -> str:
        """Register a function, and return the hash of its source that is kept.

        Raises:
            JournalError: another function has the same name and version.
        """
        connection.execute(
            "INSERT OR IGNORE INTO function VALUES (?, ?, ?, ?)",
            (function.name, function.version, function.function, function.source),
        )
        kept = connection.execute(
            "SELECT function, source FROM function WHERE name = ? AND version = ?",
            (function.name, function.version),
        ).fetchone()
        found, source = cast("tuple[str, str]", kept)
        if found != function.function:
            raise JournalError(
                f"In the journal {self._path}, {function.name} of version {function.version!r} is {found}, "
                f"and this is {function.function}: each would get the answers of the other. Record this one "
                "with another name= or version=."
            )
        return source

    def renew(self, connection: sqlite3.Connection, function: RecordedFunction) -> None:
        """Keep another hash of the source of a function."""
        connection.execute(
            "UPDATE function SET source = ? WHERE name = ? AND version = ?",
            (function.source, function.name, function.version),
        )

    def find(self, connection: sqlite3.Connection, key: CallKey) -> JournalEntry | None:
        """Return the call with a key; None if there is none.

        Raises:
            JournalError: it cannot be read.
        """
        found = connection.execute(_FIND, (key.digest, key.run, key.number)).fetchone()
        row = cast("_Found | None", found)
        return None if row is None else self._entry(key, row)

    def _entry(self, key: CallKey, row: "_Found") -> JournalEntry | None:
        number, name, version, used, failed, output = row
        if self._clock() - used > _FRESH:
            self._used.add(number)
        events = self._events(key, output, number)
        if events is None:
            return None
        return JournalEntry(RecordedFunction(name, version, ""), "", events, failed=bool(failed))

    def find_all(
        self, connection: sqlite3.Connection, keys: Sequence[CallKey]
    ) -> dict[CallKey, JournalEntry]:
        """Return the calls with these keys, as far as they exist.

        Raises:
            JournalError: one cannot be read.
        """
        entries: dict[CallKey, JournalEntry] = {}
        for at in range(0, len(keys), _FOUND_AT_ONCE):
            some = keys[at : at + _FOUND_AT_ONCE]
            statement = _FIND_ALL.format(", ".join(["(?, ?, ?)"] * len(some)))
            values = [value for key in some for value in (key.digest, key.run, key.number)]
            found = connection.execute(statement, values)
            for digest, run, n, *row in cast("Iterable[tuple[bytes, str, int, *_Found]]", found):
                key = CallKey(digest, run, n)
                entry = self._entry(key, cast("_Found", row))
                if entry is not None:
                    entries[key] = entry
        if len(self._used) > _MANY_USES:
            with suppress(sqlite3.Error), transaction(connection):  # it is only needed for pruning
                self.note_uses(connection)
        return entries

    def row(self, key: CallKey, entry: JournalEntry) -> tuple[object, ...]:
        """The values of a call for :data:`INSERT`."""
        now = self._clock()
        question = entry.question.encode(errors="surrogatepass")
        asked = self._texts and compressed(redact_keys(entry.question).encode(errors="surrogatepass"))
        return (
            key.digest,
            key.run,
            key.number,
            entry.function.name,
            entry.function.version,
            now,
            now,
            entry.failed,
            sha256(question).digest(),
            asked or None,
            packed(key, entry.events),
        )

    def note_uses(self, connection: sqlite3.Connection) -> None:
        """Write which calls were used."""
        if self._used:
            now = self._clock()
            used, self._used = self._used, set()
            connection.executemany(
                "UPDATE call SET used = ? WHERE number = ?", [(now, each) for each in used]
            )

    def known(self, connection: sqlite3.Connection) -> KeyFilter:
        """The keys of calls without a run."""
        known = KeyFilter()
        # Of the index alone, which is a tenth of the file.
        for (begin,) in cast(
            "Iterable[tuple[bytes]]",
            connection.execute("SELECT substr(key, 1, 4) FROM call WHERE run = ''"),
        ):
            known.add(begin)
        return known

    def numbers(self, connection: sqlite3.Connection, run: str) -> list[tuple[bytes, int, str]]:
        """The keys of a run, with the names of the agents, in the order in which they were kept."""
        found = connection.execute(
            "SELECT key, n, name FROM call WHERE run = ? AND failed = 0 ORDER BY number", (run,)
        )
        return cast("list[tuple[bytes, int, str]]", found.fetchall())

    def begin_run(self, connection: sqlite3.Connection, run: str, request: str) -> None:
        """Keep the request of a run."""
        connection.execute("INSERT INTO unfinished VALUES (?, ?, 1)", (run, compressed(request.encode())))

    def unfinished_runs(self, connection: sqlite3.Connection, held: Collection[str]) -> list[UnfinishedRun]:
        """The runs that have not ended and that no task works on; counts one more attempt for each."""
        found = connection.execute("SELECT run, request, attempts + 1 FROM unfinished").fetchall()
        rows = [row for row in cast("list[tuple[str, bytes, int]]", found) if row[0] not in held]
        connection.executemany(
            "UPDATE unfinished SET attempts = ? WHERE run = ?", [(each[2], each[0]) for each in rows]
        )
        return [UnfinishedRun(run, _request(request), attempts) for run, request, attempts in rows]

    def leave_run(self, connection: sqlite3.Connection, run: str) -> None:
        """Count no attempt for a run."""
        connection.execute("UPDATE unfinished SET attempts = 0 WHERE run = ?", (run,))

    def end_run(self, connection: sqlite3.Connection, run: str) -> None:
        """Delete a run, and its calls."""
        connection.execute("DELETE FROM unfinished WHERE run = ?", (run,))
        connection.execute("DELETE FROM call WHERE run = ? AND run != ''", (run,))

    def prune(
        self,
        connection: sqlite3.Connection,
        older_than: float | None,
        unused_for: float | None,
        max_bytes: int | None,
    ) -> int:
        """Remove calls, and return how many were removed."""
        self.note_uses(connection)
        now, removed = self._clock(), 0
        if older_than is not None:
            removed += connection.execute("DELETE FROM call WHERE at < ?", (now - older_than,)).rowcount
        if unused_for is not None:
            removed += connection.execute("DELETE FROM call WHERE used < ?", (now - unused_for,)).rowcount
        if max_bytes is not None:
            removed += connection.execute(_TOO_MUCH, (max_bytes,)).rowcount
        return removed

    def _events(self, key: CallKey, output: bytes, number: int) -> tuple[RecordedEvent, ...] | None:
        """Return the events of a call; None if it cannot be read and can be made again."""
        try:
            return unpacked(key, output)
        except (ValueError, zlib.error, RecursionError) as error:
            what = f"Call {number} of the journal {self._path} cannot be read ({error})"
            if key.run:  # made again, a call in the middle of a run could do twice what it did
                raise JournalError(
                    f"{what}; it belongs to the run {key.run!r}, and to no other one."
                ) from None
            _LOG.warning("%s, so it is made again. Other calls are not affected.", what)
            return None


def _request(compressed_request: bytes) -> str:
    """The request of a run; empty if it cannot be read, which its reader reports."""
    try:
        return zlib.decompress(compressed_request).decode()
    except (zlib.error, UnicodeDecodeError):
        return ""


def packed(key: CallKey, events: tuple[RecordedEvent, ...]) -> bytes:
    """The events of a call, compressed, and a checksum of them and of the key."""
    rows = [[each.what, each.message, each.data] for each in events]
    data = compressed(_written(rows).encode())
    return data + _checksum(key, data)


def _checksum(key: CallKey, data: bytes) -> bytes:
    """Eight bytes: an index that was damaged leads from a key to the call of another one."""
    digest = sha256(key.digest)
    digest.update(f"{key.run}\n{key.number}\n".encode())
    digest.update(data)
    return digest.digest()[:8]


def compressed(data: bytes) -> bytes:
    """Compress data; short data with little memory, which takes a tenth of the time.

    Args:
        data: any.
    """
    little = len(data) <= _SHORT
    compress = zlib.compressobj(6, zlib.DEFLATED, 12 if little else 15, 5 if little else 8)
    return compress.compress(data) + compress.flush()


def unpacked(key: CallKey, output: bytes) -> tuple[RecordedEvent, ...]:
    """Read the result of :func:`packed`; calls of version 0.2 have no checksum.

    Raises:
        ValueError: it is something else.
        zlib.error: the same.
    """
    decompress = zlib.decompressobj()
    data = decompress.decompress(output)
    checksum = decompress.unused_data
    if not decompress.eof or (checksum and checksum != _checksum(key, output[: -len(checksum)])):
        raise ValueError("its checksum is wrong")
    found: object = json.loads(data)
    if not isinstance(found, list):
        raise ValueError("it is not a list")  # noqa: TRY004 - it is wrong in a file, not in a call
    return tuple(_event(each) for each in cast("list[Json]", found))


def _event(row: Json) -> RecordedEvent:
    match row:
        case [str(what), int() | None as message, data]:
            return RecordedEvent(0.0, what, message, data)
        case _:
            raise ValueError("one of its events is not an event")


def read_calls(path: Path) -> Generator[StoredCall]:
    """Read all calls of a file, also while a process writes to it.

    Args:
        path: the path of the file.

    Yields:
        Each call, in the order in which they were kept; one that cannot be read is left out, with a warning.

    Raises:
        JournalError: it is not a journal, or cannot be read.

    Example:
        >>> next(read_calls(Path("no_such.journal")))
        Traceback (most recent call last):
            ...
        miniagents...JournalError: The journal no_such.journal does not exist.
    """
    last = 0
    while rows := _page(path, last):
        last = rows[-1][0]
        for row in rows:
            try:
                yield _stored(row[1:], path)
            except JournalError as error:
                _LOG.warning("%s", error)


def _page(path: Path, last: int) -> list[tuple[int, *_Row]]:
    """The next calls; the file is closed between two pages."""
    if not path.is_file():
        raise JournalError(f"The journal {path} does not exist.")
    address = f"file:{quote(str(path))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            if number_of(connection, "application_id") != FORM.application:
                raise JournalError(f"{path} is not a journal; give the path of one.")
            return cast("list[tuple[int, *_Row]]", connection.execute(_PAGE, (last,)).fetchall())
    except sqlite3.Error as error:
        raise JournalError(f"The journal {path} cannot be read: {error}.") from None


def _stored(row: _Row, path: Path) -> StoredCall:
    key, run, n, name, version, at, used, failed, asked, output = row
    try:
        question = None if asked is None else zlib.decompress(asked).decode(errors="surrogatepass")
        events = unpacked(CallKey(key, run, n), output)
    except (ValueError, zlib.error, RecursionError) as error:
        raise JournalError(f"A call of {name} in the journal {path} cannot be read: {error}.") from None
    size = len(output) + len(asked or b"") + 300
    return StoredCall(key.hex(), run, n, name, version, at, used, bool(failed), question, events, size)


def opened(path: Path, *, lock_timeout: float) -> sqlite3.Connection:
    """Open a connection to a journal, which is created if it does not exist.

    Args:
        path: the path of the file.
        lock_timeout: how long to wait for its readers, in seconds.

    Raises:
        WrongFileError: it is not a journal of this version.
        sqlite3.Error: it cannot be opened.
    """
    connection = sqlite3.connect(path, timeout=lock_timeout, isolation_level=None, check_same_thread=False)
    try:
        prepare(connection, path, FORM, lock_timeout=lock_timeout)
    except BaseException:
        connection.close()
        raise
    return connection
