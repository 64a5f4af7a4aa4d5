"""Run the tests in development mode; red if one of them is, or if anything is written to stderr."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["main", "run"]

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
# As `-X dev -W error` does, but for the workers of pytest-xdist, too, and without the checks of memory: they
# look for mistakes in C, of which there is none here, and take a fifth of the time.
SETTINGS = {
    "PYTHONDEVMODE": "1",
    "PYTHONMALLOC": "default",
    "PYTHONWARNINGS": "error",
    "PYTHONASYNCIODEBUG": "1",
}


def main() -> int:
    """Run what the command line says."""
    return run(sys.argv[1:])


def run(words: Sequence[str], folder: Path = ROOT, environment: Mapping[str, str] = os.environ) -> int:
    """Run pytest.

    Args:
        words: what pytest is told.
        folder: where.
        environment: of the process.

    Returns:
        0 if everything is green and nothing was written, not even outside of the tests.
    """
    done = subprocess.run(  # noqa: S603 - our own words
        [*COMMAND, "-p", "tests.quiet.written", *words],
        cwd=folder,
        env={**environment, **SETTINGS},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.stderr:
        sys.stdout.write(f"Outside of the tests there was written to stderr:\n{done.stderr}")
    return done.returncode or bool(done.stderr)


if __name__ == "__main__":
    sys.exit(main())
