"""``Journal``: keeps runs and calls in a SQLite file, which several processes may use at once."""

import logging
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, cast
from urllib.parse import quote

from typing_extensions import override

from miniagents.runs import JournalError

from .._file_lock import file_lock
from .._sqlite import (
    PRIVATE,
    DatabaseForm,
    WrongFileError,
    make_private,
    number_of,
    prepare,
    reason_of,
    transaction,
)
from ._calls import StoredCall, stored_calls
from ._codec import Codec, Content, Hook, Keep
from ._database import Database, Rows
from ._sqlite_runs import EVENT_TABLES, SQLiteRuns
from ._store import JournalInDatabase
from ._tables import IDLE_RUNS, tables

_FIRST, _TO_4 = tables(number="INTEGER PRIMARY KEY AUTOINCREMENT", count="INTEGER PRIMARY KEY", octets="BLOB")
_TO_3: Final = (
    *_FIRST,
    *EVENT_TABLES,
    "INSERT INTO journal VALUES (1, x'')",
    "INSERT INTO calls SELECT number, key, run, n, name, version, at, used, failed, asked, output FROM call",
    "INSERT INTO functions SELECT name, version, function, source FROM function",
    "DROP TABLE call",
    "DROP TABLE function",
    "DROP TABLE IF EXISTS unfinished",
)
_FORM: Final = DatabaseForm(
    0x6D696E6A,  # "minj", which identifies a journal
    4,
    (*_FIRST, *EVENT_TABLES, *_TO_4, "INSERT INTO journal VALUES (1, NULL)"),
    upgrades=((), _TO_3, _TO_4),
)
_RUNS_SINCE: Final = 3  # the version of a file that has runs
_PATIENCE: Final = 30.0  # seconds that another process may hold the file
_FLAGS: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_OF_ALL: Final = ("SQLITE_BUSY", "SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CANTOPEN")
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_REMOTE: Final = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ceph",
        "lustre",
        "gfs2",
        "fuse.sshfs",
        "fuse.glusterfs",
    }
)
_LOG: Final = logging.getLogger("miniagents.ext.journal")


class SQLiteDatabase(Database):
    """A connection to a file that several processes write.

    A lock beside the file is taken before each transaction: SQLite itself lets those that wait sleep ever
    longer, so that some of many processes would wait for seconds.

    Args:
        path: of the file; it is made.
        erases: whether what is deleted is overwritten.
        clock: returns the time in seconds since 1970.

    Raises:
        JournalError: it cannot be used.
    """

    def __init__(self, path: Path, erases: bool, clock: Callable[[], float]) -> None:
        self.place = f"the journal {path}"
        self.clock = clock
        self._path = path
        self._erases = erases
        self._hard = True
        self._version = 0
        beside = path.with_name(f"{path.name}-lock")
        try:
            kind = _file_system(path.parent)
            if kind in _REMOTE:
                raise JournalError(
                    f"The journal {path} is on a file system of the network ({kind}), on which SQLite cannot "
                    "be shared safely. Put it on a local disk, or use PostgresJournal."
                )
            self._lock = os.open(beside, _FLAGS, PRIVATE)
        except OSError as error:
            reason = error.strerror or str(error)
            raise JournalError(f"The journal {path} cannot be opened: {reason}{_advice(path)}.") from None
        try:
            self._connection = self._open()
        except BaseException:
            os.close(self._lock)
            raise

    def _open(self) -> sqlite3.Connection:
        try:
            make_private(self._path)
            if self._path.stat().st_mode & _OTHERS_WRITE and os.name != "nt":
                _LOG.warning(
                    "Other users of this machine can write the journal %s; `chmod 600` it.", self._path
                )
            with file_lock(self._lock, exclusive=True, timeout=_PATIENCE):
                return _connected(self._path, erases=self._erases)
        except WrongFileError as error:
            raise JournalError(f"The journal cannot be used: {error}.") from None
        except sqlite3.Error as error:
            reason = reason_of(error, self._path, _PATIENCE)
        except ValueError:  # not even the names of its tables can be read
            reason = "it is damaged; `sqlite3 FILE .recover` may save what is in it"
        except TimeoutError:
            reason = (
                f"another process kept its lock for over {_PATIENCE:g} seconds; one with an earlier version "
                "of this library keeps it until it ends"
            )
        except OSError as error:
            reason = error.strerror or str(error)
        raise JournalError(f"The journal {self._path} cannot be opened: {reason}{_advice(self._path)}.")

    @property
    @override
    def failures(self) -> tuple[type[Exception], ...]:
        return (sqlite3.Error, OSError)

    @override
    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        return cast("Rows", self._connection.execute(statement, cast("Sequence[str]", values)))

    @override
    @contextmanager
    def transaction(self, *, hard: bool) -> Generator[None]:
        if hard != self._hard:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if hard else 'NORMAL'}")
            self._hard = hard
        with file_lock(self._lock, exclusive=True, timeout=None), transaction(self._connection):
            yield

    @override
    @contextmanager
    def snapshot(self) -> Generator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")

    @override
    def changed(self) -> bool:
        before, self._version = self._version, number_of(self._connection, "data_version")
        return before != self._version

    @override
    def may_be_of_one(self, error: Exception) -> bool:
        return not cast("str", getattr(error, "sqlite_errorname", "")).startswith(_OF_ALL)

    @override
    def is_passing(self, error: Exception) -> bool:
        return False

    @override
    def sentence(self, error: BaseException, what: str) -> str:
        reason = reason_of(error, self._path, _PATIENCE) if isinstance(error, sqlite3.Error) else str(error)
        return f"The journal {self._path} cannot be {what}: {reason}."

    @override
    def close(self) -> None:
        self._connection.close()
        os.close(self._lock)


