"""What a journal keeps: the log of each run, and calls by their keys.

`Journal` (SQLite), `PostgresJournal` and `MemoryJournal` have both protocols; so can a store of your own.

A run has one writer, the process that began it or took it over, and any number of readers in any process. Its
log is a list of events at the positions 1, 2, 3 and so on; what a store is given in one call, it keeps in one
commit. An event is a JSON list: its kind, the number of a span (0 is the run itself, others are its calls),
and data. A store need not look into them.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, Self, TypeAlias

from miniagents.values import FrozenMapping, MiniAgentsError

from ._call_keys import CallKey, RecordedFunction
from ._message_records import Json
from ._recordings import RecordedEvent

Event: TypeAlias = "list[Json]"
"""Something that happened in a run: its kind, the number of the span, and data."""

Reason: TypeAlias = Literal["unknown", "exists", "ended", "taken", "busy", "later", "damaged"]
"""Why a store cannot do what was requested of a run."""

Restart: TypeAlias = Literal["server", "program", "never"]
"""What continues a run whose process has ended: the next server, the program itself, or nothing."""

RunState: TypeAlias = Literal["live", "left", "parked", "ended"]
"""A process works on it; the next process may take it; it waits for something to be sent; it has ended."""


_OF_QUESTIONS: Final = frozenset({"question", "refused", "answer", "void"})


class JournalError(MiniAgentsError):
    """A journal cannot do what was requested.

    Args:
        text: the sentence.
        reason: why, if it is one of the expected cases.

    Attributes:
        reason: of a run: ``"unknown"`` (there is no such run, or it is no longer kept), ``"exists"``
            (already), ``"ended"``, ``"taken"`` (another process has taken it over, so this one can no longer
            write), ``"busy"`` (another process works on it), ``"later"`` (its log is of a later version of
            this library) or ``"damaged"`` (so is its log); None for any other problem.

    Example:
        >>> raise JournalError("The journal calls.journal cannot be written: the disk is full.")
        Traceback (most recent call last):
            ...
        miniagents...JournalError: The journal calls.journal cannot be written: the disk is full.
    """

    def __init__(self, text: str = "", reason: Reason | None = None) -> None:
        super().__init__(text)
        self.reason: Reason | None = reason

    @classmethod
    def unknown(cls, run: str) -> Self:
        """Return the error for a run that is not there.

        Args:
            run: its id.

        Example:
            >>> str(JournalError.unknown("7"))
            "no run has the id '7', or it is no longer kept."
        """
        return cls(f"no run has the id {run!r}, or it is no longer kept.", "unknown")

    @classmethod
    def exists(cls, run: str) -> Self:
        """Return the error for a run that cannot begin, because another one has its id.

        Args:
            run: its id.

        Example:
            >>> str(JournalError.exists("7"))
            "a run already has the id '7'; give each run an id of its own."
        """
        return cls(f"a run already has the id {run!r}; give each run an id of its own.", "exists")

    @classmethod
    def ended(cls, run: str) -> Self:
        """Return the error for a run to whose log nothing can be added.

        Args:
            run: its id.

        Example:
            >>> str(JournalError.ended("7"))
            "the run '7' has ended; nothing can be added to its log."
        """
        return cls(f"the run {run!r} has ended; nothing can be added to its log.", "ended")

    @classmethod
    def taken(cls, run: str) -> Self:
        """Return the error for a writer whose lease is over.

        Args:
            run: its id.

        Example:
            >>> str(JournalError.taken("7"))
            "another process or task writes the run '7'; this one can add nothing to its log."
        """
        return cls(
            f"another process or task writes the run {run!r}; this one can add nothing to its log.", "taken"
        )


def wall_time() -> float:
    """Return the seconds since 1970; on an event loop with virtual time, they go with that time.

    Example:
        >>> async def is_late():
        ...     return wall_time() > 1_700_000_000
        >>> asyncio.run(is_late())
        True
    """
    clock: Callable[[], float] = getattr(asyncio.get_running_loop(), "wall_time", time.time)
    return clock()


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a journal knows of a run besides its events; to begin a run, the first five and `agent`.

    Attributes:
        run: its id.
        owner: the user who may read and stop it; ``""`` if every client that knows the id may.
        topic: what the run belongs to, such as the id of a chat; ``""`` for nothing.
        version: of the agents.
        restart: what continues it if its process ends: the next ``"server"`` (`RunStore.take`), the
            ``"program"`` when it runs again (`RunStore.claim`), or nothing (``"never"``).
        state: ``"live"``, ``"left"``, ``"parked"`` (it waits for something to be sent) or ``"ended"``.
        attempts: how many processes have worked on it; one that left it in order, or because the journal was
            away, does not count.
        last: the position of its last event.
        began: when, in seconds since 1970.
        how: how it has ended; ``""`` before.
        agent: the name of its agent; ``""`` if it has none, or the store does not keep it.

    Example:
        >>> RunRecord("7", owner="ada").ended
        False
    """

    run: str
    owner: str = ""
    topic: str = ""
    version: str = "1"
    restart: Restart = "never"
    state: RunState = "live"
    attempts: int = 1
    last: int = 0
    began: float = 0.0
    how: str = ""
    agent: str = ""

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.state == "ended"


