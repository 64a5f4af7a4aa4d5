"""A thread that reads and writes a database for all tasks, and commits their writes in groups.

A commit takes milliseconds, for one row as for a hundred. So all rows that come while a group is written are
the next group. The rows of a group are written by one statement, because between two statements the
interpreter would change threads, which takes longer than writing a row.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future as ThreadFuture
from typing import Final, Generic, TypeVar, cast

from .._sqlite import transaction

R = TypeVar("R")

_LARGEST: Final = 1000  # calls of a group
_AT_ONCE: Final = 64  # rows of a statement


class _Job(Generic[R]):
    """A job for the database: a function to call, or rows to write."""

    __slots__ = ("_error", "_result", "function", "future", "loop", "writes")

    def __init__(
        self,
        function: Callable[[sqlite3.Connection], R] | Sequence[tuple[object, ...]],
        future: "asyncio.Future[R] | ThreadFuture[R]",
        loop: asyncio.AbstractEventLoop | None,
        *,
        writes: bool,
    ) -> None:
        self.function = function
        self.future = future
        self.loop = loop
        self.writes = writes
        self._result: R | None = None
        self._error: Exception | None = None

    @property
    def rows(self) -> Sequence[tuple[object, ...]]:
        """The rows to write."""
        function = self.function
        return () if callable(function) else function

    def run(self, connection: sqlite3.Connection) -> None:
        """Call the function.

        Raises:
            sqlite3.Error: the function writes, so the transaction is lost.
        """
        if not callable(self.function):
            return  # its rows are written with those of other jobs
        try:
            self._result = self.function(connection)
        except sqlite3.Error as error:
            self._error = error
            if self.writes:
                raise
        except Exception as error:  # noqa: BLE001 - it is that of this job alone
            self._error = error

    def fail(self, error: Exception) -> None:
        """Note that the transaction was undone."""
        self._error = self._error or error

    def answer(self) -> None:
        """Set the result of the future; called in the thread of the caller."""
        future = self.future
        if future.done():
            return  # the caller was cancelled; its rows are written
        if self._error is None:
            future.set_result(cast("R", self._result))
        else:
            future.set_exception(self._error)


class GroupCommit:
    """Runs jobs on a database in a thread of its own.

    Args:
        connection: a connection with ``isolation_level=None``, which nothing else uses.
        insert: the statement that writes rows, without its values.
        at_end: called last, before the connection is closed.
    """

    def __init__(self, connection: sqlite3.Connection, insert: str, at_end: Callable[[], None]) -> None:
        self._connection = connection
        self._insert = insert
        self._at_end = at_end
        self._jobs: queue.SimpleQueue[tuple[_Job[object], ...] | None] = queue.SimpleQueue()
        self._waiting: dict[asyncio.AbstractEventLoop, list[_Job[None]]] = {}
        self._thread = threading.Thread(target=self._work, name="miniagents journal", daemon=True)
        self._closing = threading.Lock()
        self._closed = False
        self._thread.start()

    async def ask(self, function: Callable[[sqlite3.Connection], R], *, writes: bool = False) -> R:
        """Call a function, and return its result; if it writes, its changes are then on the disk.

        Args:
            function: is called with the connection; it must not begin a transaction.
            writes: whether it runs in the transaction of a group.

        Raises:
            sqlite3.Error: the database cannot be read or written.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._put(_Job(function, future, loop, writes=writes))
        return await future

    async def write(self, rows: Sequence[tuple[object, ...]]) -> None:
        """Write rows, all of them or none; they are on the disk when this returns.

        Args:
            rows: the values of the rows.

        Raises:
            sqlite3.Error: they cannot be written.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        jobs = self._waiting.setdefault(loop, [])
        jobs.append(_Job(rows, future, loop, writes=True))
        if len(jobs) == 1:  # those that end in the same turn of the loop are handed over together
            loop.call_soon(self._hand_over, loop)
        await future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        jobs = self._waiting.pop(loop)
        try:
            self._put(*jobs)
        except ValueError as error:
            for each in jobs:
                each.fail(error)
            _tell(cast("list[_Job[object]]", jobs))

    def ask_and_wait(self, function: Callable[[sqlite3.Connection], R], *, writes: bool = False) -> R:
        """The same as `ask`, but blocking.

        Args:
            function: is called with the connection.
            writes: whether it runs in the transaction of a group.

        Raises:
            sqlite3.Error: the database cannot be read or written.
        """
        future: ThreadFuture[R] = ThreadFuture()
        self._put(_Job(function, future, None, writes=writes))
        return future.result()

    def _put(self, *jobs: _Job[R]) -> None:
        with self._closing:
            if self._closed:
                raise ValueError("it is closed")
            self._jobs.put(cast("tuple[_Job[object], ...]", jobs))

    def close(self) -> None:
        """Finish all jobs, and end the thread; idempotent."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()

    # -- the thread ----------------------------------------------------------------------------------------

    def _work(self) -> None:
        going_on = True
        while going_on:
            group: list[_Job[object]] = []
            jobs = self._jobs.get()
            while True:
                if jobs is None:
                    going_on = False
                    break
                group += jobs
                if len(group) >= _LARGEST:
                    break
                try:
                    jobs = self._jobs.get_nowait()
                except queue.Empty:
                    break
            # Jobs that only read come first, because they need not wait for the disk.
            self._read([each for each in group if not each.writes])
            self._write([each for each in group if each.writes])
        try:
            self._at_end()
        finally:
            self._connection.close()

    def _read(self, jobs: list[_Job[object]]) -> None:
        for job in jobs:
            job.run(self._connection)
        _answer(jobs)

    def _write(self, jobs: list[_Job[object]]) -> None:
        if not jobs:
            return
        try:
            with transaction(self._connection):
                self._write_rows([row for job in jobs for row in job.rows])
                for job in jobs:
                    job.run(self._connection)
        except sqlite3.Error as error:
            for job in jobs:
                job.fail(error)
        _answer(jobs)

    def _write_rows(self, rows: list[tuple[object, ...]]) -> None:
        for at in range(0, len(rows), _AT_ONCE):
            some = rows[at : at + _AT_ONCE]
            values = f"({', '.join('?' * len(some[0]))})"
            statement = f"{self._insert} VALUES {', '.join([values] * len(some))}"
            self._connection.execute(statement, [value for row in some for value in row])


def _answer(jobs: list[_Job[object]]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop | None, list[_Job[object]]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, theirs in by_loop.items():
        if loop is None:
            _tell(theirs)
        else:
            try:
                loop.call_soon_threadsafe(_tell, theirs)
            except RuntimeError:
                continue  # the loop is closed: no task waits any more


def _tell(jobs: list[_Job[object]]) -> None:
    for job in jobs:
        job.answer()
