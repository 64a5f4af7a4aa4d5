"""The log of one run: what its calls do, written once, as it happens.

Kinds of events, each `[kind, span, ...]`. The span 0 is the run itself, the others are its calls, numbered in
the order in which they begin; a span that begins again after a restart gets a new number.

| kind | data | what happened |
|---|---|---|
| `began` | request | the run began |
| `call` | parent, kind, alias, keywords, at | a call of an agent, a model or a tool began |
| `model` | at, provider, name, server, streams | the call sends a request to a model |
| `parts` | message, parts, times | parts of a message of the call have come |
| `kept` | key, name, version, rows | the call is complete; if the run begins again, it is not made again |
| `call_end` | at, outcome, error, data | the call ended |
| `question` | id, kind, what is shown, digest, due | a person is asked, until a time in seconds since 1970 |
| `answer` | id, answer | the answer came, or the time was over |
| `refused` | id, key | what was sent under this key does not fit |
| `frame` | frame | something of a reply, as clients get it |
| `reply` | message, span, message | the parts of this reply are those of that message of that call |
| `ended` | how, sentence, position | the run ended; the position is that of the last frame |

Times are microseconds since 1970; those of parts are a first time, and microseconds since the one before.
"""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import Context as Variables
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import Final, NamedTuple, cast

from typing_extensions import override

from miniagents.messages import MessagePromise
from miniagents.messages._parts import current_watch, origin_of
from miniagents.observers import ModelAsked, Observer, PartsCame, RunBegan, RunEnded, RunEvent, RunInfo
from miniagents.streams._observers import Anchor, Observers, Outcome, RunKind, RunWatch
from miniagents.values import FrozenMapping

from ._message_records import Json, decode_data, encode_data
from ._questions import RunQuestions
from ._recordings import RecordedEvent, any_part_data, error_data, error_from_data, part_of_data
from ._stores import Event, JournalError, RunStore

__all__ = ["KeptCall", "RunLog", "events_of_run", "kept_calls"]

logger = logging.getLogger("miniagents.runs")

_MICRO: Final = 1_000_000
_LIMIT: Final = 16_000_000
"""Characters of texts that may wait for the store; if it is slower than the run, the log fails."""
_KINDS: Final[Mapping[str, RunKind]] = MappingProxyType({"model": "model", "tool": "tool"})
_OUTCOMES: Final[Mapping[str, Outcome]] = MappingProxyType(
    {"done": "done", "failed": "failed", "cancelled": "cancelled"}
)


