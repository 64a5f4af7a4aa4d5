"""``Journal``: keeps calls in a file, which one process writes."""

import logging
import os
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self, TypeVar
from weakref import finalize

from miniagents.runs import CallKey, JournalEntry, JournalError, RecordedFunction, UnfinishedRun

from .._file_lock import file_lock
from .._sqlite import PRIVATE, WrongFileError, make_private, reason_of, transaction
from ._file import INSERT, JournalFile, StoredCall, opened, read_calls
from ._group_commit import GroupCommit
from ._key_filter import KeyFilter

R = TypeVar("R")

_LOG: Final = logging.getLogger("miniagents.ext.journal")
_LOCK_TIMEOUT: Final = 30.0
_FEW: Final = 64  # keys; for fewer, it does not pay to read all keys of the file
_FLAGS: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class Journal:
    """Keeps calls of agents in a SQLite file; each call is on the disk when `keep` returns.

    A thread writes the calls, and commits all that came meanwhile together, so that thousands of calls a
    second can be kept. Only one process at a time can open a journal. Other processes can read its calls at
    any time: ``miniagents journal show FILE``.

    Only the owner of the file can read it. It has the replies of agents, and the messages for them only with
    ``keep="text"``. Keys and client objects are never in it.

    Args:
        path: the file. It is created if it does not exist; its folder must exist.
        keep: what to keep of the messages for agents: ``"hash"`` or ``"text"``.
        clock: returns the time in seconds since 1970; used for pruning.

    Raises:
        JournalError: the file cannot be used, or another process uses it.

    Example:
        >>> import tempfile
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.journal import Journal, recorded
        >>> from miniagents.testing import scripted_model
        >>> async def ask(journal, *answers):
        ...     print(await recorded(scripted_model(*answers), journal, version="1").inquire("Hi"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Journal(f"{folder}/calls.journal") as journal:
        ...         MiniAgents().run(ask(journal, "Hello!"))
        ...     with Journal(f"{folder}/calls.journal") as journal:  # tomorrow
        ...         MiniAgents().run(ask(journal))
        Hello!
        Hello!
    """

    def __init__(
        self,
        path: str | Path,
        *,
        keep: Literal["hash", "text"] = "hash",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if keep not in {"hash", "text"}:
            raise JournalError(f"keep={keep!r} of a journal is neither 'hash' nor 'text'.")
        self.path: Path = Path(path)
        self._process = os.getpid()
        self._file = JournalFile(self.path, clock, texts=keep == "text")
        self._known = KeyFilter()  # calls without a run: tells without a query that a call is not in the file
        self._all_known = False
        self._held: set[str] = set()  # runs that are in work
        self._asked = 0
        self._writer = _open(self.path, self._file)
        self._close = finalize(self, self._writer.close)

    def close(self) -> None:
        """Write all that is pending, and let other processes open the file; idempotent."""
        self._close()

    def __enter__(self) -> Self:
        """Use it in a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    async def check(self, function: RecordedFunction, /) -> None:
        """Register a function; log a warning if its source has changed since it was recorded.

        Args:
            function: the function whose calls will be kept.

        Raises:
            JournalError: another function has this name and version, or the file cannot be written.
        """
        known = await self._ask(lambda connection: self._file.know(connection, function), writes=True)
        if known != function.source and known and function.source:
            _LOG.warning(
                "The source of %s has changed since its version %r was recorded in %s; if it answers "
                "differently now, record it with another version=.",
                function.name,
                function.version,
                self.path,
            )
            await self._ask(lambda connection: self._file.renew(connection, function), writes=True)

    async def find(self, key: CallKey, /) -> JournalEntry | None:
        """Return the call with this key; None if there is none.

        Args:
            key: the key of the call.

        Raises:
            JournalError: the file cannot be read.
        """
        if not key.run:  # the calls of a run are known by `calls_of`
            await self._know_all()
            if not self._known.may_have(key.digest):
                return None
        return await self._ask(lambda connection: self._file.find(connection, key))

    async def find_all(self, keys: Sequence[CallKey], /) -> list[JournalEntry | None]:
        """Return the call for each key; None where there is none.

        Args:
            keys: the keys of calls.

        Raises:
            JournalError: the file cannot be read.
        """
        self._asked += len(keys)
        if self._asked > _FEW:
            await self._know_all()
        asked = [key for key in keys if key.run or not self._all_known or self._known.may_have(key.digest)]
        if not asked:
            return [None] * len(keys)
        found = await self._ask(lambda connection: self._file.find_all(connection, asked))
        return [found.get(key) for key in keys]

    async def keep(self, key: CallKey, entry: JournalEntry, /) -> None:
        """Keep a call; it replaces one with the same key, and is on the disk when this returns.

        Args:
            key: the key of the call.
            entry: the messages for the agent, and its replies.

        Raises:
            JournalError: the file cannot be written.
        """
        await self.keep_all([(key, entry)])

    async def keep_all(self, calls: Sequence[tuple[CallKey, JournalEntry]], /) -> None:
        """Keep calls, all of them or none; they are on the disk when this returns.

        Args:
            calls: each with its key; it replaces a call with the same key.

        Raises:
            JournalError: the file cannot be written.
        """
        for key, _ in calls:
            if not key.run:
                self._known.add(key.digest)
        rows = [self._file.row(key, entry) for key, entry in calls]
        await self._answered(self._writer.write(rows), "written")

    async def calls_of(self, run: str, /) -> list[tuple[bytes, int, str]]:
        """Return the digest, the number and the name of each call of a run, oldest first.

        Args:
            run: the id of the run.

        Raises:
            JournalError: the file cannot be read.
        """
        return await self._ask(lambda connection: self._file.numbers(connection, run))

    @asynccontextmanager
    async def hold(self, run: str, /) -> AsyncGenerator[None]:
        """A block in which no other task works on a run.

        Args:
            run: the id of the run.

        Raises:
            JournalError: when the block begins: another task works on the run.
        """
        if run in self._held:
            raise JournalError(
                f"The run {run!r} of the journal {self.path} is already going on, and two at the same time "
                "would take each other's answers. Wait for its end, or use another run_id."
            )
        self._held.add(run)
        try:
            yield
        finally:
            self._held.discard(run)

    async def begin_run(self, run: str, request: str, /) -> None:
        """Keep the request of a new run; it is on the disk when this returns.

        Args:
            run: the id of the run.
            request: the request as a text.

        Raises:
            JournalError: the file cannot be written.
        """
        await self._ask(lambda connection: self._file.begin_run(connection, run, request), writes=True)

    async def unfinished_runs(self) -> list[UnfinishedRun]:
        """Take over the runs on which no server works; this counts as one more attempt for each.

        Raises:
            JournalError: the file cannot be written.
        """
        held = frozenset(self._held)
        return await self._ask(lambda connection: self._file.unfinished_runs(connection, held), writes=True)

    async def leave_run(self, run: str, /) -> None:
        """Leave a run to the next process because this one ends normally; this does not count as an attempt.

        Args:
            run: its id.

        Raises:
            JournalError: the file cannot be written.
        """
        await self._ask(lambda connection: self._file.leave_run(connection, run), writes=True)

    async def end_run(self, run: str, /) -> None:
        """Delete a run that has ended, and its calls.

        Args:
            run: its id.

        Raises:
            JournalError: the file cannot be written.
        """
        await self._ask(lambda connection: self._file.end_run(connection, run), writes=True)

    def calls(self) -> Iterator[StoredCall]:
        """Return all calls, in the order in which they were kept; this blocks.

        Raises:
            JournalError: the file cannot be read.
        """
        return read_calls(self.path)

    @staticmethod
    def read(path: str | Path) -> Iterator[StoredCall]:
        """Return the calls of a file in their order, also while another process uses it; this blocks.

        One that cannot be read is left out, with a warning.

        Args:
            path: the path of the file.

        Raises:
            JournalError: it is not a journal, or cannot be read.

        Example:
            >>> next(Journal.read("no_such.journal"))
            Traceback (most recent call last):
                ...
            miniagents...JournalError: The journal no_such.journal does not exist.
        """
        return read_calls(Path(path))

    def prune(
        self,
        *,
        older_than: float | None = None,
        unused_for: float | None = None,
        max_bytes: int | None = None,
    ) -> int:
        """Remove calls, and return how many were removed; this blocks.

        Args:
            older_than: removes calls that are older than this, in seconds.
            unused_for: removes calls that were not used for this long, in seconds.
            max_bytes: removes the least recently used calls, until the others take no more bytes than this.

        Raises:
            JournalError: the file cannot be written.
        """
        try:
            return self._writer.ask_and_wait(
                lambda connection: self._file.prune(connection, older_than, unused_for, max_bytes),
                writes=True,
            )
        except (sqlite3.Error, ValueError) as error:
            raise self._failure(error, "written") from None

    async def _know_all(self) -> None:
        if not self._all_known:
            self._known.add_all(await self._ask(self._file.known))
            self._all_known = True

    async def _ask(self, function: Callable[[sqlite3.Connection], R], *, writes: bool = False) -> R:
        return await self._answered(
            self._writer.ask(function, writes=writes), "written" if writes else "read"
        )

    async def _answered(self, asked: Coroutine[object, object, R], what: str) -> R:
        if self._process != os.getpid():
            asked.close()
            raise JournalError(
                f"The journal {self.path} was opened by process {self._process}, and this is a fork of that "
                "process; open a journal in the process that uses it."
            )
        try:
            return await asked
        except (sqlite3.Error, ValueError) as error:
            raise self._failure(error, what) from None

    def _failure(self, error: sqlite3.Error | ValueError, what: str) -> JournalError:
        reason = (
            reason_of(error, self.path, _LOCK_TIMEOUT) if isinstance(error, sqlite3.Error) else str(error)
        )
        return JournalError(f"The journal {self.path} cannot be {what}: {reason}.")


def _open(path: Path, file: JournalFile) -> GroupCommit:
    """Lock and open the file; both are undone at the end, or if an error comes."""
    with ExitStack() as stack:
        try:
            _take(path, stack)
            connection = opened(path, lock_timeout=_LOCK_TIMEOUT)
        except WrongFileError as error:
            raise JournalError(f"The journal cannot be used: {error}.") from None
        except sqlite3.Error as error:
            reason = reason_of(error, path, _LOCK_TIMEOUT)
            raise JournalError(f"The journal {path} cannot be opened: {reason}.") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise JournalError(f"The journal {path} cannot be opened: {reason}.") from None
        give_back = stack.pop_all()

    def at_end() -> None:
        with give_back, transaction(connection):
            file.note_uses(connection)

    return GroupCommit(connection, INSERT, at_end)


def _take(path: Path, stack: ExitStack) -> None:
    """Lock a file next to the journal, which has the id of the process; its end releases the lock.

    Raises:
        JournalError: the journal is locked already.
        OSError: the folder does not exist, or cannot be written.
    """
    beside = path.with_name(f"{path.name}-lock")
    fd = os.open(beside, _FLAGS, PRIVATE)
    stack.callback(os.close, fd)
    try:
        stack.enter_context(file_lock(fd, exclusive=True, timeout=0))
    except TimeoutError:
        holder = os.pread(fd, 20, 0).decode(errors="replace").strip()
        who = (
            "this process has already opened it"
            if holder == str(os.getpid())
            else f"process {holder} uses it"
        )
        raise JournalError(
            f"The journal {path} cannot be opened: {who}, and only one at a time can. Wait for its end, or "
            "give another path."
        ) from None
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)  # where the lock of Windows is, it is not
    os.write(fd, str(os.getpid()).encode())
    make_private(path)
