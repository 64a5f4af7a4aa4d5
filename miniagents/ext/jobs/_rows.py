"""The answered rows of a job, its progress, and its result."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, Literal, TypeAlias

from typing_extensions import TypeVar, override

from miniagents.parts import Usage

__all__ = ["JobResult", "Progress", "Row", "Stopped"]

RowT = TypeVar("RowT", covariant=True)  # noqa: PLC0105 - users see these in hints; short is readable there
Value = TypeVar("Value", covariant=True)  # noqa: PLC0105

Stopped: TypeAlias = Literal["budget", "failures", "declined"]
"""Why a job has ended before its last row: its budget is spent, too many rows have failed, or ``confirm`` of
:func:`map_file` has returned False."""


class Row(Generic[RowT, Value]):
    """A row of a job, with its answer or its error.

    Args:
        index: its position among all rows, from 0.
        item: the row as it was given.
        value: returns the answer; called when the answer is read.
        error: why there is no answer.
        row_id: its id.
        usage: the tokens of its model calls.
        cost: their cost in dollars.
        finish: why the answer ended.
        attempts: how often the row was sent.
        cached: whether the answer or the error is from the journal.

    Attributes:
        index: its position among all rows, from 0.
        input: the row as it was given.
        id: its id, by ``id=``; None without ``id=``.
        error: why there is no answer; None if there is one.
        usage: the tokens of its model calls, failed attempts included.
        cost: their cost in dollars; None if a price is not known.
        finish: why the answer ended, in the word of the provider; None if that is not known.
        attempts: how often the row was sent.
        cached: whether the answer or the error is from the journal, so that this run did not pay for it.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.jobs import map_rows
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     async for row in map_rows(scripted_model(then="fine"), ["one", "two"]):
        ...         print(row.index, row.input, row.value.text)
        >>> MiniAgents().run(main())
        0 one fine
        1 two fine
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
    """The progress of a job.

    Attributes:
        done: rows with an answer, those of the journal included.
        failed: rows that have failed, those of the journal included.
        cached: rows of both kinds that came from the journal.
        total: the number of all rows, None if it is not known.
        seconds: the time since the job began.
        rows_per_second: rows that ended in the last minute, without those of the journal.
        requests_per_minute: model calls in the last minute.
        requests_limit: the most model calls per minute; None if no limit is known.
        tokens_per_minute: tokens of prompts and answers in the last minute.
        tokens_limit: the most tokens per minute; None if no limit is known.
        requests: all model calls of this run, retries included.
        usage: the tokens of these calls.
        cost: dollars of all runs on the journal; None if a price is not known.
        projected_cost: the estimated dollars for all rows; None if it cannot be estimated.
        seconds_left: the estimated time until the end; None if it cannot be estimated.
        last_error: the error of the last row that failed; empty if none has.

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
        rows: how many rows have ended.
        done: how many have an answer.
        failed: how many have failed.
        cached: how many of both came from the journal.
        repeated: how many calls at most an earlier run had begun and not kept, so that they were made again.
        changed: whether the input differs from that of the last run on the same journal.
        cost: dollars of all runs on the journal; None if a price is not known.
        run_cost: dollars of this run; None if a price is not known.
        requests: model calls of this run, retries included.
        usage: the tokens of these calls.
        seconds: how long this run took.
        finished: whether all rows have ended and the file is complete, in this run or an earlier one.
        stopped: why the job ended before its last row, so that nothing was written; None if it did not.

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
