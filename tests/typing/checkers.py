"""The type checkers, and what is given to them."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCRIPTS = frozenset({"checkers", "others", "pipelines", "times"})
PYRIGHT = ("--project", "tests/typing", f"--pythonpath={sys.executable}", "--outputjson")
TIMEOUT = 300  # seconds

# The package has its own check. What only its modules are made with is not read: that halves the time.
_QUICK = """
[mypy-miniagents.*]
follow_imports = silent
[mypy-aiohttp.*,anthropic.*,jsonschema.*,openai.*,opentelemetry.*,prompt_toolkit.*,psycopg.*,pyarrow.*,ray.*,rich.*,uvicorn.*]
follow_imports = skip
"""


def settings() -> str:
    """The settings of mypy for the corpus: those of the project without pydantic's plugin."""
    return (ROOT / "mypy.ini").read_text(encoding="utf-8").replace("plugins = pydantic.mypy\n", "") + _QUICK


def files() -> list[str]:
    """Everything here."""
    return sorted(str(file.relative_to(ROOT)) for file in HERE.glob("*.py"))


def corpus() -> list[str]:
    """The files that are only checked and never run: all but tests and `SCRIPTS`."""
    stems = {file: Path(file).stem for file in files()}
    return [file for file, stem in stems.items() if not stem.startswith("test_") and stem not in SCRIPTS]


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended: its exit code, and what it said."""

    code: int
    out: str
    err: str


def run(*command: str) -> Done:
    """Run a module of Python with its arguments, in the folder of the project."""
    # `--verifytypes` takes no interpreter but the first one of the path.
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**os.environ, "PATH": programs, "MYPY_CACHE_DIR": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def mypy(folder: Path) -> Done:
    """Check the corpus with mypy.

    Args:
        folder: where its settings can be written.
    """
    config = folder / "mypy.ini"
    config.write_text(settings(), encoding="utf-8")
    return run("mypy", f"--config-file={config}", *corpus())


class _Place(TypedDict):
    line: int


class _Range(TypedDict):
    start: _Place


class _Diagnostic(TypedDict):
    file: str
    range: _Range
    severity: str
    message: str


class _Summary(TypedDict):
    filesAnalyzed: int


class _Report(TypedDict):
    generalDiagnostics: Sequence[_Diagnostic]
    summary: _Summary


@dataclass(frozen=True)
class Found:
    """What pyright found.

    Attributes:
        complaints: a line for each, with its file.
        files: how many it looked at.
    """

    complaints: Sequence[str]
    files: int

    @classmethod
    def read(cls, said: str) -> "Found":
        """Read its JSON.

        Raises:
            ValueError: there is none; the error tells what it said instead.
        """
        if not said.lstrip().startswith("{"):
            raise ValueError(f"Pyright came to no end: {said}")
        report: _Report = json.loads(said)
        lines = [
            f"{each['file']}:{each['range']['start']['line'] + 1}: {each['severity']}: {each['message']}"
            for each in report["generalDiagnostics"]
        ]
        return cls(lines, report["summary"]["filesAnalyzed"])
