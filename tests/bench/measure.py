"""Measuring: a case and its limit in turns, each in a process of its own, and the medians of both.

The machine's speed drifts, so a figure alone says little. A ratio of two medians measured in turns does.
"""

import statistics
import subprocess
import sys
from dataclasses import dataclass

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out of one case.

    Attributes:
        name: of the case.
        limit: median seconds of the limit.
        ours: median seconds of the case.
        count: how many items both worked off.
        target: what the ratio must not exceed.
    """

    name: str
    limit: float
    ours: float
    count: int
    target: float

    @property
    def ratio(self) -> float:
        """Ours over the limit."""
        return self.ours / self.limit

    @property
    def row(self) -> str:
        """One line of a Markdown table; seconds become microseconds an item."""
        verdict = "holds" if self.ratio <= self.target else "missed"
        each = 1e6 / self.count
        return (
            f"| {self.name} | {self.limit * each:.3f} | {self.ours * each:.3f} | {self.ratio:.2f} "
            f"| {self.target:g} | {verdict} |"
        )


def seconds(case: str, role: str, count: int) -> float:
    """Run one role (``limit`` or ``ours``) of a case once, in a new interpreter; the seconds that it took."""
    done = subprocess.run(  # noqa: S603 - our own module, by name
        [sys.executable, "-m", "tests.bench.one", case, role, str(count)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def measure(case: str, count: int, target: float, rounds: int = ROUNDS) -> Measured:
    """Alternate between the limit and the case and take the medians."""
    limits: list[float] = []
    ours: list[float] = []
    for _ in range(rounds):
        limits.append(seconds(case, "limit", count))
        ours.append(seconds(case, "ours", count))
    return Measured(case, statistics.median(limits), statistics.median(ours), count, target)
