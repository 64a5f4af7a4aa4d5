"""One job: looks rows up in the journal, sends them, retries them, keeps them, and hands them out.

Rule of this module: **a row is handed out when its answer is on the disk.** Rows that ended at the same time
are kept together. Two numbers are limited: the rows that have ended and are not on the disk yet, and the rows
that have begun and were not handed out. So memory does not grow with the rows, and after a kill only a
limited number of calls is made again.
"""

import asyncio
from asyncio import Future, Task
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing
from decimal import Decimal
from functools import partial
from typing import Final, Generic, TypeVar, cast

from miniagents.agents import MiniAgent, MiniAgents
from miniagents.messages import Message, MessageSequencePromise
from miniagents.messages._concurrent_map import ConcurrencyLimits
from miniagents.models import (
    CallKey,
    CallRecords,
    JournalEntry,
    JournalError,
    ModelLimits,
    RunUsage,
    dollars,
)
from miniagents.operators import AgentMap, Inquired, ItemReplies
from miniagents.values import (
    LLMError,
    Usage,
    partial_text,
    set_partial_text,
)

from ._again import AskedAgain, asked_once
from ._calls import Asker, Note, RowCall
from ._failures import is_final
from ._kept_rows import JobState, KeptRows
from ._meter import Meter
from ._options import JobSettings, ProgressHandler
from ._purse import Purse
from ._reply_classes import ReplyClasses
from ._row_agent import RowAgent
from ._rows import Progress, Row, Stopped
from ._tally import Tally

__all__ = ["Job"]

RowT = TypeVar("RowT")

