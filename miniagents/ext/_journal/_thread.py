"""The thread of a journal: it reads and writes the database for all tasks, and commits writes in groups.

A commit takes milliseconds, for one row as for a hundred. So all writes that come while a group is committed
are the next group. Soft writes, which need not survive a loss of power, are handed over 50 times a second at
most, but the first ten after a pause at once: to wake the thread for each token would take longer than to
write it, and a run that waits for each of its steps should not wait for the next fiftieth of a second.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future as ThreadFuture
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, TypeAlias, TypeVar, cast

from ._database import Database
from ._followers import Mail
from ._runs import RunTables

R = TypeVar("R")

Urgency: TypeAlias = Literal["read", "soft", "hard"]
"""Whether a job only reads; whether what it writes survives a crash of the process, or a loss of power."""

_LOG: Final = logging.getLogger("miniagents.ext.journal")
_LARGEST: Final = 1000  # jobs of a group
_PAUSE: Final = 0.02  # seconds between two groups of soft writes, on average
_BURST: Final = 0.2  # seconds of pauses that may be left out after a time without writes
_TRIES: Final = 100  # of a transaction that is in the way of another one
_MUCH: Final = 65536  # bytes that do not wait for that


@dataclass(slots=True, eq=False)
class _Job(Generic[R]):
    """A function to call in the thread, and who waits for its result."""

    do: Callable[[], R]
    urgency: Urgency
    loop: asyncio.AbstractEventLoop | None = None
    future: "asyncio.Future[R] | ThreadFuture[R]" = field(init=False)
    _result: R | None = field(default=None, init=False)
    _error: Exception | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Make the future."""
        self.future = ThreadFuture() if self.loop is None else self.loop.create_future()

    def run(self, failures: tuple[type[Exception], ...]) -> None:
        """Call the function; errors of the database are raised, others are those of this job alone."""
        self._error = None
        try:
            self._result = self.do()
        except failures:
            raise
        except Exception as error:  # noqa: BLE001 - for the task that waits
            self._error = error

    def fail(self, error: Exception) -> None:
        """Note that the transaction was undone."""
        self._error = self._error or error

    def answer(self) -> None:
        """Set the result of the future; called in the thread of the caller."""
        future = self.future
        if future.done():
            return  # the caller was cancelled; what it wrote is written
        if self._error is None:
            future.set_result(cast("R", self._result))
        else:
            future.set_exception(self._error)


class _Waiting:
    """The writes of an event loop that are not handed over yet."""

    def __init__(self) -> None:
        self.jobs: list[_Job[object]] = []
        self.size = 0
        self.timer: asyncio.Handle | None = None
        self.urgent = False
        self.next = float("-inf")  # loop time from which on the next soft writes may be handed over


