"""Crosses rooms: the benchmarks run. They are no timed tests; their figures are looked at by people."""

import pytest

from miniagents import MiniAgents
from tests.bench.cases import CASES
from tests.bench.measure import Measured
from tests.bench.rows import run


@pytest.mark.parametrize("name", [name for name in CASES if name != "S7"])
@pytest.mark.parametrize("role", ["limit", "ours"])
def test_case_runs(name: str, role: str) -> None:
    """Every case runs at a small size, and takes time."""
    case = CASES[name]
    assert (case.ours if role == "ours" else case.limit)(case.small) > 0


def test_row_tells_the_ratio_and_whether_it_holds() -> None:
    """A row says how many times the limit ours takes, and whether that is within the target."""
    row = Measured("S0", limit=0.001, ours=0.002, count=1000, target=1.5).row
    assert row == "| S0 | 1.000 | 2.000 | 2.00 | 1.5 | missed |"


async def test_many_rows_run() -> None:
    """The benchmark of `map_agent` runs, and tells of memory."""
    async with MiniAgents():
        ((rows, seconds, megabytes),) = await run(1_000)
    assert rows == 1_000
    assert seconds > 0
    assert megabytes > 1
