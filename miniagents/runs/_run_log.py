"""The log of one run: what its calls do, written once, as it happens.

Kinds of events, each `[kind, span, ...]`. The span 0 is the run itself, the others are its calls, numbered in
the order in which they begin; a span that begins again after a restart gets a new number.

| kind | data | what happened |
|---|---|---|
| `began` | request | the run began |
| `call` | parent, kind, alias, keywords, at | a call of an agent, a model or a tool began |
| `asked` | what | what a model is sent: its keywords and messages, or the number of an earlier equal one |
| `model` | at, provider, name, server, streams | the call sends a request to a model |
| `parts` | message, parts, times | parts of a message of the call have come |
| `kept` | key, name, version, rows, place | the call is complete; it is not made again |
| `failed` | key, name, version, rows, place | the call failed or was cancelled; it fails again |
| `call_end` | at, outcome, error, data | the call ended |
| `question` | id, kind, what is shown, digest, due | a person is asked, until a time in seconds since 1970 |
| `answer` | id, answer | the answer came, perhaps with who gave it and when, or the time was over |
| `input` | dialog, key, message | something was said to an interactive agent |
| `delivered` | dialog, place, keys, ends | an answer began with it, or a tool loop took it |
| `cut` | dialog, answer, how, messages | an answer was ended early, and what came of it |
| `refused` | id, key, reason | what was sent under this key does not fit |
| `void` | id, seconds | the question is not asked any more; with when its wait was cancelled, if it was |
| `intent` | key | a call with effects begins, which has this key |
| `sent` | value, until | the value of an event for which no run waits yet, in a log of its own |
| `waits` | run, question | the question of the run that waits for an event, in a log of its own |
| `parked` | time | all calls wait for answers, and no process works on the run; or until a time |
| `frame` | frame | something of a reply, as clients get it |
| `reply` | message, span, message | the parts of this reply are those of that message of that call |
| `ended` | how, sentence, position | the run ended; the position is that of the last frame |

Times are microseconds since 1970; those of parts are a first time, and microseconds since the one before.
"""

import asyncio
import hashlib
import json
import logging
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import Context as Variables, copy_context
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import Final, NamedTuple, cast

from typing_extensions import override

from miniagents.messages import InputMessage, MessagePromise
from miniagents.messages._parts import current_watch, origin_of
from miniagents.observers import ModelAsked, Observer, PartsCame, RunBegan, RunEnded, RunEvent, RunInfo
from miniagents.streams._observers import Anchor, Observers, Outcome, RunKind, RunWatch
from miniagents.values import FrozenMapping, InquiryCancelledError

from ._dialogs import RunDialogs, heard_in, saying
from ._message_records import Json, decode_data, encode_data
from ._questions import RunQuestions
from ._recordings import RecordedEvent, error_data, error_from_data, part_of_data, plain_data
from ._run_end import RunEnd
from ._stores import Event, JournalError, Lease, RunStore
from ._without_texts import KINDS

logger = logging.getLogger("miniagents.runs")

_MICRO: Final = 1_000_000
_A_WHILE: Final = 1.0  # seconds; no lease is shorter
_LIMIT: Final = 16_000_000
"""Characters of parts that may wait for the store; if it is slower than the run, the log fails."""
_KINDS: Final[Mapping[str, RunKind]] = MappingProxyType({"model": "model", "tool": "tool"})
_OUTCOMES: Final[Mapping[str, Outcome]] = MappingProxyType(
    {"done": "done", "failed": "failed", "cancelled": "cancelled"}
)


