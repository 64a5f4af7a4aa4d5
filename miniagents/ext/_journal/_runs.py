"""The runs of a journal, in SQL that SQLite and Postgres have in common. Every call blocks.

All is called in the thread of the journal. Each transaction first renews the row of this server: if the row
is gone, another process has taken its runs over, and nothing more of them can be written.
"""

import json
import logging
import math
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import ClassVar, Final, TypeAlias, cast
from uuid import uuid4

from miniagents.runs import (
    Event,
    JournalError,
    Json,
    Lease,
    Restart,
    RunPage,
    RunRecord,
    RunState,
    keep_asked,
)

from ._calls import CallTables
from ._codec import Batch, Codec, events_of
from ._database import Database, marks
from ._followers import Follower, Mail, Over
from ._processes import is_gone, this_process

Block: TypeAlias = tuple[int, int, bytes]
"""Events: the position of the first, that of the last, and the data of a row."""

LARGE: Final = 65536
"""Bytes of events that are packed."""

Sent: TypeAlias = Callable[[str, Json], None]

_LOG: Final = logging.getLogger("miniagents.ext.journal")
_PATIENCE: Final = 10  # leases
_POLL: Final = 0.02  # seconds, while there is something to wait for
_LOOK: Final = 0.25  # seconds between two looks for servers that have ended
_AGAIN: Final = 1.0  # seconds between two tries to let go of a run
_TIDY: Final = 10.0  # seconds
_PURGED: Final = 100  # runs at once, so that others need not wait long
_RECORD: Final = (
    "SELECT id, run, owner, topic, version, restart, server, attempts, last, began, ended, how, "
    "coalesce(agent, '') FROM runs "
)
_PARKED: Final = "parked"  # the server of a run that waits for something to be sent
_WAITS: Final = f"server = '{_PARKED}' AND ended IS NULL"
_IDLE: Final = f"server IN ('', '{_PARKED}') AND ended IS NULL AND restart <> 'program'"
_RESTARTS: Final = ("server", "never")  # of idle runs
_KEPT: Final = "(until IS NULL OR until > ?)"


@dataclass(slots=True)
class OwnRun:
    """A run that this process writes.

    Attributes:
        lease: under which it is written.
        number: in the database.
        last: the position of its last event.
        blocks: its events that are not packed yet, without checksums.
        size: of these, in bytes.
        abandoned: monotonic time at which this process lets go of it, as it could not write that its work has
            ended.
        listener: gets what is sent to the run, in its event loop.
        heard: the number of the last thing that it got: those of a run are in the order of their commits.
    """

    lease: Lease
    number: int
    last: int
    blocks: list[Block] = field(default_factory=list[Block])
    size: int = 0
    abandoned: float = math.inf
    listener: tuple[AbstractEventLoop, Sent] | None = None
    heard: int = 0


@dataclass(slots=True)
class _Watched:
    """A run that is followed: the position of the last event that its followers have."""

    run: str
    last: int
    followers: list[Follower]


