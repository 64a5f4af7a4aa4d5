"""Measuring: a case and its limit in turns, each in a process of its own.

The machine's speed drifts, so a figure alone says little, and so does a ratio of figures of other minutes.
Each round gives the ratio of two neighbours; what counts is the median of these.
"""

import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .cases import CASES
from .peers.known import ORIGINAL, PEERS

ROUNDS = 9
PEER_ROUNDS = 5
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out of one case.

    Attributes:
        name: of the case.
        rounds: of each, the seconds of the limit and those of the case.
        count: how many items both worked off.
        target: what the ratio must not exceed.
        in_us: the target is no ratio but so many microseconds an item.
        added: the target is so many microseconds an item that ours may take more than the limit.
    """

    name: str
    rounds: Sequence[tuple[float, float]]
    count: int
    target: float
    in_us: bool = False
    added: bool = False

    @property
    def ratio(self) -> float:
        """Ours over the limit: the median of the rounds."""
        return statistics.median(self._ratios)

    @property
    def _ratios(self) -> list[float]:
        return [ours / limit for limit, ours in self.rounds]

    @property
    def target_ratio(self) -> float:
        """The target as a ratio, also where it is microseconds."""
        if self.added:
            return 1 + self.target / self._microseconds[0]
        return self.target / self._microseconds[0] if self.in_us else self.target

    @property
    def holds(self) -> bool:
        """Whether the target is reached."""
        if self.added:
            more = statistics.median(ours - limit for limit, ours in self.rounds)
            return more * 1e6 / self.count <= self.target
        return (self._microseconds[1] if self.in_us else self.ratio) <= self.target

    @property
    def _microseconds(self) -> tuple[float, float]:
        """Those of the limit and ours for an item: medians of their own."""
        limit, ours = (statistics.median(each) * 1e6 / self.count for each in zip(*self.rounds, strict=True))
        return limit, ours

    @property
    def row(self) -> str:
        """One line of a Markdown table; seconds become microseconds an item."""
        limit, ours = self._microseconds
        target = f"{'+' if self.added else ''}{self.target:g}{' µs' if self.in_us or self.added else ''}"
        return (
            f"| {self.name} | {limit:.3f} | {ours:.3f} | {self.ratio:.2f} | {self._middle} "
            f"| {target} | {'holds' if self.holds else 'missed'} |"
        )

    @property
    def _middle(self) -> str:
        """Between which ratios the middle half of the rounds is: how much the machine swayed."""
        if len(self.rounds) == 1:
            return f"{self.ratio:.2f}"
        low, _, high = statistics.quantiles(self._ratios, n=4, method="inclusive")
        return f"{low:.2f} to {high:.2f}"


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


def measure(name: str, *, small: bool = False, rounds: int = ROUNDS) -> Measured:
    """Alternate between the limit and the case.

    Args:
        name: of the case.
        small: at the size of a check that it runs.
        rounds: how often.
    """
    case = CASES[name]
    count = case.small if small else case.count
    taken = [(seconds(name, "limit", count), seconds(name, "ours", count)) for _ in range(rounds)]
    return Measured(name, taken, count, case.target, in_us=case.in_us, added=case.added)


def measure_peer(name: str, case: str, count: int, original: str, rounds: int = PEER_ROUNDS) -> float:
    """How many times the limit a peer takes for an item, both measured in turns.

    Args:
        name: of the peer.
        case: what it does.
        count: items of a full run of ours; a peer works off its share of them.
        original: the interpreter that has the earlier miniagents.
        rounds: of which the median is taken.
    """
    share = max(1, int(count * PEERS[name].share_of(case)))
    ratios: list[float] = []
    for _ in range(rounds):
        limit = seconds(case, "limit", count) / count
        ratios.append(peer_seconds(name, case, share, original) / share / limit)
    return statistics.median(ratios)
