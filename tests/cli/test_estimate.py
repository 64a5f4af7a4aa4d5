"""What some rows tell of all of them."""

import re
from collections.abc import AsyncGenerator, Iterator
from decimal import Decimal
from itertools import pairwise

import pytest

from miniagents.cli._estimate import Estimate, sample_of
from miniagents.ext.jobs import Progress, Row
from miniagents.values import Usage


class Rows:
    """So many rows."""

    def __init__(self, many: int) -> None:
        self.name = "rows"
        self.columns = ("at",)
        self._many = many

    def __iter__(self) -> Iterator[dict[str, object]]:
        rows: list[dict[str, object]] = [{"at": at} for at in range(self._many)]
        return iter(rows)

    def count(self) -> int:
        """How many."""
        return self._many

    def sha256(self) -> str:
        """No file."""
        return ""


@pytest.mark.parametrize(("total", "rows"), [(10, 3), (1000, 100), (10, 10), (3, 100), (0, 5), (7, 1)])
def test_sample(total: int, rows: int) -> None:
    """One row of each part is taken, the same ones each time, with no rhythm, and no more than there are."""
    taken = [int(str(row["at"])) for row in sample_of(Rows(total), total, rows)]
    wanted = min(total, rows)
    bounds = [part * total // max(wanted, 1) for part in range(wanted + 1)]
    assert all(begin <= at < end for at, (begin, end) in zip(taken, pairwise(bounds), strict=True))
    assert taken == [row["at"] for row in sample_of(Rows(total), total, rows)]
    if total == 1000:
        assert len({at % 10 for at in taken}) == 10


async def answered(*costs: str | None) -> AsyncGenerator[Row[object, object]]:
    """A row for each cost."""
    for index, cost in enumerate(costs):
        price = None if cost is None else Decimal(cost)
        yield Row(index, "row", lambda: "yes", usage=Usage(100, 10), cost=price)


async def lines(estimate: Estimate, *costs: str | None) -> str:
    """What it tells after these rows, which took ten seconds."""
    await estimate.take(answered(*costs))
    estimate.seconds = 10.0
    return "\n".join(estimate.lines())


async def test_money_and_time() -> None:
    """The whole costs what the rows cost on average, give or take, and takes so many rounds."""
    told = await lines(Estimate(1000, 2), "0.01", "0.02", "0.03", "0.02")
    assert "tried 4 of 1,000 rows: 4 answered, 0 failed, in 10 s." in told
    assert (
        "all 1,000 rows: about $20.00 ($11.84 to $28.16), 100,000 tokens sent, 10,000 tokens answered, "
        in told
    )
    assert told.endswith("about 41 min 40 s.")


async def test_a_few_long_rows() -> None:
    """Long rows of the file that are not in the sample are part of the estimate, by their size."""
    texts = ["word " * (at % 7 + 3) for at in range(100)]
    cost = [Decimal(len(text)) / 1000 + Decimal(at % 3) / 100 for at, text in enumerate(texts)]

    async def rows() -> AsyncGenerator[Row[object, object]]:
        for at, text in enumerate(texts):
            yield Row(at, text, lambda: "yes", usage=Usage(len(text), 10), cost=cost[at])

    file = [*(texts * 10)[:995], *["word " * 2000] * 5]
    estimate = Estimate(1000, 10)
    for text in file:
        estimate.see(text)
    await estimate.take(rows())
    sent = sum(map(len, file))
    told = "\n".join(estimate.lines())
    assert f"{sent:,} tokens sent, 10,000 tokens answered" in told
    low, high = map(float, re.findall(r"\(\$([\d.]+) to \$([\d.]+)\)", told)[0])
    assert low < sent / 1000 + 10 < high < 1.2 * low


async def test_long_rows_that_cost_more_for_each_token() -> None:
    """The estimate is no less than if each row cost as much as the cheapest one of the sample."""
    sizes = [*range(400, 420), 12_000, 12_400]

    async def rows() -> AsyncGenerator[Row[object, object]]:
        for at, size in enumerate(sizes):
            cost = Decimal(size) / 1000 * (4 if size > 10_000 else 1)
            yield Row(at, "x" * size, lambda: "yes", usage=Usage(size, 0), cost=cost)

    estimate = Estimate(1000, 10)
    for _ in range(1000):
        estimate.see("x" * 250)
    await estimate.take(rows())
    assert "about $400.00" in "\n".join(estimate.lines())


async def test_limits() -> None:
    """It takes no less than the limits let go."""
    estimate = Estimate(1000, 1000)
    estimate.note(Progress(requests=2, requests_limit=100, tokens_limit=1_000_000))
    assert (await lines(estimate, "0.01", "0.01")).endswith("about 10 min.")


async def test_no_price() -> None:
    """Where a price is not known it says so, and where nothing is counted, too."""
    assert "the price is not known (give --price IN,OUT)" in await lines(Estimate(10, 1), "0.01", None)
    free = Estimate(10, 1, tried=2, answered=2)
    assert "all 10 rows: no tokens were counted, " in "\n".join(free.lines())


async def test_failures() -> None:
    """The last error is told, without what could change a terminal."""

    async def rows() -> AsyncGenerator[Row[object, object]]:
        yield Row(0, "row", lambda: "yes", error=ValueError("no\x1b[31m"))
        yield Row(1, "row", lambda: "yes", cached=True)

    estimate = Estimate(2, 1)
    await estimate.take(rows())
    told = list(estimate.lines())
    assert told[0].startswith("tried 2 of 2 rows: 1 answered, 1 failed, 1 of them from the journal")
    assert told[1] == "last error: ValueError: no[31m"
