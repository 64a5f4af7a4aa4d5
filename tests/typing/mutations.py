"""Wrong types that the corpus must notice: each is put into a copy of the package, and mypy must go red.

    python -m tests.typing.mutations                   all of them, with mypy: a minute
    python -m tests.typing.mutations --pyright         with pyright, which takes ten times as long
    python -m tests.typing.mutations fork inquire      those whose sentence has one of these words
    python -m tests.typing.mutations --some            those that the gate tries

Only what is reported in the corpus counts; that the package itself does not check any more is not enough.
A text that is to be replaced must stand in its file exactly once: if it changes there, change it here too.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.typing.checkers import PYRIGHT, ROOT, Found, corpus, settings
from tests.typing.mistakes import MUTATIONS, SOME, Mutation

CORPUS_FOLDER = "tests/typing/"
PACKAGE = Path("miniagents")


class Lab:
    """A copy of the package and the corpus, to put mistakes into.

    Args:
        folder: where; empty.
        pyright: whether to check with that instead of mypy.
    """

    def __init__(self, folder: Path, *, pyright: bool = False) -> None:
        self._folder = folder.resolve()
        self._pyright = pyright
        self._cache: Path | None = None
        for name in ("miniagents", "tests/typing"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        folder.joinpath("mypy.ini").write_text(settings(), encoding="utf-8")

    def complaints(self) -> list[str]:
        """What the checker reports in the corpus."""
        said = self._pyright_says() if self._pyright else self._mypy_says()
        lines = [line.removeprefix(f"{self._folder}/") for line in said]
        return [line for line in lines if line.startswith(CORPUS_FOLDER) and ": error: " in line]

    def complaints_with(self, mutation: Mutation) -> list[str]:
        """What it reports with a mistake in the package."""
        file = self._folder / PACKAGE / mutation.file
        text, then = file.read_text(encoding="utf-8"), file.stat().st_mtime
        file.write_text(mutation.applied(text), encoding="utf-8")
        try:
            return self.complaints()
        finally:
            file.write_text(text, encoding="utf-8")
            os.utime(file, (then, then))

    def _mypy_says(self) -> list[str]:
        """Check with what is known of the package without a mistake; only the first time that is nothing."""
        used = self._folder / "used"
        if self._cache is not None:
            shutil.rmtree(used, ignore_errors=True)
            shutil.copytree(self._cache, used)
        said = self._run("mypy", f"--cache-dir={used}", *corpus())
        if self._cache is None:
            self._cache = Path(shutil.move(used, self._folder / "known"))
        return said.splitlines()

    def _pyright_says(self) -> Sequence[str]:
        return Found.read(self._run("pyright", *PYRIGHT)).complaints

    def _run(self, *command: str) -> str:
        environment = {name: value for name, value in os.environ.items() if name != "MYPYPATH"}
        done = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-m", *command],
            cwd=self._folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in {0, 1}:
            raise RuntimeError(f"The checker came to no end: {done.stdout}{done.stderr}")
        return done.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Put in one mistake after the other; the number of those that nothing noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.typing.mutations", description="Mutate the types.")
    parser.add_argument("words", nargs="*", help="only mutations whose sentence has one of these")
    parser.add_argument("--some", action="store_true", help="only those that the gate tries")
    parser.add_argument("--pyright", action="store_true", help="check with pyright instead of mypy")
    given = parser.parse_args(arguments)
    words: Sequence[str] = given.words
    chosen = [
        mutation
        for mutation in (SOME if given.some else MUTATIONS)
        if not words or any(word in mutation.says for word in words)
    ]
    unnoticed = 0
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder), pyright=given.pyright)
        if found := lab.complaints():
            _say("\n  ".join(["The corpus is red without any mutation:", *found]))
            return 1
        for mutation in chosen:
            complaints = lab.complaints_with(mutation)
            unnoticed += not complaints
            _say(f"{len(complaints):4} complaints if {mutation.says}")
    _say(f"{unnoticed} of {len(chosen)} mutations were not noticed.")
    return unnoticed


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
