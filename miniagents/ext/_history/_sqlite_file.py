"""The SQLite file on the disk: opened, read, appended to. All of it blocks: keep it off the loop.

What was appended is on the disk when the call returns (`synchronous=FULL`): it survives kill -9 and a power
cut. Writers of several processes wait for each other (`BEGIN IMMEDIATE`), readers wait for nobody (WAL).

A connection is kept for the calls that follow. It belongs to one process and to one file: after a fork, and
when another file was put in its place, a new one is opened. The file itself is never opened by other means
than SQLite's: to close it would give up the locks of all connections of the process ("How To Corrupt An
SQLite Database File", 2.2).
"""

import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from errno import ENOENT, ENOTDIR
from pathlib import Path
from typing import Final, cast
from weakref import finalize

from miniagents.runs import Json, Record

from .._sqlite import PRIVATE, DatabaseForm, WrongFileError, file_at, prepare, reason_of, transaction
from ._markdown_file import HistoryFileError

logger = logging.getLogger(__name__)

_TABLE: Final = (
    "CREATE TABLE message (number INTEGER PRIMARY KEY AUTOINCREMENT, thread TEXT NOT NULL, at REAL NOT NULL, "
    "role TEXT NOT NULL, class TEXT NOT NULL, text, data TEXT NOT NULL)"
)
_INDEX: Final = "CREATE INDEX message_of_thread ON message (thread, number)"
_FORM: Final = DatabaseForm(0x6D696E69, 1, (_TABLE, _INDEX))  # "mini": by this a file of ours is known
_LOAD: Final = "SELECT role, class, text, data, number FROM message WHERE thread = ? ORDER BY number"
_APPEND: Final = "INSERT INTO message (thread, at, role, class, text, data) VALUES (?, ?, ?, ?, ?, ?)"
# Files without this table, and versions of this library that do not know it, get on with each other.
_TITLES: Final = (
    "CREATE TABLE IF NOT EXISTS title (thread TEXT PRIMARY KEY, at REAL NOT NULL, title TEXT NOT NULL) "
    "WITHOUT ROWID"
)
_SET_TITLE: Final = (
    "INSERT INTO title (thread, at, title) VALUES (?, ?, ?) "
    "ON CONFLICT (thread) DO UPDATE SET title = excluded.title"
)
_REMOVE_TITLE: Final = "DELETE FROM title WHERE thread = ?"
_THREADS: Final = (
    "SELECT thread, sum(messages), min(at), max(at), max(title) FROM ("
    "SELECT thread, 1 AS messages, at, number, '' AS title FROM message {where} "
    "UNION ALL SELECT thread, 0, at, 0, title FROM title {where}"
    ") GROUP BY thread ORDER BY max(number) DESC, max(at) DESC"
)
_ALL_THREADS: Final = _THREADS.format(where="")
_ONE_THREAD: Final = _THREADS.format(where="WHERE thread = ?")
_CUT: Final = (
    "DELETE FROM message WHERE thread = :thread AND number NOT IN "
    "(SELECT number FROM message WHERE thread = :thread ORDER BY number LIMIT :count)"
)


@dataclass(frozen=True, slots=True)
class HistoryThread:
    """One conversation of a file that keeps many.

    Attributes:
        name: of the thread.
        messages: how many it has.
        began: when its first message was kept, in seconds since 1970.
        ended: when its last one was.
        title: for people; `""` if it was given none.

    Example:
        >>> HistoryThread("main", 2, 1_800_000_000.0, 1_800_000_060.0).name
        'main'
    """

    name: str
    messages: int
    began: float
    ended: float
    title: str = ""


@dataclass(frozen=True, slots=True)
class _Open:
    """A connection, and what it is connected to."""

    connection: sqlite3.Connection
    close: Callable[[], object]
    process: int
    file: tuple[int, int]