class RunLog(Observer):
    """Writes the log of a run; it observes the calls of the run.

    What happens while a batch is being written is the next batch.

    Args:
        store: keeps the log; this process is the writer of the run.
        lease: of the run.
        events: what is in the log already.
        collect: called before each batch with its events; returns these and further ones.
        on_kept: called when a batch is kept.
        on_end: called when the work of this process on the run ends, or its log could not be written.
        may_begin_again: returns whether the run is left to begin again if its log could not be written.

    Attributes:
        end: how the work of this process on the run ends.
        error: why nothing can be added any more; None if it can.
        questions: carries the questions of the run.
        dialogs: writes what is said to the run's interactive agents.
        cancelled: the calls of this process that were cancelled or left out, each as the aliases of its
            callers, the outermost first, and its own.
        timers: how many hedges give their first agent time to begin.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.journal import Lease, MemoryJournal, RunRecord
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     journal, lease = MemoryJournal(), Lease(RunRecord("7"))
        ...     await journal.begin(lease, [["began", 0, None]])
        ...     log = RunLog(journal, lease)
        ...     async with MiniAgents(observers=[log]):
        ...         await scripted_model("Hi").inquire("Hello")
        ...     await log.flush()
        ...     print(*[event[0] for event in (await journal.read("7")).events])
        >>> MiniAgents().run(main())
        began call parts call_end
    """

    batch = 1

    def __init__(
        self,
        store: RunStore,
        lease: Lease,
        events: Sequence[Event] = (),
        *,
        collect: Callable[[list[Event]], list[Event]] | None = None,
        on_kept: Callable[[], None] | None = None,
        on_end: Callable[[], None] | None = None,
        may_begin_again: Callable[[], bool] = lambda: True,
    ) -> None:
        self.end: RunEnd = RunEnd(may_begin_again)
        self.error: JournalError | None = None
        self.timers: int = 0
        self.cancelled: set[tuple[str, ...]] = set()
        self._store = store
        self._lease = lease
        self._run = run = lease.run
        self._name = f"log of run {run}"
        self._collect = collect
        self._on_kept = on_kept
        self._on_end = on_end
        self._pending: list[Event] = []
        self._more = self._hard = False
        self._size = 0  # characters of the parts that wait
        self._written = 0.0  # loop time of the last batch
        self._waiting: list[asyncio.Future[None]] = []
        self._writer: asyncio.Task[None] | None = None
        self._next = 1 + max((each[1] for each in events if isinstance(each[1], int)), default=0)
        self._spans: dict[int, int] = {}  # number of an observed run -> its span
        # Number of a run -> whether its parts are not written again, as it plays a kept call. What is first
        # decides: it plays, or a reply says that the log has its parts (a tool plays after that was asked).
        self._silent: dict[int, bool] = {}
        self._last_times: dict[tuple[int, int], int] = {}
        self._asked: dict[bytes, int] = {}  # digest of what a model was sent -> its number
        for event in events:
            if event[0] == "asked" and isinstance(event[-1], list):
                for item in event[-1]:
                    if not isinstance(item, int):
                        self._numbered(item)
        self.dialogs: RunDialogs = RunDialogs(events, self.add)
        self.questions: RunQuestions = RunQuestions(
            store, run, events, self.add, self._write_hard, self.span_now, self.dialogs.play_on
        )

    # -- writing -----------------------------------------------------------------------------------------

    def add(self, *events: Event) -> None:
        """Write events, soon.

        Args:
            *events: in order.
        """
        if self.error is None:
            self._pending += events
            self._write_soon()

    def wake(self) -> None:
        """Write a batch, soon: there is something to collect."""
        if self.error is None:
            self._write_soon()

    def _write_soon(self) -> None:
        self._more = True
        if self._writer is None:
            # Not `create_task`: an eager task would begin here, and might end here.
            loop = asyncio.get_running_loop()
            self._writer = asyncio.Task(self._write(), loop=loop, name=self._name, context=Variables())

    async def flush(self, *, hard: bool = False) -> None:
        """Wait until all that has happened is kept.

        Args:
            hard: whether it survives a loss of power, too.

        Raises:
            InquiryCancelledError: the run was stopped, or let go of, and what calls this is cancelled, too.
            JournalError: the log cannot be written.
        """
        if self.error is not None:
            if self.error.reason == "ended" and self.end.state != "taken" and self.end.how != "finished":
                raise InquiryCancelledError  # it was closed here: if the run goes on, this is done then
            raise self.error
        self._hard = self._hard or hard
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(kept)
        self.wake()
        await kept

    async def check(self) -> None:
        """Find out whether this process is still the writer, if it has written nothing for a second.

        It may have been suspended while another process went on with the run: then it requests nothing.

        Raises:
            JournalError: the log cannot be written.
        """
        if self.error is not None or asyncio.get_running_loop().time() > self._written + _A_WHILE:
            await self.flush()

    @staticmethod
    def saying(message: InputMessage) -> tuple[str, Json]:
        """Return the key and the data under which a message is sent to a run (`RunStore.send`).

        Args:
            message: with an id, under which it counts once.
        """
        return saying(message)

    @staticmethod
    def heard(events: Iterable[Event]) -> set[str]:
        """Return the ids of what was said to a run, and has come to its dialogs.

        Args:
            events: of its log.
        """
        return heard_in(events)

    def on_sent(self, key: str, data: object) -> None:
        """Take what was sent to the run: an answer to a question, or what somebody says.

        Args:
            key: under which it was sent.
            data: that was sent.
        """
        self.questions.on_sent(key, data)
        self.dialogs.on_sent(key, data)

    async def _write_hard(self, event: Event) -> None:
        self.add(event)
        await self.flush(hard=True)

    def span_now(self) -> int:
        """Return the span of the run whose code calls this; 0 if it has none."""
        return self.span_of(_run_now())

    def park(self, wake_at: float, heard: int) -> None:
        """Close the log of a run that waits for answers; the next process goes on.

        Args:
            wake_at: when it goes on without an answer, in seconds since 1970; `math.inf`: never.
            heard: how many of the things that were sent to it were heard.
        """
        self.end.wake_at, self.end.heard = wake_at, heard
        self.end.wishes.add("parks")
        self.wake()

    async def close(self, how: str) -> None:
        """Write what has happened, and close the log; if it is closed already, wait for its last batch.

        Args:
            how: how the run has ended; ``""`` to leave it to the next process.

        Raises:
            JournalError: the log cannot be written.
        """
        if self.error is None:
            self.end.how = how
            self.end.wishes.add("ends" if how else "leaves")
            try:
                await self.flush()
            except asyncio.CancelledError:  # the run may begin again at once, so this one has to let go of it
                if self._writer is not None:
                    await asyncio.wait((self._writer,), timeout=_A_WHILE)
                raise
        elif self._writer is not None:
            await asyncio.wait((self._writer,))

    async def _write(self) -> None:
        while self._more:
            self._more, self._size = False, 0
            waiting, self._waiting = self._waiting, []
            failure: JournalError | None = None
            state = self.end.state
            try:
                events = self._batch()
                state = self.end.state
                hard, self._hard = self._hard, False
                await self.end.write(self._store, self._lease, events, hard=hard)
            except JournalError as error:
                failure = error
            except Exception as error:  # a store of somebody else may raise anything
                logger.exception("The log of the run %r cannot be written.", self._run)
                failure = JournalError(f"The log of the run {self._run!r} cannot be written: {error}")
            self._written = asyncio.get_running_loop().time()
            if failure is None and self._on_kept is not None:
                self._on_kept()
            if self.end.state != state:
                failure = self.error  # the log has failed meanwhile
            elif failure is not None:
                self._fail(failure)
            elif state != "going":
                self.end.happens("kept")
                self._ends()
            _settle(waiting, failure)
        self._writer = None

    def _batch(self) -> list[Event]:
        """The next events; decides whether they are the last ones."""
        events, self._pending = self._pending, []
        if self._collect is not None:
            events = self._collect(events)
        self.end.decide()
        if not self.end.goes_on and self.error is None:
            self.error = JournalError(f"the log of the run {self._run!r} is closed.", "ended")
        return events

    def lose(self) -> None:
        """Write nothing any more: the run goes on in another log of it."""
        if self.error is None:
            self._fail(JournalError(f"the run {self._run!r} goes on elsewhere.", "taken"))

    def _fail(self, error: JournalError) -> None:
        self.error = error
        self._pending.clear()
        waiting, self._waiting = self._waiting, []
        _settle(waiting, error)
        self.end.fail(error)
        self._ends()

    def _ends(self) -> None:
        """Say so; what the next state says is written, unless it is over."""
        if self._on_end is not None:
            self._on_end()
        if self.end.over:
            self._more = False
        else:
            self._write_soon()

    # -- what happens ------------------------------------------------------------------------------------

    @override
    def on_event(self, event: RunEvent, /) -> None:
        if self.error is not None:
            return
        run = event.run
        if isinstance(event, RunBegan):
            span = self._spans[run.number] = self._next
            self._next += 1
            parent = 0 if run.parent is None else self._spans.get(run.parent.number, 0)
            keywords = encode_data(run.keywords, _shown)
            self.add(["call", span, parent, run.kind, run.alias, keywords, _micro(event.at, run)])
            return
        span = self._spans.get(run.number, 0)
        if not span:
            return
        if isinstance(event, PartsCame):
            if not self._silent.get(run.number):
                self._add_parts(span, event)
        elif isinstance(event, ModelAsked):
            at = _micro(event.at, run)
            self.add(["model", span, at, event.provider, event.model, event.server, event.stream])
        elif isinstance(event, RunEnded):
            if event.outcome == "cancelled":
                self.cancelled.add(self._way_to(run))
            error = None if event.error is None else cast("Json", error_data(event.error))
            data = [encode_data(each, _shown) for each in event.messages]
            for message in range(len(data)):
                self._last_times.pop((span, message), None)
            self.add(["call_end", span, _micro(event.at, run), event.outcome, error, data])

    def leave_out(self, alias: str) -> None:
        """Note that the run whose code calls this does not make a call which the log may have.

        Args:
            alias: of the call.
        """
        self.cancelled.add((*self.way_now(), alias))

    def way_now(self) -> tuple[str, ...]:
        """Return the aliases of the callers of the run whose code calls this, and its own."""
        return self._way_to(_run_now())

    def _way_to(self, run: RunInfo | None) -> tuple[str, ...]:
        if run is None or run.number not in self._spans:
            return ()
        return (*self._way_to(run.parent), run.alias)

    def _add_parts(self, span: int, event: PartsCame) -> None:
        """Add parts; if the last event has parts of the same message, they are added to that one."""
        data = [plain_data(part) for part in event.parts]
        self._size += sum(len(str(each)) for each in data)
        if self._size > _LIMIT:
            self._fail(JournalError(f"The log of the run {self._run!r} is slower than the run."))
            return
        if not event.times:
            return
        place = span, event.message
        moments = [_micro(at, event.run) for at in event.times]
        before = self._last_times.get(place, 0)
        self._last_times[place] = moments[-1]
        times: list[Json] = [b - a for a, b in pairwise((before, *moments))]
        last = self._pending[-1] if self._pending else None
        if before and last is not None and last[:3] == ["parts", *place]:
            cast("list[Json]", last[3]).extend(data)
            cast("list[Json]", last[4]).extend(times)
        else:
            self.add(["parts", span, event.message, data, [moments[0], *times[1:]]])

    def ask(self, keywords: Json, messages: Iterable[Json]) -> None:
        """Write what a model is sent; what is equal to something before is not written again.

        Args:
            keywords: of the call.
            messages: for the model.
        """
        self.add(["asked", self.span_now(), [*map(self._numbered, (keywords, *messages))]])

    def _numbered(self, item: Json) -> Json:
        digest = hashlib.sha256(json.dumps(item, sort_keys=True).encode()).digest()
        if digest in self._asked:
            return self._asked[digest]
        self._asked[digest] = len(self._asked)
        return item

    def play(self) -> None:
        """Do not write the parts of the run whose code calls this: it plays a call that the log has."""
        run = _run_now()
        if run is not None:
            self._silent.setdefault(run.number, True)

    def span_of(self, run: RunInfo | None) -> int:
        """Return the span of a run whose parts are written; 0 if they are not.

        Args:
            run: the run.
        """
        return 0 if run is None or self._silent.get(run.number) else self._spans.get(run.number, 0)

    def origin_of(self, promise: MessagePromise) -> tuple[int, int] | None:
        """Return the span and the number of the message whose parts the log has, or will have; None if not.

        Args:
            promise: of a message.
        """
        found = origin_of(promise.buffer)
        span = 0 if found is None else self.span_of(found[0])
        if found is None or not span:
            return None
        self._silent.setdefault(found[0].number, False)
        return span, found[1]


