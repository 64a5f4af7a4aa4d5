"""The type checkers, each a job beside the tests, and what is given to them."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from tests.support.beside import Job

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCRIPTS = frozenset({"anys", "checkers", "mistakes", "mutations"})
PYRIGHT = ("--project", "tests/typing", f"--pythonpath={sys.executable}", "--outputjson")
TIMEOUT = 120  # seconds
CACHE = "cache-of-mypy"

# The package has its own check. What only its rooms are made with is not read: that halves the time.
_QUICK = """
[mypy-miniagents.*]
follow_imports = silent
[mypy-prompt_toolkit.*,rich.*]
follow_imports = skip
"""


def settings(*, plugin: bool = False) -> str:
    """The settings of mypy for the corpus: those of the project, with pydantic's plugin or without."""
    ours = (ROOT / "mypy.ini").read_text(encoding="utf-8")
    return (ours.replace("[mypy]", "[mypy]\nplugins = pydantic.mypy", 1) if plugin else ours) + _QUICK


def files() -> list[str]:
    """Everything here."""
    return sorted(str(file.relative_to(ROOT)) for file in HERE.glob("*.py"))


def corpus() -> list[str]:
    """The files that are only checked and never run: all but tests and `SCRIPTS`."""
    stems = {file: Path(file).stem for file in files()}
    return [file for file, stem in stems.items() if not stem.startswith("test_") and stem not in SCRIPTS]


def _mypy(folder: Path, name: str, *options: str, plugin: bool = False) -> list[str]:
    config = folder / f"{name}.ini"
    config.write_text(settings(plugin=plugin), encoding="utf-8")
    return ["mypy", f"--config-file={config}", *options, *corpus()]


# `--verifytypes` takes no interpreter but the first one of the path.
_PROGRAMS = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
_ENVIRONMENT = {"PATH": _PROGRAMS, "MYPY_CACHE_DIR": os.devnull}

# The first one keeps a cache, for the mutations to begin with.
MYPY = Job("mypy", lambda folder: _mypy(folder, "mypy", f"--cache-dir={folder / CACHE}"), _ENVIRONMENT)
PLUGIN = Job("plugin", lambda folder: _mypy(folder, "plugin", plugin=True), _ENVIRONMENT)
ON_PYRIGHT = Job("pyright", lambda _: ["pyright", *PYRIGHT], _ENVIRONMENT)
STUBTEST = Job("stubtest", lambda _: ["mypy.stubtest", "reactivex", "--concise"], _ENVIRONMENT)
VERIFYTYPES = Job(
    "verifytypes",
    lambda _: ["pyright", "--verifytypes=miniagents", "--ignoreexternal", "--outputjson"],
    _ENVIRONMENT,
)
SOME_MUTATIONS = Job(
    "mutations",
    lambda folder: ["tests.typing.mutations", f"--cache={folder / CACHE}", "--some"],
    _ENVIRONMENT,
    after=MYPY,
)


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
