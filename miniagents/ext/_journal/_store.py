"""What journals in a database have in common: the protocols of `miniagents.runs`, over a thread."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from functools import partial
from typing import Final, Self, TypeVar, cast
from weakref import finalize

from miniagents.runs import (
    CallKey,
    Event,
    JournalEntry,
    JournalError,
    Json,
    Lease,
    RecordedFunction,
    RunPage,
    RunRecord,
)
from miniagents.values import check_seconds

from ._calls import StoredCall, stored_calls
from ._codec import Codec
from ._database import Database
from ._followers import Follower, Mail
from ._runs import RunTables
from ._thread import JournalThread, Urgency

R = TypeVar("R")

_LOOK_EVERY: Final = 0.05  # seconds, while a run that is claimed has another writer


class JournalInDatabase:
    """A journal in a database.

    Args:
        connect: returns the connection; called when the rest is valid.
        runs: makes the tables of runs.
        codec: makes bytes of what is kept.
        lease: seconds without a heartbeat after which a process counts as dead.
    """

    def __init__(
        self, connect: Callable[[], Database], runs: type[RunTables], codec: Codec, *, lease: float
    ) -> None:
        check_seconds(type(self).__name__, "lease", lease)
        if not lease:
            raise ValueError(f"lease={lease} lets others take over runs that go on; give seconds above 0.")
        mail = Mail()
        database = connect()
        self._codec = codec
        self._process = os.getpid()
        self._lease = lease
        self._database = database
        self._expected: tuple[type[Exception], ...] = (*database.failures, ValueError)
        self._runs = runs(database, lease, mail, codec)
        self._calls = self._runs.calls
        self._thread = JournalThread(database, self._runs, mail)
        self._close = finalize(self, self._thread.close)
        try:
            self._wait(self._unlock, "hard")
        except BaseException:
            self.close()
            raise

    def _unlock(self) -> None:
        """Find the secret of the journal, or make one for a new journal."""
        (kept,) = self._secret()
        if kept is None:
            made = self._codec.unlock(None, self._database.place)
            self._database.execute("UPDATE journal SET secret = ? WHERE secret IS NULL", (made,))
            (kept,) = self._secret()  # another process may have been faster
        self._codec.unlock(cast("bytes", kept), self._database.place)

    def _secret(self) -> tuple[object, ...]:
        return self._database.execute("SELECT secret FROM journal").fetchall()[0]

    def close(self) -> None:
        """Write all that is pending, and close the journal; other processes may take its runs. Idempotent."""
        self._close()

    def __enter__(self) -> Self:
        """Use it in a block; one that was closed cannot be used again."""
        if not self._close.alive:
            again = "it was closed; make another one for each block, together with the app that uses it"
            raise self._failure(ValueError(again), "used")
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    async def __aenter__(self) -> Self:
        """Use it in a block; one that was closed cannot be used again."""
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        """Close it, while the event loop goes on."""
        await asyncio.to_thread(self.close)

    # -- runs ----------------------------------------------------------------------------------------------

    async def join(
        self, version: str, on_left: Callable[[], None], /, *, waiting: bool = False
    ) -> Callable[[], None]:
        """Say that this process serves runs of a version, until the function that is returned is called.

        Args:
            version: of the agents.
            on_left: called in this event loop whenever there may be runs for :meth:`take`.
            waiting: whether :meth:`take` will be called so.

        Raises:
            JournalError: the journal cannot be written.
        """
        key, loop = object(), asyncio.get_running_loop()
        part = partial(self._thread.tell, partial(self._runs.part, key), "soft")
        joining = loop.create_task(
            self._ask(partial(self._runs.join, key, version, loop, on_left, waiting), "soft")
        )
        try:
            await asyncio.shield(joining)
        except BaseException:  # if this is cancelled, the thread joins nevertheless
            joining.add_done_callback(lambda _: part())
            raise
        return part

    async def take(self, version: str, limit: int, /, *, waiting: bool = False) -> list[Lease]:
        """Become the writer of runs that a server left or died with, oldest first.

        Args:
            version: of the agents.
            limit: how many at most.
            waiting: whether runs of other versions that wait for an answer are taken, too.

        Raises:
            JournalError: the journal cannot be written.
        """
        await self._bury()
        numbers = await self._ask(partial(self._runs.takeable, version, limit, waiting=waiting), "read")
        take = partial(self._runs.take, numbers, version=version)
        return await self._ask(take, "hard") if numbers else []

    async def claim(self, run: str, /) -> Lease | None:
        """Become the writer of one run, also of one that has ended, which is live again then.

        If another process seems to be alive and to work on it, this waits for the length of its lease.

        Args:
            run: its id.

        Returns:
            The lease; None if there is no such run.

        Raises:
            JournalError: another process, or another task of this one, works on it.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._lease + _LOOK_EVERY
        while True:
            try:
                return await self._ask(partial(self._runs.claim, run), "hard")
            except JournalError as error:
                here = await self._ask(partial(self._runs.writes, run), "read")
                if error.reason != "busy" or here or loop.time() > deadline:
                    raise
            if not await self._bury():
                await asyncio.sleep(_LOOK_EVERY)

    async def _bury(self) -> bool:
        """Make the runs of servers that have ended free, if there are any."""
        gone = await self._ask(self._runs.some_gone, "read")
        if gone:
            await self._ask(self._runs.bury, "hard")
        return gone

    async def begin(self, lease: Lease, events: Sequence[Event], /) -> None:
        """Keep a new run; it survives a loss of power when this returns.

        Args:
            lease: a new one, with what is known of the run.
            events: its first events.

        Raises:
            JournalError: a run with this id exists.
        """
        await self._ask(partial(self._runs.begin, lease, self._codec.batch_of(events)), "hard")

    async def append(self, lease: Lease, events: Sequence[Event], /, *, hard: bool = False) -> None:
        """Keep events; when this returns, readers can see them, and they survive a crash of this process.

        Args:
            lease: of the run.
            events: at least one.
            hard: whether they survive a loss of power, too.

        Raises:
            JournalError: the run has ended, does not exist, or another process has taken it over.
        """
        batch = self._codec.batch_of(events)
        urgency: Urgency = "hard" if hard else "soft"
        await self._ask(partial(self._runs.append, lease, batch), urgency, len(batch.body))

    async def end(
        self, lease: Lease, events: Sequence[Event], /, *, how: str, keep: float | None = None
    ) -> None:
        """Keep the last events of a run, which has ended; they survive a loss of power.

        Args:
            lease: of the run.
            events: its last events; they may be empty.
            how: how it has ended.
            keep: for how many seconds it is kept; None: until it is deleted.

        Raises:
            JournalError: the run has ended, does not exist, or another process has taken it over.
        """
        await self._let_go(lease, partial(self._runs.end, lease, self._codec.batch_of(events), how, keep))

    async def leave(
        self,
        lease: Lease,
        events: Sequence[Event] = (),
        /,
        *,
        wake_at: float | None = None,
        heard: int = 0,
        counts: bool = False,
    ) -> None:
        """Let the next process take a run.

        Args:
            lease: of the run.
            events: the last ones of this process.
            wake_at: when it can be taken, unless something is sent to it before; None: at once.
            heard: how many of the things that were sent to it this process has heard.
            counts: whether this process counts as an attempt.

        Raises:
            JournalError: the run has ended, does not exist, or another process has taken it over.
        """
        batch = self._codec.batch_of(events)
        await self._let_go(lease, partial(self._runs.leave, lease, batch, wake_at, heard, counts))

    async def _let_go(self, lease: Lease, do: Callable[[], None]) -> None:
        """Write the last events of this process; if that fails, its thread lets go of the run later."""
        try:
            await self._ask(do, "hard")
        except JournalError as error:
            if error.reason is None:
                self._thread.tell(partial(self._runs.abandon, lease))
            raise

    async def read(self, run: str, after: int = 0, /) -> RunPage:
        """Return the events of a run behind a position, all that are there.

        Args:
            run: its id.
            after: the position.

        Raises:
            JournalError: there is no such run.
        """
        return await self._ask(partial(self._runs.read, run, max(after, 0)), "read")

    async def follow(self, run: str, after: int = 0, /) -> AsyncGenerator[Sequence[Event]]:
        """Yield the events of a run behind a position, then new ones, until it has ended.

        Args:
            run: its id; any process may write it.
            after: the position.

        Raises:
            JournalError: there is no such run, also if it is deleted meanwhile.
        """
        position = max(after, 0)
        while True:
            follower = Follower(position)
            try:
                page = await self._ask(partial(self._runs.follow, run, position, follower), "read")
                if page.events:
                    position += len(page.events)
                    yield page.events
                if page.record.ended:
                    return
                while not isinstance(batch := await follower.next(), str):
                    position += len(batch)
                    yield batch
            finally:
                self._thread.tell(partial(self._runs.unfollow, follower))
            if batch == "ended":
                return
            if batch == "unknown":
                raise JournalError.unknown(run)
            if batch == "closed":
                raise JournalError(f"{self._database.place} was closed.")

    async def find(
        self,
        *,
        run: str | None = None,
        topic: str | None = None,
        owner: str | None = None,
        ended: bool | None = None,
        limit: int = 100,
    ) -> list[RunRecord]:
        """Return the records of runs, newest first.

        Args:
            run: the id; None for any.
            topic: what they belong to; None for anything.
            owner: whose they are; None for anybody's.
            ended: whether they have ended; None for both.
            limit: how many at most.
        """
        return await self._ask(partial(self._runs.find, run, topic, owner, ended, limit), "read")

    async def served_versions(self) -> set[str]:
        """Return the versions of agents that servers have joined with, and gave a sign of life since.

        A run of another version waits for a server of it, if it was left or parked.

        Raises:
            JournalError: the journal cannot be read.
        """
        return await self._ask(self._runs.served, "read")

    async def send(self, run: str, key: str, data: Json, /) -> None:
        """Send something to a run, which its writer gets, now or when it takes the run over.

        Args:
            run: its id.
            key: names it within the run, such as ``"stop"``.
            data: any JSON.

        Raises:
            JournalError: the run has ended, or there is none.
        """
        await self._ask(partial(self._runs.send, run, key, self._codec.sent_data(key, data)), "hard")

    def listen(self, lease: Lease, on_sent: Callable[[str, Json], None], /) -> None:
        """Be called in this event loop with the key and data of what is sent to a run, until it ends here.

        Args:
            lease: of the run.
            on_sent: gets what was sent already, and what is sent from now on, each once.
        """
        self._thread.tell(partial(self._runs.listen, lease, asyncio.get_running_loop(), on_sent))

    async def delete(self, run: str, /, *, topic: str | None = None) -> None:
        """Delete a run; nothing happens if there is none. Its writer can append nothing any more.

        Args:
            run: its id.
            topic: what it has to belong to, else it is not deleted; None for anything.
        """
        await self._ask(partial(self._runs.delete, run, topic), "hard")

    # -- calls ---------------------------------------------------------------------------------------------

    async def check(self, function: RecordedFunction, /) -> None:
        """Register a function; log a warning if its source has changed since it was recorded.

        Args:
            function: the function whose calls will be kept.

        Raises:
            JournalError: another function has this name and version, or the journal cannot be written.
        """
        await self._ask(partial(self._calls.know, function), "hard")

    async def find_all(self, keys: Sequence[CallKey], /) -> list[JournalEntry | None]:
        """Return the call for each key; None where there is none.

        Args:
            keys: the keys of calls.

        Raises:
            JournalError: the journal cannot be read.
        """
        return await self._ask(partial(self._calls.find_all, keys), "read")

    async def keep_all(self, calls: Sequence[tuple[CallKey, JournalEntry]], /) -> None:
        """Keep calls, all of them or none; they survive a loss of power when this returns.

        Args:
            calls: each with its key; it replaces a call with the same key.

        Raises:
            JournalError: the journal cannot be written.
        """
        await self._ask(partial(self._calls.keep_all, calls), "hard")

    def prune(
        self,
        *,
        older_than: float | None = None,
        unused_for: float | None = None,
        max_bytes: int | None = None,
    ) -> int:
        """Remove calls, and runs that have ended; return how many of both were removed. This blocks.

        Args:
            older_than: removes calls that are older than this, and runs that ended before, in seconds.
            unused_for: removes calls that were not used for this long, in seconds.
            max_bytes: removes the least recently used calls, until the others take no more bytes than this.

        Raises:
            JournalError: the journal cannot be written.
        """

        def remove() -> int:
            runs = 0 if older_than is None else self._runs.delete_ended(older_than)
            return runs + self._calls.prune(older_than, unused_for, max_bytes)

        return self._wait(remove, "hard")

    def calls(self) -> Iterator[StoredCall]:
        """Return all calls, in the order in which they were kept; this blocks.

        Raises:
            JournalError: the journal cannot be read.
        """
        return stored_calls(
            lambda statement, last: self._wait(
                lambda: self._database.execute(statement, (last,)).fetchall(), "read"
            ),
            self._database.place,
            self._codec,
        )

    # -- the thread ----------------------------------------------------------------------------------------

    async def _ask(self, do: Callable[[], R], urgency: Urgency, size: int = 0) -> R:
        self._check_process()
        try:
            return await self._thread.ask(do, urgency, size)
        except self._expected as error:
            raise self._failure(error, "read" if urgency == "read" else "written") from None

    def _wait(self, do: Callable[[], R], urgency: Urgency) -> R:
        self._check_process()
        try:
            return self._thread.ask_and_wait(do, urgency)
        except self._expected as error:
            raise self._failure(error, "read" if urgency == "read" else "written") from None

    def _check_process(self) -> None:
        """In a fork there is no thread that would answer."""
        if self._process != os.getpid():
            raise JournalError(
                f"{self._database.place} was opened by process {self._process}, and this is a fork of that "
                "process; open a journal in the process that uses it."
            )

    def _failure(self, error: Exception, what: str) -> JournalError:
        return JournalError(self._database.sentence(error, what))