def _run_now() -> RunInfo | None:
    watch = current_watch()
    return None if watch is None else watch.info


def _micro(at: float, run: RunInfo) -> int:
    return round((at + run.epoch) * _MICRO)


def _settle(waiting: Iterable[asyncio.Future[None]], error: JournalError | None) -> None:
    for each in waiting:
        if not each.done():
            if error is None:
                each.set_result(None)
            else:
                each.set_exception(error)


def _shown(value: object) -> Json:
    """What is written of a value that is no data."""
    return type(value).__qualname__


# -- what is read of it -------------------------------------------------------------------------------------


class KeptCall(NamedTuple):
    """A call that is complete.

    Attributes:
        span: of it.
        name: of the agent or the tool.
        events: what was recorded of it.
        version: of the agents that made it.
        place: the numbers of the calls that it was made inside of, and its own.
    """

    span: int
    name: str
    events: tuple[RecordedEvent, ...]
    version: str
    place: tuple[str, ...]


def kept_calls(events: Iterable[Event]) -> dict[str, deque[KeptCall]]:
    """Return the complete calls of a run, by their keys; equal ones in the order of their ends.

    Args:
        events: of its log.

    Raises:
        JournalError: the log has an event that it cannot have.
    """
    calls: defaultdict[str, deque[KeptCall]] = defaultdict(deque)
    for kind, key, call in _calls(events):
        if kind == "kept":
            calls[key].append(call)
    return dict(calls)


