"""SQLite files of this library: each kind has a number and a version; they are private and use WAL."""

import os
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

PRIVATE: Final = 0o600
_PAUSE: Final = 0.005  # seconds
_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, slots=True)
class DatabaseForm:
    """What a kind of file consists of.

    Attributes:
        application: the number by which such a file is known.
        version: of what is in it.
        tables: the statements that make it.
        upgrades: the statements that lead from version 1 to version 2, from 2 to 3, and so on.
    """

    application: int
    version: int
    tables: tuple[str, ...]
    upgrades: tuple[tuple[str, ...], ...] = ()


class WrongFileError(Exception):
    """A database is of another program, or of a newer version; the text says which."""


def make_private(path: Path) -> None:
    """Create an empty file that only its owner can read, unless it exists.

    The files that SQLite puts next to it get the same mode.

    Args:
        path: the path of the file.

    Raises:
        OSError: it cannot be created.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, _NEW, PRIVATE))


def prepare(connection: sqlite3.Connection, path: Path, form: DatabaseForm, *, lock_timeout: float) -> None:
    """Create the tables of a database, or check that it has them; an earlier version is upgraded.

    Afterwards its readers never wait (WAL), and what is committed survives a loss of power.

    Args:
        connection: with ``isolation_level=None``.
        path: the path of the file, for errors.
        form: the tables, the number and the version of this kind of file.
        lock_timeout: how long to wait while others write, in seconds.

    Raises:
        WrongFileError: it is of another program, or of a newer version.
        sqlite3.Error: it cannot be read or written.
    """
    version = number_of(connection, "user_version")
    connection.execute("PRAGMA synchronous = FULL")
    if version < form.version:
        with transaction(connection):
            version = number_of(connection, "user_version")  # another process may have been quicker
            if version == 0:
                _make(connection, form)
            elif number_of(connection, "application_id") == form.application:
                _upgrade(connection, form, version)
        version = number_of(connection, "user_version")
    if number_of(connection, "application_id") != form.application:
        raise WrongFileError(f"{path} is a database of another program; give another path")
    if version > form.version:
        raise WrongFileError(
            f"{path} was written by a newer version of this library (its format is {version}, this "
            f"one reads up to {form.version}); update the library, or give another path"
        )
    _write_ahead(connection, lock_timeout)


def _make(connection: sqlite3.Connection, form: DatabaseForm) -> None:
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
        return  # another program's, which the number of the application tells
    for table in form.tables:
        connection.execute(table)
    connection.execute(f"PRAGMA application_id = {form.application}")
    connection.execute(f"PRAGMA user_version = {form.version}")


def _upgrade(connection: sqlite3.Connection, form: DatabaseForm, version: int) -> None:
    for statements in form.upgrades[version - 1 : form.version - 1]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {form.version}")


def _write_ahead(connection: sqlite3.Connection, lock_timeout: float) -> None:
    """Let readers not wait for writers, where the file system can do that."""
    deadline = time.monotonic() + lock_timeout
    while connection.execute("PRAGMA journal_mode").fetchone() == ("delete",):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:  # others are at it: SQLite does not wait for them here
            if time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """A block that writes in one transaction, which is undone if the block fails.

    Args:
        connection: with ``isolation_level=None``.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # a full disk may have undone it already
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def number_of(connection: sqlite3.Connection, name: str) -> int:
    """Return the value of a pragma.

    Args:
        connection: to the database.
        name: of the pragma.
    """
    (found,) = cast("tuple[int]", connection.execute(f"PRAGMA {name}").fetchone())
    return found


def file_at(path: Path) -> tuple[int, int] | None:
    """Return the identity of the file at a path; None if there is none.

    Args:
        path: of the file.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def reason_of(error: sqlite3.Error, path: Path, lock_timeout: float) -> str:
    """Return in words why a database could not be read or written.

    Args:
        error: the error of SQLite.
        path: the path of the file.
        lock_timeout: how long the call waited for other writers, in seconds.
    """
    kind = cast("str", getattr(error, "sqlite_errorname", ""))
    if kind.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"another writer kept its lock for over {lock_timeout:g} seconds"
    if kind == "SQLITE_NOTADB":
        return "it is not a SQLite database; give another path"
    if kind.startswith("SQLITE_CORRUPT"):
        return "it is damaged; `sqlite3 FILE .recover` may save what is in it"
    if kind.startswith("SQLITE_CANTOPEN") and path.is_dir():
        return "it is a folder; give the path of a file"
    return str(error)
