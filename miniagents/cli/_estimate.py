"""`miniagents map --estimate`: some rows are tried, and tell what all of them would cost and take."""

import math
import random
import time
from collections.abc import AsyncIterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from statistics import fmean, stdev
from typing import Final, TypeVar

from miniagents.ext.jobs import Progress, Row, RowSource

from ._progress import duration, error_text, money

__all__ = ["Estimate", "sample_of"]

RowT = TypeVar("RowT")

_DEVIATIONS: Final = 2.0
"""Of the mean, on either side: what it truly is lies between them nineteen times of twenty."""

_MINUTE: Final = 60.0


def sample_of(source: RowSource, total: int, rows: int) -> Iterator[dict[str, object]]:
    """Rows of all parts of a file: one of each part, drawn by lot, the same ones each time.

    At even distances a file with a rhythm (every tenth row is a long one) would be seen wrong.

    Args:
        source: the rows.
        total: how many there are.
        rows: how many are wanted.

    Raises:
        RowsError: something in the file is no row.
    """
    wanted = min(rows, total)
    lot = random.Random(0)  # noqa: S311 - no secret
    bounds = [part * total // max(wanted, 1) for part in range(wanted + 1)]
    chosen = {lot.randrange(begin, end) for begin, end in pairwise(bounds)}
    for index, row in enumerate(source):
        if index in chosen:
            yield row


@dataclass(slots=True)
class Estimate:
    """What some rows tell of all of them.

    Attributes:
        total: how many rows there are.
        concurrency: how many are asked at once.
        tried: how many were tried.
        answered: how many of these have an answer.
        cached: how many stood in the journal, so that they tell nothing of the time.
        costs: what each of them costs, in dollars, as far as that is known.
        sent: tokens that were sent.
        came: tokens that were answered.
        requests: calls of models.
        seconds: that the rows took.
        limits: requests and tokens that may be used in a minute, as far as that is known.
        error: of the last row that failed.
    """

    total: int
    concurrency: int
    tried: int = 0
    answered: int = 0
    cached: int = 0
    costs: list[float] = field(default_factory=list[float])
    sent: int = 0
    came: int = 0
    requests: int = 0
    seconds: float = 0.0
    limits: tuple[float | None, float | None] = (None, None)
    error: str = ""

    def note(self, progress: Progress) -> None:
        """Note how many requests were made, and how many may be.

        Args:
            progress: of the job.
        """
        self.requests = progress.requests
        self.limits = (progress.requests_limit, progress.tokens_limit)

    async def take(self, rows: AsyncIterable[Row[RowT, object]]) -> None:
        """Take all rows.

        Args:
            rows: that were asked.
        """
        begun = time.monotonic()
        async for row in rows:
            self.tried += 1
            self.cached += row.cached
            self.answered += row.error is None
            if row.error is not None:
                self.error = f"{type(row.error).__name__}: {row.error}"
            if row.cost is not None:
                self.costs.append(float(row.cost))
            self.sent += row.usage.input_tokens or 0
            self.came += row.usage.output_tokens or 0
        self.seconds = time.monotonic() - begun

    def lines(self) -> Iterator[str]:
        """What they tell, for people."""
        failed = self.tried - self.answered
        cached = f", {self.cached:,} of them from the journal" if self.cached else ""
        yield (
            f"tried {self.tried:,} of {self.total:,} rows: {self.answered:,} answered, {failed:,} failed"
            f"{cached}, in {duration(self.seconds)}."
        )
        if self.error:
            yield f"last error: {error_text(self.error)}"
        if self.tried:
            yield f"all {self.total:,} rows: {', '.join([self._money(), *self._tokens(), *self._time()])}."

    def _money(self) -> str:
        if not self.costs or len(self.costs) < self.tried:
            tokens = self.sent + self.came
            return "the price is not known (give --price IN,OUT)" if tokens else "no tokens were counted"
        mean = fmean(self.costs)
        if not mean:
            return "$0.00"
        about = f"about {_dollars(mean * self.total)}"
        if len(self.costs) < 2 or self.tried == self.total:  # noqa: PLR2004 - one has no deviation
            return about
        off = _DEVIATIONS * stdev(self.costs) / math.sqrt(len(self.costs))
        low, high = max(mean - off, 0.0), mean + off
        return f"{about} ({_dollars(low * self.total)} to {_dollars(high * self.total)})"

    def _tokens(self) -> Iterator[str]:
        for tokens, what in ((self.sent, "sent"), (self.came, "answered")):
            if tokens:
                yield f"{tokens * self.total // self.tried:,} tokens {what}"

    def _time(self) -> Iterator[str]:
        asked = self.tried - self.cached
        if not asked:
            return
        # So many rounds of rows at once as there are, and no faster than the limits let go.
        rounds = math.ceil(self.total / self.concurrency) / math.ceil(asked / self.concurrency)
        seconds = [self.seconds * rounds]
        share = self.total / self.tried
        for used, limit in zip((self.requests, self.sent + self.came), self.limits, strict=True):
            if limit:
                seconds.append(used * share / limit * _MINUTE)
        yield f"about {duration(max(seconds))}"


def _dollars(amount: float) -> str:
    return money(Decimal(str(round(amount, 6))))