def _connected(path: Path, *, erases: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        prepare(connection, path, _FORM, lock_timeout=_PATIENCE)
        connection.execute(IDLE_RUNS)  # builds before the release of 0.3.0 have not made it
        # Much of what is written is removed soon; then it is not written twice.
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute(f"PRAGMA secure_delete = {erases:d}")
    except BaseException:
        connection.close()
        raise
    return connection


def _file_system(folder: Path) -> str:
    """The type of the file system of a folder; empty where the system does not say."""
    device = folder.stat().st_dev
    place = f"{os.major(device)}:{os.minor(device)}" if hasattr(os, "major") else ""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(" - ")[2].split()[0] for line in mounts if line.split()[2] == place), "")


def _advice(path: Path) -> str:
    """What to do with a journal beside which SQLite can make no files; empty if it can."""
    if os.access(path.parent, os.W_OK) or not path.is_file():
        return ""
    return f"; its folder cannot be written, so copy it, with {path.name}-wal, to one where you may write"


def _page(path: Path, statement: str, last: int) -> list[tuple[object, ...]]:
    """Return some calls of a file; it is closed between two pages.

    Raises:
        JournalError: it is not a journal, or cannot be read.
    """
    if not path.is_file():
        raise JournalError(f"The journal {path} does not exist.")
    address = f"file:{quote(str(path))}?mode=ro"
    if advice := _advice(path):  # SQLite makes files beside it, unless it is immutable
        ahead = path.with_name(f"{path.name}-wal")
        address += "" if ahead.is_file() and ahead.stat().st_size else "&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            if number_of(connection, "application_id") != _FORM.application:
                raise JournalError(f"{path} is not a journal; give the path of one.")
            if number_of(connection, "user_version") < _RUNS_SINCE:
                statement = statement.replace("scope", "run AS scope").replace("FROM calls", "FROM call")
            elif connection.execute("SELECT secret > x'' FROM journal").fetchone() == (1,):
                raise JournalError(f"The journal {path} is sealed; open it with its seal= and unseal=.")
            return cast("list[tuple[object, ...]]", connection.execute(statement, (last,)).fetchall())
    except sqlite3.Error as error:
        raise JournalError(f"The journal {path} cannot be read: {error}{advice}.") from None


class Journal(JournalInDatabase):
    """Keeps the logs of runs, and calls of agents, in a SQLite file that several processes may use at once.

    The file must be on a local disk. Only its owner can read it. It never has keys or client objects.

    Args:
        path: the file; its folder must exist.
        keep, content: of messages: ``"hash"`` or ``"text"``; of runs: ``"keep"``, ``"run"`` or ``"off"``.
        lease: seconds without a sign of life after which other processes take over runs.
        seal, unseal: an encryption of texts, calls and answers.
        clock: returns the time in seconds since 1970.

    Raises:
        JournalError: the file cannot be used.

    Example:
        >>> import tempfile
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.journal import recorded
        >>> from miniagents.testing import scripted_model
        >>> async def ask(path, *answers):
        ...     with Journal(path) as journal:
        ...         print(await recorded(scripted_model(*answers), journal, version="1").inquire("Hi"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     MiniAgents().run(ask(f"{folder}/calls.journal", "Hello!"))
        ...     MiniAgents().run(ask(f"{folder}/calls.journal"))  # tomorrow
        Hello!
        Hello!
    """

    def __init__(
        self,
        path: str | Path,
        *,
        keep: Keep = "hash",
        content: Content = "keep",
        lease: float = 3.0,
        seal: Hook | None = None,
        unseal: Hook | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        codec = Codec(keep, content, seal, unseal)
        self.path: Path = Path(path)
        connect = partial(SQLiteDatabase, self.path.resolve(), content != "keep", clock)
        super().__init__(connect, SQLiteRuns, codec, lease=lease)

    @staticmethod
    def read_calls(path: str | Path) -> Iterator[StoredCall]:
        """Return the calls of a file in their order, also while another process uses it; this blocks.

        One that cannot be read is left out, with a warning.

        Args:
            path: the path of the file.

        Raises:
            JournalError: it is not a journal, or cannot be read, or is sealed.

        Example:
            >>> next(Journal.read_calls("no_such.journal"))
            Traceback (most recent call last):
                ...
            miniagents...JournalError: The journal no_such.journal does not exist.
        """
        return stored_calls(partial(_page, Path(path)), f"the journal {path}", Codec())
