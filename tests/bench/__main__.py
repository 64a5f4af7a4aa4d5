"""`python -m tests.bench [S1 S4 ...]` prints a table; `--small` only checks that every case runs."""

import argparse
import platform

from .cases import CASES
from .measure import measure


def main() -> None:
    """Measure the cases that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"any of {', '.join(CASES)}; all without")
    parser.add_argument("--small", action="store_true", help="small sizes, one round: only that it runs")
    wanted = parser.parse_args()
    print(f"{platform.python_implementation()} {platform.python_version()}, medians in µs an item")  # noqa: T201
    print("| case | limit | ours | ratio | target | |\n|---|---|---|---|---|---|")  # noqa: T201
    for name in wanted.cases or CASES:
        case = CASES[name]
        count, rounds = (case.small, 1) if wanted.small else (case.count, 5)
        print(measure(name, count, case.target, rounds).row, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
