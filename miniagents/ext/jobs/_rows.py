"""The answered rows of a job, its progress, and its result."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, Literal, TypeAlias

from typing_extensions import TypeVar, override

from miniagents.parts import Usage

RowT = TypeVar("RowT", covariant=True)  # noqa: PLC0105 - users see these in hints; short is readable there
Value = TypeVar("Value", covariant=True)  # noqa: PLC0105

Stopped: TypeAlias = Literal["budget", "failures", "declined"]
"""Why a job has ended before its last row: its budget is spent, too many rows have failed, or ``confirm`` of
:func:`map_file` has returned False."""


class Row(Generic[RowT, Value]):
    """A row of a job, with its answer or its error.

    Args:
        index, item, row_id: its position; the row; its id.
        value: returns the answer; called when the answer is read.
        error, usage, cost, finish, attempts, cached: see below.

    Attributes:
        index, input, id: its position among all rows, from 0; the row as it was given; its id or None.
        error: why there is no answer; None if there is one.
        usage, cost: the tokens of its model calls, failed attempts included; dollars, or None.
        finish: why the answer ended, in the word of the provider, or None.
        attempts: how often the row was sent.
        cached: whether the answer or the error is from the journal, so not paid by this run.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.jobs import map_rows
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     print([str(row.value) async for row in map_rows(scripted_model("fine"), ["one"])])
        >>> MiniAgents().run(main())
        ['fine']
    """

    __slots__ = ("_value", "attempts", "cached", "cost", "error", "finish", "id", "index", "input", "usage")

    def __init__(
        self,
        index: int,
        item: RowT,
        value: Callable[[], Value],
        *,
        error: Exception | None = None,
        row_id: str | None = None,
        usage: Usage = Usage(),  # noqa: B008 - frozen
        cost: Decimal | None = None,
        finish: str | None = None,
        attempts: int = 1,
        cached: bool = False,
    ) -> None:
        self.index: int = index
        self.input: RowT = item
        self.id: str | None = row_id
        self.error: Exception | None = error
        self.usage: Usage = usage
        self.cost: Decimal | None = cost
        self.finish: str | None = finish
        self.attempts: int = attempts
        self.cached: bool = cached
        self._value = value

    @property
    def value(self) -> Value:
        """The answer: the last message of the agent. With a type, ``row.value.parsed`` is the typed value.

        Raises:
            Exception: :attr:`error`, if the row has failed.
        """
        if self.error is not None:
            raise self.error
        return self._value()

    @override
    def __repr__(self) -> str:
        how = "answered" if self.error is None else f"failed: {type(self.error).__name__}"
        return f"<row {self.index} {how}>"


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a job; a number that is not known is None.

    Attributes:
        done, failed, cached: rows with an answer; that failed; of both, those from the journal.
        total, seconds: the number of all rows; the time since the job began.
        rows_per_second: in the last minute, without those of the journal.
        requests_per_minute, tokens_per_minute, requests_limit, tokens_limit: and the most.
        requests, usage: all model calls of this run, and their tokens.
        cost, projected_cost: dollars of all runs on the journal, and the estimate for all rows.
        seconds_left, last_error: the estimated time; the error of the last row that failed.

    Example:
        >>> Progress(done=3, total=4).done
        3
    """

    done: int = 0
    failed: int = 0
    cached: int = 0
    total: int | None = None
    seconds: float = 0.0
    rows_per_second: float = 0.0
    requests_per_minute: float = 0.0
    requests_limit: float | None = None
    tokens_per_minute: float = 0.0
    tokens_limit: float | None = None
    requests: int = 0
    usage: Usage = Usage()  # noqa: RUF009 - frozen
    cost: Decimal | None = None
    projected_cost: Decimal | None = None
    seconds_left: float | None = None
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class JobResult:
    """The result of a job.

    Attributes:
        rows, done, failed: how many rows have ended; have an answer; have failed.
        cached: how many of both came from the journal.
        repeated: how many calls at most an earlier run had begun and not kept, so that they were made again.
        changed: whether the input differs from that of the last run on the same journal.
        cost: dollars of all runs on the journal; None if a price is not known.
        run_cost: dollars of this run; None if a price is not known.
        requests: model calls of this run, retries included.
        usage: the tokens of these calls.
        seconds: how long this run took.
        finished: whether all rows have ended and the file is complete, in this run or an earlier one.
        stopped: why the job ended before its last row, so that there is no new file; None if it did not.

    Example:
        >>> JobResult(rows=4, done=4).stopped is None
        True
    """

    rows: int = 0
    done: int = 0
    failed: int = 0
    cached: int = 0
    repeated: int = 0
    changed: bool = False
    cost: Decimal | None = None
    run_cost: Decimal | None = None
    requests: int = 0
    usage: Usage = Usage()  # noqa: RUF009 - frozen
    seconds: float = 0.0
    finished: bool = False
    stopped: Stopped | None = None
