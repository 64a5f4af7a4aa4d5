"""One case of one peer, once: `python -m tests.bench.peers aiostream S1 10000` prints the CPU seconds.

A small one comes before it, as with ours.
"""

import sys

from .known import PEERS

_SMALL = 20

if __name__ == "__main__":
    name, case, count = sys.argv[1:]
    run = PEERS[name].roles()[case]
    run(_SMALL)
    print(run(int(count)))  # noqa: T201 - this is its output
