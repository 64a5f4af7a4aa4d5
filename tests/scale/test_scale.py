"""Crosses modules: every case of scale holds at a small size; `python -m tests.scale` has the full ones."""

import pytest

from tests.scale.__main__ import measured, row
from tests.scale.cases import CASES


@pytest.mark.loop(debug=False)
@pytest.mark.parametrize("name", CASES)
async def test_case_holds(name: str) -> None:
    """So many at once are held, and each comes to its end."""
    case = CASES[name]
    assert case.full > case.small > 1
    await case.run(case.small)


def test_figures() -> None:
    """A row tells how many there were, and what they took."""
    count, seconds, megabytes, found = measured(CASES["queued"], small=True)
    assert (1_000, True, True, None) == (count, seconds > 0, megabytes >= 0, found)
    assert row("queued", (1_000, 0.25, 3.0, None)).startswith("| queued | 1,000 | 0.2 | 3 |")
    assert row("parked", (5, 0.25, 3.0, "900 bytes a run")).endswith(": 900 bytes a run |\n")
