"""``durable``: a run of many agents whose process was killed continues after its finished calls."""

import asyncio
import hashlib
import json
import logging
import math
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, MutableMapping, Sequence
from contextlib import ExitStack, suppress
from contextvars import Context as Variables
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from types import TracebackType
from typing import ClassVar, Final, Self, cast

from miniagents.agents import DIALOGS, HEDGE_LOG, INTERRUPTED, NOT_ALLOWED_YET, InteractionContext, MiniAgents
from miniagents.messages import Message, MessagePromise
from miniagents.messages._tokens import resolved
from miniagents.models import (
    CARRIER,
    TOOL_CONTEXT,
    TOOL_INTENT,
    TOOL_RECORDER,
    MakeParts,
    QuestionError,
    ToolContext,
    ToolSpec,
)
from miniagents.streams._demand import Demand
from miniagents.streams._lifetime import TaskLife
from miniagents.streams._protocols import Producer
from miniagents.values import Part, ToolCall, ToolResult

from ._call_keys import key_of, key_of_tool, place_of, question_of
from ._message_records import Json
from ._questions import CUT, INSIDE, RunQuestions, is_recorded, played_out
from ._recorded import WITHIN_RECORDED, made_of, play, stopped_call
from ._recordings import AnyAgent, MessageForm, RecordedEvent, part_data, part_of_data
from ._requests import request_data
from ._run_log import (
    KeptCall,
    RunLog,
    failed_calls,
    kept_calls,
    kept_rows,
    parked_events,
    unsure_calls,
    worked,
)
from ._stores import Event, Lease, RunRecord, RunStore

_LOG: Final = logging.getLogger("miniagents.runs")
_PAUSES: Final = (0.01, 0.5)  # seconds: the first and the longest between two looks
_TURNS: Final = 10  # of the event loop: what has waited for something that has come goes on within them
# Whether an equal call has the same number, and is of the same branch: the best one first.
_FITS: Final = ((True, True), (False, True), (True, False), (False, False))
_LEAVING: Final = 1.0  # seconds that a block which is cancelled while it begins waits at most for its journal


