"""Nothing depends on which of several tasks goes first: the tests of the core hold in any order.

python -m tests.laws.orders             in one order: what the gate does
python -m tests.laws.orders 50          in fifty; the number of those in which a test was red is the exit code

What is there to measure amounts needs no order, and of each property a few examples are enough.
`pytest --loop-seed 7 tests/agents` runs tests in the order of a seed; one test alone has the same order.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
TESTS: Final = ("tests/streams", "tests/messages", "tests/agents")
CHOSEN: Final = "not gate and not loop(debug=False)"


def is_green(seed: int, tests: Sequence[str] = TESTS, folder: Path = ROOT) -> bool:
    """Whether the tests are green, and quiet, in the order of a seed.

    Args:
        seed: what decides the order.
        tests: files or folders.
        folder: where they are.
    """
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=short"]
    command += ["--loop-seed", str(seed), "-m", CHOSEN, *tests]
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "few"}
    done = subprocess.run(command, cwd=folder, env=environment, stderr=subprocess.PIPE, check=False)  # noqa: S603
    sys.stderr.buffer.write(done.stderr)
    return done.returncode == 0 and not done.stderr


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests in as many orders as are asked for; the number of red ones."""
    parser = argparse.ArgumentParser(prog="python -m tests.laws.orders", description="Shuffle the tasks.")
    parser.add_argument("count", nargs="?", type=int, default=1, help="how many orders (default: 1)")
    count: int = parser.parse_args(arguments).count
    red = [seed for seed in range(1, count + 1) if not is_green(seed)]
    sys.stdout.write(f"{count} orders, {len(red)} of them red{': --loop-seed ' if red else ''}")
    sys.stdout.write(", ".join(map(str, red)) + "\n")
    return len(red)


if __name__ == "__main__":
    sys.exit(main())
