"""Pauses that grow with each failure; `test_retry.py` of the algebra has the policy that is made of them."""

import math
import random

import pytest

from miniagents.values import Backoff


def test_growth() -> None:
    """Each pause is `factor` times the one before, up to the longest one."""
    backoff = Backoff(delay=1.0, factor=3.0, max_delay=10.0, jitter=0.0)
    assert [1.0, 3.0, 9.0, 10.0, 10.0] == [backoff.pause(after) for after in range(1, 6)]


def test_first_pause_has_the_cap_too() -> None:
    """A first pause that is longer than the longest one is the longest one."""
    assert Backoff(delay=5.0, max_delay=2.0, jitter=0.0).pause(1) == 2.0


def test_jitter() -> None:
    """The jitter takes a part of the pause away, as much as chance says; by default chance is random."""
    assert Backoff(delay=8.0, jitter=0.5, chance=lambda: 0.25).pause(1) == 7.0
    random.seed(7)
    pauses = {Backoff(delay=8.0, jitter=0.5).pause(1) for _ in range(50)}
    assert len(pauses) > 1
    assert 4.0 <= min(pauses) <= max(pauses) <= 8.0


def test_many_failures() -> None:
    """After any number of failures the pause is the longest one, not an overflow."""
    assert Backoff(jitter=0.0).pause(100_000) == 30.0


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"delay": -1.0}, r"Backoff\(delay=-1.0\): it must be at least 0\."),
        ({"delay": math.nan}, "delay=nan"),
        ({"factor": 0.5}, r"factor=0.5\): it must be at least 1\."),
        ({"max_delay": -0.1}, "max_delay=-0.1"),
        ({"jitter": 2.0}, r"jitter=2.0\): it must be at least 0 and at most 1\."),
    ],
)
def test_numbers_that_make_no_sense(wrong: dict[str, float], sentence: str) -> None:
    """A number that makes no sense is refused by its name."""
    with pytest.raises(ValueError, match=sentence):
        Backoff(**wrong)  # type: ignore[arg-type]
