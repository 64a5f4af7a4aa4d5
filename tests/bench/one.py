"""One role of one case, once: `python -m tests.bench.one S1 ours 100000` prints the seconds."""

import sys

from .cases import CASES

if __name__ == "__main__":
    case, role, count = sys.argv[1:]
    run = CASES[case].ours if role == "ours" else CASES[case].limit
    print(run(int(count)))  # noqa: T201 - this is its output
