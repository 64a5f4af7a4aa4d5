"""Exponential backoff: how long to wait before something that failed is tried again.

This module only calculates. The callers decide who waits, and after which errors.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Pauses that grow with each failure, up to a longest one.

    The pause after the first failure is ``delay``; each further one is ``factor`` times as long, at most
    ``max_delay``. ``jitter`` is the random share of a pause, so that clients that failed together do not all
    retry at the same moment.

    Attributes:
        delay: the first pause, in seconds.
        factor: each further pause is this many times as long as the one before.
        max_delay: the longest pause, in seconds.
        jitter: from 0 (the pause is exact) to 1 (it is random, down to 0 seconds).
        chance: a function that returns random numbers from 0 to 1, for the jitter.

    Raises:
        ValueError: a number is out of its range; the text names it.
        TypeError: it is no number.

    Example:
        >>> backoff = Backoff(delay=1.0, max_delay=5.0, jitter=0.0)
        >>> [backoff.pause(after) for after in (1, 2, 3, 4)]
        [1.0, 2.0, 4.0, 5.0]
    """

    delay: float = 0.5
    factor: float = 2.0
    max_delay: float = 30.0
    jitter: float = 0.5
    chance: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        """Check the numbers."""
        self._check("delay", self.delay)
        self._check("factor", self.factor, least=1)
        self._check("max_delay", self.max_delay)
        self._check("jitter", self.jitter, most=1)

    def _check(self, name: str, value: float, *, least: int = 0, most: int | None = None) -> None:
        """Refuse what is no number, and a number that is out of its range."""
        if isinstance(value, bool) or not isinstance(cast("object", value), int | float):
            raise TypeError(f"{type(self).__name__}({name}={value!r}): it must be a number.")
        if not (value >= least and (most is None or value <= most)):  # NaN is not right either
            upper = "" if most is None else f" and at most {most}"
            raise ValueError(f"{type(self).__name__}({name}={value}): it must be at least {least}{upper}.")

    def pause(self, after: int) -> float:
        """How long to wait after an attempt, in seconds.

        Args:
            after: the number of the attempt that failed; the first is 1.
        """
        # Not `factor ** after` alone: after many attempts that is more than a float can hold.
        longest = self.delay
        for _ in range(1, after):
            longest = min(longest * self.factor, self.max_delay)
        return min(longest, self.max_delay) * (1 - self.jitter * self.chance())
