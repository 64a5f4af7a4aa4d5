"""ConcurrencyLimits of time, as they are given, and which of them is up first."""

import math

import pytest

from miniagents.values import Deadline, check_seconds, is_limit


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


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1, True),
        (0.1, True),
        (0, False),
        (-1.0, False),
        (math.inf, False),
        (math.nan, False),
        ("1", False),
        (None, False),
        (True, False),
    ],
)
def test_limits(seconds: object, *, expected: bool) -> None:
    """A limit that can be kept is a finite number of seconds above 0."""
    assert is_limit(seconds) is expected


def test_deadlines() -> None:
    """The deadline that is up first is the smallest one; one without a limit is never up."""
    total, stall = Deadline.of("total", 10.0, None), Deadline.of("stall", 100.0, 5.0)
    assert (math.inf, "total") == total
    assert (105.0, "stall") == min(total, stall)
    assert min(stall, Deadline.of("total", 10.0, 90.0)).limit == "total"
