"""How long mypy takes for a program of six hundred lines, with our stubs of reactivex and without.

    python -m tests.typing.times            with all else in mypy's cache, as while one works on it
    python -m tests.typing.times --cold     with an empty cache, which takes some minutes

Both are run in turns, and the medians of five are told.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.typing.checkers import HERE, ROOT, settings

PROGRAM: Final = HERE / "program.py"
TIMES: Final = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure both; 1 if mypy is slower with the stubs, by more than chance."""
    parser = argparse.ArgumentParser(prog="python -m tests.typing.times", description="The time of mypy.")
    parser.add_argument("--cold", action="store_true", help="with an empty cache")
    cold: bool = parser.parse_args(arguments).cold
    with tempfile.TemporaryDirectory() as scratch:
        pythons = {
            "with stubs": _environment(Path(scratch) / "with", ROOT, ROOT / "stubs"),
            "without": _environment(Path(scratch) / "without", ROOT),
        }
        seconds: dict[str, list[float]] = {name: [] for name in pythons}
        errors: dict[str, int] = {}
        for turn in range(-1, TIMES):  # the first one fills the caches
            for name, python in pythons.items():
                took, errors[name] = _checked(python, turn, cold=cold)
                if turn >= 0:
                    seconds[name].append(took)
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    for name, taken in seconds.items():
        all_of_them = ", ".join(f"{each:.2f}" for each in taken)
        sys.stdout.write(f"{name}: {medians[name]:.2f} s (median of {all_of_them}), {errors[name]} errors\n")
    return int(medians["with stubs"] > 1.1 * medians["without"])


def _environment(folder: Path, *paths: Path) -> Path:
    """An interpreter that finds these folders, and what our own environment has installed."""
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/*/site-packages")
    # What this path file names is not searched for path files: our editable install, and its stubs, stay out.
    lines = [*map(str, paths), sysconfig.get_path("purelib")]
    (packages / "paths.pth").write_text("\n".join(lines), encoding="utf-8")
    (folder / "mypy.ini").write_text(settings(), encoding="utf-8")
    return folder / "bin" / "python"


def _checked(python: Path, turn: int, *, cold: bool) -> tuple[float, int]:
    """How long a check takes of the program, with a line that is new; and the number of errors."""
    folder = python.parents[1]
    if cold:
        shutil.rmtree(folder / "cache", ignore_errors=True)
    text = PROGRAM.read_text(encoding="utf-8")
    (folder / "program.py").write_text(f"{text}\n# {'.' * (turn + 2)}\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "mypy",
        f"--python-executable={python}",
        "--cache-dir=cache",
        "program.py",
    ]
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own words
        command, cwd=folder, capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - started
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"mypy came to no end: {done.stdout}{done.stderr}")
    return took, done.stdout.count(": error: ")


if __name__ == "__main__":
    sys.exit(main())
