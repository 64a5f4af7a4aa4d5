"""Measuring: a case and its limit in turns, each in a process of its own, and the medians of both.

The machine's speed drifts, so a figure alone says little. A ratio of two medians measured in turns does.
"""

import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .peers.known import ORIGINAL, PEERS

ROUNDS = 5
ROOT = Path(__file__).parents[2]


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
    return _printed(sys.executable, "-m", "tests.bench.one", case, role, str(count))


def peer_seconds(name: str, case: str, count: int, original: str) -> float:
    """The same of a peer.

    Args:
        name: of the peer.
        case: what it does.
        count: how many items.
        original: the interpreter that has the earlier miniagents; it has our name, so it comes first.
    """
    if name != ORIGINAL:
        return _printed(sys.executable, "-m", "tests.bench.peers", name, case, str(count))
    code = (
        "import miniagents, runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
        "runpy.run_module('tests.bench.peers', run_name='__main__')"
    )
    return _printed(original, "-I", "-c", code, str(ROOT), name, case, str(count))


def _printed(*command: str) -> float:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode:
        msg = f"{' '.join(command)} failed:\n{done.stderr}"
        raise RuntimeError(msg)
    return float(done.stdout)


def measure(case: str, count: int, target: float, rounds: int = ROUNDS) -> Measured:
    """Alternate between the limit and the case and take the medians."""
    limits: list[float] = []
    ours: list[float] = []
    for _ in range(rounds):
        limits.append(seconds(case, "limit", count))
        ours.append(seconds(case, "ours", count))
    return Measured(case, statistics.median(limits), statistics.median(ours), count, target)


def measure_peer(name: str, case: str, count: int, original: str, rounds: int = ROUNDS) -> float:
    """How many times the limit a peer takes for an item, both measured in turns.

    Args:
        name: of the peer.
        case: what it does.
        count: items of a full run of ours; a peer works off its share of them.
        original: the interpreter that has the earlier miniagents.
        rounds: of which the medians are taken.
    """
    share = max(1, int(count * PEERS[name].share))
    limits: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds):
        limits.append(seconds(case, "limit", count) / count)
        theirs.append(peer_seconds(name, case, share, original) / share)
    return statistics.median(theirs) / statistics.median(limits)
