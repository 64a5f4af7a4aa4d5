"""Measures the speed of a job, and estimates its end."""

import logging
import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Final, NamedTuple

from ._options import ProgressHandler
from ._rows import Progress
from ._tally import Tally

_LOG: Final = logging.getLogger("miniagents.ext.jobs")
_WINDOW: Final = 60.0  # seconds


class _Sample(NamedTuple):
    at: float
    rows: int
    requests: int
    tokens: int


class Meter:
    """Makes a :class:`Progress` from the counts of a job.

    Args:
        tally: the counts of the job.
        spent: returns the dollars of all runs of the job, and of this run; None if a price is not known.
        total: how many rows there are; None if that is not known.
        limits: returns the limits of requests and tokens per minute.
        clock: returns the time, in seconds.
    """

    def __init__(
        self,
        tally: Tally,
        spent: Callable[[], tuple[Decimal | None, Decimal | None]],
        total: int | None,
        limits: Callable[[], tuple[float | None, float | None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tally = tally
        self._spent = spent
        self._total = total
        self._limits = limits
        self._clock = clock
        self._began = clock()
        self._samples: deque[_Sample] = deque([_Sample(self._began, 0, 0, 0)])
        self._silent = False

    @property
    def progress(self) -> Progress:
        """The progress of the job."""
        counts, (cost, new_cost) = self._tally, self._spent()
        now = self._clock()
        new = counts.ended - counts.cached
        tokens = (counts.usage.input_tokens or 0) + (counts.usage.output_tokens or 0)
        before = self._sampled(_Sample(now, new, counts.requests, tokens))
        seconds = max(now - before.at, 1e-9)
        speed = (new - before.rows) / seconds
        left = None if self._total is None else max(0, self._total - counts.ended)
        requests_limit, tokens_limit = self._limits()
        return Progress(
            done=counts.done,
            failed=counts.failed,
            cached=counts.cached,
            total=self._total,
            seconds=now - self._began,
            rows_per_second=speed,
            requests_per_minute=(counts.requests - before.requests) / seconds * 60,
            requests_limit=requests_limit,
            tokens_per_minute=(tokens - before.tokens) / seconds * 60,
            tokens_limit=tokens_limit,
            requests=counts.requests,
            usage=counts.usage,
            cost=cost,
            projected_cost=_projected(cost, new_cost, new, left),
            seconds_left=None if left is None or not speed else left / speed,
            last_error=counts.last_error,
        )

    def report(self, handler: ProgressHandler) -> None:
        """Call a handler with the progress; if it raises, that is logged once, and it is not called again."""
        if self._silent:
            return
        try:
            handler(self.progress)
        except Exception:  # noqa: BLE001 - the user's own
            self._silent = True
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
    return cost if not new else cost + new_cost / new * left
