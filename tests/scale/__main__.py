"""Run cases, each in a process of its own, and tell what they took."""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.scale.cases import CASES, Case

ROOT = Path(__file__).parents[2]


def main(words: Sequence[str] | None = None) -> int:
    """Run those that are chosen; the number of those that failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.scale", description="How much fits.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--small", action="store_true", help="at the size that the tests have")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # in this process
    given = parser.parse_args(words)
    names: list[str] = given.names or [*CASES]
    if given.here:
        sys.stdout.write(json.dumps(measured(CASES[names[0]], small=given.small)))
        return 0
    sys.stdout.write("| case | how many | seconds | MB | what |\n|---|---|---|---|---|\n")
    failed = 0
    for name in names:
        command = [sys.executable, "-m", "tests.scale", "--here", name, *(["--small"] if given.small else [])]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
        failed += done.returncode != 0
        sys.stdout.write(
            row(name, json.loads(done.stdout)) if not done.returncode else f"| {name} | failed |\n"
        )
        sys.stdout.flush()
    return failed


def measured(case: Case, *, small: bool) -> tuple[int, float, float, str | None]:
    """How many, in how many seconds, with how many MB more than before, and what else was measured."""
    count = case.small if small else case.full
    before, start = _megabytes(), time.perf_counter()
    found = asyncio.run(_run(case, count), debug=False)
    return count, time.perf_counter() - start, _megabytes() - before, found


async def _run(case: Case, count: int) -> str | None:
    return await case.run(count)


def row(name: str, figures: tuple[int, float, float, str | None]) -> str:
    """One line of the table."""
    count, seconds, megabytes, found = figures
    what = CASES[name].what + (f": {found}" if found else "")
    return f"| {name} | {count:,} | {seconds:.1f} | {megabytes:.0f} | {what} |\n"


def _megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    sys.exit(main())
