"""``Meter``: how fast a job is, and when it will be done."""

from decimal import Decimal

from miniagents import Usage
from miniagents.ext.jobs._budget import JobBudget
from miniagents.ext.jobs._meter import Meter
from miniagents.ext.jobs._options import JobSettings
from miniagents.ext.jobs._rows import Progress, Row


def test_the_last_minute() -> None:
    """Speeds are those of the last minute, without what stood in the journal; the rest follows from them."""
    now, budget = 0.0, JobBudget(None, Decimal(1))
    meter = Meter(JobSettings(), budget, 1000, lambda: (600.0, None), lambda: now)

    def row(*, cached: bool = False) -> None:
        meter.count(Row(0, "", str, cached=cached))
        if not cached:
            meter.count_calls(1, Usage(10, 1))
            budget.charge(Decimal(1))

    assert (0, None) == (meter.progress.done, meter.progress.seconds_left)
    for _ in range(100):
        row(cached=True)
    now = 1.0
    assert (0, None) == (meter.progress.rows_per_second, meter.progress.projected_cost)
    last = Progress()
    for second in range(2, 201):
        now = float(second)
        row()
        row()
        last = meter.progress
    assert (2.0, 120.0, 1320.0) == (
        round(last.rows_per_second, 6),
        round(last.requests_per_minute, 6),
        round(last.tokens_per_minute, 6),
    )
    assert (600.0, None, 200.0) == (last.requests_limit, last.tokens_limit, last.seconds)
    left = 1000 - last.done
    assert last.seconds_left is not None
    assert left == round(last.seconds_left * 2)
    assert Decimal(meter.requests + 1 + left) == last.projected_cost