class RunLog(Observer):
    """Writes the log of a run; it observes the calls of the run.

    What happens while a batch is being written is the next batch.

    Args:
        store: keeps the log; this process is the writer of the run.
        run: the id of the run.
        events: what is in the log already.
        collect: called before each batch with its events; returns these and further ones.
        on_kept: called when a batch is kept.
        on_error: called when the log can no longer be written.

    Attributes:
        ending: once it is set, the next batch is the last one. It says how the run has ended (``""``: it has
            not, and is left to the next process), and for how many seconds it is kept.
        error: why nothing can be written any more; None if it can.
        questions: carries the questions of the run.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.journal import MemoryJournal, RunHead
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     journal = MemoryJournal()
        ...     await journal.begin(RunHead("7"), [["began", 0, None]])
        ...     log = RunLog(journal, "7")
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
        run: str,
        events: Sequence[Event] = (),
        *,
        collect: Callable[[list[Event]], list[Event]] | None = None,
        on_kept: Callable[[], None] | None = None,
        on_error: Callable[[JournalError], None] | None = None,
    ) -> None:
        self.ending: tuple[str, float | None] | None = None
        self.error: JournalError | None = None
        self._store = store
        self._run = run
        self._collect = collect
        self._on_kept = on_kept
        self._on_error = on_error
        self._pending: list[Event] = []
        self._more = self._hard = False
        self._size = 0  # characters of the texts that wait
        self._waiting: list[asyncio.Future[None]] = []
        self._writer: asyncio.Task[None] | None = None
        self._next = 1 + max((each[1] for each in events if isinstance(each[1], int)), default=0)
        self._spans: dict[int, int] = {}  # number of an observed run -> its span
        self._silent: set[int] = set()  # numbers of runs that play a kept call
        self._last_times: dict[tuple[int, int], int] = {}
        self.questions: RunQuestions = RunQuestions(run, events, self.add, self._write_hard, self.span_now)

    # -- writing -----------------------------------------------------------------------------------------

    def add(self, *events: Event) -> None:
        """Write events, soon.

        Args:
            *events: in order.
        """
        self._pending += events
        self.wake()

    def wake(self) -> None:
        """Write a batch, soon: there is something to collect."""
        self._more = True
        if self._writer is None and self.error is None:
            self._writer = asyncio.create_task(
                self._write(), name=f"log of run {self._run}", context=Variables()
            )

    async def flush(self, *, hard: bool = False) -> None:
        """Wait until all that has happened is kept.

        Args:
            hard: whether it survives a loss of power, too.

        Raises:
            JournalError: the log cannot be written.
        """
        if self.error is not None:
            raise self.error
        self._hard = self._hard or hard
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(kept)
        self.wake()
        await kept

    async def _write_hard(self, event: Event) -> None:
        self.add(event)
        await self.flush(hard=True)

    def span_now(self) -> int:
        """Return the span of the run whose code calls this; 0 if it has none."""
        watch = current_watch()
        return self.span_of(None if watch is None else watch.info)

    async def close(self, how: str) -> None:
        """Write what has happened, and close the log; nothing happens if it is closed.

        Args:
            how: how the run has ended; ``""`` to leave it to the next process.

        Raises:
            JournalError: the log cannot be written.
        """
        if self.error is None:
            self.ending = how, None
            await self.flush()

    async def _write(self) -> None:
        await asyncio.sleep(0)  # an eager task would begin within `wake`, and might end there
        error: JournalError | None = None
        waiting: list[asyncio.Future[None]] = []
        try:
            while self._more and self.error is None:
                self._more = False
                waiting, self._waiting = self._waiting, []
                events, self._pending = self._pending, []
                self._size = 0
                if self._collect is not None:
                    events = self._collect(events)
                await self._write_batch(events)
                if self._on_kept is not None:
                    self._on_kept()
                _settle(waiting, None)
        except JournalError as failure:
            error = failure
        except Exception as failure:  # a store of somebody else may raise anything
            logger.exception("The log of the run %r cannot be written.", self._run)
            error = JournalError(f"The log of the run {self._run!r} cannot be written: {failure}")
        finally:
            self._writer = None
        if error is not None:
            self._waiting += waiting
            self._fail(error)

    def _fail(self, error: JournalError) -> None:
        self.error = error
        self._pending.clear()
        waiting, self._waiting = self._waiting, []
        _settle(waiting, error)
        if self._on_error is not None:
            self._on_error(error)

    async def _write_batch(self, events: Sequence[Event]) -> None:
        hard, self._hard = self._hard, False
        ending = self.ending
        if ending is None:
            if events:
                await self._store.append(self._run, events, hard=hard)
            return
        self.error = JournalError(f"the log of the run {self._run!r} is closed.", "ended")
        how, keep = ending
        if how:
            await self._store.end(self._run, events, how=how, keep=keep)
        else:
            await self._store.leave(self._run, events)

    # -- what happens ------------------------------------------------------------------------------------

    @override
    def on_event(self, event: RunEvent, /) -> None:
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
            if run.number not in self._silent:
                self._add_parts(span, event)
        elif isinstance(event, ModelAsked):
            at = _micro(event.at, run)
            self.add(["model", span, at, event.provider, event.model, event.server, event.stream])
        elif isinstance(event, RunEnded):
            error = None if event.error is None else cast("Json", error_data(event.error))
            data = [encode_data(each, _shown) for each in event.messages]
            self.add(["call_end", span, _micro(event.at, run), event.outcome, error, data])

    def _add_parts(self, span: int, event: PartsCame) -> None:
        """Add parts; if the last event has parts of the same message, they are added to that one."""
        self._size += sum(len(part) for part in event.parts if isinstance(part, str))
        if self._size > _LIMIT:
            self._fail(JournalError(f"The log of the run {self._run!r} is slower than the run."))
            return
        if not event.times:
            return
        place = span, event.message
        data = [any_part_data(part) for part in event.parts]
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

    def play(self, run: RunInfo | None) -> None:
        """Do not write what a run does from now on: it plays a call that the log has.

        Args:
            run: the run.
        """
        if run is not None:
            self._silent.add(run.number)

    def span_of(self, run: RunInfo | None) -> int:
        """Return the span of a run whose parts are written; 0 if they are not.

        Args:
            run: the run.
        """
        return 0 if run is None or run.number in self._silent else self._spans.get(run.number, 0)

    def origin_of(self, promise: MessagePromise) -> tuple[int, int] | None:
        """Return the span and the number of the message whose parts the log has; None if it has not.

        Args:
            promise: of a message.
        """
        found = origin_of(promise.buffer)
        span = 0 if found is None else self.span_of(found[0])
        return None if found is None or not span else (span, found[1])


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
        name: of the agent or the tool.
        events: what was recorded of it.
    """

    name: str
    events: tuple[RecordedEvent, ...]


