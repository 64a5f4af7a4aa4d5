"""A copy of the package and its tests, to remove safeguards from."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Final

from tests.safeguards.removals import Removal

__all__ = ["PACKAGE", "ROOT", "Lab"]

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "miniagents"
_HANGS_AFTER: Final = 120.0  # seconds; a test that hangs has noticed, too
_RED: Final = 1  # of pytest: some tests failed


class Lab:
    """A copy.

    Args:
        folder: where; empty.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ages = count(1)
        for name in ("miniagents", "tests"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)

    def is_red(self, tests: Sequence[str], *, seconds: float = _HANGS_AFTER) -> bool:
        """Whether one of these tests fails, or hangs.

        Args:
            tests: nodes of pytest, below `tests`.
            seconds: after which they hang.

        Raises:
            RuntimeError: they could not be run.
        """
        command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider"]
        command += ["--tb=native"]  # the others parse the source, which Python 3.11 fails at now and then
        command += [f"tests/{test}" for test in tests]
        environment = {**os.environ, "HYPOTHESIS_PROFILE": "few"}
        try:
            done = subprocess.run(  # noqa: S603 - our own words
                command,
                cwd=self._folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired as late:
            self.said = f"It took more than {seconds:g} s.\n{late.stdout!r}"
            return True
        if done.returncode not in {0, _RED}:
            raise RuntimeError(f"The tests could not be run: {done.stdout}{done.stderr}")
        self.said = done.stdout
        return done.returncode == _RED

    def is_red_without(self, removal: Removal) -> bool:
        """Whether the test of a safeguard notices that it is gone."""
        file = self._folder / "miniagents" / removal.file
        text = file.read_text(encoding="utf-8")
        self._write(file, removal.applied(text))
        try:
            return self.is_red([removal.test])
        finally:
            self._write(file, text)

    def _write(self, file: Path, text: str) -> None:
        file.write_text(text, encoding="utf-8")
        # Byte code of a text of the same size within the same second would be taken for its own.
        age = file.stat().st_mtime + next(self._ages)
        os.utime(file, (age, age))
