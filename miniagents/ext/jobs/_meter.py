"""Counts the rows and calls of a job, measures its speed, and estimates its end."""

import logging
import reprlib
import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

from miniagents.errors import partial_text
from miniagents.parts import Usage
from miniagents.utils import redact_keys

from ._budget import JobBudget
from ._failures import TooManyFailuresError
from ._formats import json_line
from ._options import JobSettings
from ._rows import Progress, Row

_LOG: Final = logging.getLogger("miniagents.ext.jobs")
_WINDOW: Final = 60.0  # seconds
_LONGEST: Final = 10_000  # characters of a text that is quoted
_EARLY: Final = 100  # rows from which on a share of failures counts


class _Sample(NamedTuple):
    at: float
    rows: int
    requests: int
    tokens: int


class Meter:
    """Counts what has ended in a job; writes failed rows to a file if there is one.

    Args:
        settings: the settings of the job.
        budget: knows the dollars of all runs of the job, and of this one.
        total: how many rows there are; None if that is not known.
        limits: returns the limits of requests and tokens per minute.
        clock: returns the time, in seconds.

    Attributes:
        total: how many rows there are; None if that is not known.
        done: rows with an answer.
        failed: rows without one.
        cached: rows of both kinds that came from the journal.
        requests: calls of models.
        usage: their tokens.
        errors: the file of the rows that fail; None if there is none.
    """

    def __init__(
        self,
        settings: JobSettings,
        budget: JobBudget,
        total: int | None,
        limits: Callable[[], tuple[float | None, float | None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.done: int = 0
        self.failed: int = 0
        self.cached: int = 0
        self.requests: int = 0
        self.usage: Usage = Usage()
        self.errors: ErrorsFile | None = None
        self._last_error = ""
        self._most_failures = settings.max_failures
        self._handler = settings.progress
        self._budget = budget
        self.total: int | None = total
        self._limits = limits
        self._clock = clock
        self._began = clock()
        self._samples: deque[_Sample] = deque([_Sample(self._began, 0, 0, 0)])

    def count(self, row: Row[object, object]) -> None:
        """Count a row that has ended.

        Raises:
            OSError: the file of errors cannot be written.
        """
        self.cached += row.cached
        if row.error is None:
            self.done += 1
            return
        self.failed += 1
        self._last_error = f"{type(row.error).__name__}: {redact_keys(row.error)}"
        if self.errors is not None:
            self.errors.add(row)

    def count_calls(self, requests: int, usage: Usage) -> None:
        """Count the model calls of a row."""
        self.requests += requests
        self.usage += usage

    @property
    def ended(self) -> int:
        """How many rows have ended."""
        return self.done + self.failed

    @property
    def too_many_failed(self) -> bool:
        """Whether more rows have failed than ``max_failures``."""
        most = self._most_failures
        if most is not None and 0 < most < 1:
            return self.ended >= _EARLY and self.failed > most * self.ended
        return most is not None and self.failed > most

    @property
    def error(self) -> TooManyFailuresError:
        """The error for too many failed rows."""
        text = (
            f"{self.failed} of {self.ended} rows have failed, more than max_failures={self._most_failures} "
            f"allows; the last error: {self._last_error}"
        )
        return TooManyFailuresError(text, failed=self.failed, ended=self.ended)

    @property
    def progress(self) -> Progress:
        """The progress of the job."""
        cost, new_cost = self._budget.spent, self._budget.spent_now
        now = self._clock()
        new = self.ended - self.cached
        tokens = (self.usage.input_tokens or 0) + (self.usage.output_tokens or 0)
        before = self._sampled(_Sample(now, new, self.requests, tokens))
        seconds = max(now - before.at, 1e-9)
        speed = (new - before.rows) / seconds
        left = None if self.total is None else max(0, self.total - self.ended)
        requests_limit, tokens_limit = self._limits()
        return Progress(
            done=self.done,
            failed=self.failed,
            cached=self.cached,
            total=self.total,
            seconds=now - self._began,
            rows_per_second=speed,
            requests_per_minute=(self.requests - before.requests) / seconds * 60,
            requests_limit=requests_limit,
            tokens_per_minute=(tokens - before.tokens) / seconds * 60,
            tokens_limit=tokens_limit,
            requests=self.requests,
            usage=self.usage,
            cost=cost,
            projected_cost=_projected(cost, new_cost, new, left),
            seconds_left=None if left is None or not speed else left / speed,
            last_error=self._last_error,
        )

    def report(self) -> None:
        """Call the handler of the progress; if it raises, that is logged, and it is not called again."""
        handler = self._handler
        if handler is None:
            return
        try:
            handler(self.progress)
        except Exception:  # noqa: BLE001 - the user's own
            self._handler = None
            _LOG.exception("The progress handler %r of a job has failed; it is not called again.", handler)

    def _sampled(self, sample: _Sample) -> _Sample:
        """Keep a sample, and return the one of a minute before, or the first one."""
        if sample.at - self._samples[-1].at > 0.1:  # noqa: PLR2004 - seconds; who asks all the time keeps no more
            self._samples.append(sample)
        while len(self._samples) > 1 and self._samples[1].at <= sample.at - _WINDOW:
            self._samples.popleft()
        return self._samples[0]


def _projected(cost: Decimal | None, new_cost: Decimal | None, new: int, left: int | None) -> Decimal | None:
    if left is None or cost is None or new_cost is None:
        return None
    if not left:
        return cost
    return cost + new_cost / new * left if new else None


class ErrorsFile:
    """Writes the rows that failed. The file exists only if there are any.

    Args:
        path: of the file; one that is there is removed.

    Raises:
        OSError: it cannot be removed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        path.unlink(missing_ok=True)

    def add(self, row: Row[object, object]) -> None:
        """Write a row that failed.

        Raises:
            OSError: the file cannot be written.
        """
        if self._file is None:
            self._file = self._path.open("wb")
        error = cast("Exception", row.error)
        line = {
            "index": row.index,
            "id": row.id,
            "input": row.input,
            "error": {"type": type(error).__name__, "text": redact_keys(error)[:_LONGEST]},
            "attempts": row.attempts,
            "partial_text": partial_text(error)[:_LONGEST],
        }
        try:
            data = json_line(line)
        except (TypeError, RecursionError):  # its keys are not texts, or it is nested too deep
            data = json_line(line | {"input": reprlib.repr(row.input)})
        self._file.write(data)
        self._file.flush()

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._file is not None:
            self._file.close()
