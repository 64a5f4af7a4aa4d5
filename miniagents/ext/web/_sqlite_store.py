"""The file of `SQLiteFrames`. Every call blocks; they are made in a thread."""

import os
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, cast

from .. import _sqlite as sqlite
from ._frame_log import BATCH, LOST, STOPPED, FrameLogError, RunRecord, run_exists, unknown_run
from ._frames import Frame, RunEnded, frame_from_json, frame_json

__all__ = ["Append", "SQLiteStore"]

_RESUMABLE: Final = "ALTER TABLE runs ADD COLUMN resumable INTEGER NOT NULL DEFAULT 0"
_FORM: Final = sqlite.DatabaseForm(
    0x6D696167,  # "miag", which identifies a log of frames
    2,
    (
        "CREATE TABLE servers (server TEXT PRIMARY KEY, seen REAL NOT NULL) WITHOUT ROWID",
        (
            "CREATE TABLE runs (id INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, "
            "topic TEXT NOT NULL, server TEXT NOT NULL, began REAL NOT NULL, ended REAL, "
            "stop INTEGER NOT NULL DEFAULT 0)"
        ),
        _RESUMABLE,
        "CREATE INDEX topics ON runs (topic, owner) WHERE topic != ''",
        "CREATE INDEX stops ON runs (server) WHERE stop",
        "CREATE INDEX ends ON runs (ended)",
        (
            "CREATE TABLE frames (run INTEGER NOT NULL, position INTEGER NOT NULL, frame BLOB NOT NULL, "
            "PRIMARY KEY (run, position)) WITHOUT ROWID"
        ),
    ),
    upgrades=((_RESUMABLE,),),
)
_BUSY: Final = 10.0  # seconds that another process may hold the file
_PURGED: Final = 100  # runs at once, so that other calls do not wait long

Append: TypeAlias = tuple[str, Sequence[Frame]]
"""A run and the frames to append; a `RunEnded` ends it."""


@dataclass(frozen=True, slots=True)
class RunState:
    """Whether more frames of a run can come.

    Attributes:
        ended: its last frame is there.
        here: this store writes it.
        seen: seconds ago its server was there.
        resumable: another server may take it over.
    """

    ended: bool
    here: bool
    seen: float
    resumable: bool