def parked_events(events: Sequence[Event]) -> Sequence[Event]:
    """Return what was in the log when the run was parked last: it went on behind that then.

    Args:
        events: of its log.
    """
    return events[: max((at for at, event in enumerate(events) if event[0] == "parked"), default=0)]


def worked(events: Iterable[Event]) -> float:
    """Return for how many seconds a process has worked on a run at most.

    Args:
        events: of its log.
    """
    began = most = 0
    for event in events:
        match event:
            case ["call", _, int(parent), _, _, _, int(at)]:
                began = began if parent else at
            case ["call_end", _, int(at), *_]:
                pass
            case _:
                continue
        most = max(most, at - began)
    return most / _MICRO


def failed_calls(events: Iterable[Event]) -> dict[tuple[str, ...], KeptCall]:
    """Return the calls of a run that failed or were cancelled, by their places; it has gone on behind them.

    Args:
        events: of its log that count.
    """
    calls: dict[tuple[str, ...], KeptCall] = {}
    for kind, _, call in _calls(events):
        calls.pop(call.place, None)  # it was made again
        if kind == "failed":
            calls[call.place] = call
    return calls


def _calls(events: Iterable[Event]) -> Iterator[tuple[str, str, KeptCall]]:
    """Yield the kind, the key and what was recorded of each call."""
    parts: defaultdict[tuple[int, int], list[Json]] = defaultdict(list)
    for event in events:
        match event:
            case ["parts", int(span), int(message), list(data), _]:
                parts[span, message] += data
            case [
                "kept" | "failed" as kind,
                int(span),
                str(key),
                str(name),
                str(version),
                list(rows),
                list(at),
            ]:
                recorded = tuple(_recorded(rows, parts))
                yield kind, key, KeptCall(span, name, recorded, version, tuple(map(str, at)))
            case ["kept" | "failed", int(_)]:
                pass  # its texts were dropped
            case ["kept" | "failed", *_]:
                raise _unreadable()
            case [str(kind), *_] if kind not in KINDS:
                raise JournalError(
                    f"the log of the run has an event ({kind}) of a later version of this library, without "
                    "which it cannot continue; update the library.",
                    "later",
                )
            case _:
                pass


