"""A journal in memory: for one process, until it ends."""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextvars import Context as Variables
from dataclasses import dataclass, field, replace
from typing import Final, Self

from ._call_keys import CallKey, RecordedFunction
from ._message_records import Json
from ._stores import Event, JournalEntry, JournalError, Lease, RunPage, RunRecord, keep_asked, wall_time

_FEW: Final = 1000  # runs that have ended, and calls


@dataclass(slots=True)
class _Kept:
    """A run, its events, and who waits for more."""

    record: RunRecord
    events: list[Event]
    lease: Lease | None  # of its writer
    sent: dict[str, Json] = field(default_factory=dict[str, Json])
    on_sent: Callable[[str, Json], None] | None = None
    more: asyncio.Event = field(default_factory=asyncio.Event)
    until: float = math.inf  # loop time after which it is forgotten, once it has ended
    waited: bool = False  # whether it was parked when it was left
    timer: asyncio.TimerHandle | None = None  # until it may be taken
    asked: dict[str, list[Event]] = field(default_factory=dict[str, "list[Event]"])  # the open questions

    def add(self, events: Sequence[Event]) -> None:
        """Add events."""
        self.events += events
        keep_asked(events, self._drop, self._keep)
        self.more.set()

    def _drop(self, question: str) -> None:
        self.asked.pop(question, None)

    def _keep(self, question: str, event: Event) -> None:
        self.asked.setdefault(question, []).append(event)


