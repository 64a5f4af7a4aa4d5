"""`miniagents map --estimate`: sends some rows, and estimates cost and time of all rows from them."""

import math
import random
import time
from collections.abc import AsyncIterable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from statistics import fmean, linear_regression, stdev
from typing import Final, TypeVar

from miniagents.ext.jobs import Progress, Row, RowSource
from miniagents.utils import redact_keys

from ._progress import duration, error_text, money

RowT = TypeVar("RowT")

_DEVIATIONS: Final = 2.0
"""Standard deviations of the mean on either side: a confidence interval of 95 %."""

_FEW: Final = 10
"""From fewer rows it is not known how tokens depend on sizes."""

_TINY: Final = 1e-6

_MINUTE: Final = 60.0


def sample_of(
    source: RowSource, total: int, rows: int, see: Callable[[object], None] = lambda _: None
) -> Iterator[dict[str, object]]:
    """A random row of each part of a file, the same rows each time.

    Rows at even distances would give a wrong picture of a file with a pattern, such as a long row at every
    tenth place.

    Args:
        source: the rows.
        total: how many there are.
        rows: how many are wanted.
        see: called with each row of the file.

    Raises:
        RowsError: the file has something that is not a row.
    """
    wanted = min(rows, total)
    lot = random.Random(0)  # noqa: S311 - no secret
    bounds = [part * total // max(wanted, 1) for part in range(wanted + 1)]
    chosen = {lot.randrange(begin, end) for begin, end in pairwise(bounds)}
    for index, row in enumerate(source):
        see(row)
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
        sent: tokens that were sent, of each row.
        returned: tokens that were answered, of each row.
        sizes: characters of each row.
        seen: how many rows of the file were seen.
        characters: their characters.
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
    sent: list[int] = field(default_factory=list[int])
    returned: list[int] = field(default_factory=list[int])
    sizes: list[int] = field(default_factory=list[int])
    seen: int = 0
    characters: int = 0
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

    def see(self, row: object) -> None:
        """Note the size of a row of the file.

        Args:
            row: any, also one that is not in the sample.
        """
        self.seen += 1
        self.characters += len(str(row))

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
                self.error = f"{type(row.error).__name__}: {redact_keys(row.error)}"
            if row.cost is not None:
                self.costs.append(float(row.cost))
            self.sent.append(row.usage.input_tokens or 0)
            self.returned.append(row.usage.output_tokens or 0)
            self.sizes.append(len(str(row.input)))
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
            tokens = any(self.sent) or any(self.returned)
            return "the price is not known (give --price IN,OUT)" if tokens else "no tokens were counted"
        if not any(self.costs):
            return "$0.00"
        mean, deviation = self._cost()
        about = f"about {_dollars(mean * self.total)}"
        if len(self.costs) < 2 or self.tried == self.total:  # noqa: PLR2004 - one value has no deviation
            return about
        off = _DEVIATIONS * deviation
        low, high = max(mean - off, 0.0), mean + off
        return f"{about} ({_dollars(low * self.total)} to {_dollars(high * self.total)})"

    def _tokens(self) -> Iterator[str]:
        if any(self.sent):
            yield f"{round(self._sent()[0] * self.total):,} tokens sent"
        if any(self.returned):
            yield f"{round(fmean(self.returned) * self.total):,} tokens answered"

    def _cost(self) -> tuple[float, float]:
        """Return the mean cost of all rows of the file, and its standard deviation."""
        sent, off = self._sent()
        price = self._price()
        others = [cost - price * tokens for cost, tokens in zip(self.costs, self.sent, strict=True)]
        mean = max(fmean(others) + price * sent, min(self.costs))  # long rows may cost more for each token
        return mean, math.hypot(_deviation(others), price * off)

    def _sent(self) -> tuple[float, float]:
        """Return the mean of the sent tokens of all rows of the file, and its standard deviation.

        If the rows of the sample are shorter or longer than those of the file are, it is corrected: a few
        large rows may need as many tokens as all others, and the sample may have none of them.
        """
        mean, many = fmean(self.sent), len(self.sent)
        if not self._knows_sizes:
            return mean, _deviation(self.sent)
        size = fmean(self.sizes)
        apart = self.characters / self.total - size
        slope, begin = linear_regression(self.sizes, self.sent)
        off = sum(
            (sent - begin - slope * each) ** 2 for each, sent in zip(self.sizes, self.sent, strict=True)
        )
        spread = sum((each - size) ** 2 for each in self.sizes)
        deviation = math.sqrt(off / (many - 2) * (1 / many + apart**2 / spread))
        return max(mean + slope * apart, 0.0), deviation

    def _price(self) -> float:
        """Return the dollars of a sent token, if the answers have the same length; 0 if that is not known."""
        if not self._knows_sizes:
            return 0.0
        sent, returned, costs = (_centered(each) for each in (self.sent, self.returned, self.costs))
        share = _product(sent, returned) / (_product(returned, returned) or 1.0)
        alone = [tokens - share * answered for tokens, answered in zip(sent, returned, strict=True)]
        varies = _product(alone, alone)
        return max(_product(alone, costs) / varies, 0.0) if varies > _TINY * _product(sent, sent) else 0.0

    @property
    def _knows_sizes(self) -> bool:
        return len(self.sizes) >= _FEW and self.seen >= self.total and len(set(self.sizes)) > 1

    def _time(self) -> Iterator[str]:
        sent = self.tried - self.cached
        if not sent:
            return
        # The time of the sample, times the number of its rounds; and no faster than the limits allow.
        rounds = math.ceil(self.total / self.concurrency) / math.ceil(sent / self.concurrency)
        seconds = [self.seconds * rounds]
        share = self.total / self.tried
        for used, limit in zip(
            (self.requests, sum(self.sent) + sum(self.returned)), self.limits, strict=True
        ):
            if limit:
                seconds.append(used * share / limit * _MINUTE)
        yield f"about {duration(max(seconds))}"


def _deviation(values: Sequence[float]) -> float:
    """Return the standard deviation of the mean of values."""
    return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def _centered(values: Sequence[float]) -> list[float]:
    mean = fmean(values)
    return [value - mean for value in values]


def _product(first: Sequence[float], second: Sequence[float]) -> float:
    return sum(one * other for one, other in zip(first, second, strict=True))


def _dollars(amount: float) -> str:
    return money(Decimal(str(round(amount, 6))))