def unsure_calls(
    events: Iterable[Event],
) -> tuple[Counter[str], Counter[str], Mapping[int, tuple[int, str, str]]]:
    """Return the names of calls that may be made or not when the run begins again.

    Args:
        events: of its log.

    Returns:
        Of calls that began, and whose answer is not kept; and of calls that are kept, but made by a call that
        is kept itself, or in a branch that was cancelled: it may be cancelled earlier now. And the caller,
        the kind and the alias of each call.
    """
    began: dict[int, tuple[int, str, str]] = {}
    outcomes: dict[int, str] = {}
    kept: dict[int, str] = {}
    for event in events:
        match event:
            case ["call", int(span), int(parent), str(kind), str(alias), *_]:
                began[span] = parent, kind, alias
            case ["call_end", int(span), _, str(outcome), *_]:
                outcomes[span] = outcome
            case ["kept", int(span), _, str(name), *_]:
                kept[span] = name
            case _:
                pass
    cut = Counter(
        alias
        for span, (_, kind, alias) in began.items()
        if kind in _KINDS and span not in kept and outcomes.get(span) != "done"
    )
    inner: Counter[str] = Counter()
    for span, name in kept.items():
        outer = began[span][0] if span in began else 0
        while outer in began and outer not in kept and outcomes.get(outer) != "cancelled":
            outer = began[outer][0]
        inner[name] += outer in began
    return cut, inner, began


