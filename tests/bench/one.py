"""One role of one case, once: `python -m tests.bench.one S1 ours 100000` prints the seconds.

A small one comes before it, so that what a program makes once (pydantic's validators, caches of the
interpreter) is no part of the figure; what it costs to begin is S7.
"""

import sys

from .cases import CASES

if __name__ == "__main__":
    case, role, count = sys.argv[1:]
    run = CASES[case].ours if role == "ours" else CASES[case].limit
    run(CASES[case].small)
    print(run(int(count)))  # noqa: T201 - this is its output