class RunTables:
    """The statements of the runs of a journal.

    Args:
        database: the connection.
        lease: seconds without a heartbeat after which a server counts as dead.
        mail: takes what is for event loops.
        codec: makes bytes of what is kept.

    Attributes:
        calls: of the same journal.
    """

    def __init__(self, database: Database, lease: float, mail: Mail, codec: Codec) -> None:
        self.calls: CallTables = CallTables(database, codec)
        self._database = database
        self._place, self._clock = database.place, database.clock
        self._lease = lease
        self._mail = mail
        self._codec = codec
        self._server = ""
        self._news = 0  # how often others have changed something of ours
        self._stale = False
        self._unread = False  # others have changed something, and to read it has failed
        self._seen = 0.0  # monotonic time of the last heartbeat
        self._own: dict[str, OwnRun] = {}
        self._joined: dict[object, tuple[str, bool, AbstractEventLoop, Callable[[], None]]] = {}
        self._watched: dict[int, _Watched] = {}
        self._observed: dict[str, tuple[float, float, float]] = {}  # server -> its sign of life, since, until
        self._absent: dict[str, float] = {}  # version that no server joins with -> since when
        self._told: set[str] = set()  # versions whose runs wait for a server, as the log says
        self._pending: dict[str, tuple[OwnRun, list[Batch]]] = {}  # what is written at the end
        self._pushes: list[tuple[int, Sequence[Event] | Over]] = []
        self._undo: list[Callable[[], object]] = []
        self._poll_at = self._look_at = self._tidy_at = 0.0

    # -- what differs between the databases ------------------------------------------------------------

    pause: ClassVar[float] = _POLL
    """Seconds between two looks at what others have changed, while this process only serves."""

    packs: ClassVar[bool] = True
    """Whether new events are kept in memory until they are packed."""

    by_version: ClassVar[str] = ""
    """Has the database find idle runs by their version, where it does not do so by itself."""

    locks: ClassVar[str] = ""
    """Has those wait that send something to a run just now, where it does not do so by itself."""

    if_there: ClassVar[str] = "DO NOTHING"
    """What is done about a text that is kept already."""

    def _renew(self) -> int | None:
        """Send a heartbeat, and return how often others have changed something of ours; None: all is lost."""
        raise NotImplementedError

    def _start(self) -> None:
        """The next statements rely on what the fence has found."""

    def _opened(self, number: int) -> None:
        """A run is live from now on; its events are written behind those of others."""

    def _insert(self, rows: list[tuple[int, int, int, bytes]]) -> None:
        """Write events: the number of the run, the positions, and the data."""
        raise NotImplementedError

    def _blocks(self, number: int, after: int) -> list[Block]:
        """Return the events of a run behind a position, in order."""
        raise NotImplementedError

    def _fresh(self, watched: Mapping[int, int]) -> Iterable[tuple[int, int, int, bytes]]:
        """Return new rows of runs, given with the positions up to which they are known."""
        raise NotImplementedError

    def _lasts(self, numbers: Collection[int]) -> Mapping[int, int]:
        """Return the position of the last event of live runs."""
        raise NotImplementedError

    def _fold(self, own: Sequence[OwnRun]) -> None:
        """Pack the blocks of runs of this process."""

    def _fold_of(self, server: str) -> None:
        """Pack the runs of a server that has ended."""

    def _pack_rows(self, number: int, blocks: Sequence[Block]) -> None:
        """Write events of a run as one row; they are given without checksums."""
        raise NotImplementedError

    def _cut(self) -> None:
        """Remove what was packed."""

    def _forget(self, numbers: Collection[int]) -> None:
        """Remove the events of runs."""
        raise NotImplementedError

    def _wait_for(self, digest: object) -> None:
        """Others that write a text just now are waited for, so that it is seen that they use it."""

    # -- transactions ------------------------------------------------------------------------------------

    def fence(self) -> None:
        """Renew the row of this server; if it is gone, so are its runs."""
        if self._server:
            news = self._renew()
            if news is None:
                self._lose()
            elif news != self._news:
                self._stale = True  # what was sent is read after the transaction
                self._check_own()

    def _lose(self) -> None:
        self._server = ""
        self._own.clear()
        self._poll_at = 0.0  # what was written here is read as that of others from now on

    def _check_own(self) -> None:
        """Forget runs that were deleted."""
        numbers = frozenset(self._numbers("server = ? AND ended IS NULL", self._server))
        for own in [each for each in self._own.values() if each.number not in numbers]:
            del self._own[own.lease.run]

    def flush(self) -> None:
        """Write the events that were appended, and calls."""
        self.calls.flush()
        if not self._pending:
            return
        rows: list[tuple[int, int, int, bytes]] = []
        for own, batches in self._pending.values():
            body = b",".join(batch.body for batch in batches)
            events = [event for batch in batches for event in batch.events]
            first, last = own.last + 1, own.last + len(events)
            rows.append((own.number, first, last, self._codec.row(own.number, first, last, body)))
            self._undo.append(partial(self._shorten, own, own.last, own.size))
            own.last = last
            own.size += len(body)
            if self.packs:
                own.blocks.append((first, last, body))
            self._pushes.append((own.number, events))
        self._insert(rows)
        self._fold([own for own, _ in self._pending.values() if own.size >= LARGE])
        self._pending.clear()

    def _shorten(self, own: OwnRun, last: int, size: int) -> None:
        if self.packs:
            own.blocks.pop()
        own.last, own.size = last, size

    def done(self) -> None:
        """A transaction was committed: give the followers their events."""
        self._undo.clear()
        for number, batch in self._pushes:
            self._push(number, batch)
        self._pushes.clear()

    def undo(self) -> None:
        """A transaction was undone."""
        for each in reversed(self._undo):
            each()
        self._undo.clear()
        self._pending.clear()
        self._pushes.clear()
        self.calls.undo()

    def _push(self, number: int, batch: Sequence[Event] | Over) -> None:
        watched = self._watched.get(number)
        if watched is None:
            return
        for each in watched.followers:
            self._mail.post(each.loop, partial(each.put, watched.last, batch))
        if isinstance(batch, str):
            del self._watched[number]
        else:
            watched.last += len(batch)

    # -- writing -----------------------------------------------------------------------------------------

    def _register(self) -> None:
        self._start()
        if not self._server:
            self._server, self._news, self._seen = uuid4().hex, 0, time.monotonic()
            self._tidy_at = self._seen + _TIDY
            self._database.execute(
                "INSERT INTO servers (server, process, versions, seen, news) VALUES (?, ?, ?, ?, 0)",
                (self._server, this_process(), json.dumps(self._versions()), self._clock()),
            )
            self._undo.append(partial(setattr, self, "_server", ""))

    def _versions(self) -> list[str]:
        return sorted({version for version, *_ in self._joined.values()})

    def join(
        self, key: object, version: str, loop: AbstractEventLoop, on_left: Callable[[], None], waiting: bool
    ) -> None:
        """Serve runs of a version."""
        self._joined[key] = version, waiting, loop, on_left
        self._poll_at = self._look_at = 0.0
        self._renew_versions()

    def part(self, key: object) -> None:
        """Serve them no more."""
        self._joined.pop(key, None)
        self._renew_versions()

    def _renew_versions(self) -> None:
        self._register()
        self._database.execute(
            "UPDATE servers SET versions = ? WHERE server = ?", (json.dumps(self._versions()), self._server)
        )

    def begin(self, lease: Lease, batch: Batch) -> None:
        """Keep a new run."""
        head = lease.record
        self._register()
        now = self._clock()
        self._remove(self._numbers("run = ? AND until <= ?", head.run, now))  # it is no longer kept
        values = (head.run, head.owner, head.topic, head.version, head.restart, self._server, now, head.agent)
        made = self._database.execute(
            "INSERT INTO runs (run, owner, topic, version, restart, server, began, agent, attempts, last, "
            "how) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, 0, '') ON CONFLICT DO NOTHING",
            values,
        )
        if not made.rowcount:
            raise JournalError.exists(head.run)
        self._obtain(OwnRun(lease, self._number(head.run), 0))
        self.append(lease, batch)

    def _obtain(self, own: OwnRun) -> None:
        self._opened(own.number)
        self._own[own.lease.run] = own
        self._pushes.append((own.number, "behind"))  # what another process wrote was perhaps not read here
        self._undo.append(partial(self._own.pop, own.lease.run, None))

    def append(self, lease: Lease, batch: Batch) -> None:
        """Keep events."""
        own = self._owned(lease)
        if not batch.events:
            return
        self._pending.setdefault(lease.run, (own, []))[1].append(batch)
        for digest, text in batch.texts.items():
            self._database.execute(
                f"INSERT INTO texts (digest, data) VALUES (?, ?) ON CONFLICT {self.if_there}",  # noqa: S608
                (digest, self._codec.text_data(text)),
            )
            self._database.execute(
                "INSERT INTO text_uses (run, digest) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (own.number, digest),
            )
        keep_asked(batch.events, partial(self._drop_asked, own.number), partial(self._keep_asked, own.number))

    def _drop_asked(self, number: int, question: str) -> None:
        self._database.execute("DELETE FROM asked WHERE run = ? AND question = ?", (number, question))

    def _keep_asked(self, number: int, question: str, event: Event) -> None:
        data = self._codec.row(number, 0, 0, self._codec.batch_of([event]).body)
        self._database.execute(
            "INSERT INTO asked (run, question, data) VALUES (?, ?, ?)", (number, question, data)
        )

    def _owned(self, lease: Lease) -> OwnRun:
        own = self._own.get(lease.run)
        if own is None or own.lease is not lease:
            raise self._refusal(lease.run)
        return own

    def _refusal(self, run: str) -> JournalError:
        found = self._find("run = ? AND " + _KEPT, run, self._clock())
        if not found:
            return JournalError.unknown(run)
        if found[0].ended:
            return JournalError.ended(run)
        return JournalError.taken(run)

    def _release(self, lease: Lease, batch: Batch) -> OwnRun:
        """Write the last events of a run in this process."""
        self._start()
        self.append(lease, batch)
        self.flush()
        own = self._own[lease.run]
        self._fold([own])
        del self._own[lease.run]
        self._undo.append(partial(self._own.__setitem__, lease.run, own))
        return own

    def end(self, lease: Lease, batch: Batch, how: str, keep: float | None) -> None:
        """Keep the last events of a run."""
        own, now = self._release(lease, batch), self._clock()
        until = None if keep is None else now + keep
        texts_until = now + _TIDY if self._codec.content == "run" else None  # readers elsewhere get the end
        self._database.execute(
            "UPDATE runs SET ended = ?, how = ?, until = ?, texts_until = ?, last = ? WHERE id = ?",
            (now, how, until, texts_until, own.last, own.number),
        )
        self._pushes.append((own.number, "ended"))

    def leave(self, lease: Lease, batch: Batch, wake_at: float | None, heard: int, counts: bool) -> None:
        """Let the next process take a run, or park it."""
        own = self._release(lease, batch)
        # The row is locked before it is known what was sent: who sends something changes it after that.
        self._database.execute(
            "UPDATE runs SET server = ?, wake_at = ?, attempts = attempts - ?, last = ? WHERE id = ?",
            ("" if wake_at is None else _PARKED, wake_at, int(not counts), own.last, own.number),
        )
        if wake_at is None or len(self._inbox(own.number)) > heard:
            self._wake("id = ?", own.number)
            self._look_at = 0.0

    def abandon(self, lease: Lease) -> None:
        """Leave a run later: this process has ended its work on it, and could not write that."""
        with suppress(JournalError):
            self._owned(lease).abandoned = 0.0

    def _leave_abandoned(self, lease: Lease) -> None:
        self._check_own()  # it may be written nevertheless, and another process have it
        with suppress(JournalError):
            self.leave(lease, self._codec.batch_of([]), None, 0, counts=False)

    def _wake(self, which: str, *values: object) -> None:
        """Let runs be taken, and all servers look for them."""
        self._database.execute(f"UPDATE runs SET server = '' WHERE {_WAITS} AND {which}", values)  # noqa: S608
        self._database.execute(
            "UPDATE servers SET news = news + 1 WHERE versions <> '[]' AND server <> ?", (self._server,)
        )

    def wake_due(self) -> None:
        """Let runs of the versions of this process be taken whose time has come."""
        for version in self._versions():
            self._wake("version = ? AND wake_at <= ?", version, self._clock())

    def _is_due(self) -> bool:
        query = f"{_WAITS} AND version = ? AND wake_at <= ? LIMIT 1"
        return any(self._numbers(query, version, self._clock()) for version in self._versions())

    def bury(self) -> None:
        """Make the runs of servers that have ended free."""
        for server, _, seen in filter(self._is_over, self._servers()):
            gone = self._database.execute("DELETE FROM servers WHERE server = ? AND seen = ?", (server, seen))
            if gone.rowcount:
                self._free(server)

    def _free(self, server: str) -> None:
        self._fold_of(server)
        self._database.execute("UPDATE runs SET server = '' WHERE server = ? AND ended IS NULL", (server,))

    def _servers(self) -> list[tuple[str, str, float]]:
        found = cast("list[tuple[str, str, float]]", self._all("SELECT server, process, seen FROM servers"))
        self._observed = {name: self._observed[name] for name, *_ in found if name in self._observed}
        return found

    def takeable(self, version: str, limit: int, *, waiting: bool = False) -> list[int]:
        """Return the numbers of runs that may be taken.

        In a deploy, the servers of a version may all be gone for a moment: its runs wait for them.
        """
        served = {each for (text,) in self._all("SELECT versions FROM servers") for each in _list(text)}
        now = time.monotonic()
        idle = self._idle_versions()
        absent = idle - served - {version}
        since = {its: at for its, at in self._absent.items() if its not in served}  # also of other queries
        self._absent = dict.fromkeys(absent, now) | since
        gone = {its for its in absent if self._absent[its] < now - _PATIENCE * self._lease}
        if not (waiting or any(each for _, each, *_ in self._joined.values())):
            waits = [*product(_RESTARTS, ("", _PARKED), (True,))]
            self._tell_stranded({its for its in gone if any(self._idle(its, *each, 1) for each in waits)})
        found: list[int] = []
        for its in absent | ({version} & idle):
            for kind in product(
                ("never",) if its in absent - gone else _RESTARTS,
                ("", _PARKED) if waiting and its in gone else ("",),
                (False, True) if waiting or its == version else (False,),
            ):
                found += self._idle(its, *kind, limit)
        return sorted(found)[:limit]

    def _idle_versions(self) -> set[str]:
        """The versions of idle runs, each by one look at the index, however many runs there are."""
        found: list[str] = []
        query = f"SELECT version FROM runs {self.by_version} WHERE {_IDLE} {{}} ORDER BY version LIMIT 1"  # noqa: S608 - constants
        while rows := self._all(query.format("AND version > ?" if found else ""), *found[-1:]):
            found += [cast("str", version) for (version,) in rows]
        return set(found)

    def _idle(self, version: str, restart: str, server: str, waited: bool, limit: int) -> list[int]:
        """The first idle runs of a kind; the index has each kind in the order of the runs."""
        kind = "(version, restart, server, wake_at IS NOT NULL) = (?, ?, ?, ?)"
        return self._numbers(
            f"{_IDLE} AND {kind} ORDER BY id LIMIT ?", version, restart, server, waited, limit
        )

    def _tell_stranded(self, versions: set[str]) -> None:
        for each in versions - self._told:
            _LOG.warning(
                "Runs of the version %r wait, and no server of it is there to continue them: start one, or "
                "decide about them with Runs(take_over=...).",
                each,
            )
        self._told |= versions

    def served(self) -> set[str]:
        """Return the versions that servers have joined with which have not ended, as far as is known."""
        oldest = self._clock() - _PATIENCE * self._lease
        rows = self._all("SELECT versions, process FROM servers WHERE seen > ?", oldest)
        return {each for text, process in rows if not is_gone(cast("str", process)) for each in _list(text)}

    def take(self, numbers: Sequence[int], *, version: str | None = None, ended: bool = False) -> list[Lease]:
        """Become the writer of runs that no process writes, and that have not ended, or may have.

        From now on they are runs of this version; the records of the leases are those of before.
        """
        self._register()
        taken: list[Lease] = []
        idle = f"server IN ('', '{_PARKED}')"
        free = f"({idle} OR ended IS NOT NULL)" if ended else f"{idle} AND ended IS NULL"
        for number in numbers:
            mine = self._database.execute(
                "UPDATE runs SET server = ?, wake_at = NULL, attempts = attempts + 1, ended = NULL, "  # noqa: S608
                f"how = '', until = NULL, texts_until = NULL WHERE id = ? AND {free}",
                (self._server, number),
            )
            if mine.rowcount:
                (record,) = self._find("id = ?", number)
                if version is not None and record.version != version:
                    self._database.execute("UPDATE runs SET version = ? WHERE id = ?", (version, number))
                taken.append(Lease(record))
                self._obtain(OwnRun(taken[-1], number, record.last))
        return taken

    def claim(self, run: str) -> Lease | None:
        """Become the writer of a run; None if there is none.

        Raises:
            JournalError: a process works on it.
        """
        found = self._numbers(f"run = ? AND {_KEPT}", run, self._clock())
        if not found:
            return None
        taken = self.take(found, ended=True)
        if taken:
            return taken[0]
        who = "in this process" if run in self._own else "in another process"
        raise JournalError(
            f"The run {run!r} of {self._place} is already going on {who}, and two at the same time would "
            "take each other's answers. Wait for its end, or use another run_id.",
            "busy",
        )

    def some_gone(self) -> bool:
        """Whether a server has ended."""
        return any(map(self._is_over, self._servers()))

    def writes(self, run: str) -> bool:
        """Whether this process is the writer of a run."""
        return run in self._own

    def send(self, run: str, key: str, data: bytes) -> None:
        """Keep something for the writer of a run."""
        sent = self._database.execute(
            "INSERT INTO inbox (run, key, data) SELECT id, ?, ? FROM runs WHERE run = ? AND ended IS NULL "  # noqa: S608
            f"{self.locks} ON CONFLICT DO NOTHING",
            (key, data, run),
        )
        if not sent.rowcount:
            before = "SELECT 1 FROM inbox WHERE run = (SELECT id FROM runs WHERE run = ?) AND key = ?"
            if not self._all(before, run, key):
                raise self._refusal(run)
            self._disturb(run)  # it may not have it yet
            return
        self._database.execute(
            f"UPDATE runs SET server = CASE server WHEN '{_PARKED}' THEN '' ELSE server END WHERE run = ?",  # noqa: S608
            (run,),
        )
        if self._numbers("run = ? AND server = ''", run):
            self._wake("run = ?", run)
            self._look_at = 0.0
        else:
            self._disturb(run)

    def _disturb(self, run: str) -> None:
        """Let the writer of a run look."""
        self._database.execute(
            "UPDATE servers SET news = news + 1 WHERE server = (SELECT server FROM runs WHERE run = ?)",
            (run,),
        )
        self._stale = self._stale or run in self._own

    def delete(self, run: str, topic: str | None = None) -> None:
        """Delete a run, if it belongs to a topic."""
        numbers = self._numbers("run = ? AND topic = coalesce(?, topic)", run, topic)
        if not numbers:
            return
        self._disturb(run)
        own = self._own.pop(run, None)
        if own is not None:
            self._undo.append(partial(self._own.__setitem__, run, own))
            self._pending.pop(run, None)
        self._remove(numbers)
        for number in numbers:
            self._pushes.append((number, "unknown"))

    def delete_ended(self, older_than: float) -> int:
        """Delete the runs that ended before so many seconds, and return how many there were."""
        before = self._clock() - older_than
        numbers = self._numbers("ended < ?", before)
        self._remove(numbers)
        return len(numbers)

    def _remove(self, numbers: Collection[int]) -> None:
        if numbers:
            self._forget(numbers)
        for number in sorted(numbers):
            self._remove_texts(number)
            self._database.execute("DELETE FROM runs WHERE id = ?", (number,))

    def _remove_texts(self, number: int) -> None:
        """Remove the long texts of a run, what was sent to it, and its open questions."""
        texts = self._all("SELECT digest FROM text_uses WHERE run = ?", number)
        self._database.execute("DELETE FROM text_uses WHERE run = ?", (number,))
        for (digest,) in texts:
            self._wait_for(digest)
            self._database.execute(
                "DELETE FROM texts WHERE digest = ? AND NOT EXISTS (SELECT 1 FROM text_uses "
                "WHERE text_uses.digest = texts.digest)",
                (digest,),
            )
        for table in ("inbox", "asked"):
            self._database.execute(f"DELETE FROM {table} WHERE run = ?", (number,))  # noqa: S608

    def _drop_texts(self, numbers: Collection[int]) -> None:
        """Keep of runs that have ended what happened when, without texts."""
        for number in numbers:
            self._database.execute("UPDATE runs SET texts_until = NULL WHERE id = ?", (number,))
            try:
                batch = self._codec.batch_of(self._events(number, 0, 0), texts=False)
            except (ValueError, RecursionError):  # its readers get the error: its last event is missing
                batch = self._codec.batch_of([])
            self._forget([number])
            self._remove_texts(number)
            if batch.events:
                self._pack_rows(number, [(1, len(batch.events), batch.body)])

    def _pack(self) -> None:
        """Pack what the runs of this process have written, and remove what is no longer kept."""
        self._fold([each for each in self._own.values() if each.blocks])
        self._cut()
        self._remove(self._numbers("until <= ? ORDER BY id LIMIT ?", self._clock(), _PURGED))
        self._drop_texts(self._numbers("texts_until <= ? ORDER BY id LIMIT ?", self._clock(), _PURGED))

    def close(self) -> None:
        """Leave all runs of this process: it has ended."""
        for number in tuple(self._watched):
            self._pushes.append((number, "closed"))
        if self._server:
            self._fold([*self._own.values()])
            self._free(self._server)
            self._database.execute("DELETE FROM servers WHERE server = ?", (self._server,))
            self._own.clear()
            self._cut()
            if all(map(self._is_over, self._servers())):  # else one of the others does it when it is due
                self._drop_texts(self._numbers("texts_until IS NOT NULL"))

    # -- reading -----------------------------------------------------------------------------------------

    def read(self, run: str, after: int) -> RunPage:
        """Return the events of a run behind a position."""
        with self._database.snapshot():
            found = self._find("run = ? AND " + _KEPT, run, self._clock())
            if not found:
                raise JournalError.unknown(run)
            number = self._number(run)
            try:
                asked = self._asked(number)
                events = self._events(number, after, found[0].last)
                return RunPage(found[0], events, self._inbox(number), asked)
            except (ValueError, RecursionError) as error:
                if not self._numbers("id = ?", number):
                    raise JournalError.unknown(run) from None  # it was deleted while it was read
                raise JournalError(
                    f"The run {run!r} of {self._place} cannot be read: its log is damaged ({error}).",
                    "damaged",
                ) from None

    def _number(self, run: str) -> int:
        for number in self._numbers("run = ?", run):
            return number
        raise JournalError.unknown(run)

    def _events(self, number: int, after: int, end: int) -> list[Event]:
        """Return the events of a run behind a position, at least up to another one.

        Raises:
            ValueError: they are damaged.
        """
        bodies: list[bytes] = []
        position = first = after
        for begin, last, data in self._blocks(number, after):
            if not bodies:
                first = position = begin - 1
            if begin != position + 1:
                raise ValueError(f"there is nothing behind position {position}")
            bodies.append(self._codec.body(number, begin, last, data))
            position = last
        events = events_of(bodies, self._texts)
        if len(events) != position - first or first > after or position < end:
            raise ValueError("events are missing")
        return events[after - first :]

    def _texts(self, digests: Collection[str]) -> dict[str, str]:
        found = self._all(
            f"SELECT data FROM texts WHERE digest IN ({marks(len(digests))})",  # noqa: S608
            *digests,
        )
        return self._codec.texts(cast("bytes", data) for (data,) in found)

    def _asked(self, number: int) -> list[Event] | None:
        """Return the events of the open questions of a run; None if only its log has them all."""
        rows = self._all(
            "SELECT a.data FROM runs AS r LEFT JOIN asked AS a ON a.run = r.id "
            "WHERE r.id = ? AND r.agent IS NOT NULL ORDER BY a.rowid",
            number,
        )
        kept = [cast("bytes", data) for (data,) in rows if data is not None]
        try:
            bodies = [self._codec.body(number, 0, 0, data) for data in kept]
            return events_of(bodies, self._texts) if rows else None
        except ValueError:  # they are damaged
            return None

    def follow(self, run: str, after: int, follower: Follower) -> RunPage:
        """Return the events of a run behind a position; the follower gets those that come."""
        page = self.read(run, after)
        if not page.record.ended:
            number = self._number(run)
            watched = self._watched.setdefault(number, _Watched(run, page.record.last, []))
            watched.followers.append(follower)
            follower.position = after + len(page.events)
            self._poll_at = 0.0
        return page

    def unfollow(self, follower: Follower) -> None:
        """Forget a follower."""
        for number, watched in tuple(self._watched.items()):
            if follower in watched.followers:
                watched.followers.remove(follower)
                if not watched.followers:
                    del self._watched[number]

    def find(
        self, run: str | None, topic: str | None, owner: str | None, ended: bool | None, limit: int
    ) -> list[RunRecord]:
        """Return records, newest first."""
        wanted = [
            (name, value)
            for name, value in (("run", run), ("topic", topic), ("owner", owner))
            if value is not None
        ]
        states = [] if ended is None else ["ended IS NOT NULL" if ended else "ended IS NULL"]
        where = " AND ".join([*(f"{name} = ?" for name, _ in wanted), *states, _KEPT])
        return self._find(
            f"{where} ORDER BY id DESC LIMIT ?", *(value for _, value in wanted), self._clock(), limit
        )

    def _find(self, where: str, *values: object) -> list[RunRecord]:
        found: dict[int, RunRecord] = {}
        live: list[int] = []
        for number, run, owner, topic, version, restart, server, tries, last, at, ended, how, agent in cast(
            "list[tuple[int, str, str, str, str, Restart, str, int, int, float, float | None, str, str]]",
            self._all(f"{_RECORD} WHERE {where}", *values),
        ):
            state: RunState = "live" if server else "left"
            if ended is not None:
                state = "ended"
            elif server == _PARKED:
                state = "parked"
            known = (run, owner, topic, version, restart, state, tries, last, at, how, agent)
            found[number] = RunRecord(*known)
            own = self._own.get(run)
            if own is not None and own.number == number and server != self._server:
                self._lose()  # this process was suspended, and reads before it has tried to write
                own = None
            if own is not None and own.number == number:
                found[number] = replace(found[number], last=own.last)
            elif state == "live":
                live.append(number)
        if live:
            for number, last in self._lasts(live).items():
                found[number] = replace(found[number], last=max(last, found[number].last))
        return [*found.values()]

    def _inbox(self, number: int) -> dict[str, Json]:
        rows = self._all("SELECT key, data FROM inbox WHERE run = ? ORDER BY rowid", number)
        return {key: self._codec.sent(data) for key, data in cast("list[tuple[str, bytes]]", rows)}

    def listen(self, lease: Lease, loop: AbstractEventLoop, on_sent: Sent) -> None:
        """Have a function called with what is sent to a run of this process."""
        own = self._owned(lease)
        own.listener, own.heard = (loop, on_sent), 0
        self._hear()
        self._poll_at = 0.0

    def _hear(self) -> None:
        """Pass on what was sent to the runs of this process since they heard last; one query for all."""
        own = {each.number: each for each in self._own.values() if each.listener is not None}
        if not own:
            return
        heard = ", ".join(f"({number}, {each.heard})" for number, each in own.items())
        found = self._all(
            f"SELECT i.rowid, i.run, i.key, i.data FROM (VALUES {heard}) AS those CROSS JOIN inbox AS i "  # noqa: S608
            "WHERE i.run = those.column1 AND i.rowid > those.column2 ORDER BY i.rowid"
        )
        for at, number, key, data in cast("list[tuple[int, int, str, bytes]]", found):
            its = own[number]
            its.heard = at
            if its.listener is not None:
                loop, on_sent = its.listener
                self._mail.post(loop, partial(on_sent, key, self._codec.sent(data)))

    def _numbers(self, where: str, *values: object) -> list[int]:
        found = self._all(f"SELECT id FROM runs WHERE {where}", *values)  # noqa: S608 - constants
        return [cast("int", number) for (number,) in found]

    def _all(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        return self._database.execute(statement, values).fetchall()

    # -- what other processes do ---------------------------------------------------------------------------

    def tick(self, write: Callable[[Callable[[], object]], None]) -> float | None:
        """Read what other processes have written, and keep the tables tidy, as far as that is due."""
        now = time.monotonic()
        self.read_news()
        foreign = [each for each in self._watched.values() if each.run not in self._own]
        waits = bool(foreign) or any(each.listener for each in self._own.values())
        if self._joined and not self._server:  # it was asleep for so long that others took its runs over
            write(self._register)
        if not (waits or self._server):
            return 1.0 if self._joined else None
        if now >= self._poll_at:
            self._poll_at = now + (_POLL if waits else self.pause if self._joined else _LOOK)
            self._unread = self._database.changed() or self._unread
            if self._unread:
                with self._database.snapshot():
                    self._poll()
                self._unread = False
        if now >= self._look_at:
            self._look_at = now + min(_LOOK, self._lease / 3)
            self._look(write)
        if self._server and now >= self._seen + self._lease / 3:
            write(self._beat if self._own or self._joined else self._rest)
        if self._server and now >= self._tidy_at:
            self._tidy_at = now + _TIDY
            write(self._pack)
        due = min(self._poll_at, self._look_at, self._seen + self._lease / 3 if self._server else math.inf)
        return max(0.0, due - time.monotonic())

    def _look(self, write: Callable[[Callable[[], object]], None]) -> None:
        """Let go of abandoned runs, and look for those that may be taken."""
        for own in [each for each in self._own.values() if each.abandoned <= time.monotonic()]:
            own.abandoned = time.monotonic() + _AGAIN
            write(partial(self._leave_abandoned, own.lease))
        if self.some_gone():
            write(self.bury)
        if self._is_due():
            write(self.wake_due)
        self._tell_left()

    def _is_over(self, server: tuple[str, str, float]) -> bool:
        """Whether a server has ended, or has sent no heartbeat for a lease.

        Only what this process has watched all the time counts: if it was suspended, or has waited for a lock,
        so may the others have, and they are given as long again.
        """
        name, process, seen = server
        now = time.monotonic()
        before, since, looked = self._observed.get(name, (seen, now, now))
        if before != seen or now - looked > self._lease / 2:
            since = now
        self._observed[name] = seen, since, now
        return name != self._server and (now - since > self._lease or is_gone(process))

    def _beat(self) -> None:
        self._seen = time.monotonic()
        self._database.execute("UPDATE servers SET seen = ? WHERE server = ?", (self._clock(), self._server))

    def _rest(self) -> None:
        """Send no heartbeats while there is nothing to keep alive, or to tidy soon."""
        if self._numbers("texts_until IS NOT NULL LIMIT 1"):
            self._beat()
            return
        self._cut()
        self._database.execute("DELETE FROM servers WHERE server = ?", (self._server,))
        self._server = ""

    def _tell_left(self) -> None:
        for version, waiting, loop, on_left in self._joined.values():
            if self.takeable(version, 1, waiting=waiting):
                self._mail.post(loop, on_left)

    def _poll(self) -> None:
        if self._server:
            found = self._all("SELECT news FROM servers WHERE server = ?", self._server)
            if not found:
                self._lose()
            elif found[0][0] != self._news:
                self._stale = True
                self.read_news()
        foreign = {n: each.last for n, each in self._watched.items() if each.run not in self._own}
        if foreign:
            self._poll_foreign(foreign)

    def _poll_foreign(self, foreign: Mapping[int, int]) -> None:
        for number, first, last, data in self._fresh(foreign):
            watched = self._watched.get(number)
            if watched is not None and first == watched.last + 1:
                try:
                    self._push(number, events_of([self._codec.body(number, first, last, data)], self._texts))
                except ValueError:
                    self._push(number, "behind")  # read again, it is refused with a sentence
        states = self._all(
            f"SELECT id, last, ended FROM runs WHERE id IN ({marks(len(foreign))})",  # noqa: S608
            *foreign,
        )
        for number, last, ended in cast("list[tuple[int, int, float | None]]", states):
            watched = self._watched.get(number)
            if watched is not None and last > watched.last:
                self._push(number, "behind")  # rows were packed before they were read here
            elif ended is not None:
                self._push(number, "ended")
        for number in foreign.keys() - {number for number, _, _ in states}:
            self._push(number, "unknown")

    def read_news(self) -> None:
        """Pass on what was sent to the runs of this process, if anything was."""
        if not self._stale:
            return
        self._stale = False
        self._look_at = 0.0
        found = self._all("SELECT news FROM servers WHERE server = ?", self._server)
        if found:
            self._news = cast("int", found[0][0])
            self._check_own()
            self._hear()


def _list(text: object) -> list[str]:
    return cast("list[str]", json.loads(cast("str", text)))
