"""One case of one peer, once: `python -m tests.bench.peers aiostream S1 10000` prints the CPU seconds."""

import sys

from .known import PEERS

if __name__ == "__main__":
    name, case, count = sys.argv[1:]
    print(PEERS[name].roles()[case](int(count)))  # noqa: T201 - this is its output
