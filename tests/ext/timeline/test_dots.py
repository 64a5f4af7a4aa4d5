"""The times that are kept of a lane."""

import random
from array import array

import pytest

from miniagents.ext._timeline._dots import MOST, Dots
from tests.support.amounts import amount


def test_few() -> None:
    """As long as there is space for all, each time is kept as it is."""
    dots = Dots()
    dots.add(array("d", [3.0, 1.0]))
    dots.add(array("d", [2.0]))
    assert list(dots) == [(3.0, 1), (1.0, 1), (2.0, 1)]


@pytest.mark.parametrize("seed", range(amount(1, 3)))
def test_many(seed: int) -> None:
    """Of 100,000 times 8,192 at most are kept; no count is lost, none is off by a 2,000th of the whole."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    times = [draw.expovariate(1.0) * 10 ** draw.randint(-6, 2) for _ in range(100_000)]
    dots = Dots()
    for start in range(0, len(times), 512):  # in batches, which are not in order
        dots.add(array("d", times[start : start + 512]))
        assert len(dots) <= MOST
    assert sum(count for _, count in dots) == len(times)
    kept = iter(sorted(time for time, count in dots for _ in range(count)))
    span = max(times) - min(times)
    assert max(time - next(kept) for time in sorted(times)) <= span / 2000


def test_one_moment() -> None:
    """Any number of parts that come at once are one dot."""
    dots = Dots()
    dots.add(array("d", [5.0] * 100_000))
    assert list(dots) == [(5.0, 100_000)]


def test_a_growing_axis() -> None:
    """A lane that goes on and on keeps its error below a 2,000th of what it has become."""
    dots = Dots()
    times = [at * at / 1000 for at in range(50_000)]
    for at in times:
        dots.add(array("d", [at]))
    kept = iter(time for time, count in sorted(dots) for _ in range(count))
    assert max(at - next(kept) for at in times) <= times[-1] / 2000