@dataclass(frozen=True, slots=True, eq=False)
class Lease:
    """The right to write a run, until it ends, is left, or another process or task takes it over.

    No two are equal: who takes a run over gets a new one, and nothing more can be written with the old one.

    Attributes:
        record: the facts about the run from before the lease; to begin a run, what is known of it.

    Example:
        >>> Lease(RunRecord("7")) == Lease(RunRecord("7"))
        False
    """

    record: RunRecord

    @property
    def run(self) -> str:
        """The id of the run."""
        return self.record.run


@dataclass(frozen=True, slots=True)
class RunPage:
    """Events of a run.

    Attributes:
        record: the facts about the run.
        events: in order.
        sent: what was sent to the run (`RunStore.send`), by key, in this order.
        asked: the events of the questions that are open, wherever they are in the log; None if the store does
            not keep them apart: then the whole log is read for them.

    Example:
        >>> RunPage(RunRecord("7"), (["ended", 0, "finished", ""],)).sent
        FrozenMapping({})
    """

    record: RunRecord
    events: Sequence[Event]
    sent: Mapping[str, Json] = FrozenMapping()
    asked: Sequence[Event] | None = None


def keep_asked(
    events: Iterable[Event], drop: Callable[[str], object], keep: Callable[[str, Event], object]
) -> None:
    """Keep the events of the questions that are open, apart from the log.

    Args:
        events: that are added to the log.
        drop: called with a question of which nothing is kept any more.
        keep: called with a question and an event of it.

    Example:
        >>> asked = ["question", 0, "q", "question", {"text": "Why?"}, "", None]
        >>> keep_asked([asked, ["void", 0, "q"]], lambda question: print("drop", question), print)
        drop q
        q ['question', 0, 'q', 'question', {'text': 'Why?'}, '', None]
        drop q
    """
    for event in events:
        if event[0] in _OF_QUESTIONS:
            match event:
                case ["refused", _, str(question), *_]:
                    keep(question, event)
                case [kind, _, str(question), *_]:
                    drop(question)
                    if kind == "question":  # asked again, all that is known of it follows
                        keep(question, event)
                case _:
                    pass  # its texts were dropped