class JournalThread:
    """Runs jobs on a database in a thread of its own.

    Args:
        database: that nothing else uses.
        service: what it is used for; each transaction begins and ends with a call of it.
        mail: is sent after each commit.
    """

    def __init__(self, database: Database, service: RunTables, mail: Mail) -> None:
        self._database = database
        self._service = service
        self._mail = mail
        self._jobs: queue.SimpleQueue[Sequence[_Job[object]] | None] = queue.SimpleQueue()
        self._waiting: dict[asyncio.AbstractEventLoop, _Waiting] = {}
        self._thread = threading.Thread(target=self._work, name="miniagents journal", daemon=True)
        self._closing = threading.Lock()
        self._closed = False
        self._away = ""  # the database, if it cannot be used
        self._thread.start()

    def ask(self, do: Callable[[], R], urgency: Urgency, size: int = 0) -> "asyncio.Future[R]":
        """Call a function in the thread; its result comes when what it writes is committed.

        Args:
            do: what to call; for `soft` and `hard` in a transaction.
            urgency: how safe what it writes is.
            size: of what it writes, in bytes.
        """
        loop = asyncio.get_running_loop()
        job = cast("_Job[object]", _Job(do, urgency, loop))
        if urgency == "read":
            self._put([job])
        else:
            self._collect(loop, job, size)
        return cast("asyncio.Future[R]", job.future)

    def _collect(self, loop: asyncio.AbstractEventLoop, job: _Job[object], size: int) -> None:
        with self._closing:
            waiting = self._waiting.get(loop)
            if waiting is None:
                self._waiting = {one: its for one, its in self._waiting.items() if not one.is_closed()}
                waiting = self._waiting[loop] = _Waiting()
            waiting.jobs.append(job)
        waiting.size += size
        urgent = job.urgency == "hard" or waiting.size > _MUCH
        if waiting.timer is None or (urgent and not waiting.urgent):
            if waiting.timer is not None:
                waiting.timer.cancel()
            waiting.urgent = urgent
            if urgent or waiting.next <= loop.time():  # what ends in the same turn of the loop goes together
                waiting.timer = loop.call_soon(self._hand_over, loop, waiting)
            else:
                waiting.timer = loop.call_at(waiting.next, self._hand_over, loop, waiting)

    def _hand_over(self, loop: asyncio.AbstractEventLoop, waiting: _Waiting) -> None:
        jobs, waiting.jobs = waiting.jobs, []
        waiting.timer, waiting.size = None, 0
        waiting.next = max(waiting.next, loop.time() - _BURST) + _PAUSE
        try:
            self._put(jobs)
        except ValueError as error:
            for each in jobs:
                each.fail(error)
                each.answer()

    def ask_and_wait(self, do: Callable[[], R], urgency: Urgency) -> R:
        """The same as `ask`, but blocking."""
        job = _Job(do, urgency)
        self._put([cast("_Job[object]", job)])
        return job.future.result()

    def tell(self, do: Callable[[], object], urgency: Urgency = "read") -> None:
        """Call a function in the thread, unless it has ended; its result is not needed."""
        with self._closing:
            if not self._closed:
                self._jobs.put([_Job(do, urgency)])

    def _put(self, jobs: Sequence[_Job[object]]) -> None:
        with self._closing:
            if self._closed:
                raise ValueError("it is closed")
            self._jobs.put(jobs)

    def close(self) -> None:
        """Finish all jobs, and end the thread; idempotent."""
        with self._closing:
            if not self._closed:
                self._closed = True
                for waiting in self._waiting.values():
                    jobs, waiting.jobs = waiting.jobs, []
                    self._jobs.put(jobs)
                self._jobs.put(None)
        self._thread.join()

    # -- the thread ----------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while self._group():
                pass
            self._try(self._service.close)
        finally:
            self._mail.send()
            self._database.close()

    def _group(self) -> bool:
        group: list[_Job[object]] = []
        going_on = True
        try:
            jobs = self._jobs.get(timeout=self._tick())
            while jobs is not None:
                group += jobs
                if len(group) >= _LARGEST:
                    break
                jobs = self._jobs.get_nowait()
            else:
                going_on = False
        except queue.Empty:
            pass
        # Jobs that only read come first, because they need not wait for the disk.
        self._read([each for each in group if each.urgency == "read"])
        writes = [each for each in group if each.urgency != "read"]
        if writes:
            self._write(writes)
        return going_on

    def _tick(self) -> float | None:
        try:
            return self._service.tick(self._try)
        except Exception as error:  # noqa: BLE001 - the thread goes on, whatever it is
            self._has_failed(error, "read")
            return 1.0
        finally:
            self._mail.send()

    def _try(self, do: Callable[[], object]) -> None:
        """Write something for which no task waits."""
        job = _Job(do, "soft")
        self._write([job])
        error = job.future.exception()
        if error is not None:
            self._has_failed(error, "written")

    def _has_failed(self, error: BaseException, what: str) -> None:
        """Log why nothing can be read or written; once, if it is the database."""
        sentence = self._database.sentence(error, what)
        if not isinstance(error, self._database.failures):
            _LOG.warning("%s", sentence, exc_info=error)
        elif not self._away:
            self._away = sentence.partition(" cannot be ")[0]
            _LOG.warning("%s", sentence)

    def _read(self, jobs: list[_Job[object]]) -> None:
        for job in jobs:
            try:
                job.run(self._database.failures)
            except Exception as error:  # noqa: BLE001 - for the task that waits
                job.fail(error)
        self._answer(jobs)

    def _write(self, jobs: list[_Job[object]], tries: int = _TRIES) -> None:
        database, service = self._database, self._service
        while True:
            tries -= 1
            try:
                with database.transaction(hard=any(each.urgency == "hard" for each in jobs)):
                    service.fence()
                    for job in jobs:
                        job.run(database.failures)
                    service.flush()
            except Exception as error:  # noqa: BLE001 - for the tasks that wait
                service.undo()
                if tries and database.is_passing(error):
                    continue
                if len(jobs) > 1 and database.may_be_of_one(error):
                    for job in jobs:
                        self._write([job])
                    return
                for job in jobs:
                    job.fail(error)
            else:
                service.done()
                if self._away:
                    _LOG.warning("%s can be used again.", self._away)
                    self._away = ""
                self._read_news()  # a run of this process has what was sent to it when its sender goes on
            self._answer(jobs)
            return

    def _read_news(self) -> None:
        try:
            self._service.read_news()
        except Exception as error:  # noqa: BLE001 - the next look reads them again
            self._has_failed(error, "read")

    def _answer(self, jobs: list[_Job[object]]) -> None:
        for job in jobs:
            if job.loop is None:
                job.answer()
            else:
                self._mail.post(job.loop, job.answer)
        self._mail.send()
