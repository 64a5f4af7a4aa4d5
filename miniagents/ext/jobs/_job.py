"""One job: looks rows up in the journal, sends them, retries them, keeps them, and hands them out.

Rule of this module: **a row is handed out when its answer is on the disk.** Rows that ended at the same time
are kept together. Two numbers are limited: the rows that have ended and are not on the disk yet, so that
after a kill few calls are made again; and the rows that wait until an earlier one has ended.
"""

import asyncio
from asyncio import Future, Task
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import ExitStack, aclosing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Final, Generic, Literal, TypeVar, cast

from miniagents import MiniAgent, MiniAgents
from miniagents.errors import JournalError, LLMError, partial_text
from miniagents.messages import Message, MessageSequencePromise, MessageType
from miniagents.parts import Usage

from ..journal import CallKey, CallRecords, JournalEntry
from ..limits import model_limits
from ..usage import dollars
from ._budget import JobBudget
from ._calls import CallMaker, RowCall
from ._failures import finish_of, is_final, problem_of
from ._job_usage import JobUsage
from ._kept_rows import JobState, KeptRow, KeptRows
from ._meter import ErrorsFile, Meter
from ._options import JobSettings, Limits
from ._retries import Retries, without_retries
from ._row_clock import RowClocks
from ._rows import Row, Stopped
from ._waiting_rows import WaitingRows

RowT = TypeVar("RowT")

_GROUP: Final = 256  # rows that have ended and are not kept yet
_MOST_WAITING: Final = 100_000  # rows that have begun and were not handed out
_TICK: Final = 0.25  # seconds between two reports of progress