class RunStore(Protocol):
    """The log of runs, in a file, a database or in memory.

    Methods can be called from the event loop in which the store is used. Each may raise a `JournalError`
    without a reason if the store cannot be read or written.

    Example:
        >>> from miniagents.ext.journal import MemoryJournal
        >>> def of_this_process() -> RunStore:
        ...     return MemoryJournal()
    """

    async def join(
        self, version: str, on_left: Callable[[], None], /, *, waiting: bool = False
    ) -> Callable[[], None]:
        """Say that this process serves runs of a version, until the function that is returned is called.

        Args:
            version: of the agents.
            on_left: called in this event loop whenever there may be runs for :meth:`take`.
            waiting: whether :meth:`take` will be called so.
        """
        ...

    async def take(self, version: str, limit: int, /, *, waiting: bool = False) -> list[Lease]:
        """Become the writer of runs that a server left or died with, oldest first.

        Only runs of `restart` ``"server"`` and ``"never"`` are taken: those of this version, and those of a
        version that no living server has joined with for a while (ten leases). Their earlier writers can
        append nothing any more. A run that was parked is taken when something was sent to it, or its time has
        come. From now on it is a run of this version; the record of the lease is that of before.

        Args:
            version: of the agents.
            limit: how many at most.
            waiting: whether runs of other versions that are parked, or were so when something was sent to
                them, are taken, too; else they wait for a server of their version.
        """
        ...

    async def claim(self, run: str, /) -> Lease | None:
        """Become the writer of one run, also of one that has ended, which is live again then.

        If its process seems to be alive, this waits for the length of its lease.

        Args:
            run: its id.

        Returns:
            The lease; None if there is no such run.

        Raises:
            JournalError: ``"busy"``: another process, or another task of this one, works on it.
        """
        ...

    async def begin(self, lease: Lease, events: Sequence[Event], /) -> None:
        """Keep a new run; it survives a loss of power when this returns.

        Args:
            lease: a new one, with what is known of the run.
            events: its first events.

        Raises:
            JournalError: ``"exists"``.
        """
        ...

    async def append(self, lease: Lease, events: Sequence[Event], /, *, hard: bool = False) -> None:
        """Keep events; when this returns, readers can see them, and they survive a crash of this process.

        Args:
            lease: of the run.
            events: at least one.
            hard: whether they survive a loss of power, too.

        Raises:
            JournalError: ``"taken"``, ``"ended"`` or ``"unknown"``.
        """
        ...

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
            JournalError: ``"taken"``, ``"ended"`` or ``"unknown"``.
        """
        ...

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
        """Let the next process take a run. If this cannot be written now, the store does so when it can.

        Args:
            lease: of the run.
            events: the last ones of this process.
            wake_at: None: the run can be taken at once. Else it is parked: it can be taken at this time, in
                seconds since 1970, or when something is sent to it.
            heard: how many of the things that were sent to the run this process has heard; if there are more,
                the run is not parked.
            counts: whether this process counts as an attempt, as one that ends without leaving the run does;
                it does not if the store writes this later.

        Raises:
            JournalError: ``"taken"``, ``"ended"`` or ``"unknown"``.
        """
        ...

    async def read(self, run: str, after: int = 0, /) -> RunPage:
        """Return the events of a run behind a position, all that are there.

        Args:
            run: its id.
            after: the position.

        Raises:
            JournalError: ``"unknown"``.
        """
        ...

    def follow(self, run: str, after: int = 0, /) -> AsyncGenerator[Sequence[Event]]:
        """Yield the events of a run behind a position, then new ones, until it has ended.

        Args:
            run: its id; any process may write it.
            after: the position.

        Raises:
            JournalError: ``"unknown"``, also if it is deleted meanwhile.
        """
        ...

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
        ...

    async def send(self, run: str, key: str, data: Json, /) -> None:
        """Send something to a run, which its writer gets, now or when it takes the run over.

        It survives a loss of power when this returns, and a writer in this event loop has got what is kept
        under the key. A second one with the same key changes nothing.

        Args:
            run: its id.
            key: names it within the run, such as ``"stop"``.
            data: any JSON.

        Raises:
            JournalError: ``"ended"`` or ``"unknown"``.
        """
        ...

    def listen(self, lease: Lease, on_sent: Callable[[str, Json], None], /) -> None:
        """Be called in this event loop with the key and data of what is sent to a run, until it ends here.

        Args:
            lease: of the run.
            on_sent: gets what was sent already, and what is sent from now on, each once, in this order.
        """
        ...

    async def delete(self, run: str, /, *, topic: str | None = None) -> None:
        """Delete a run; nothing happens if there is none. Its writer can append nothing any more.

        Args:
            run: its id.
            topic: what it has to belong to, else it is not deleted; None for anything.
        """
        ...


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A call that has ended.

    Attributes:
        function: the function that was called.
        question: the messages that it was sent, as JSON.
        events: what was recorded of the call, in order.
        failed: whether the call, or one of its messages, ended with an error.

    Example:
        >>> from miniagents.runs import RecordedFunction
        >>> JournalEntry(RecordedFunction("JUDGE", "1", "reviews:judge"), "[]", ()).failed
        False
    """

    function: RecordedFunction
    question: str
    events: tuple[RecordedEvent, ...]
    failed: bool = False


class CallStore(Protocol):
    """A store of recorded calls, by their keys: in a file, a database or in memory.

    Example:
        >>> from miniagents.ext.journal import Journal
        >>> def of_one_file(path: str) -> CallStore:
        ...     return Journal(path)
    """

    async def check(self, function: RecordedFunction, /) -> None:
        """Register a function, before the first of its calls is kept.

        Args:
            function: the function whose calls will be kept.

        Raises:
            JournalError: another function has this name and version.
        """
        ...

    async def find_all(self, keys: Sequence[CallKey], /) -> list[JournalEntry | None]:
        """Return the call for each key; None where there is none.

        Args:
            keys: of calls.
        """
        ...

    async def keep_all(self, calls: Sequence[tuple[CallKey, JournalEntry]], /) -> None:
        """Keep calls, all of them or none; they survive a loss of power when this returns.

        Args:
            calls: each with its key; it replaces a call with the same key.
        """
        ...
