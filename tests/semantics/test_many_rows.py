"""Many rows through `map_agent`; `python -m tests.semantics.many_rows` measures a million of them."""

import pytest

from tests.semantics.many_rows import TENTHS, sizes


@pytest.mark.gate("asks 20,000 times")
@pytest.mark.loop(debug=False)
async def test_many_rows() -> None:
    """20,000 rows need no more memory than the first 2,000; if their replies were kept it were 50 MB more."""
    found = await sizes(20_000)
    assert TENTHS == len(found)
    assert max(found) - found[0] < 4_000_000, f"resident memory after each tenth: {found}"
