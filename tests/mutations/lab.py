"""A copy of the package and its tests, to take something away from."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutations.mutants import Mutant

__all__ = ["Lab", "Outcome"]

_GREEN, _RED, _INTERRUPTED = 0, 1, 2  # of pytest; a module that cannot be imported interrupts it
_TIMES_AS_LONG: Final = 4.0
_AT_LEAST: Final = 30.0  # seconds
_FOLDERS: Final = ("miniagents", "tests", "docs", "examples", "stubs", ".ci")  # tests read all of them


@dataclass(frozen=True, slots=True)
class Outcome:
    """What tests said: whether one was red, or hung; and their words."""

    red: bool
    said: str


class Lab:
    """A copy.

    Args:
        root: what is copied: the package, its tests, and the pages, programs and settings that tests read.
        folder: where to; empty.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self._folder = folder
        for name in _FOLDERS:
            if (root / name).is_dir():
                shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for file in root.iterdir():
            if file.is_file() and not file.name.startswith("."):
                shutil.copy(file, folder)

    def seconds(self, tests: Sequence[str]) -> float:
        """How long tests take while nothing is missing.

        Raises:
            RuntimeError: one of them is red.
        """
        start = time.monotonic()
        outcome = self.run(tests, seconds=1800)
        if outcome.red:
            raise RuntimeError(f"A test is red although nothing was taken away:\n{outcome.said}")
        return time.monotonic() - start

    def is_noticed(self, mutant: Mutant, tests: Sequence[str], seconds: float) -> bool:
        """Whether one of the tests is red for a mutant, or takes much longer.

        Args:
            mutant: what is tried.
            tests: files or folders.
            seconds: how long they take while nothing is missing.
        """
        file = self._folder / mutant.file
        text = file.read_text(encoding="utf-8")
        file.write_text(mutant.text, encoding="utf-8")
        try:
            return self.run(tests, seconds=max(_AT_LEAST, _TIMES_AS_LONG * seconds)).red
        finally:
            file.write_text(text, encoding="utf-8")

    def run(self, tests: Sequence[str], *, seconds: float) -> Outcome:
        """Run tests until one is red.

        Args:
            tests: files or folders.
            seconds: after which they hang.

        Raises:
            RuntimeError: they could not be run.
        """
        # No byte code: that of a text of the same size within the same second would be taken for its own.
        command = [sys.executable, "-B", "-m", "pytest", "-x", "-n0", "-p", "no:cacheprovider"]
        command += ["-p", "no:miniagents"]  # the plugin that is installed is not that of the copy
        command += ["--tb=native"]  # the others parse the source, which Python 3.11 fails at now and then
        environment = {
            **os.environ,
            "HYPOTHESIS_PROFILE": "few",
            "PYTHONPATH": str(self._folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        try:
            done = subprocess.run(  # noqa: S603 - our own words
                [*command, *tests],
                cwd=self._folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired as late:
            return Outcome(red=True, said=f"They took more than {seconds:g} s: {late.stdout!r}")
        if done.returncode not in {_GREEN, _RED, _INTERRUPTED}:
            raise RuntimeError(f"The tests could not be run: {done.stdout}{done.stderr}")
        return Outcome(red=done.returncode != _GREEN, said=done.stdout)
