"""What was measured, as Markdown for people."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .measure import PEER_ROUNDS, ROUNDS, Measured
from .peers.known import PEERS

Ratios = Mapping[str, Mapping[str, float]]
"""Of each peer and each case: how many times the limit it takes."""

METHOD = f"""All figures are CPU time for each item, measured in processes of their own. The limit is the
least time that the same work takes in this interpreter without a library (`cases.py`; below is
a list of what each case measures). A ratio is the time of the library, divided by the time of
the limit, in two runs that follow each other. The table has the median of {ROUNDS} such ratios
(of {PEER_ROUNDS} for peers); "middle half" is the range of the middle half of them. A target is
the highest ratio that is allowed. A target in µs is the highest time of the library; with a
plus, it is how much more time than the limit the library may take."""

HEAD = (
    "| case | limit, µs | ours, µs | ratio | middle half | target | result |",
    "|---|---|---|---|---|---|---|",
)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything of one run.

    Attributes:
        cases: ours against the limits.
        peers: theirs.
        growth: lines of its table.
        memory: lines of its table.
        notes: what a reader has to know, as Markdown.
    """

    cases: Sequence[Measured]
    peers: Ratios
    growth: Sequence[str]
    memory: Sequence[str]
    notes: str

    @property
    def text(self) -> str:
        """The page."""
        peers = ["## Peers, as ratios to the same limit", "\n".join(peer_rows(self.cases, self.peers))]
        parts = [
            "# How fast it is",
            machine(),
            METHOD,
            "![The ratio of each case to its limit, and how the cost of an item grows](results.svg)",
            "## Against the limit",
            "\n".join([*HEAD, *(case.row for case in self.cases)]),
            *(peers if self.peers else ()),
            "## How cost grows",
            "\n".join(self.growth),
            "## What is kept",
            "\n".join(self.memory),
            self.notes.strip(),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"


def peer_rows(cases: Sequence[Measured], peers: Ratios) -> list[str]:
    """A table with a column for ours and for each peer."""
    names = list(peers)
    rows = [f"| case | ours | {' | '.join(names)} |", f"|---|---|{'---|' * len(names)}"]
    for case in cases:
        theirs = [peers[name].get(case.name) for name in names]
        if any(theirs):
            cells = ["" if ratio is None else f"{ratio:.1f}" for ratio in theirs]
            rows.append(f"| {case.name} | **{case.ratio:.2f}** | {' | '.join(cells)} |")
    return rows


def machine() -> str:
    """The processor, the interpreter, and the versions that matter."""
    versions = [(name, _version(name)) for name in ("reactivex", "pydantic")]
    versions += [(peer.package, peer.version) for name, peer in PEERS.items() if name != "reactivex"]
    known = ", ".join(f"{name} {version}" for name, version in versions if version and name != "miniagents")
    return (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()}, "
        f"{os.cpu_count()} cores ({_processor()}). {known}."
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
