"""A log of frames in a SQLite file, which several processes of one machine can use, also after a restart.

A thread commits all frames of 20 ms together; the event loop never waits for the disk.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, ParamSpec, TypeVar

from ._frame_log import FrameLogError, Positioned, RunRecord, unknown_run
from ._frames import Ending, Frame, RunEnded
from ._sqlite_store import Append, SQLiteStore

__all__ = ["SQLiteFrames"]

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

_COMMIT_EVERY: Final = 0.02  # seconds
_LOOK_EVERY: Final = 0.1  # seconds between two reads of what other processes write
_STOPS_EVERY: Final = 0.25  # seconds between two checks for runs that a client of another process stops
_PURGE_EVERY: Final = 60.0  # seconds


@dataclass(slots=True)
class _Threads:
    """The file while the log is open: one thread writes, one reads, each on a connection of its own.

    Attributes:
        loop: the event loop of the callers.
        writer: the writing thread.
        reader: the reading thread.
        written: the writer's connection.
        read: the reader's connection.
    """

    loop: asyncio.AbstractEventLoop
    writer: ThreadPoolExecutor
    reader: ThreadPoolExecutor
    written: SQLiteStore
    read: SQLiteStore


class SQLiteFrames:
    """Keeps the frames of runs in a SQLite file (WAL, a commit every 20 ms).

    Several processes of one machine may use one file. Other users cannot read it (mode 0600). If a server is
    killed, its runs end with `lost` after ``lease`` seconds. A crash of a process loses no frame that a
    reader has got; a power failure may lose the last moments.

    Args:
        path: the file; it is created if it does not exist. WAL puts two more files next to it.
        keep: seconds that a run is kept after its end.
        lease: seconds without a heartbeat after which a server counts as crashed.

    Example:
        >>> import tempfile
        >>> async def main(path):
        ...     log = SQLiteFrames(path)
        ...     await log.open(print)
        ...     await log.begin("7")
        ...     await log.end("7", "finished")
        ...     async for frames in log.read("7"):
        ...         print(frames)
        ...     await log.close()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     asyncio.run(main(f"{folder}/frames.db"))
        [(1, RunEnded(how='finished', sentence=''))]
    """

    def __init__(
        self, path: str | os.PathLike[str], *, keep: float = 7 * 24 * 3600.0, lease: float = 3.0
    ) -> None:
        self._path = path
        self._keep = keep
        self._lease = lease
        self._threads: _Threads | None = None
        self._server = ""
        self._on_stop: Callable[[str], None] = _ignore
        self._live: set[str] = set()  # begun here, not ended
        self._appends: list[Append] = []
        self._results: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._committing: asyncio.Future[list[Exception | None]] | None = None
        self._committed = 0.0  # loop time of the last commit's begin
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._keeper: asyncio.Task[None] | None = None

    # -- its life ----------------------------------------------------------------------------------------

    async def open(self, on_stop: Callable[[str], None], /) -> None:
        """Open the file, or create it.

        Args:
            on_stop: called with the id of a run of this process that a client of another process stops.

        Raises:
            FrameLogError: the file is not a log of frames, or of a newer version; or it is already open.
        """
        if self._threads is not None:
            raise FrameLogError("this SQLiteFrames is already open; make one object for each Runs.")
        self._server = secrets.token_hex(8)
        loop = asyncio.get_running_loop()
        writer = ThreadPoolExecutor(1, thread_name_prefix="frames-writer")
        reader = ThreadPoolExecutor(1, thread_name_prefix="frames-reader")
        try:
            written = await loop.run_in_executor(writer, SQLiteStore, self._path, self._server)
            read = await loop.run_in_executor(reader, SQLiteStore, self._path, self._server)
        except BaseException:
            writer.shutdown()
            reader.shutdown()
            raise
        self._threads = _Threads(loop, writer, reader, written, read)
        self._on_stop = on_stop
        self._committed = loop.time() - _COMMIT_EVERY
        self._keeper = asyncio.create_task(self._keep_lease(), name="frames-lease")

    async def close(self) -> None:
        """Write what is left and close the file; runs of this process that have not ended are lost."""
        threads = self._threads
        if threads is None:
            return
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait((keeper,))
        while self._results:
            await asyncio.wait(self._results)
        self._threads = None
        for waiting in self._waiting.values():
            for each in waiting:
                each.cancel()
        self._waiting.clear()
        self._live.clear()
        for thread, work in (
            (threads.writer, threads.written.leave),
            (threads.writer, threads.written.close),
            (threads.reader, threads.read.close),
        ):
            with suppress(Exception):  # an error of the file was reported when it was written
                await threads.loop.run_in_executor(thread, work)
        threads.writer.shutdown()
        threads.reader.shutdown()

    async def _keep_lease(self) -> None:
        """Write heartbeats, look for runs to stop, and delete old runs."""
        loop = asyncio.get_running_loop()
        beat = purge = loop.time()
        while True:
            await asyncio.sleep(min(_STOPS_EVERY, self._lease / 3))
            try:
                now = loop.time()
                if self._live and now >= beat:
                    beat = now + self._lease / 3
                    stops = await self._write(self._store().written.beat)
                elif self._live:
                    stops = await self._read(self._store().read.stops)
                else:
                    stops = []
                for run in stops:
                    self._on_stop(run)
                if now >= purge:
                    purge = now + min(_PURGE_EVERY, self._keep)
                    if await self._write(self._store().written.forget_before, self._keep, self._lease):
                        purge = now  # there may be more; appends come between
            except Exception:
                logger.exception("The heartbeat of the log of frames %s cannot be written.", self._path)

    # -- writing -----------------------------------------------------------------------------------------

    async def begin(self, run: str, /, *, owner: str = "", topic: str = "", resumable: bool = False) -> None:
        """Record that a run begins.

        Args:
            run: its id.
            owner: the user who may read and stop it.
            topic: what the run belongs to.
            resumable: whether its readers wait for another server if this one crashes.

        Raises:
            FrameLogError: a run with this id exists.
            FrameLogError: the log is not open.
        """
        await self._write(self._store().written.begin, run, owner, topic, resumable)
        self._live.add(run)

    async def take_over(self, run: str, /) -> RunRecord | None:
        """Become the writer of a run that has not ended; its earlier writer can no longer append.

        Args:
            run: its id; no other process or task works on it.

        Returns:
            The record of the run; None if it does not exist.

        Raises:
            FrameLogError: the log is not open.
        """
        record = await self._write(self._store().written.take_over, run)
        if record is not None and not record.ended:
            self._live.add(run)
        return record

    async def append(self, run: str, frames: Sequence[Frame], /) -> None:
        """Keep frames; returns when they are committed, with those of other runs.

        Args:
            run: a run that was begun here.
            frames: frames of the run, but not the last one.

        Raises:
            FrameLogError: the run has ended.
            FrameLogError: the run does not exist.
            FrameLogError: the file cannot be written.
        """
        threads = self._store()
        result: asyncio.Future[None] = threads.loop.create_future()
        self._appends.append((run, frames))
        self._results.append(result)
        if self._timer is None and self._committing is None:
            self._commit_soon()
        await result

    async def end(self, run: str, how: Ending, sentence: str = "", /) -> None:
        """Write the last frame of a run.

        Args:
            run: a run that was begun here.
            how: as in `RunEnded`.
            sentence: as in `RunEnded`.

        Raises:
            FrameLogError: the run has ended.
            FrameLogError: the run does not exist.
            FrameLogError: the file cannot be written.
        """
        try:
            await self.append(run, (RunEnded(how, sentence),))
        finally:
            self._live.discard(run)

    async def delete(self, run: str, /) -> None:
        """Delete a run and its frames; nothing happens if there is none.

        Args:
            run: any; its readers get a `FrameLogError`.

        Raises:
            FrameLogError: the log is not open, or the file cannot be written.
        """
        await self._write(self._store().written.delete, run)
        self._live.discard(run)
        self._wake(run)

    async def ask_to_stop(self, run: str, /) -> None:
        """Ask the process that writes a run to stop it; returns when that is committed.

        Args:
            run: any.

        Raises:
            FrameLogError: the log is not open, or the file cannot be written.
        """
        await self._write(self._store().written.ask_to_stop, run)

    def _commit_soon(self) -> None:
        loop = self._store().loop
        self._timer = loop.call_at(self._committed + _COMMIT_EVERY, self._commit)

    def _commit(self) -> None:
        self._timer = None
        threads = self._store()
        appends, self._appends = self._appends, []
        self._committed = threads.loop.time()
        self._committing = threads.loop.run_in_executor(threads.writer, threads.written.append_all, appends)
        self._committing.add_done_callback(lambda done: self._tell_committed(appends, done))

    def _tell_committed(
        self, appends: Sequence[Append], done: "asyncio.Future[list[Exception | None]]"
    ) -> None:
        self._committing = None
        results, self._results = self._results[: len(appends)], self._results[len(appends) :]
        failure = done.exception()
        errors = done.result() if failure is None else [failure] * len(appends)
        for (run, _), result, error in zip(appends, results, errors, strict=True):
            if result.done():  # the caller was cancelled
                continue
            if error is None:
                result.set_result(None)
            else:
                result.set_exception(error)
            self._wake(run)
        if self._appends:
            self._commit_soon()

    def _wake(self, run: str) -> None:
        for each in self._waiting.pop(run, ()):
            if not each.done():
                each.set_result(None)

    # -- reading -----------------------------------------------------------------------------------------

    async def read(self, run: str, after: int = 0, /) -> AsyncGenerator[Sequence[Positioned]]:
        """Yield the kept frames, then new ones as they come, up to the last frame.

        Args:
            run: any; frames of another process come up to 100 ms late.
            after: the position after which to read; 0 for all frames.

        Raises:
            FrameLogError: the run does not exist.
            FrameLogError: the log is not open.
        """
        position = max(after, 0)
        while True:
            # The state first: if the run had ended before its frames are read, all of them are read.
            state = await self._read(self._store().read.state, run)
            if state is None:
                raise unknown_run(run)
            frames = await self._read(self._store().read.read, run, position)
            if frames:
                position = frames[-1][0]
                yield frames
            elif state.ended:
                last = await self._read(self._store().read.find, run)
                if last is not None and 0 < last.last < position:  # the reader has not seen this end
                    yield await self._read(self._store().read.read, run, last.last - 1)
                return
            elif run not in self._live and not state.resumable and (state.here or state.seen > self._lease):
                await self._write(self._store().written.lose, run)
            else:
                await self._more(run)

    async def _more(self, run: str) -> None:
        """Wait for a commit of this process, or a moment: other processes do not report theirs."""
        more: asyncio.Future[None] = self._store().loop.create_future()
        waiting = self._waiting.setdefault(run, [])
        waiting.append(more)
        try:
            async with asyncio.timeout(None if run in self._live else _LOOK_EVERY):
                await more
        except TimeoutError:
            pass
        finally:
            if more in waiting:
                waiting.remove(more)
            if not waiting and self._waiting.get(run) is waiting:
                del self._waiting[run]

    async def find(self, run: str, /) -> RunRecord | None:
        """Return the record of a run, or None.

        Args:
            run: its id.

        Raises:
            FrameLogError: the log is not open.
        """
        return await self._read(self._store().read.find, run)

    async def latest(self, topic: str, /, *, owner: str = "") -> str | None:
        """Return the id of the newest run of a topic, or None.

        Args:
            topic: what the run belongs to.
            owner: the owner of the run.

        Raises:
            FrameLogError: the log is not open.
        """
        return await self._read(self._store().read.latest, topic, owner)

    # -- its threads -------------------------------------------------------------------------------------

    def _store(self) -> _Threads:
        if self._threads is None:
            raise FrameLogError("this SQLiteFrames is not open; Runs opens it, or `await log.open(...)`.")
        return self._threads

    async def _write(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        threads = self._store()
        return await threads.loop.run_in_executor(threads.writer, lambda: work(*args, **kwargs))

    async def _read(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        threads = self._store()
        return await threads.loop.run_in_executor(threads.reader, lambda: work(*args, **kwargs))


def _ignore(_: str) -> None:
    """Do nothing."""
