"""``Meter``: how fast a job is, and when it will be done."""

from decimal import Decimal

from miniagents import Usage
from miniagents.ext.jobs._meter import Meter
from miniagents.ext.jobs._options import JobSettings
from miniagents.ext.jobs._rows import Progress, Row
from miniagents.ext.jobs._tally import Tally


def test_the_last_minute() -> None:
    """Speeds are those of the last minute, without what stood in the journal; the rest follows from them."""
    now, tally = 0.0, Tally(JobSettings())

    def spent() -> tuple[Decimal, Decimal]:
        return Decimal(tally.requests + 1), Decimal(tally.requests)

    def row(*, cached: bool = False) -> None:
        tally.count(Row(0, "", str, cached=cached))
        if not cached:
            tally.count_calls(1, Usage(10, 1))

    meter = Meter(tally, spent, 1000, lambda: (600.0, None), lambda: now)
    assert (0, None) == (meter.progress.done, meter.progress.seconds_left)
    for _ in range(100):
        row(cached=True)
    now = 1.0
    assert 0 == meter.progress.rows_per_second
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
    assert Decimal(tally.requests + 1 + left) == last.projected_cost