def kept_calls(events: Iterable[Event]) -> dict[str, deque[KeptCall]]:
    """Return the complete calls of a run, by their keys; equal ones in the order of their ends.

    Args:
        events: of its log.

    Raises:
        JournalError: the log has an event that it cannot have.
    """
    parts: defaultdict[tuple[int, int], list[Json]] = defaultdict(list)
    calls: defaultdict[str, deque[KeptCall]] = defaultdict(deque)
    for event in events:
        match event:
            case ["parts", int(span), int(message), list(data), _]:
                parts[span, message] += data
            case ["kept", _, str(key), str(name), _, list(rows)]:
                calls[key].append(KeptCall(name, tuple(_recorded(rows, parts))))
            case ["kept", *_]:
                raise JournalError("the log of the run has a call that cannot be read; delete the run.")
            case _:
                pass
    return dict(calls)


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
                raise JournalError("the log of the run has a call that cannot be read; delete the run.")


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

    Texts of messages are in the parts; `RunEnded.received` and `RunEnded.replied` are empty.

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
    events = (await journal.read(run)).events
    zero = next((each[-1] for each in events if each[0] == "call" and isinstance(each[-1], int)), 0)
    data: dict[int, list[FrozenMapping[str, object]]] = {}
    for event in events:
        match event:
            case ["call_end", int(span), _, _, _, list(rows)]:
                data[span] = [FrozenMapping(cast("Mapping[str, object]", decode_data(row))) for row in rows]
            case _:
                pass
    anchor = Anchor(0.0)
    anchor.epoch = zero / _MICRO
    told = Observers(None, [observer], anchor)
    watches: dict[int, _Replay] = {}
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
                watch.began(None)
            case ["model", int(span), int(at), str(provider), str(model), str(server), bool(stream)]:
                watches[span].now = (at - zero) / _MICRO
                watches[span].asked(provider, model, server, stream=stream)
            case ["parts", int(span), int(message), list(parts), list(times)]:
                moments = accumulate(cast("list[int]", times), initial=-zero)
                watches[span].parts(message, parts, [at / _MICRO for at in moments][1:])
            case ["call_end", int(span), int(at), str(outcome), error, _]:
                watch = watches[span]
                watch.now = (at - zero) / _MICRO
                watch.end(outcome, error)
            case _:
                pass


class _Replay(RunWatch):
    """Notifies observers of a run of a log."""

    __slots__ = ("_known", "now")

    def __init__(
        self, info: RunInfo, observers: Observers, data: Sequence[FrozenMapping[str, object]]
    ) -> None:
        super().__init__(info, observers, lambda: self.now)
        self.now = 0.0
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