def _recorded(
    rows: Sequence[Json], parts: Mapping[tuple[int, int], Sequence[Json]]
) -> Iterator[RecordedEvent]:
    for row in rows:
        match row:
            case ["parts", int(message), [int(span), int(at)]]:
                for part in parts.get((span, at), ()):
                    if not _is_header(part):
                        yield RecordedEvent(0.0, "part", message, part)
            case [str(what), int() | None as message, data]:
                yield RecordedEvent(0.0, what, message, data)
            case _:
                raise _unreadable()


def _unreadable() -> JournalError:
    return JournalError("the log of the run has a call that cannot be read; delete the run.", "damaged")


def _is_header(part: Json) -> bool:
    return isinstance(part, dict) and part.get("kind") == "response_headers"


def kept_rows(events: Iterable[RecordedEvent], origins: Mapping[int, tuple[int, int]]) -> list[Json]:
    """Return what is written of a complete call: parts that the log has already are only named.

    Args:
        events: of the call.
        origins: for messages of the call, where the log has their parts.
    """
    rows: list[Json] = []
    named: set[int] = set()
    for event in events:
        if event.what == "part" and event.message is not None and event.message in origins:
            if event.message not in named:
                named.add(event.message)
                rows.append(["parts", event.message, list(origins[event.message])])
        else:
            rows.append([event.what, event.message, event.data])
    return rows