_GROUP: Final = 256  # rows that have ended and are not kept yet
_WINDOW: Final = 1000  # rows that have begun and were not handed out
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
        source: a hash of the input, if there is one.
        asks: False to take all rows from the journal; a row that is not in it is an error.

    Attributes:
        repeated: how many calls an earlier run had begun and not kept.
        changed: whether the input differs from that of the last run on the journal.
        stopped: why the job ends before its last row.
    """

    def __init__(
        self,
        agent: MiniAgent[Message, Message],
        batches: AsyncGenerator[list[RowT]],
        settings: JobSettings,
        *,
        row_id: str | Callable[[RowT], object] | None,
        message: "Callable[[RowT], object] | None",
        ordered: bool,
        total: int | None = None,
        source: str = "",
        asks: bool = True,
    ) -> None:
        self.repeated: int = 0
        self.changed: bool = False
        self.stopped: Stopped | None = None
        self._records = None if settings.journal is None else settings.records(agent)
        self._classes = None if self._records is None else ReplyClasses(agent.alias, self._records)
        self._kept: KeptRows | None = None
        self._agent = asked_once(agent)
        self._batches = batches
        self._settings = settings
        self._again = AskedAgain[RowT](settings.retries, lambda: self._tell("turn"))
        self._asker = Asker[RowT](self._records, row_id, cast("Callable[[RowT], str] | None", message))
        self._source = source
        self._ordered = ordered
        self._asks = asks
        self._limits = ModelLimits(*_limits_of(settings))
        self._observed = RunUsage(settings.price or _dollars)
        self._purse = Purse(settings.dollars)
        self._earlier: Decimal | None = Decimal()
        self._tally = Tally(settings)
        self._most_unsafe = _GROUP + settings.concurrency
        self._window = max(_WINDOW, 2 * settings.concurrency)
        self._meter = Meter(self._tally, self._spent, total, self._limits.in_force)
        # How many rows ...
        self._begun = 0  # were looked at
        self._handed_out = 0
        self._asked = 0  # were asked
        self._safe = 0  # of them are kept
        self._open = 0  # of them have not ended
        self._uncommitted = 0  # have ended and are not kept
        self._group: list[tuple[CallKey, JournalEntry, Row[RowT, Message]]] = []
        self._ended_rows: dict[int, Row[RowT, Message]] = {}
        self._next = 0
        self._all_ended = False
        self._waiting: dict[str, Future[None]] = {}

    @property
    def progress(self) -> Progress:
        """The progress of the job."""
        return self._meter.progress

    @property
    def run_cost(self) -> Decimal | None:
        """Dollars of this run; None if a price is not known."""
        return self._spent()[1]

    # -- the reader ----------------------------------------------------------------------------------------

    async def rows(self) -> AsyncGenerator[Row[RowT, Message]]:
        """The rows, each when its answer is safe.

        Raises:
            BudgetExceededError: the budget is spent; it is raised after all rows that were paid.
            TooManyFailuresError: more rows have failed than ``max_failures``; after all rows that have ended.
        """
        work = asyncio.create_task(self._work(), name="miniagents job")
        work.add_done_callback(lambda _: self._tell("ready"))
        try:
            while True:
                row = self._take()
                if row is not None:
                    yield row
                elif work.done():
                    break
                else:
                    await self._news("ready")
            await work
            if self.stopped == "budget":
                raise self._purse.error
            if self.stopped == "failures":
                raise self._tally.error
        finally:
            work.cancel()
            await asyncio.wait([work])
            if not work.cancelled():
                work.exception()  # it was raised above, or the reader has left

    def _take(self) -> Row[RowT, Message] | None:
        index = self._next if self._ordered else next(iter(self._ended_rows), -1)
        row = self._ended_rows.pop(index, None)
        if row is not None:
            self._next += 1
            self._handed_out += 1
            self._tell("turn")
        return row

    # -- the work ------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        report = self._settings.progress
        with ExitStack() as stack:
            journal = self._settings.open_journal(stack)
            if journal is not None and self._records is not None:
                self._kept = KeptRows(journal, self._records)
            if report is not None:
                stack.callback(self._meter.tell, report)
                reporting = asyncio.create_task(self._report(report))
                stack.callback(reporting.cancel)
            if self._asks:
                await self._begin()
                self._tally.open()
                stack.callback(self._tally.close)
            await self._do()

    async def _do(self) -> None:
        loop = asyncio.get_running_loop()
        tasks: list[Task[None]] = [loop.create_task(self._ask_all())]
        if self._kept is not None and self._asks:
            tasks.append(loop.create_task(self._keep_all(self._kept)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._end(tasks)

    async def _end(self, tasks: list[Task[None]]) -> None:
        """Stop the calls, keep the rows that have ended, and raise the error if there is one."""
        asking, *keeping = tasks
        if not asking.done():
            asking.cancel()
        await asyncio.wait([asking])
        self._all_ended = True
        self._tell("group")
        if keeping:
            await asyncio.wait(keeping)
        for task in (*keeping, asking):  # an error of the journal first: it has stopped the rest
            if not task.cancelled():
                task.result()

    async def _report(self, handler: ProgressHandler) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._meter.tell(handler)

    async def _ask_all(self) -> None:
        try:
            async with MiniAgents(
                around=[self._limits], observers=[self._observed], errors_as_messages=False
            ):
                asker = cast("Inquired[Message, Message]", RowAgent[RowT](self._agent))  # its rows are calls
                limits = ConcurrencyLimits(self._settings.concurrency, ordered=False, stop=False)
                answers = cast(
                    "AsyncGenerator[ItemReplies[RowCall[RowT], Message]]",
                    AgentMap(asker, limits, None).read(self._calls()),
                )
                async with aclosing(answers):
                    async for replies in answers:
                        await self._ended(replies.item, replies)
        finally:
            self._again.cancel()

    async def _calls(self) -> AsyncGenerator[RowCall[RowT]]:
        """The calls to make: new rows within the limits, and rows to send again."""
        async with aclosing(self._batches) as batches:
            async for batch in batches:
                calls = [await self._asker.call(self._begun + at, item) for at, item in enumerate(batch)]
                for call, entry in zip(calls, await self._found(calls), strict=True):
                    paid = self._asks and entry is None and call.error is None
                    while not await self._its_turn(paid=paid):
                        yield self._again.due.popleft()
                    if self.stopped:
                        return
                    self._begun += 1
                    if entry is not None and self._kept is not None:
                        self._known(call, entry, self._kept)
                    elif call.error is not None:
                        self._finish(call, None, None, call.error)
                    else:
                        self._check_asks(call)
                        self._asked += 1
                        self._open += 1
                        yield call
        while self._open and not self.stopped:
            if self._again.due:
                yield self._again.due.popleft()
            else:
                await self._news("turn")

    def _check_asks(self, call: RowCall[RowT]) -> None:
        if not self._asks:
            raise JournalError(
                f"Row {call.index} of the input was changed while the job ran. Run the job again; rows that "
                "have not changed are not sent again."
            )

    @property
    def _unsafe(self) -> int:
        """The most calls that are made again if the process is killed now."""
        return self._open + self._uncommitted

    async def _its_turn(self, *, paid: bool) -> bool:
        """Wait until one more row may begin, or the job stops; False if a retry comes first."""
        while not self.stopped:
            if self._again.due:
                return False
            if self._unsafe < self._most_unsafe and self._begun - self._handed_out < self._window:
                turn = self._purse.take() if paid else "go"
                if turn == "go":
                    return True
                if turn == "spent":
                    self.stopped = "budget"
                    return True
            await self._news("turn")
        return True

    # -- what the journal knows ----------------------------------------------------------------------------

    async def _begin(self) -> None:
        """Read from the journal what earlier runs have done.

        Raises:
            JournalError: the journal has calls of another function under this name and version; or there is a
                budget, and the cost of earlier runs is not known.
        """
        if self._kept is not None:
            state = await self._kept.begin()
            if state.spent is None and self._settings.dollars is not None:
                raise JournalError(
                    "The cost of earlier runs on this journal is not known, because a price was missing, so "
                    "the budget cannot include it. Continue without a budget, or with another journal."
                )
            self._purse.learn(state.dearest)
            self._earlier = self._purse.spent = state.spent
            self.repeated = max(0, state.asked - state.kept)
            self.changed = state.source not in {self._source, ""}

    def _state(self) -> JobState:
        return JobState(self._purse.spent, self._asked, self._safe, self._source, self._purse.dearest)

    async def _found(self, calls: list[RowCall[RowT]]) -> list[JournalEntry | None]:
        settings = self._settings
        if self._kept is None or (settings.refresh and self._asks):
            return [None] * len(calls)
        entries = await self._kept.find_all([cast("CallKey", call.key) for call in calls])
        if settings.retry_failed and self._asks:
            return [None if entry is None or entry.failed else entry for entry in entries]
        return entries

    async def _keep_all(self, kept: KeptRows) -> None:
        while True:
            while not self._group:
                if self._all_ended:
                    if self._asked:
                        await kept.keep_all([], self._state())
                    return
                await self._news("group")
            group, self._group = self._group, []
            self._safe += sum(1 for _, _, row in group if row.attempts)
            await kept.keep_all([(key, entry) for key, entry, _ in group], self._state())
            self._uncommitted -= len(group)
            for _, _, row in group:
                self._hand_out(row)
            self._tell("turn")

    def _known(self, call: RowCall[RowT], entry: JournalEntry, kept: KeptRows) -> None:
        """Hand out a row from the journal."""
        note = Note.of(entry)
        if note.requests:
            self._purse.learn(note.cost)
        error = CallRecords.error_of(entry) if entry.failed else None
        if error is not None and note.partial:
            set_partial_text(error, note.partial)
        row = Row(
            call.index,
            call.item,
            partial(kept.value_of, entry),
            error=error,
            row_id=call.row_id,
            usage=note.usage,
            cost=note.cost,
            attempts=note.attempts,
            cached=True,
        )
        self._count(row)
        self._hand_out(row)

    # -- what came of a row --------------------------------------------------------------------------------

    def _account(self, call: RowCall[RowT], replies: MessageSequencePromise[Message]) -> None:
        """Count the model calls, tokens and dollars of a row.

        Raises:
            LookupError: there is a budget, and the price or the tokens are not known.
        """
        report = self._observed.of(replies)
        requests, usage = report.requests, report.total
        if requests:
            call.requests += requests
            call.usage += usage
            self._tally.count_calls(requests, usage)
            cost = report.dollars
            call.cost = None if call.cost is None or cost is None else call.cost + cost
            self._settings.check_told(report)

    async def _ended(self, call: RowCall[RowT], replies: MessageSequencePromise[Message]) -> None:
        """A call has ended: send the row again, or keep its answer or error.

        Raises:
            LLMError: the next row would fail in the same way.
            LookupError: there is a budget, and the price is not known.
        """
        self._account(call, replies)
        message: Message | None = None
        error: Exception | None = None
        try:
            messages = await replies
        except Exception as failure:  # noqa: BLE001 - it is the error of this row
            error = failure
        else:
            message = messages[-1] if messages else None
            if message is None:
                error = ValueError("The agent replied nothing.")
        if error is not None:
            if is_final(error):
                raise error
            if not self.stopped and self._again.take(call, error):
                return
        self._open -= 1
        self._purse.settle(call.cost, failed=error is not None)
        entry: JournalEntry | None = None
        if self._records is not None and error is None:
            entry = self._records.entry(call.question, replies)
            if self._classes is not None and message is not None:
                self._classes.check(entry, message)
        elif self._records is not None and error is not None:
            entry = await self._records.failed_entry(call.question, replies, error)
        self._finish(call, entry, message, error)

    def _finish(
        self,
        call: RowCall[RowT],
        entry: JournalEntry | None,
        message: Message | None,
        error: Exception | None,
    ) -> None:
        """A row has ended, with a message or with an error."""
        row = Row[RowT, Message](
            call.index,
            call.item,
            lambda: cast("Message", message),
            error=error,
            row_id=call.row_id,
            usage=call.usage,
            cost=call.cost,
            attempts=call.attempts,
        )
        self._count(row)
        if self._records is None or call.key is None:
            self._hand_out(row)
            return
        if entry is None:
            entry = self._records.failure(call.question, error or ValueError("It was not asked."))
        note = Note(
            call.attempts,
            call.requests,
            call.usage,
            call.cost,
            "" if error is None or isinstance(error, LLMError) else partial_text(error),
        ).data
        if note is not None:
            entry = CallRecords.noted(entry, note)
        self._group.append((call.key, entry, row))
        self._uncommitted += 1
        self._tell("group")

    def _count(self, row: Row[RowT, Message]) -> None:
        self._tally.count(row)
        if row.error is not None and self._asks and self._tally.too_many_failed:
            self.stopped = self.stopped or "failures"
        self._tell("turn")

    def _hand_out(self, row: Row[RowT, Message]) -> None:
        self._ended_rows[row.index] = row
        self._tell("ready")

    def _spent(self) -> tuple[Decimal | None, Decimal | None]:
        """The dollars of all runs of the job, and those of this one."""
        spent, before = self._purse.spent, self._earlier
        return spent, None if spent is None or before is None else spent - before

    # -- waiting for each other ----------------------------------------------------------------------------

    async def _news(self, name: str) -> None:
        """Wait for an event; each event has one waiter."""
        future: Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[name] = future
        await future

    def _tell(self, name: str) -> None:
        future = self._waiting.get(name)
        if future is not None and not future.done():
            future.set_result(None)


def _limits_of(settings: JobSettings) -> tuple[float | None, float | None]:
    limits = settings.limits
    return (None, None) if limits is None else (limits.rpm, limits.tpm)


def _dollars(usage: Usage, model: str, provider: str | None) -> Decimal | None:
    """The price from the price list; None if no list is installed."""
    try:
        return dollars(usage, model, provider)
    except ModuleNotFoundError:
        return None
