"""The type checkers at work, and what is given to them."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCRIPTS = frozenset({"anys", "checkers", "conftest", "mistakes", "mutations"})
TIMEOUT = 120  # seconds; on a quiet machine all of them together take 12


@dataclass(frozen=True)
class Checker:
    """A checker at work, and the file that its words go to."""

    process: subprocess.Popen[bytes]
    output: Path

    def done(self) -> tuple[int, str]:
        """Wait for its end; return its exit code and what it said."""
        return self.process.wait(timeout=TIMEOUT), self.output.read_text(encoding="utf-8")


def files() -> list[str]:
    """Everything here."""
    return sorted(str(file.relative_to(ROOT)) for file in HERE.glob("*.py"))


def corpus() -> list[str]:
    """The files that are only checked and never run: all but tests and `SCRIPTS`."""
    stems = {file: Path(file).stem for file in files()}
    return [file for file, stem in stems.items() if not stem.startswith("test_") and stem not in SCRIPTS]


def start(command: list[str], output: Path) -> Checker:
    """Start a module of Python in the root of the project."""
    # A cache for each, not in the tree. `--verifytypes` takes no interpreter but the first one of the path.
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = os.environ | {"MYPY_CACHE_DIR": str(output.with_suffix("")), "PATH": programs}
    with output.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-m", *command], cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
    return Checker(process, output)