async def events_of_run(journal: RunStore, run: str, observer: Observer) -> None:
    """Notify an observer of what a run did, as if it had observed the run.

    Texts of messages are in the parts; `RunEnded.received` and `RunEnded.replied` are empty. If the run has
    ended, calls whose process was killed are abandoned after their last event.

    Args:
        journal: has the log of the run.
        run: its id.
        observer: gets the events, such as a `Timeline`.

    Raises:
        JournalError: the journal has no such run, or cannot be read.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.journal import MemoryJournal, durable, events_of_run
        >>> from miniagents.ext.usage import RunUsage
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     journal, usage = MemoryJournal(), RunUsage()
        ...     async with durable(journal, run_id="7"):
        ...         await scripted_model("Hi").inquire("Hello")
        ...     await events_of_run(journal, "7", usage)
        ...     print(usage.requests)
        >>> MiniAgents().run(main())
        1
    """
    page = await journal.read(run)
    events = page.events
    zero = next((each[-1] for each in events if each[0] == "call" and isinstance(each[-1], int)), 0)
    data, without_end = _ends(events)
    anchor = Anchor(0.0)
    anchor.epoch = zero / _MICRO
    if without_end and not page.record.ended:  # they have run until now, on the clock of the event loop
        anchor = Anchor(asyncio.get_running_loop().time())
        zero = round(anchor.epoch * _MICRO)
    told = Observers(None, [observer], anchor)
    watches = _Replays(run)
    for event in events:
        match event:
            case ["call", int(span), int(parent), str(kind), str(alias), keywords, int(at)]:
                outer = watches.get(parent)
                info = RunInfo(
                    alias,
                    _KINDS.get(kind, "agent"),
                    None if outer is None else outer.info,
                    cast("Mapping[str, object]", decode_data(keywords)),
                    anchor,
                )
                watch = watches[span] = _Replay(info, told, data.get(span, []))
                watch.now = (at - zero) / _MICRO
                # An observer may set context variables in a run, for the runs that it calls.
                watch.variables = copy_context() if outer is None else outer.variables.copy()
                watch.began(watch.variables)
            case ["model", int(span), int(at), str(provider), str(model), str(server), bool(stream)]:
                watches[span].now = (at - zero) / _MICRO
                watches[span].asked(provider, model, server, stream=stream)
            case ["parts", int(span), int(message), list(parts), list(times)]:
                moments = accumulate(cast("list[int]", times), initial=-zero)
                watches[span].parts(message, parts, [at / _MICRO for at in moments][1:])
                watches[span].now = (sum(cast("list[int]", times)) - zero) / _MICRO
            case ["call_end", int(span), int(at), str(outcome), error, _]:
                watch = watches[span]
                watch.now = (at - zero) / _MICRO
                watch.end(outcome, error)
            case _:
                pass
    if page.record.ended:
        _abandon(watches, without_end)


def _ends(events: Iterable[Event]) -> tuple[dict[int, list[FrozenMapping[str, object]]], dict[int, int]]:
    """The data of the messages of each call that has ended; and the other calls, with their callers."""
    data: dict[int, list[FrozenMapping[str, object]]] = {}
    without_end: dict[int, int] = {}
    for event in events:
        match event:
            case ["call", int(span), int(parent), *_]:
                without_end[span] = parent
            case ["call_end", int(span), _, _, _, list(rows)]:
                without_end.pop(span, None)
                data[span] = [FrozenMapping(cast("Mapping[str, object]", decode_data(row))) for row in rows]
            case _:
                pass
    return data, without_end


class _Replays(dict[int, "_Replay"]):
    """The calls of a run that have begun, by their spans."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self._run = run

    def __missing__(self, span: int) -> "_Replay":
        raise JournalError(
            f"The run {self._run!r} cannot be read: its log is damaged (call {span} has no beginning).",
            "damaged",
        )


def _abandon(watches: Mapping[int, "_Replay"], without_end: Mapping[int, int]) -> None:
    """End calls after their last event, each after those that it made."""
    for span in sorted(without_end, reverse=True):
        watch, outer = watches[span], watches.get(without_end[span])
        watch.end("abandoned", None)
        if outer is not None:
            outer.now = max(outer.now, watch.now)


class _Replay(RunWatch):
    """Notifies observers of a run of a log."""

    def __init__(
        self, info: RunInfo, observers: Observers, data: Sequence[FrozenMapping[str, object]]
    ) -> None:
        super().__init__(info, observers, lambda: self.now)
        self.now = 0.0
        self.variables = Variables()
        self._known = data

    def parts(self, message: int, parts: Sequence[Json], moments: Sequence[float]) -> None:
        """Notify of the parts of a message."""
        self._begin(message + 1)
        found = [part_of_data(part) for part in parts]
        for part, moment in zip(found, moments, strict=True):
            if not isinstance(part, str) or not self.began_to_write:
                self.one_came(message, part, moment)
        self.came(message, found, moments)

    def _begin(self, messages: int) -> None:
        while self.messages < messages:
            nothing: FrozenMapping[str, object] = FrozenMapping()
            self.next_message(self._known[self.messages] if self.messages < len(self._known) else nothing)

    def end(self, outcome: str, error: Json) -> None:
        """Notify of the end."""
        self._begin(len(self._known))
        for message in range(self.messages):
            self.message_ended(message)
        failed = error_from_data(error) if isinstance(error, dict) else None
        self.ended(_OUTCOMES.get(outcome, "abandoned"), failed)
