"""``Meter``: how fast a job is, and when it will be done."""

from decimal import Decimal

from miniagents import Usage
from miniagents.ext.jobs._meter import Counts, Meter


def test_the_last_minute() -> None:
    """Speeds are those of the last minute, without what stood in the journal; the rest follows from them."""
    now, done, cached = 0.0, 0, 0

    def counts() -> Counts:
        new = done - cached
        return Counts(done, 0, cached, new, Usage(10 * new, new), Decimal(new + 1), Decimal(new), "")

    meter = Meter(counts, 1000, lambda: (600.0, None), lambda: now)
    assert (0, None) == (meter.progress.done, meter.progress.seconds_left)
    done = cached = 100
    now = 1.0
    assert 0 == meter.progress.rows_per_second
    for second in range(2, 200):
        now = float(second)
        done += 2
        _ = meter.progress
    now, done = 200.0, done + 2
    last = meter.progress
    assert (2.0, 120.0, 1320.0) == (
        round(last.rows_per_second, 6),
        round(last.requests_per_minute, 6),
        round(last.tokens_per_minute, 6),
    )
    assert (600.0, None, 200.0) == (last.requests_limit, last.tokens_limit, last.seconds)
    left = 1000 - done
    assert last.seconds_left is not None
    assert left == round(last.seconds_left * 2)
    assert Decimal(done - cached + 1 + left) == last.projected_cost
