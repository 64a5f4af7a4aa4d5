"""``Journal``: calls in a file that one process writes."""

import logging
import os
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias, TypeVar
from weakref import finalize

from miniagents.models import CallKey, JournalEntry, JournalError, RecordedFunction, UnfinishedRun

from .._file_lock import file_lock
from .._sqlite import PRIVATE, WrongFileError, make_private, reason_of, transaction
from ._file import INSERT, JournalFile, StoredCall, opened, read_calls
from ._group_commit import GroupCommit
from ._key_filter import KeyFilter

R = TypeVar("R")

Keep: TypeAlias = Literal["hash", "text"]
"""What is kept of what agents are sent: a hash, or the text without what looks like a key."""

_LOG: Final = logging.getLogger("miniagents.ext.journal")
_LOCK_TIMEOUT: Final = 30.0
_FEW: Final = 64  # keys, for which it does not pay to look at all that are there
_FLAGS: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class Journal:
    """Calls of agents in a file of SQLite, each safe on the disk when it is kept.

    One thread writes, and commits together what came while it was writing, so that thousands of calls a
    second can be kept. One process at a time uses a journal; another one is refused. What is in it can be
    read by others all the time: ``miniagents journal show FILE``.

    The file can be read by its owner only. What agents reply stands in it; what they are sent only if that
    is wished; keys and clients never.

    Args:
        path: the file. It need not exist, its folder must.
        keep: of what agents are sent: ``"hash"`` or ``"text"``.
        clock: tells the time, in seconds since 1970, by which old calls are pruned.

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
        self, path: str | Path, *, keep: Keep = "hash", clock: Callable[[], float] = time.time
    ) -> None:
        if keep not in {"hash", "text"}:
            raise JournalError(f"keep={keep!r} of a journal is neither 'hash' nor 'text'.")
        self.path: Path = Path(path)
        self._process = os.getpid()
        self._file = JournalFile(self.path, clock, texts=keep == "text")
        self._known = KeyFilter()  # calls of no run: what is not there is known without asking
        self._all_known = False
        self._held: set[str] = set()  # runs on which somebody works
        self._asked = 0
        self._writer = _open(self.path, self._file)
        self._close = finalize(self, self._writer.close)

    def close(self) -> None:
        """Write what is to be written, and let other processes use the file; idempotent."""
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
        """Know a function from now on; a source text that has changed since is warned of.

        Args:
            function: whose calls are going to be kept.

        Raises:
            JournalError: another function has this name and version, or the file cannot be written.
        """
        known = await self._ask(lambda connection: self._file.know(connection, function), writes=True)
        if known != function.source and known and function.source:
            _LOG.warning(
                "The source of %s has changed since version %r of it was recorded in %s; if it answers "
                "otherwise now, record it with another version=.",
                function.name,
                function.version,
                self.path,
            )
            await self._ask(lambda connection: self._file.renew(connection, function), writes=True)

    async def find(self, key: CallKey, /) -> JournalEntry | None:
        """The call with this key; None if there is none.

        Args:
            key: of the call.

        Raises:
            JournalError: the file cannot be read.
        """
        if not key.run:  # the calls of a run are known by `calls_of`
            await self._know_all()
            if not self._known.may_have(key.digest):
                return None
        return await self._ask(lambda connection: self._file.find(connection, key))

    async def find_all(self, keys: Sequence[CallKey], /) -> list[JournalEntry | None]:
        """For each key the call with it; None if there is none.

        Args:
            keys: of calls.

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
        """Keep a call in the place of one with the same key; it is on the disk when this returns.

        Args:
            key: of the call.
            entry: what was asked, and what came of it.

        Raises:
            JournalError: the file cannot be written.
        """
        await self.keep_all([(key, entry)])

    async def keep_all(self, calls: Sequence[tuple[CallKey, JournalEntry]], /) -> None:
        """Keep calls, all of them or none; they are on the disk when this returns.

        Args:
            calls: each with its key; one with a key that is kept takes the place of that.

        Raises:
            JournalError: the file cannot be written.
        """
        for key, _ in calls:
            if not key.run:
                self._known.add(key.digest)
        rows = [self._file.row(key, entry) for key, entry in calls]
        await self._answered(self._writer.write(rows), "written")

    async def calls_of(self, run: str, /) -> list[tuple[bytes, int, str]]:
        """The digest, the number and the name of each call of a run, in the order in which they were kept.

        Args:
            run: the id of the run.

        Raises:
            JournalError: the file cannot be read.
        """
        return await self._ask(lambda connection: self._file.numbers(connection, run))

    @asynccontextmanager
    async def hold(self, run: str, /) -> AsyncGenerator[None]:
        """A block in which no other process or task works on a run.

        Args:
            run: the id of the run.

        Raises:
            JournalError: when it is entered: somebody works on it already.
        """
        if run in self._held:
            raise JournalError(
                f"The run {run!r} of the journal {self.path} is going on already, and two at once would take "
                "each other's answers. Wait for its end, or give this one a run_id of its own."
            )
        self._held.add(run)
        try:
            yield
        finally:
            self._held.discard(run)

    async def begin_run(self, run: str, request: str, /) -> None:
        """Keep what a new run is asked; it is on the disk when this returns.

        Args:
            run: its id.
            request: what is asked, as a text.

        Raises:
            JournalError: the file cannot be written.
        """
        await self._ask(lambda connection: self._file.begin_run(connection, run, request), writes=True)

    async def unfinished_runs(self) -> list[UnfinishedRun]:
        """Take over the runs on which no server works; each of them counts one attempt more.

        Raises:
            JournalError: the file cannot be written.
        """
        held = frozenset(self._held)
        return await self._ask(lambda connection: self._file.unfinished_runs(connection, held), writes=True)

    async def leave_run(self, run: str, /) -> None:
        """Leave a run to the next process, in order: that it was begun here counts as no attempt.

        Args:
            run: its id.

        Raises:
            JournalError: the file cannot be written.
        """
        await self._ask(lambda connection: self._file.leave_run(connection, run), writes=True)

    async def end_run(self, run: str, /) -> None:
        """Forget a run that has ended, and its calls.

        Args:
            run: its id.

        Raises:
            JournalError: the file cannot be written.
        """
        await self._ask(lambda connection: self._file.end_run(connection, run), writes=True)

    def calls(self) -> Iterator[StoredCall]:
        """All calls, in the order in which they were kept; it blocks.

        Raises:
            JournalError: the file cannot be read.
        """
        return read_calls(self.path)

    def prune(
        self,
        *,
        older_than: float | None = None,
        unused_for: float | None = None,
        max_bytes: int | None = None,
    ) -> int:
        """Remove calls, and return how many that were; it blocks.

        Args:
            older_than: those that were kept longer ago, in seconds.
            unused_for: those that were last played, or kept, longer ago, in seconds.
            max_bytes: the least recently used ones, until the others take no more than this.

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
                f"The journal {self.path} was opened by process {self._process}, and this is one that was "
                "forked from it; open journals in the process that uses them."
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
    """Open a file that nobody else uses; what was opened is closed at the end, or if it fails."""
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
    """Lock the file beside it, which says who has it; a process that dies gives it back.

    Raises:
        JournalError: another one has it.
        OSError: there is no such folder, or it cannot be written.
    """
    beside = path.with_name(f"{path.name}-lock")
    fd = os.open(beside, _FLAGS, PRIVATE)
    stack.callback(os.close, fd)
    try:
        stack.enter_context(file_lock(fd, exclusive=True, timeout=0))
    except TimeoutError:
        holder = os.pread(fd, 20, 0).decode(errors="replace").strip()
        who = (
            "this process has it open already" if holder == str(os.getpid()) else f"process {holder} uses it"
        )
        raise JournalError(
            f"The journal {path} cannot be opened: {who}, and one at a time can. Wait for its end, or give "
            "another path."
        ) from None
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)  # where the lock of Windows is, it is not
    os.write(fd, str(os.getpid()).encode())
    make_private(path)
