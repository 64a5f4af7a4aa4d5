"""Remove one safeguard after the other; the number of those that no test missed is the exit code."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.safeguards.lab import Lab
from tests.safeguards.removals import REMOVALS, Removal

_ALL = 1800.0  # seconds, of all tests together without anything removed


def main(words: Sequence[str] | None = None) -> int:
    """Try those that are chosen."""
    parser = argparse.ArgumentParser(prog="python -m tests.safeguards", description="Remove safeguards.")
    parser.add_argument("words", nargs="*", help="only safeguards whose sentence has one of these")
    parser.add_argument("--list", action="store_true", help="show the table, and try nothing")
    given = parser.parse_args(words)
    asked: list[str] = given.words
    chosen = [each for each in REMOVALS if not asked or any(word in each.safeguard.split() for word in asked)]
    if not chosen:
        parser.error(f"no sentence of a safeguard has one of the words {', '.join(asked)}; see --list")
    if given.list:
        _say(table(chosen))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder))
        if lab.is_red(sorted({each.test for each in chosen}), seconds=_ALL):
            _say(f"A test is red although nothing was removed:\n{lab.said}")
            return 1
        unmissed = [each for each in chosen if not _try(lab, each)]
    _say(f"{len(chosen)} safeguards were removed, {len(unmissed)} of them without a test that noticed.")
    return len(unmissed)


def table(removals: Sequence[Removal]) -> str:
    """The safeguards as a table in Markdown."""
    rows = [f"| {each.safeguard} | `{each.file}` | `tests/{each.test}` |" for each in removals]
    return "\n".join(["| safeguard | where | test |", "|---|---|---|", *rows])


def _try(lab: Lab, removal: Removal) -> bool:
    noticed = lab.is_red_without(removal)
    _say(f"{'red  ' if noticed else 'GREEN'} without: {removal.safeguard}")
    return noticed


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