class LoggedCalls:
    """A block whose calls of models and tools are written to the log of a run, and replayed from it.

    Args:
        log: of the run; this process is its writer.
        head: what is known of the run.
        events: what is in the log already.
        on_wait: called when every call of the block has waited for answers for some time, with the moment
            when the run goes on without one, in seconds since 1970; the questions take no more answers then.
            None: the block waits for answers.
        linger: how long that time is, in seconds.
        on_diverged: called if the run was parked, and does not make the same calls again.

    Attributes:
        played: how many calls were replayed from the log until now.
        made: how many calls were made and kept until now.
        models_only: True: only runs of models pass through it.

    Example:
        >>> from miniagents.ext.journal import Lease, MemoryJournal, RunRecord
        >>> from miniagents.runs import LoggedCalls, RunLog
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     journal, lease = MemoryJournal(), Lease(RunRecord("7"))
        ...     await journal.begin(lease, [["began", 0, None]])
        ...     async with LoggedCalls(RunLog(journal, lease), lease.record) as calls:
        ...         print(await scripted_model("Hi").inquire("Hello"), calls.made)
        >>> MiniAgents().run(main())
        Hi 1
    """

    models_only: ClassVar[bool] = True

    def __init__(
        self,
        log: RunLog,
        head: RunRecord,
        events: Sequence[Event] = (),
        *,
        on_wait: Callable[[float], None] | None = None,
        linger: float = 0.0,
        on_diverged: Callable[[QuestionError], None] | None = None,
    ) -> None:
        self.played: int = 0
        self.made: int = 0
        self._on_wait = on_wait
        self._linger = linger
        self._on_diverged = on_diverged
        self._timer: asyncio.Handle | None = None  # of the next look
        self._pause = _PAUSES[0]
        self._waited: float | None = None  # loop time since which every call waits
        self._turns = 0  # in which every call waits, and it has waited long enough
        self._before: Counter[str] = Counter()  # how often each call was made by this process
        # Calls, and answers: what is inside of them is not called again, or may not be.
        self._played: set[str] = {*log.questions.begun}
        self._cut, self._inner, self._began = unsure_calls(events)
        self._log = log
        self._head = head
        self._version = head.version
        self._kept = kept_calls(events)
        played = parked_events(events) if head.restart != "server" else events
        self._failed = failed_calls(played)
        self._worked = worked(events)
        versions = (each.version for each in chain.from_iterable(self._kept.values()))
        if head.restart == "server":  # what another version has taken over plays what it has recorded
            self._version = next(versions, head.version)
        log.dialogs.is_kept = self._is_kept
        log.dialogs.forget = self._forget
        self._context = MiniAgents(around=[self], observers=[log])
        self._variables = ExitStack()  # sets the context variables of the block back

    @property
    def unasked(self) -> tuple[str, ...]:
        """The names of calls of this version in the log that were not made this time."""
        kept = (each for each in chain.from_iterable(self._kept.values()) if each.version == self._version)
        left = Counter(
            each.name
            for each in kept
            if self._played.isdisjoint(each.place[:-1])
            and not is_recorded(each.place)
            and not self._is_cancelled(each.span)
        )
        return tuple((left - self._inner).elements())

    async def __aenter__(self) -> Self:
        """Begin."""
        await self._context.__aenter__()
        known = ToolContext(run_id=self._head.run, owner=self._head.owner or None)
        self._variables.callback(TOOL_RECORDER.reset, TOOL_RECORDER.set(self._tool))
        self._variables.callback(TOOL_CONTEXT.reset, TOOL_CONTEXT.set(known))
        self._variables.callback(CARRIER.reset, CARRIER.set(self._log.questions))
        self._variables.callback(DIALOGS.reset, DIALOGS.set(self._log.dialogs.begin))
        self._variables.callback(HEDGE_LOG.reset, HEDGE_LOG.set(self._log))
        self._variables.callback(TOOL_INTENT.reset, TOOL_INTENT.set(self._intend))
        self._log.questions.begin()
        if self._on_wait is not None:
            self._log.questions.on_wait = self._look_soon
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all runs of the block.

        Raises:
            QuestionError: the run was parked, and has not made the same calls again.
        """
        self._variables.close()
        try:
            await self._context.__aexit__(kind, error, trace)
        finally:
            self._log.questions.on_wait = None
            if self._timer is not None:
                self._timer.cancel()
        if kind is None:
            self._check_claimed()

    def interrupt(self, error: BaseException) -> None:
        """End the block with an error.

        Args:
            error: that it raises.
        """
        self._context.interrupt(error)

    # -- parking -----------------------------------------------------------------------------------------

    def _look_soon(self) -> None:
        """Look soon whether every call waits for an answer, and again until that is so or none waits."""
        self._pause, self._waited, self._turns = _PAUSES[0], None, 0
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_soon(self._look, context=Variables())

    def _look(self) -> None:
        self._timer = None
        questions, loop = self._log.questions, asyncio.get_running_loop()
        if self._on_wait is None or questions.closed or not questions.asking:
            return
        pause = self._pause
        works = questions.acting or self._log.timers or self._is_behind()
        if works or not _all_wait(self._context.tasks, questions):
            self._waited, self._turns, self._pause = None, 0, min(2 * pause, _PAUSES[1])
        else:
            self._waited = loop.time() if self._waited is None else self._waited
            pause = self._waited + self._linger - loop.time()
            if pause <= 0 and self._turns < _TURNS:  # one of them may be about to go on
                self._turns += 1
                self._timer = loop.call_soon(self._look, context=Variables())
                return
            if pause <= 0:
                self._park(self._on_wait)
                return
        self._timer = loop.call_later(pause, self._look, context=Variables())

    def _is_behind(self) -> bool:
        """Whether the code may still come to what it had asked before, as its limits expire."""
        questions = self._log.questions
        return questions.elapsed < 2 * self._worked and bool(questions.not_claimed(self._is_cancelled))

    def _park(self, on_wait: Callable[[float], None]) -> None:
        try:
            self._check_claimed()
        except QuestionError:
            return  # the run ends with it
        wake_at = self._log.questions.park()
        self._context.left = True
        self._log.add(["parked", 0, None if wake_at == math.inf else wake_at])
        on_wait(wake_at)

    def _check_claimed(self) -> None:
        """Raise an error if a run that was parked has not made its calls again."""
        questions = self._log.questions
        names = [*self.unasked, *questions.answered(questions.not_claimed(self._is_cancelled))]
        if names and questions.was_parked:
            raise self._diverged(f"it does not come again to {', '.join(names)}")

    def _is_cancelled(self, span: int) -> bool:
        """Return whether a call of the log was made in a branch that is cancelled now, perhaps earlier."""
        way = self._way_to(span)
        return any(way[:end] in self._log.cancelled for end in range(1, len(way) + 1))

    def _way_to(self, span: int) -> tuple[str, ...]:
        """The aliases of the callers of a call of the log, the outermost first, and its own."""
        way: list[str] = []
        while span in self._began:
            span, _, alias = self._began[span]
            way.insert(0, alias)
        return tuple(way)

    def _check_new(self, name: str) -> None:
        """Refuse a new call of a run that was parked, before it has asked again what it waited for."""
        if self._log.questions.may_go_on:
            return
        if not self._cut[name]:
            raise self._diverged(f"it calls {name}, which it did not call before it waited for an answer")
        self._cut[name] -= 1

    def _diverged(self, how: str) -> QuestionError:
        error = QuestionError(
            f"The run {self._head.run!r} goes on in another way than before: {how}. An agent that waits has "
            "to make the same calls when it runs again; read clocks, random numbers, files and histories in "
            "tools that the model calls, or in the keywords of the run.",
            "diverged",
        )
        if self._on_diverged is not None:
            self._on_diverged(error)
        return error

    def _number(self, key: str) -> str:
        """Number a call among equal ones inside of the same call; what is asked now is asked inside of it."""
        if outer := INSIDE.get()[-1:]:
            key = hashlib.sha256(f"{outer[0]} {key}".encode()).hexdigest()[:32]
        number = f"{key}-{self._before[key]}"
        self._before[key] += 1
        INSIDE.set((*INSIDE.get(), number))
        return number

    def _take(self, number: str, key: str) -> KeptCall | None:
        """Return a call of the log, each once: this one, or an equal one; None if the call must be made."""
        place, bound, equal = INSIDE.get(), self._log.questions.bound, self._kept.get(key, ())
        failed = self._failed.pop(place, None)
        way = self._log.way_now()
        # The numbers of equal calls differ if one failed before, or branches come to them in another order.
        # What people answered is for one call.
        fitting = (
            each
            for numbered, near in _FITS
            for each in equal
            if (each.place == place) is numbered
            and (numbered or (each.place[:-1] == place[:-1] and bound.isdisjoint((each.place[-1], number))))
            and (self._way_to(each.span) == way) is near
        )
        kept = failed or next(fitting, None)
        if kept is None:
            if CUT.get() is None:
                self._log.dialogs.play_on()
            return None
        if failed is None:
            self._kept[key].remove(kept)
        self._log.questions.claim(number)
        self._played.add(kept.place[-1])
        self.played += 1
        self._log.play()
        return kept

    def _is_kept(self, inside: str) -> bool:
        """Return whether anything is kept of an answer of a dialog."""
        kept = chain.from_iterable(self._kept.values())
        return inside in self._log.questions.bound or any(inside in each.place for each in kept)

    def _forget(self, inside: str) -> None:
        """Leave out what is kept of an answer that was cut: it is not made again."""
        self._played.add(inside)
        self._log.questions.forget(inside)

    def _add(self, kind: str, key: str, name: str, rows: list[Json], place: Iterable[str]) -> None:
        self._log.add([kind, self._log.span_now(), key, name, self._version, rows, [*place]])

    async def _keep(self, key: str, name: str, rows: list[Json], place: Iterable[str]) -> None:
        self.made += 1
        self._add("kept", key, name, rows, place)
        await self._log.flush(hard=True)

    async def __call__(self, ctx: InteractionContext, call: AnyAgent) -> None:
        """Replay the call of a model, or make and keep it."""
        if WITHIN_RECORDED.get():  # its journal keeps the call
            ctx.reply(call.inquire(ctx.messages))
            return
        question = question_of(await ctx.messages)
        key = key_of(f"{call.alias} {place_of(call)}", self._version, call, question).hex()
        form = MessageForm.of(call)
        kept, place = self._take(self._number(key), key), INSIDE.get()
        if kept is not None:
            await play(kept.name, kept.events, form, ctx)
            return
        await played_out()
        await self._log.questions.go_on()
        self._check_new(call.alias)
        request = request_data(await ctx.messages, call.defaults)
        self._log.ask(request["keywords"], cast("list[Json]", request["messages"]))
        await self._log.check()
        began = asyncio.get_running_loop().time()
        replies = call.inquire(ctx.messages)
        ctx.reply(replies)
        try:
            made = await made_of(form, replies)
        except asyncio.CancelledError:
            after = asyncio.get_running_loop().time() - began
            if not (self._log.questions.closed or self._context.cancelling):  # else it is to be made again
                self._add_failed(key, call.alias, stopped_call(form, replies, after), place)
            raise
        if made is None or any(map(_is_cut, replies.buffer.items)):
            return
        if made.failed:
            self._add_failed(key, call.alias, made.events, place)
            return
        origins = {
            number: origin
            for number, promise in enumerate(replies.buffer.items)
            if (origin := self._log.origin_of(promise)) is not None
        }
        await self._keep(key, call.alias, kept_rows(made.events, origins), place)

    def _add_failed(self, key: str, name: str, events: Sequence[RecordedEvent], place: Iterable[str]) -> None:
        # With its parts: those that the log has may come behind this.
        self._add("failed", key, name, kept_rows(events, {}), place)

    async def _tool(
        self, call: ToolCall, spec: ToolSpec | None, make: MakeParts, metadata: MutableMapping[str, object]
    ) -> AsyncGenerator[Part]:
        """Yield the parts of the result of a tool: from the log, or from a new call, which is kept."""
        text = json.dumps([self._head.run, call.name, call.arguments, call.id])
        call_key = self._number(hashlib.sha256(text.encode()).hexdigest()[:32])
        if spec is None:  # an agent: what it calls is kept, and has this place
            async for part in make(call, metadata):
                yield part
            return
        place = INSIDE.get()
        if self._log.questions.holds(call_key):
            metadata[NOT_ALLOWED_YET] = True
        TOOL_CONTEXT.set(replace(TOOL_CONTEXT.get(), call_key=call_key))
        key = key_of_tool(self._version, call, spec).hex()
        kept = self._take(call_key, key)
        if kept is not None:
            metadata.pop(NOT_ALLOWED_YET, None)
            for event in kept.events:
                if event.what == "end":
                    metadata.update(cast("dict[str, object]", event.data))
                else:
                    yield part_of_data(event.data)
            return
        await played_out()
        await self._log.questions.go_on()
        self._check_new(call.name)
        await self._log.check()
        events: list[RecordedEvent] = []
        known = {*metadata}
        try:
            async for part in make(call, metadata):
                data = part_data(part)
                if data is not None:
                    events.append(RecordedEvent(0.0, "part", 0, data))
                yield part
            added = {name: cast("Json", metadata[name]) for name in metadata.keys() - known}
            if added:
                events.append(RecordedEvent(0.0, "end", 0, added))
            span = self._log.span_now()
            rows = kept_rows(events, {0: (span, 0)} if span else {})
            await self._keep(key, call.name, rows, place)
        finally:
            self._log.questions.acting.discard(call_key)

    async def _intend(self, call: ToolCall) -> ToolResult | None:
        return await self._log.questions.intend(call, TOOL_CONTEXT.get().call_key or "")


def _all_wait(tasks: Iterable[object], questions: RunQuestions) -> bool:
    """Return whether each task waits for an answer, or for a stream that cannot go on without one.

    So does a source that is paused: it goes on when another task reads it. A task that waits for anything
    else, such as a timer or a request, may go on.

    Args:
        tasks: those of a context.
        questions: of the run.
    """
    known: dict[int, bool] = {id(each): False for each in questions.going_on}
    asides: set[int] = set()
    for each in questions.asking:
        if each.producer is not None and each.tasks:
            asides.add(id(each.producer))
        elif each.producer is not None:
            known.setdefault(id(each.producer), True)

    def waits(producer: Producer | None) -> bool:
        way: list[Producer] = []
        found: bool | None = None
        while found is None and producer is not None:
            found = known.get(id(producer))
            if found is None:
                known[id(producer)] = False  # tasks that wait for each other do not wait for an answer
                way.append(producer)
                producer = producer.blocked_by()
        if found is None and way and isinstance(last := way[-1], TaskLife):
            others = [buffer.producer for buffer, _ in last.open_waits_aside()]
            paused = isinstance(last.buffer, Demand) and last.buffer.paused
            found = bool(others or id(last) in asides or paused) and all(map(waits, others))
        known.update((id(each), bool(found)) for each in way)
        return bool(found)

    return all(waits(cast("Producer", each)) for each in tasks)


def _is_cut(promise: MessagePromise[Message]) -> bool:
    """Return whether a user ended a message of a model early."""
    whole = promise.buffer.error is None
    return whole and getattr(resolved(promise), "finish_reason", None) == INTERRUPTED


class DurableRun:
    """A run whose calls are kept in a journal; :func:`durable` makes it, for ``async with``.

    Args:
        journal: keeps the calls.
        run_id: of the run.
        version: of its agents.

    Attributes:
        run_id: of the run.
        unasked: when the block has ended: the names of recorded calls that the run has not made this time.

    Raises:
        ValueError: the id is empty.

    Example:
        >>> from miniagents.ext.journal import durable
        >>> durable.__name__
        'durable'
    """

    def __init__(self, journal: RunStore, run_id: str, version: str) -> None:
        if not run_id:
            raise ValueError(
                "durable(run_id='') has no id; give each run its own id, and the same id to continue it."
            )
        self.run_id: str = run_id
        self.unasked: tuple[str, ...] = ()
        self._journal = journal
        self._version = version
        self._log: RunLog | None = None
        self._calls: LoggedCalls | None = None

    @property
    def played(self) -> int:
        """How many calls were replayed from the journal until now."""
        return 0 if self._calls is None else self._calls.played

    @property
    def made(self) -> int:
        """How many calls were made and kept until now."""
        return 0 if self._calls is None else self._calls.made

    async def __aenter__(self) -> Self:
        """Find the recorded calls of the run, and begin.

        Raises:
            JournalError: another process or task works on the run, or the journal cannot be read.
        """
        head = RunRecord(self.run_id, version=self._version, restart="program")
        obtaining = asyncio.create_task(self._obtain(head), context=Variables())
        try:
            lease = await asyncio.shield(obtaining)
            page = await self._journal.read(self.run_id)
            events = page.events
            log = self._log = RunLog(self._journal, lease, events)
            for key, data in page.sent.items():
                log.on_sent(key, data)
            self._journal.listen(lease, log.on_sent)
            self._calls = LoggedCalls(log, head, events, on_wait=self._parked, on_diverged=self._end)
            await self._calls.__aenter__()
        except BaseException:
            # If this is cancelled, the journal writes it nevertheless.
            leaving = asyncio.create_task(self._leave(obtaining), context=Variables())
            await asyncio.wait((leaving,), timeout=_LEAVING)
            raise
        return self

    async def _obtain(self, head: RunRecord) -> Lease:
        lease = await self._journal.claim(self.run_id)
        if lease is None:
            lease = Lease(head)
            await self._journal.begin(lease, [["began", 0, None]])
        return lease

    async def _leave(self, obtaining: asyncio.Task[Lease]) -> None:
        with suppress(Exception):  # who began the block has the first error
            await self._journal.leave(await obtaining)

    def _parked(self, wake_at: float) -> None:
        until = "" if wake_at == math.inf else f", or until {datetime.fromtimestamp(wake_at, UTC):%F %T} UTC"
        sentence = (
            f"The run {self.run_id!r} waits for an answer{until}: begin the block again with the same run_id "
            "when there is one (answer_question). `Runs` of a web app does this by itself."
        )
        self._end(QuestionError(sentence, "parked"))

    def _end(self, error: QuestionError) -> None:
        if self._calls is not None:
            self._calls.interrupt(error)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all runs, and log a warning if recorded calls were not made this time."""
        log, calls = self._log, self._calls
        if log is None or calls is None:
            return
        how = ""
        try:
            await calls.__aexit__(kind, error, trace)
            how = "" if kind is not None else "finished"
        finally:
            await log.close(how)
        if kind is None:
            self.unasked = calls.unasked
            if self.unasked:
                _LOG.warning(
                    "Run %r made other calls than before: %d recorded calls were not used, of %s. Check "
                    "whether its input or the code of its agents has changed.",
                    self.run_id,
                    len(self.unasked),
                    ", ".join(sorted(set(self.unasked))),
                )


def durable(journal: RunStore, *, run_id: str, version: str = "1") -> DurableRun:
    """Make a block that can be run again after its process was killed, and continues where it stopped.

    The journal keeps the answers of models and tools. With the same ``run_id``, your code starts again and
    makes the same calls: those that had ended are played from the journal. Anything else (a clock, a file)
    is done again: put it into a tool that the model calls.

    Args:
        journal: keeps the calls.
        run_id: a known id continues that run, a new one begins one.
        version: of the agents; with a new one, all calls are made again.

    Raises:
        ValueError: the id is empty.
        JournalError: a block with this id is open, or the journal cannot be used.
        QuestionError: all calls wait for answers, or are others than before.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.journal import MemoryJournal, durable
        >>> from miniagents.testing import scripted_model
        >>> async def main(journal, model):
        ...     async with durable(journal, run_id="order-4711") as run:
        ...         print(await (model | model).inquire("Hi"), run.made, run.played)
        >>> journal = MemoryJournal()
        >>> MiniAgents().run(main(journal, scripted_model("Hello", "Good bye")))
        Good bye 2 0
        >>> MiniAgents().run(main(journal, scripted_model()))
        Good bye 0 2
    """
    return DurableRun(journal, run_id, version)