class SQLiteFile:
    """A file of conversations; any number of objects, threads and processes may use the same one.

    Args:
        path: the file; it need not exist, its folder must.
        lock_timeout: how long to wait while others write, in seconds.
        clock: tells the time that is kept with a message, in seconds since 1970.
    """

    def __init__(
        self, path: Path, *, lock_timeout: float = 30.0, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self._lock_timeout = lock_timeout
        self._clock = clock
        self._mutex = threading.Lock()
        self._open: _Open | None = None
        self._inherited: list[_Open] = []  # of the process that forked this one: to close them would harm it

    def load(self, thread: str) -> tuple[Record, ...]:
        """All messages of a thread; none if there is no file.

        Raises:
            HistoryFileError: the file cannot be read.
        """
        return tuple(self._record(*row) for row in self._found(_LOAD, (thread,)))

    def append(self, thread: str, records: Iterable[Record]) -> None:
        """Add messages, all or none of them; they are on the disk when this returns.

        Raises:
            HistoryFileError: they could not be written, and the file is as it was.
            ValueError: the data of one cannot be written as JSON.
        """
        rows = self._rows(thread, records)
        with self._changing() as connection:
            connection.executemany(_APPEND, rows)

    def keep_first(self, thread: str, count: int, then: Iterable[Record] = ()) -> int:
        """Remove all messages of a thread but the first ``count``, and return how many that were.

        Args:
            thread: its name; if nothing is left of it, its title goes, too.
            count: how many are kept.
            then: what is added behind them, in the same step.

        Raises:
            HistoryFileError: the file cannot be written, and is as it was.
            ValueError: the data of one cannot be written as JSON.
        """
        rows = self._rows(thread, then)
        with self._changing() as connection:
            removed = connection.execute(_CUT, {"thread": thread, "count": count}).rowcount
            connection.executemany(_APPEND, rows)
            if not count and not rows:
                connection.execute(_REMOVE_TITLE, (thread,))
        return removed

    def set_title(self, thread: str, title: str) -> None:
        """Give a thread a title; it is then one also without messages.

        Raises:
            HistoryFileError: the file cannot be written, and is as it was.
        """
        with self._changing() as connection:
            connection.execute(_SET_TITLE, (thread, self._clock(), _text(title)))

    def threads(self) -> tuple[HistoryThread, ...]:
        """All threads, the one that was written to last comes first; none if there is no file.

        Raises:
            HistoryFileError: the file cannot be read.
        """
        return tuple(_thread(*row) for row in self._found(_ALL_THREADS))

    def thread(self, name: str) -> HistoryThread | None:
        """One thread; None if there is none of this name.

        Raises:
            HistoryFileError: the file cannot be read.
        """
        return next((_thread(*row) for row in self._found(_ONE_THREAD, (name, name))), None)

    def check(self) -> None:
        """Find out now whether the file can be read and written, without making it.

        Raises:
            HistoryFileError: it cannot.
        """
        with self._connected("written", make=False) as connection:
            if connection is None:
                self._check_folder()
            else:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")

    def _rows(self, thread: str, records: Iterable[Record]) -> list[tuple[object, ...]]:
        now = self._clock()
        return [
            (thread, now, _text(each.role), _text(each.class_name), _text(each.text), _json(each.data))
            for each in records
        ]

    # -- the connection ----------------------------------------------------------------------------------

    def _found(self, statement: str, values: tuple[str, ...] = ()) -> list[tuple[object, ...]]:
        """All rows that a statement reads; none if there is no file."""
        with self._connected("read", make=False) as connection:
            return [] if connection is None else connection.execute(statement, values).fetchall()

    @contextmanager
    def _changing(self) -> Generator[sqlite3.Connection]:
        """A transaction that writes; it is undone if the block fails."""
        with self._connected("written", make=True) as connection:
            made = cast("sqlite3.Connection", connection)
            with transaction(made):
                yield made

    @contextmanager
    def _connected(self, what: str, *, make: bool) -> Generator[sqlite3.Connection | None]:
        """The connection, for one caller at a time; None if there is no file and none is to be made."""
        with self._mutex:
            try:
                yield self._connection(make=make)
            except OSError as error:
                raise HistoryFileError.of(self.path, what, error) from error
            except sqlite3.Error as error:
                reason = reason_of(error, self.path, self._lock_timeout)
                raise HistoryFileError.of(self.path, what, error, reason) from error

    def _connection(self, *, make: bool) -> sqlite3.Connection | None:
        known = self._open
        if known is not None:
            if known.process != os.getpid():
                self._inherited.append(known)
            elif known.file == file_at(self.path):
                return known.connection
            else:  # another file stands there now, or none
                known.close()
            self._open = None
        is_new = file_at(self.path) is None
        if is_new:
            if not make:
                return None
            self._check_folder()
        connection = sqlite3.connect(
            self.path, timeout=self._lock_timeout, isolation_level=None, check_same_thread=False
        )
        try:
            if is_new:
                self.path.chmod(PRIVATE)  # before anything is in it; what stands beside it is made like it
            self._prepare(connection)
            file = file_at(self.path)
        except BaseException:
            connection.close()
            raise
        if file is None:
            connection.close()
            raise HistoryFileError(f"the history file {self.path} is gone", str(self.path))
        self._open = _Open(connection, finalize(self, connection.close), os.getpid(), file)
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the file ours, or see that it is."""
        try:
            prepare(connection, self.path, _FORM, lock_timeout=self._lock_timeout)
            connection.execute(_TITLES)
        except WrongFileError as error:
            raise HistoryFileError(str(error), str(self.path)) from None

    def _check_folder(self) -> None:
        folder = self.path.parent
        if not folder.is_dir():
            number = ENOTDIR if folder.exists() else ENOENT
            raise OSError(number, os.strerror(number), str(self.path))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied", str(self.path))

    def _record(self, role: object, name: object, text: object, data: object, number: object) -> Record:
        """A row becomes a record; a row that was changed by hand loses nothing but what cannot be read."""
        try:
            fields: object = json.loads(data) if isinstance(data, str) else None
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            logger.warning("%s: the data of message %s cannot be read; its text is kept", self.path, number)
            fields = {}
        return Record(_read(role) or "", _read(name) or "", _read(text), data=cast("dict[str, Json]", fields))


def _thread(*row: object) -> HistoryThread:
    name, messages, began, ended, title = cast("tuple[str, int, float, float, object]", row)
    return HistoryThread(name, messages, began, ended, _read(title) or "")


def _text(text: str | None) -> str | bytes | None:
    """A text, as bytes if it has halves of characters, which SQLite's UTF-8 has not."""
    if text is None:
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
    return text


def _read(value: object) -> str | None:
    if isinstance(value, bytes):
        try:
            return value.decode(errors="surrogatepass")
        except UnicodeDecodeError:
            return value.decode(errors="replace")
    return None if value is None else str(value)


def _json(data: Mapping[str, Json]) -> str:
    return json.dumps(dict(data), separators=(",", ":"))