class SQLiteStore:
    """One connection to the file. Every call blocks.

    Args:
        path: of the file; it is made.
        server: the id of this process, as a writer of runs.

    Raises:
        FrameLogError: the file is none of ours, or of a newer version.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = SQLiteStore(f"{folder}/frames.db", "server-1")
        ...     store.begin("7", "ada", "")
        ...     print(store.append_all([("7", [RunEnded("finished")])]), store.read("7", 0))
        ...     store.close()
        [None] [(1, RunEnded(how='finished', sentence=''))]
    """

    def __init__(self, path: str | os.PathLike[str], server: str) -> None:
        self._path = os.fspath(path)
        self._server = server
        self._numbers: dict[str, tuple[int, int]] = {}  # run -> its number and its last position
        try:
            sqlite.make_private(Path(path))
        except OSError as error:
            reason = error.strerror or str(error)
            raise FrameLogError(f"{self._path} cannot be opened: {reason}.") from error
        try:
            self._db = sqlite3.connect(
                self._path, timeout=_BUSY, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise FrameLogError(f"{self._path} cannot be opened: {error}.") from error
        try:
            self._set_up()
        except sqlite3.Error as error:
            self._db.close()
            reason = sqlite.reason_of(error, Path(path), _BUSY)
            raise FrameLogError(f"{self._path} cannot be used for frames: {reason}.") from error
        except FrameLogError:
            self._db.close()
            raise

    def _set_up(self) -> None:
        try:
            sqlite.prepare(self._db, Path(self._path), _FORM, lock_timeout=_BUSY, durability="NORMAL")
        except sqlite.OtherProgramError:
            raise FrameLogError(
                f"{self._path} is a database of something else; give SQLiteFrames a file of its own."
            ) from None
        except sqlite.WrongFileError as error:
            raise FrameLogError(f"{error}.") from None

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def leave(self) -> None:
        """Record that this server ends: its runs that have not ended are lost."""
        self._db.execute("DELETE FROM servers WHERE server = ?", (self._server,))

    # -- writing -----------------------------------------------------------------------------------------

    def begin(self, run: str, owner: str, topic: str, resumable: bool = False) -> None:
        """Record that a run begins.

        Args:
            run: its id.
            owner: whose it is.
            topic: what it belongs to.
            resumable: another server may take it over.

        Raises:
            FrameLogError: a run with this id exists.
        """
        with sqlite.transaction(self._db):
            self._touch()
            try:
                made = self._db.execute(
                    "INSERT INTO runs (run, owner, topic, server, began, resumable)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (run, owner, topic, self._server, time.time(), resumable),
                )
            except sqlite3.IntegrityError:
                raise run_exists(run) from None
            self._numbers[run] = (cast("int", made.lastrowid), 0)

    def take_over(self, run: str) -> RunRecord | None:
        """Become the writer of a run that has not ended; its earlier writer can no longer append.

        Args:
            run: its id.

        Returns:
            The record of the run; None if it does not exist.
        """
        with sqlite.transaction(self._db):
            self._touch()
            self._numbers.pop(run, None)
            self._db.execute(
                "UPDATE runs SET server = ? WHERE run = ? AND ended IS NULL", (self._server, run)
            )
            return self.find(run)

    def append_all(self, appends: Sequence[Append]) -> list[Exception | None]:
        """Append frames to many runs in one transaction.

        Args:
            appends: in order.

        Returns:
            For each of them the error that it alone has.
        """
        results: list[Exception | None] = []
        try:
            with sqlite.transaction(self._db):
                for run, frames in appends:
                    try:
                        self._append(run, frames)
                        results.append(None)
                    except FrameLogError as error:
                        results.append(error)
        except sqlite3.Error as error:
            self._numbers.clear()  # the transaction was undone, so the counts are wrong
            raise FrameLogError(f"{self._path} cannot be written: {error}.") from error
        return results

    def _append(self, run: str, frames: Sequence[Frame], *, is_writer: bool = True) -> None:
        number, last = self._numbers.get(run, (0, 0))
        row = self._row("SELECT id, ended, server FROM runs WHERE run = ?", run)
        if row is None:
            raise unknown_run(run)
        if row[1] is not None:
            self._numbers.pop(run, None)
            raise FrameLogError(f"the run {run!r} has ended; no frame can be appended.", "ended")
        if is_writer and row[2] != self._server:
            self._numbers.pop(run, None)
            raise FrameLogError(
                f"another server writes the run {run!r}; this one cannot append to it.", "ended"
            )
        if not number:
            number = cast("int", row[0])
            last = self._last(number)
        self._db.executemany(
            "INSERT INTO frames (run, position, frame) VALUES (?, ?, ?)",
            [(number, at, frame_json(each)) for at, each in enumerate(frames, start=last + 1)],
        )
        if frames and isinstance(frames[-1], RunEnded):
            self._db.execute("UPDATE runs SET ended = ? WHERE id = ?", (time.time(), number))
            self._numbers.pop(run, None)
        else:
            self._numbers[run] = (number, last + len(frames))

    def lose(self, run: str) -> None:
        """End a run of a server that has crashed, unless another process has done so.

        Args:
            run: its id.
        """
        with sqlite.transaction(self._db):
            self._numbers.pop(run, None)
            row = self._row("SELECT ended, stop FROM runs WHERE run = ?", run)
            if row is not None and row[0] is None:
                self._append(run, [STOPPED if row[1] else LOST], is_writer=False)

    def beat(self) -> list[str]:
        """Write a heartbeat of this server.

        Returns:
            The ids of its runs that somebody wants to be stopped.
        """
        with sqlite.transaction(self._db):
            self._touch()
        return self.stops()

    def stops(self) -> list[str]:
        """Return the ids of the runs of this server that clients stop."""
        rows = self._rows("SELECT run FROM runs WHERE stop AND server = ? AND ended IS NULL", self._server)
        return [str(row[0]) for row in rows]

    def ask_to_stop(self, run: str) -> None:
        """Record that a client stops a run.

        Args:
            run: its id.

        Raises:
            FrameLogError: the file cannot be written.
        """
        try:
            self._db.execute("UPDATE runs SET stop = 1 WHERE run = ? AND ended IS NULL", (run,))
        except sqlite3.Error as error:
            raise FrameLogError(f"{self._path} cannot be written: {error}.") from error

    def delete(self, run: str) -> None:
        """Delete a run and its frames, if it is there.

        Args:
            run: its id.

        Raises:
            FrameLogError: the file cannot be written.
        """
        self._numbers.pop(run, None)
        try:
            with sqlite.transaction(self._db):
                self._delete(self._rows("SELECT id FROM runs WHERE run = ?", run))
        except sqlite3.Error as error:
            raise FrameLogError(f"{self._path} cannot be written: {error}.") from error

    def _delete(self, numbers: Sequence[tuple[object, ...]]) -> None:
        self._db.executemany("DELETE FROM frames WHERE run = ?", numbers)
        self._db.executemany("DELETE FROM runs WHERE id = ?", numbers)

    def forget_before(self, seconds: float, lease: float) -> int:
        """Delete some runs that ended long ago, and some whose server crashed long ago.

        Args:
            seconds: how long ago.
            lease: seconds after which a server without a heartbeat has crashed.

        Returns:
            How many; call it again if there are any.
        """
        before = time.time() - seconds
        crashed = before - lease  # a server that lives writes a heartbeat more often than that
        with sqlite.transaction(self._db):
            rows = self._rows(
                "SELECT id FROM runs WHERE ended < ? OR ended IS NULL AND began < ?"
                " AND server NOT IN (SELECT server FROM servers WHERE seen > ?) LIMIT ?",
                *(before, before, crashed, _PURGED),
            )
            self._delete(rows)
            self._db.execute(
                "DELETE FROM servers WHERE seen < ? AND server NOT IN (SELECT server FROM runs)", (crashed,)
            )
        return len(rows)

    def _touch(self) -> None:
        self._db.execute(
            "INSERT INTO servers (server, seen) VALUES (?, ?)"
            " ON CONFLICT (server) DO UPDATE SET seen = excluded.seen",
            (self._server, time.time()),
        )

    # -- reading -----------------------------------------------------------------------------------------

    def read(self, run: str, after: int) -> list[tuple[int, Frame]]:
        """Return the next frames of a run; if there are many, only some.

        Args:
            run: its id.
            after: the position that they stand behind.
        """
        rows = self._rows(
            "SELECT position, frame FROM frames WHERE run = (SELECT id FROM runs WHERE run = ?)"
            " AND position > ? ORDER BY position LIMIT ?",
            run,
            after,
            BATCH,
        )
        return [(cast("int", position), frame_from_json(cast("bytes", frame))) for position, frame in rows]

    def state(self, run: str) -> RunState | None:
        """Return whether more frames of a run can come; None if it does not exist.

        Args:
            run: its id.
        """
        row = self._row(
            "SELECT ended, server, (SELECT seen FROM servers WHERE server = runs.server), resumable"
            " FROM runs WHERE run = ?",
            run,
        )
        if row is None:
            return None
        seen = time.time() - cast("float", row[2] or 0.0)
        return RunState(row[0] is not None, row[1] == self._server, seen, bool(row[3]))

    def find(self, run: str) -> RunRecord | None:
        """Return the record of a run, or None.

        Args:
            run: its id.
        """
        row = self._row("SELECT id, owner, topic, ended, stop FROM runs WHERE run = ?", run)
        if row is None:
            return None
        last = self._last(cast("int", row[0]))
        return RunRecord(run, str(row[1]), str(row[2]), row[3] is not None, last, bool(row[4]))

    def latest(self, topic: str, owner: str) -> str | None:
        """Return the id of the newest run of a topic, or None.

        Args:
            topic: what the run belongs to.
            owner: the owner of the run.
        """
        row = self._row(
            "SELECT run FROM runs WHERE topic = ? AND topic != '' AND owner = ? ORDER BY id DESC LIMIT 1",
            topic,
            owner,
        )
        return None if row is None else str(row[0])

    def _last(self, number: int) -> int:
        row = self._row("SELECT max(position) FROM frames WHERE run = ?", number)
        return 0 if row is None else cast("int", row[0] or 0)

    def _row(self, query: str, *values: object) -> tuple[object, ...] | None:
        return cast("tuple[object, ...] | None", self._db.execute(query, values).fetchone())

    def _rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        return cast("list[tuple[object, ...]]", self._db.execute(query, values).fetchall())