class MemoryJournal:
    """Keeps the log of runs, and calls, in this process; when it ends, they are lost.

    Args:
        max_ended: how many ended runs are kept; the oldest are removed first.
        max_calls: how many calls are kept; those that were not used for the longest time are removed first.
        ttl: how long a call is kept, in seconds; None: forever.

    Example:
        >>> from miniagents.ext.journal import RunRecord
        >>> async def main():
        ...     journal = MemoryJournal()
        ...     lease = Lease(RunRecord("7"))
        ...     await journal.begin(lease, [["began", 0]])
        ...     await journal.end(lease, [["ended", 0, "finished", ""]], how="finished")
        ...     async for events in journal.follow("7"):
        ...         print(events)
        >>> asyncio.run(main())
        [['began', 0], ['ended', 0, 'finished', '']]
    """

    def __init__(self, *, max_ended: int = _FEW, max_calls: int = _FEW, ttl: float | None = None) -> None:
        self._max_ended = max_ended
        self._max_calls = max_calls
        self._ttl = math.inf if ttl is None else ttl
        self._runs: dict[str, _Kept] = {}
        self._ended: dict[str, _Kept] = {}  # in the order of their ends
        self._due = math.inf  # loop time before which none of them is forgotten for its age
        self._calls: OrderedDict[CallKey, tuple[float, JournalEntry]] = OrderedDict()
        self._functions: dict[tuple[str, str], str] = {}
        self._joined: list[tuple[str, Callable[[], None]]] = []

    def __enter__(self) -> Self:
        """Use it in a block, as other journals."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget everything."""
        for run in tuple(self._runs):
            self._delete(run)
        self._calls.clear()

    async def __aenter__(self) -> Self:
        """Use it in a block, as other journals."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Forget everything."""
        self.__exit__()

    # -- runs --------------------------------------------------------------------------------------------

    async def join(
        self, version: str, on_left: Callable[[], None], /, *, waiting: bool = False
    ) -> Callable[[], None]:
        """Be called when there may be runs to take.

        Args:
            version: of the agents.
            on_left: called when a run of this version was left.
            waiting: has no effect.
        """
        del waiting
        place = version, on_left
        self._joined.append(place)
        return lambda: self._joined.remove(place)

    async def take(self, version: str, limit: int, /, *, waiting: bool = False) -> list[Lease]:
        """Become the writer of runs that were left, oldest first.

        Args:
            version: of the agents.
            limit: how many at most.
            waiting: whether parked runs of other versions are taken, too.
        """
        joined = {each for each, _ in self._joined}
        taken: list[Lease] = []
        for kept in self._runs.values():
            record = kept.record
            foreign = record.version != version
            if record.restart == "program" or (foreign and record.version in joined):
                continue
            states = ("left", "parked") if foreign and waiting else ("left",)
            if record.state in states and (waiting or not (foreign and kept.waited)) and len(taken) < limit:
                taken.append(self._live(kept))
                kept.record = replace(kept.record, version=version)
        return taken

    def _live(self, kept: _Kept) -> Lease:
        """Note that a task works on a run."""
        if kept.timer is not None:
            kept.timer.cancel()
        kept.waited = False
        kept.record = replace(kept.record, state="live", how="", attempts=kept.record.attempts + 1)
        kept.lease = Lease(self._record(kept))
        return kept.lease

    async def claim(self, run: str, /) -> Lease | None:
        """Become the writer of a run that was left or has ended; None if there is none.

        Args:
            run: its id.

        Raises:
            JournalError: another task works on it.
        """
        self._forget_old()
        kept = self._runs.get(run)
        if kept is None:
            return None
        if kept.record.state == "live":
            raise JournalError(
                f"The run {run!r} is already going on, and two at the same time would take each other's "
                "answers. Wait for its end, or use another run_id.",
                "busy",
            )
        self._ended.pop(run, None)
        kept.until = math.inf
        return self._live(kept)

    async def begin(self, lease: Lease, events: Sequence[Event], /) -> None:
        """Keep a new run.

        Args:
            lease: a new one, with what is known of the run.
            events: its first events.

        Raises:
            JournalError: a run with this id exists.
        """
        self._forget_old()
        head = lease.record
        if head.run in self._runs:
            raise JournalError.exists(head.run)
        known = (head.run, head.owner, head.topic, head.version, head.restart)
        kept = _Kept(RunRecord(*known, began=time.time(), agent=head.agent), [], lease)
        kept.add(events)
        self._runs[head.run] = kept

    async def append(self, lease: Lease, events: Sequence[Event], /, *, hard: bool = False) -> None:
        """Keep events.

        Args:
            lease: of the run.
            events: of the run.
            hard: has no effect.

        Raises:
            JournalError: the run has ended, does not exist, or another task has taken it over.
        """
        del hard
        self._own(lease).add(events)

    async def end(
        self, lease: Lease, events: Sequence[Event], /, *, how: str, keep: float | None = None
    ) -> None:
        """Keep the last events of a run.

        Args:
            lease: of the run.
            events: its last ones.
            how: how it has ended.
            keep: seconds until it is forgotten; None: until there are more than `max_ended`.

        Raises:
            JournalError: the run has ended, does not exist, or another task has taken it over.
        """
        kept = self._own(lease)
        kept.add(events)
        kept.record = replace(kept.record, state="ended", how=how)
        kept.until = math.inf if keep is None else _now() + keep
        kept.lease = kept.on_sent = None
        self._ended[lease.run] = kept
        self._due = min(self._due, kept.until)
        self._forget_old()

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
        """Let another task claim the run.

        Args:
            lease: of the run.
            events: its last ones here.
            wake_at: when it can be taken, unless something is sent to it before; None: at once.
            heard: how many of the things that were sent to it were heard.
            counts: whether this counts as an attempt.

        Raises:
            JournalError: the run has ended, does not exist, or another task has taken it over.
        """
        kept = self._own(lease)
        kept.add(events)
        kept.waited = wake_at is not None
        kept.record = replace(kept.record, state="parked", attempts=kept.record.attempts - (not counts))
        kept.lease = kept.on_sent = None
        if wake_at is None or len(kept.sent) > heard:
            self._free(kept)
        elif wake_at < math.inf:
            later = asyncio.get_running_loop().call_later
            kept.timer = later(max(0.0, wake_at - wall_time()), self._free, kept, context=Variables())

    def _free(self, kept: _Kept) -> None:
        """Let a run that was parked be taken."""
        if kept.record.state == "parked":
            kept.record = replace(kept.record, state="left")
            for _, on_left in tuple(self._joined):
                on_left()

    async def read(self, run: str, after: int = 0, /) -> RunPage:
        """Return the events of a run behind a position.

        Args:
            run: its id.
            after: the position.

        Raises:
            JournalError: the run does not exist.
        """
        kept = self._found(run)
        asked = [event for events in kept.asked.values() for event in events]
        return RunPage(self._record(kept), kept.events[after:], dict(kept.sent), asked)

    async def follow(self, run: str, after: int = 0, /) -> AsyncGenerator[Sequence[Event]]:
        """Yield the events of a run behind a position, then new ones, until it has ended.

        Args:
            run: its id.
            after: the position.

        Raises:
            JournalError: the run does not exist, or is deleted meanwhile.
        """
        kept = self._found(run)
        while True:
            if events := kept.events[after:]:
                after += len(events)
                yield events
            elif kept.record.ended:
                return
            elif self._runs.get(run) is not kept:
                raise JournalError.unknown(run)
            else:
                kept.more.clear()
                await kept.more.wait()

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
        self._forget_old()
        known = reversed(self._runs.values()) if run is None else filter(None, (self._runs.get(run),))
        found = (
            self._record(kept)
            for kept in known
            if topic in (None, kept.record.topic)
            and owner in (None, kept.record.owner)
            and ended in (None, kept.record.ended)
        )
        return [record for record, _ in zip(found, range(limit), strict=False)]

    async def send(self, run: str, key: str, data: Json, /) -> None:
        """Send something to a run.

        Args:
            run: its id.
            key: names it within the run.
            data: any JSON.

        Raises:
            JournalError: the run has ended, or does not exist.
        """
        if key in self._found(run).sent:
            return
        kept = self._writable(run)
        kept.sent[key] = data
        self._free(kept)
        if kept.on_sent is not None:
            kept.on_sent(key, data)

    def listen(self, lease: Lease, on_sent: Callable[[str, Json], None], /) -> None:
        """Be called with what is sent to a run.

        Args:
            lease: of the run.
            on_sent: gets the key and the data.

        Raises:
            JournalError: the run has ended, does not exist, or another task has taken it over.
        """
        kept = self._own(lease)
        kept.on_sent = on_sent
        for key, data in tuple(kept.sent.items()):
            on_sent(key, data)

    async def delete(self, run: str, /, *, topic: str | None = None) -> None:
        """Delete a run; nothing happens if there is none.

        Args:
            run: its id.
            topic: what it has to belong to; None for anything.
        """
        if run not in self._runs or topic in (None, self._runs[run].record.topic):
            self._delete(run)

    def _delete(self, run: str) -> None:
        self._ended.pop(run, None)
        kept = self._runs.pop(run, None)
        if kept is not None:
            if kept.timer is not None:
                kept.timer.cancel()
            kept.more.set()

    def _record(self, kept: _Kept) -> RunRecord:
        return replace(kept.record, last=len(kept.events))

    def _found(self, run: str) -> _Kept:
        self._forget_old()
        kept = self._runs.get(run)
        if kept is None:
            raise JournalError.unknown(run)
        return kept

    def _writable(self, run: str) -> _Kept:
        kept = self._found(run)
        if kept.record.ended:
            raise JournalError.ended(run)
        return kept

    def _own(self, lease: Lease) -> _Kept:
        kept = self._writable(lease.run)
        if kept.lease is not lease:
            raise JournalError.taken(lease.run)
        return kept

    def _forget_old(self) -> None:
        now, many = _now(), len(self._ended) - self._max_ended
        if many <= 0 and now < self._due:
            return
        old = [run for at, (run, kept) in enumerate(self._ended.items()) if at < many or kept.until <= now]
        for run in old:
            del self._ended[run], self._runs[run]
        self._due = min((kept.until for kept in self._ended.values()), default=math.inf)

    # -- calls -------------------------------------------------------------------------------------------

    async def check(self, function: RecordedFunction, /) -> None:
        """Register a function.

        Args:
            function: the function whose calls will be kept.

        Raises:
            JournalError: another function has this name and version.
        """
        known = self._functions.setdefault((function.name, function.version), function.function)
        if known != function.function:
            raise JournalError(
                f"This cache has answers of {known} under the name {function.name}, and {function.function} "
                "has the same name. Give each its own cache, or another alias."
            )

    async def find_all(self, keys: Sequence[CallKey], /) -> list[JournalEntry | None]:
        """Return the call for each key; None if there is none, or it is too old.

        Args:
            keys: of calls.
        """
        return [self._find(key) for key in keys]

    def _find(self, key: CallKey) -> JournalEntry | None:
        found = self._calls.get(key)
        if found is None:
            return None
        if _now() >= found[0] + self._ttl:
            del self._calls[key]
            return None
        self._calls.move_to_end(key)
        return found[1]

    async def keep_all(self, calls: Sequence[tuple[CallKey, JournalEntry]], /) -> None:
        """Keep calls.

        Args:
            calls: each with its key.
        """
        for key, entry in calls:
            self._calls[key] = _now(), entry
            self._calls.move_to_end(key)
        while len(self._calls) > self._max_calls:
            self._calls.popitem(last=False)


def _now() -> float:
    """Return the time of the event loop, which may be virtual in a test."""
    return asyncio.get_running_loop().time()
