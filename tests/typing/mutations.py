"""Wrong types that the corpus must notice: each is put into a copy of the package, and mypy must go red.

    python -m tests.typing.mutations                   all of them, with mypy: half a minute
    python -m tests.typing.mutations --pyright         with pyright, which takes some minutes
    python -m tests.typing.mutations fork inquire      those whose sentence has one of these words

Only what is reported in the corpus counts; that the package itself does not check any more is not enough.
A text that is to be replaced must stand in its file exactly once: whoever changes it changes it here too.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from tests.typing.checkers import ROOT, corpus
from tests.typing.mistakes import MUTATIONS, Mutation

CORPUS_FOLDER = "tests/typing/"
PACKAGE = Path("miniagents")


class Lab:
    """A copy of the package and the corpus, to put mistakes into.

    Args:
        folder: where; empty.
        checker: `mypy` or `pyright`.
        files: what is checked; the whole corpus by default.
    """

    def __init__(self, folder: Path, checker: str, files: Sequence[str] = ()) -> None:
        self._folder = folder
        self._files = files or corpus()
        self._command = {
            "mypy": ["mypy", f"--cache-dir={folder / 'cache'}"],
            "pyright": ["pyright", f"--pythonpath={sys.executable}"],
        }[checker]
        self._ages = count(1)
        for name in ("miniagents", "tests/typing"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("mypy.ini", "pyproject.toml"):
            shutil.copy(ROOT / name, folder / name)

    def complaints(self) -> list[str]:
        """What the checker reports in the corpus."""
        command = [sys.executable, "-m", *self._command, *self._files]
        environment = {name: value for name, value in os.environ.items() if name != "MYPYPATH"}
        done = subprocess.run(  # noqa: S603 - our own words
            command, cwd=self._folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode not in {0, 1}:
            raise RuntimeError(f"The checker came to no end: {done.stdout}{done.stderr}")
        lines = (line.strip().removeprefix(f"{self._folder.resolve()}/") for line in done.stdout.splitlines())
        return [line for line in lines if line.startswith(CORPUS_FOLDER) and "error" in line]

    def complaints_with(self, mutation: Mutation) -> list[str]:
        """What it reports with a mistake in the package."""
        file = self._folder / PACKAGE / mutation.file
        text = file.read_text(encoding="utf-8")
        self._write(file, mutation.applied(text))
        try:
            return self.complaints()
        finally:
            self._write(file, text)

    def _write(self, file: Path, text: str) -> None:
        file.write_text(text, encoding="utf-8")
        # Two texts of one size within one second would be one to mypy.
        age = file.stat().st_mtime + next(self._ages)
        os.utime(file, (age, age))


def main(words: Sequence[str] | None = None) -> int:
    """Put in one mistake after the other; the number of those that nothing noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.typing.mutations", description="Mutate the types.")
    parser.add_argument("words", nargs="*", help="only mutations whose sentence has one of these")
    parser.add_argument("--pyright", action="store_true", help="check with pyright instead of mypy")
    given = parser.parse_args(words)
    chosen: Sequence[str] = given.words
    checker = "pyright" if given.pyright else "mypy"
    unnoticed = 0
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder), checker)
        if found := lab.complaints():
            _say("\n  ".join(["The corpus is red without any mutation:", *found]))
            return 1
        for mutation in MUTATIONS:
            if chosen and not any(word in mutation.says for word in chosen):
                continue
            complaints = lab.complaints_with(mutation)
            unnoticed += not complaints
            _say(f"{len(complaints):4} complaints if {mutation.says}")
    _say(f"{unnoticed} mutations were not noticed by {checker}.")
    return unnoticed


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
