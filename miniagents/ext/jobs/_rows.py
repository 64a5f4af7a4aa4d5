"""A row that has been asked, and how far a job has come."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, Literal, TypeAlias

from typing_extensions import TypeVar, override

from miniagents.values import Usage

__all__ = ["JobResult", "Progress", "Row", "Stopped"]

RowT = TypeVar("RowT", covariant=True)  # noqa: PLC0105 - users see these in hints; short is readable there
Value = TypeVar("Value", covariant=True)  # noqa: PLC0105

Stopped: TypeAlias = Literal["budget", "failures"]
"""Why a job has ended before its last row: its money is spent, or too many rows have failed."""


class Row(Generic[RowT, Value]):
    """A row of a job, with what came of it.

    Args:
        index: its place among all rows, from 0.
        item: the row as it was given.
        value: gives what the agent answered, when that is asked for.
        error: why there is no answer.
        row_id: its identity.
        usage: the tokens that it took.
        cost: what these cost, in dollars.
        attempts: how often the agent was asked.
        cached: whether it stood in the journal.

    Attributes:
        index: its place among all rows, from 0.
        input: the row as it was given.
        id: its identity, as ``id=`` says; None without that.
        error: why there is no answer; None if there is one.
        usage: the tokens that it took, those of attempts that failed included.
        cost: what these cost, in dollars; None if a price is not known.
        attempts: how often the agent was asked.
        cached: it stood in the journal already, so it was not asked (and paid) now.

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

    __slots__ = ("_value", "attempts", "cached", "cost", "error", "id", "index", "input", "usage")

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
        attempts: int = 1,
        cached: bool = False,
    ) -> None:
        self.index: int = index
        self.input: RowT = item
        self.id: str | None = row_id
        self.error: Exception | None = error
        self.usage: Usage = usage
        self.cost: Decimal | None = cost
        self.attempts: int = attempts
        self.cached: bool = cached
        self._value = value

    @property
    def value(self) -> Value:
        """What the agent answered: its last message (of a model with a type, ``row.value.parsed``).

        Raises:
            Exception: the row has failed; it is :attr:`error`.
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
    """How far a job has come.

    Attributes:
        done: rows with an answer, those of the journal included.
        failed: rows without one.
        cached: rows, answered or failed, that stood in the journal.
        total: all rows, None if their number is not known.
        seconds: since the job began.
        rows_per_second: answered or failed, in the last minute, those of the journal not counted.
        requests_per_minute: calls of models in the last minute.
        requests_limit: how many may be made in a minute; None if no limit is known.
        tokens_per_minute: of prompts and answers, in the last minute.
        tokens_limit: how many these may be in a minute; None if no limit is known.
        requests: calls of models in all, retries included; those of the journal not counted.
        usage: the tokens of these.
        cost: dollars, also those that earlier runs of the job have cost; None if a price is not known.
        projected_cost: of all rows; None if that or the number of rows is not known.
        seconds_left: None if it is not known.
        last_error: why the last row that failed did; empty if none did.

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
    """What a job has done.

    Attributes:
        rows: how many rows were looked at.
        done: how many have an answer.
        failed: how many have none.
        cached: how many of both stood in the journal.
        repeated: how many calls the run before had begun and not kept when it was killed or left.
        changed: the input is another one than that of the run before on the same journal.
        cost: dollars, also those that earlier runs of the job have cost; None if a price is not known.
        run_cost: the dollars of this run alone; None if a price is not known.
        requests: calls of models, retries included.
        usage: the tokens of these.
        seconds: that it took.
        finished: the job was done already, and nothing has been asked or written.
        stopped: why it has ended before its last row, so that nothing was written; None if it has not.

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
