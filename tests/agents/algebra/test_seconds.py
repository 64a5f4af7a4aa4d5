"""Times to wait, as they are given."""

import math

import pytest

from miniagents.agents._algebra._operands import check_seconds


@pytest.mark.parametrize("seconds", [None, 0, 1.5, math.inf])
def test_times(seconds: float | None) -> None:
    """None, zero, and any number of seconds will do."""
    check_seconds("hedge", "after", seconds)


@pytest.mark.parametrize(
    ("seconds", "error", "sentence"),
    [
        (-0.1, ValueError, r"hedge\(after=-0.1\): give a number of seconds, 0 or more\."),
        (math.nan, ValueError, r"hedge\(after=nan\): give a number of seconds, 0 or more\."),
        ("1", TypeError, r"hedge\(after='1'\): give a number of seconds\."),
    ],
)
def test_no_times(seconds: object, error: type[Exception], sentence: str) -> None:
    """What is no time to wait is refused with a sentence."""
    with pytest.raises(error, match=sentence):
        check_seconds("hedge", "after", seconds)
