"""`python -m tests.bench S1 S4` measures two cases, and prints tables of the results."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from .cases import CASES
from .growth import SERIES, measured, rows
from .measure import PEER_ROUNDS, ROUNDS, Measured, measure, measure_peer
from .memory import KEPT, each, kept_rows
from .peers.known import ORIGINAL, PEERS
from .plot import draw
from .report import HEAD, Ratios, Report, peer_rows

NO_PEERS: Ratios = MappingProxyType({})
NOTES = Path(__file__).with_name("NOTES.md")


def arguments() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"what to measure: any of {', '.join(CASES)} (default: all)"
    )
    parser.add_argument(
        "--small", action="store_true", help="use small sizes and one round, to check that all cases run"
    )
    parser.add_argument(
        "--peers", action="store_true", help="also measure the libraries of `pip install -e '.[bench]'`"
    )
    parser.add_argument(
        "--original",
        default="",
        metavar="PYTHON",
        help="an interpreter that has miniagents 0.0.35, to measure it as one more peer",
    )
    parser.add_argument(
        "--write",
        type=Path,
        metavar="FOLDER",
        help="also measure growth and memory, and write RESULTS.md and results.svg to FOLDER",
    )
    return parser


def ours(names: list[str], *, small: bool) -> Iterator[Measured]:
    """The cases, one after the other."""
    for name in names:
        yield measure(name, small=small, rounds=1 if small else ROUNDS)


def theirs(names: list[str], original: str, *, small: bool) -> Ratios:
    """What those peers that are installed take."""
    known = [name for name, peer in PEERS.items() if (original if name == ORIGINAL else peer.version)]
    found: dict[str, dict[str, float]] = {}
    for name in known:
        wanted = [case for case in PEERS[name].cases if case in names]
        found[name] = {
            case: measure_peer(
                name,
                case,
                CASES[case].small if small else CASES[case].count,
                original,
                rounds=1 if small else PEER_ROUNDS,
            )
            for case in wanted
        }
    return found


def main() -> None:
    """Measure what was asked for, print it, write it."""
    wanted = arguments().parse_args()
    names = wanted.cases or list(CASES)
    print("\n".join(HEAD))  # noqa: T201
    cases: list[Measured] = []
    for found in ours(names, small=wanted.small):
        print(found.row, flush=True)  # noqa: T201
        cases.append(found)
    peers: Ratios = NO_PEERS
    if wanted.peers:
        peers = theirs(names, wanted.original, small=wanted.small)
    if peers:
        print("\n".join(["", *peer_rows(cases, peers)]))  # noqa: T201
    if wanted.write is None:
        return
    sizes = {name: (series.small,) if wanted.small else series.sizes for name, series in SERIES.items()}
    growth = {name: {size: measured(name, size) for size in sizes[name]} for name in SERIES}
    memory = {name: each(name, 100 if wanted.small else kept.count) for name, kept in KEPT.items()}
    notes = NOTES.read_text(encoding="utf-8") if NOTES.exists() else ""
    report = Report(cases, peers, rows(growth), kept_rows(memory), notes)
    wanted.write.mkdir(parents=True, exist_ok=True)
    draw(cases, peers, growth, wanted.write / "results.svg")
    (wanted.write / "RESULTS.md").write_text(report.text, encoding="utf-8")
    print(f"written to {wanted.write}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