class Job(Generic[RowT]):
    """One run of a job.

    Args:
        agent: the agent.
        batches: the rows, in batches.
        settings: the checked options.
        row_id: the column that identifies a row, or a function that returns its id.
        message: makes the message for the agent from a row.
        ordered: whether rows are handed out in their order.
        total: how many rows there are, if that is known.
        for_file: whether the rows are for a file: they come without their input, which the file has, and the
            answers as the journal keeps them, so that the file of each run is the same.

    Attributes:
        settings: the checked options.
        records: makes the keys and entries of the journal.
        source: a hash of the input, if there is one.
        budget: its dollars.
        meter: its counts and its progress.
        repeated: how many calls an earlier run had begun and not kept.
        changed: whether the input differs from that of the last run on the journal.
        stopped: why the job ends by itself before its last row.
        ends: when it ends because of `stop`.
    """

    def __init__(
        self,
        agent: MiniAgent[Message, Message],
        batches: AsyncGenerator[list[RowT]],
        settings: JobSettings,
        *,
        row_id: str | Callable[[RowT], object] | None,
        message: "Callable[[RowT], MessageType] | None",
        ordered: bool,
        total: int | None = None,
        for_file: bool = False,
    ) -> None:
        self.settings: JobSettings = settings
        self.records: CallRecords = settings.records(agent)
        self.source: str = ""
        self.repeated: int = 0
        self.changed: bool = False
        self.stopped: Stopped | None = None
        self.ends: Literal["soon", "now"] | None = None
        self._kept: KeptRows | None = None
        self._agent = without_retries(agent)
        self._batches = batches
        self._next: deque[tuple[RowCall[RowT], KeptRow | None]] = deque()  # rows that have not begun
        self._retries = Retries[RowT](settings.retries, lambda: self._signal("turn"))
        self._row_id = row_id
        self._message = message
        self._for_file = for_file
        limits = settings.limits or Limits()
        self._limits = model_limits(requests_per_minute=limits.rpm, tokens_per_minute=limits.tpm)
        self._clocks = RowClocks(self._limits, settings.timeout, settings.stall_timeout)
        self._usage = JobUsage(settings.price or _dollars)
        self.budget: JobBudget = JobBudget(settings.dollars)
        self._most_unsafe = _GROUP + settings.concurrency
        self.meter: Meter = Meter(settings, self.budget, total, self._limits.in_force)
        self._waiting = WaitingRows[RowT](ordered=ordered)
        # How many rows ...
        self._begun = 0  # were looked at
        self._handed_out = 0
        self._sent = 0  # were sent
        self._safe = 0  # of them are kept
        self._open = 0  # of them have not ended
        self._uncommitted = 0  # have ended and are not kept
        self._group: list[tuple[CallKey, JournalEntry, Row[RowT, Message]]] = []
        self._attempts: set[Task[None]] = set()
        self._root: Task[None] | None = None  # what is cancelled when the job is stopped at once
        self._failure: BaseException | None = None  # ends the job
        self._all_ended = False
        self._signals: dict[str, Future[None]] = {}

    def maker(self, takes: Iterable[type[Message]] = ()) -> CallMaker[RowT]:
        """Return what makes the calls of the rows, from the first one on; see :class:`CallMaker`."""
        records = None if self.settings.journal is None else self.records
        return CallMaker(records, self._row_id, self._message, takes)

    # -- the reader ----------------------------------------------------------------------------------------

    async def rows(
        self, before_waiting: Callable[[], Awaitable[None]] | None = None
    ) -> AsyncGenerator[Row[RowT, Message]]:
        """Yield the rows, each when its answer is safe.

        Args:
            before_waiting: called when the next row is not there yet.

        Raises:
            BudgetExceededError: the budget is spent; it is raised after all rows that were paid.
            TooManyFailuresError: more rows have failed than ``max_failures``; after all rows that have ended.
        """
        work = self._root = asyncio.create_task(self._work(), name="miniagents job")
        work.add_done_callback(lambda _: self._signal("ready"))
        called = before_waiting is None
        try:
            while True:
                ended = work.done()
                row = self._waiting.take(all_ended=ended)
                if row is not None:
                    self._handed_out += 1
                    self._signal("turn")
                    called = before_waiting is None
                    yield row
                elif before_waiting is not None and not called:
                    called = True
                    await before_waiting()  # then look again: more rows may have ended
                elif ended:
                    break
                else:
                    await self._wait_for("ready")
            if not (work.cancelled() and self.ends == "now"):
                work.result()
            if self.stopped == "budget":
                raise self.budget.error
            if self.stopped == "failures":
                raise self.meter.error
        finally:
            if not work.done():
                self.stop(at_once=True)
                await asyncio.wait([work])
            if not work.cancelled():
                work.exception()  # it was raised above, or the reader has left

    def stop(self, *, at_once: bool = False) -> None:
        """Send no more rows. Those that are under way end first, or (`at_once`) are stopped."""
        if at_once and self.ends != "now" and self._root is not None:
            self._root.cancel()  # once, so that it can clean up
        self.ends = "now" if at_once else self.ends or "soon"
        self._signal("turn")

    # -- the work ------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        with ExitStack() as stack:
            journal = self.settings.open_journal(stack)
            if journal is not None:
                self._kept = KeptRows(journal, self.records)
            if self.settings.progress is not None:
                stack.callback(self.meter.report)
                reporting = asyncio.create_task(self._report())
                stack.callback(reporting.cancel)
            await self._begin()
            if self.settings.errors is not None:
                errors = self.meter.errors = ErrorsFile(Path(self.settings.errors))
                stack.callback(errors.close)
            await self._send_and_keep()

    async def _send_and_keep(self) -> None:
        """Send the rows; at the end stop the calls, keep the rows that have ended, and raise the error."""
        sending = self._root = asyncio.create_task(self._send_all())
        keeping = [] if self._kept is None else [asyncio.create_task(self._keep_all(self._kept))]
        try:
            await asyncio.wait([sending, *keeping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            await asyncio.wait([sending])
            self._all_ended = True
            self._signal("group")
            if keeping:
                await asyncio.wait(keeping)
            for task in (*keeping, sending):  # an error of the journal first: it has stopped the rest
                if not (task.cancelled() and self.ends == "now"):
                    task.result()

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self.meter.report()

    async def _send_all(self) -> None:
        clocks = self._clocks
        context = MiniAgents(around=[clocks], observers=[self._usage, clocks], errors_as_messages=False)
        watching = asyncio.create_task(clocks.watch())
        try:
            async with context, aclosing(self._calls()) as calls:
                try:
                    async for call in calls:
                        self._start(call)
                    await self._attempts_end()
                except Exception:  # of the source, which comes after all rows before it
                    await self._attempts_end()
                    raise
                finally:
                    await self._stop_attempts()
        finally:
            self._retries.cancel()
            watching.cancel()

    def _start(self, call: RowCall[RowT]) -> None:
        attempt = asyncio.create_task(self._attempt(call))
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempt_ended)

    def _attempt_ended(self, attempt: Task[None]) -> None:
        self._attempts.discard(attempt)
        error = None if attempt.cancelled() else attempt.exception()
        self._failure = self._failure or error
        self._signal("turn")

    async def _attempts_end(self) -> None:
        """Wait for the calls that are under way.

        Raises:
            LLMError: the next row would fail in the same way.
            LookupError: there is a budget, and the price is not known.
        """
        while self._attempts and self._failure is None:
            await self._wait_for("turn")
        if self._failure is not None:
            raise self._failure

    async def _stop_attempts(self) -> None:
        attempts = tuple(self._attempts)
        for attempt in attempts:
            attempt.cancel()
        if attempts:
            await asyncio.wait(attempts)

    async def _attempt(self, call: RowCall[RowT]) -> None:
        """Send a row once."""
        call.figures.attempts += 1
        error: Exception | None = None
        messages: tuple[Message, ...] = ()
        with self._clocks.attempt() as clock:
            replies = self._agent.inquire(call.messages)
            try:
                messages = await replies
            except asyncio.CancelledError:
                replies.cancel()
                text = await _text_of_stopped(replies)
                if clock.expired is None:
                    raise
                cast("Task[None]", asyncio.current_task()).uncancel()
                error = clock.error(self._agent.alias, asyncio.get_running_loop().time(), text)
            except Exception as failure:  # noqa: BLE001 - it is the error of this row
                replies.cancel()
                error = failure
        await self._ended(call, replies, messages, error)

    async def _calls(self) -> AsyncGenerator[RowCall[RowT]]:
        """Yield the calls to make: new rows within the limits, and rows to send again."""
        reading = asyncio.create_task(self._read())
        reading.add_done_callback(lambda _: self._signal("turn"))
        try:
            while not self._is_over:
                if self._next:
                    call, kept = self._next[0]
                    paid = kept is None and call.error is None
                    if not await self._its_turn(paid=paid):
                        yield self._retries.due.popleft()
                    elif not self._is_over:
                        self._next.popleft()
                        self._begin_row(call, kept)
                        if paid:
                            yield call
                elif reading.done() and not self._open:
                    reading.result()
                    return
                elif self._may_retry():
                    yield self._retries.due.popleft()
                elif not self.stopped:
                    self._signal("read")
                    await self._wait_for("turn")
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            if not reading.cancelled():
                reading.exception()  # it was raised above, or the job has ended before it

    async def _read(self) -> None:
        """Read the rows, a batch when all rows before it have begun.

        It is a task of its own: while the source waits for a row, others are sent again, and the job can end.
        """
        maker = self.maker(self._agent.takes or ())
        async with aclosing(self._batches) as batches:
            async for batch in batches:
                calls = [await maker.call(self._begun + at, item) for at, item in enumerate(batch)]
                self._next.extend(zip(calls, await self._found(calls), strict=True))
                self._signal("turn")
                await self._wait_for("read")

    def _begin_row(self, call: RowCall[RowT], kept: KeptRow | None) -> None:
        self._begun += 1
        if kept is not None:
            call.figures = kept.figures
            self.budget.note_cost(kept.figures.cost if kept.figures.requests else None)
            self._finish(call, kept.message, self._problem_of(kept), cached=True)
        elif call.error is not None:
            self._finish(call, None, call.error)
        else:
            self._sent += 1
            self._open += 1

    @property
    def _is_over(self) -> bool:
        """Whether no more rows are sent."""
        return bool(self.stopped or self.ends) or self._failure is not None

    async def _its_turn(self, *, paid: bool) -> bool:
        """Wait until one more row may begin, or the job stops; False if a retry comes first."""
        while not self._is_over:
            if len(self._attempts) < self.settings.concurrency or not paid:
                if self._may_retry():
                    return False
                unsafe = self._open + self._uncommitted  # made again if the process is killed now
                if unsafe < self._most_unsafe and self._begun - self._handed_out < _MOST_WAITING:
                    turn = self.budget.reserve() if paid else "go"
                    if turn == "go":
                        return True
                    if turn == "spent":
                        self.stopped = "budget"
                        return True
            await self._wait_for("turn")
        return True

    def _may_retry(self) -> bool:
        """Whether a row may be sent again now. If no money is left for it, the job stops."""
        if not self._retries.due or len(self._attempts) >= self.settings.concurrency:
            return False
        turn = self.budget.reserve()
        if turn == "spent":
            self.stopped = "budget"
        return turn == "go"

    # -- what the journal knows ----------------------------------------------------------------------------

    async def _begin(self) -> None:
        """Read from the journal what earlier runs have done.

        Raises:
            JournalError: the journal has calls of another function under this name and version; or there is a
                budget, and the cost of earlier runs is not known.
        """
        if self._kept is not None:
            state = await self._kept.begin()
            if state.spent is None and self.settings.dollars is not None:
                raise JournalError(
                    "The cost of earlier runs on this journal is not known, because a price was missing, so "
                    "the budget cannot include it. Continue without a budget, or with another journal."
                )
            self.budget.note_cost(state.highest_cost)
            self.budget.begin(state.spent)
            self.repeated = max(0, state.sent - state.kept)
            self.changed = state.source not in {self.source, ""}

    def _state(self) -> JobState:
        budget = self.budget
        return JobState(budget.spent, self._sent, self._safe, self.source, budget.highest_cost)

    async def _found(self, calls: list[RowCall[RowT]]) -> list[KeptRow | None]:
        settings = self.settings
        if self._kept is None or settings.refresh:
            return [None] * len(calls)
        rows = await self._kept.find_all([cast("CallKey", call.key) for call in calls])
        if settings.retry_failed:
            return [None if row is None or self._problem_of(row) is not None else row for row in rows]
        return rows

    def _problem_of(self, row: KeptRow) -> Exception | None:
        return row.error if row.message is None else problem_of(row.message, self.settings.accept)

    async def _keep_all(self, kept: KeptRows) -> None:
        while True:
            while not self._group:
                if self._all_ended:
                    if self._sent:
                        await kept.keep_all([], self._state())
                    return
                await self._wait_for("group")
            group, self._group = self._group, []
            self._safe += sum(1 for _, _, row in group if row.attempts)
            await kept.keep_all([(key, entry) for key, entry, _ in group], self._state())
            self._uncommitted -= len(group)
            for _, _, row in group:
                self._hand_out(row)
            self._signal("turn")

    # -- the end of a row ----------------------------------------------------------------------------------

    def _account(self, call: RowCall[RowT], replies: MessageSequencePromise[Message]) -> Decimal | None:
        """Count the model calls, tokens and dollars of an attempt, and return the dollars.

        Raises:
            LookupError: there is a budget, and the price or the tokens are not known.
        """
        report = self._usage.of(replies)
        requests, usage, cost = report.requests, report.total, report.dollars
        if requests:
            figures = call.figures
            figures.requests += requests
            figures.usage += usage
            figures.cost = None if figures.cost is None or cost is None else figures.cost + cost
            self.meter.count_calls(requests, usage)
            self.settings.check_calls(report.model_names, told=not report.untold, priced=cost is not None)
        return cost

    async def _ended(
        self,
        call: RowCall[RowT],
        replies: MessageSequencePromise[Message],
        messages: tuple[Message, ...],
        error: Exception | None,
    ) -> None:
        """A call has ended: send the row again, or keep its answer or error.

        Raises:
            LLMError: the next row would fail in the same way.
            LookupError: there is a budget, and the price is not known.
        """
        cost = self._account(call, replies)
        message = messages[-1] if messages else None
        if error is None and message is None:
            error = ValueError("The agent replied nothing.")
        if error is not None:
            if is_final(error):
                raise error
            self.budget.charge(cost)
            if self._retries.schedule(call, error):  # if the job stops before that, the row was not sent
                self.budget.release()
                return
            cost = Decimal()
        self._open -= 1
        self.budget.settle(cost, failed=error is not None)
        self.budget.note_cost(call.figures.cost or None)
        entry: JournalEntry | None = None
        if self._kept is not None and message is not None:
            entry = self.records.entry(call.question, replies)
            message = self._kept.checked(self._agent.alias, entry, message, as_kept=self._for_file)
        elif self._kept is not None and error is not None:
            entry = await self.records.failed_entry(call.question, replies, error)
        if message is not None:
            error = problem_of(message, self.settings.accept)
        self._finish(call, message, error, entry=entry)

    def _finish(
        self,
        call: RowCall[RowT],
        message: Message | None,
        error: Exception | None,
        *,
        entry: JournalEntry | None = None,
        cached: bool = False,
    ) -> None:
        """A row has ended, with a message or with an error, in this run or (`cached`) in an earlier one."""
        figures = call.figures
        if error is not None and not isinstance(error, LLMError):
            figures.partial = partial_text(error)
        row: Row[RowT, Message] = Row(
            call.index,
            call.item,
            lambda: cast("Message", message),
            error=error,
            row_id=call.row_id,
            usage=figures.usage,
            cost=figures.cost,
            finish=None if message is None else finish_of(message),
            attempts=figures.attempts,
            cached=cached,
        )
        self.meter.count(row)
        if error is not None and self.meter.too_many_failed:
            self.stopped = self.stopped or "failures"
        self._signal("turn")
        if call.key is None or cached:
            self._hand_out(row)
            return
        if entry is None:
            entry = self.records.failure(call.question, error or ValueError("The row was not sent."))
        if (data := figures.data) is not None:
            entry = CallRecords.noted(entry, data)
        self._group.append((call.key, entry, row))
        self._uncommitted += 1
        self._signal("group")

    def _hand_out(self, row: Row[RowT, Message]) -> None:
        if self._for_file:
            row.input = cast("RowT", None)
        self._waiting.add(row)
        self._signal("ready")

    # -- waiting for each other ----------------------------------------------------------------------------

    async def _wait_for(self, name: str) -> None:
        """Wait for a signal; each signal has one waiter."""
        future: Future[None] = asyncio.get_running_loop().create_future()
        self._signals[name] = future
        await future

    def _signal(self, name: str) -> None:
        future = self._signals.get(name)
        if future is not None and not future.done():
            future.set_result(None)


async def _text_of_stopped(replies: MessageSequencePromise[Message]) -> str:
    """Return the text that had come of a row that was stopped; this takes its errors, which are no news."""
    text = ""
    with suppress(Exception):
        async for message in replies:
            try:
                await message
            except Exception as error:  # noqa: BLE001 - of a message that was stopped
                text = partial_text(error)
    return text


def _dollars(usage: Usage, model: str, provider: str | None) -> Decimal | None:
    """Return the price from the price list; None if no list is installed."""
    try:
        return dollars(usage, model, provider)
    except ModuleNotFoundError:
        return None
