"""`miniagents map --estimate`: sends some rows, and estimates cost and time of all rows from them."""

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

RowT = TypeVar("RowT")

_DEVIATIONS: Final = 2.0
"""Standard deviations of the mean on either side: a confidence interval of 95 %."""

_MINUTE: Final = 60.0


def sample_of(source: RowSource, total: int, rows: int) -> Iterator[dict[str, object]]:
    """A random row of each part of a file, the same rows each time.

    Rows at even distances would give a wrong picture of a file with a pattern, such as a long row at every
    tenth place.

    Args:
        source: the rows.
        total: how many there are.
        rows: how many are wanted.

    Raises:
        RowsError: the file has something that is not a row.
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
    """An estimate for all rows, from some of them.

    Attributes:
        total: how many rows there are.
        concurrency: how many are in work at the same time.
        tried: how many rows of the sample have ended.
        answered: how many of these have an answer.
        cached: how many of these were in the journal, so that the time does not depend on them.
        costs: the cost of each row in dollars, where it is known.
        sent_tokens: tokens that were sent.
        answered_tokens: tokens that were answered.
        requests: calls of models.
        seconds: the time that the sample took.
        limits: requests and tokens per minute that are allowed; None where that is not known.
        error: the error of the last row that failed.
    """

    total: int
    concurrency: int
    tried: int = 0
    answered: int = 0
    cached: int = 0
    costs: list[float] = field(default_factory=list[float])
    sent_tokens: int = 0
    answered_tokens: int = 0
    requests: int = 0
    seconds: float = 0.0
    limits: tuple[float | None, float | None] = (None, None)
    error: str = ""

    def note(self, progress: Progress) -> None:
        """Note how many requests were made, and how many are allowed.

        Args:
            progress: of the job.
        """
        self.requests = progress.requests
        self.limits = (progress.requests_limit, progress.tokens_limit)

    async def take(self, rows: AsyncIterable[Row[RowT, object]]) -> None:
        """Count the rows of the sample.

        Args:
            rows: the rows that were sent.
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
            self.sent_tokens += row.usage.input_tokens or 0
            self.answered_tokens += row.usage.output_tokens or 0
        self.seconds = time.monotonic() - begun

    def lines(self) -> Iterator[str]:
        """The report, line by line."""
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
            tokens = self.sent_tokens + self.answered_tokens
            return "the price is not known (give --price IN,OUT)" if tokens else "no tokens were counted"
        mean = fmean(self.costs)
        if not mean:
            return "$0.00"
        about = f"about {_dollars(mean * self.total)}"
        if len(self.costs) < 2 or self.tried == self.total:  # noqa: PLR2004 - one value has no deviation
            return about
        off = _DEVIATIONS * stdev(self.costs) / math.sqrt(len(self.costs))
        low, high = max(mean - off, 0.0), mean + off
        return f"{about} ({_dollars(low * self.total)} to {_dollars(high * self.total)})"

    def _tokens(self) -> Iterator[str]:
        for tokens, what in ((self.sent_tokens, "sent"), (self.answered_tokens, "answered")):
            if tokens:
                yield f"{tokens * self.total // self.tried:,} tokens {what}"

    def _time(self) -> Iterator[str]:
        sent = self.tried - self.cached
        if not sent:
            return
        # The time of the sample, times the number of its rounds; and no faster than the limits allow.
        rounds = math.ceil(self.total / self.concurrency) / math.ceil(sent / self.concurrency)
        seconds = [self.seconds * rounds]
        share = self.total / self.tried
        for used, limit in zip(
            (self.requests, self.sent_tokens + self.answered_tokens), self.limits, strict=True
        ):
            if limit:
                seconds.append(used * share / limit * _MINUTE)
        yield f"about {duration(max(seconds))}"


def _dollars(amount: float) -> str:
    return money(Decimal(str(round(amount, 6))))
