"""The partial stubs of reactivex, proven by both checkers on the corpus `rx_*.py`, which is never run.

The checkers are started at once and run beside each other; each test waits for one of them.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
import reactivex

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STUBS = ROOT / "stubs" / "reactivex-stubs"
CORPUS = sorted(str(file.relative_to(ROOT)) for file in HERE.glob("rx_*.py"))
AT_MOST_ALLOWED = 11


@dataclass(frozen=True)
class Checker:
    """A checker at work, and the file that its words go to."""

    process: subprocess.Popen[bytes]
    output: Path

    def done(self) -> tuple[int, str]:
        """Wait for its end; return its exit code and what it said."""
        return self.process.wait(timeout=60), self.output.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def checkers(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, Checker]]:
    """Start mypy without and with pydantic's plugin, pyright, and stubtest."""
    tmp = tmp_path_factory.mktemp("types")
    plain = (ROOT / "mypy.ini").read_text(encoding="utf-8")
    with_plugin = tmp / "plugin.ini"
    with_plugin.write_text(plain.replace("[mypy]", "[mypy]\nplugins = pydantic.mypy", 1), encoding="utf-8")
    commands = {
        "mypy": ["mypy", f"--cache-dir={tmp / 'plain'}", *CORPUS],
        "plugin": ["mypy", f"--config-file={with_plugin}", f"--cache-dir={tmp / 'plugin'}", *CORPUS],
        "pyright": ["pyright", f"--pythonpath={sys.executable}", *CORPUS],
        "stubtest": ["mypy.stubtest", "reactivex", "--concise"],
    }
    started = {name: _start(command, tmp / f"{name}.txt") for name, command in commands.items()}
    yield started
    for checker in started.values():
        checker.process.kill()
        checker.process.wait()


@pytest.mark.parametrize("name", ["mypy", "plugin", "pyright"])
def test_the_corpus_is_what_it_says(checkers: dict[str, Checker], name: str) -> None:
    """Every pipeline has the type that the corpus says, and every wrong program is refused."""
    code, said = checkers[name].done()
    assert 0 == code, said


def test_the_stubs_fit_what_is_installed(checkers: dict[str, Checker]) -> None:
    """In every module that has a stub, stubtest finds what is allowed, and nothing else."""
    _, said = checkers["stubtest"].done()
    assert "mypy build errors" not in said, said
    names = [line.split(" ", 1)[0] for line in said.splitlines()]
    found = {name for name in names if _module_of(name) in _stubbed()}
    allowed = _allowed()
    assert sorted(allowed) == sorted(found), said


def test_the_allowed_are_few_and_explained() -> None:
    """At most eleven names are allowed to differ, each with its reason on its line."""
    lines = [line for line in _allow_lines() if line.partition("  # ")[2]]
    assert len(_allow_lines()) == len(lines)
    assert len(lines) <= AT_MOST_ALLOWED


def test_every_stub_names_the_version_it_was_written_for() -> None:
    """The first line of each stub is the version of reactivex."""
    assert {"# reactivex 6.1.0"} == {
        stub.read_text(encoding="utf-8").splitlines()[0] for stub in STUBS.rglob("*.pyi")
    }
    assert "partial\n" == (STUBS / "py.typed").read_text(encoding="utf-8")


def test_the_corpus_is_large_enough() -> None:
    """Both checkers infer at least 181 pipelines, and refuse at least 25 wrong programs."""
    sources = {name: (ROOT / name).read_text(encoding="utf-8") for name in CORPUS}
    inferred = sum(_calls(text, "assert_type") for name, text in sources.items() if "rx_gaps" not in name)
    refused = sum(
        len(re.findall(r"# type: ignore\[", text)) for name, text in sources.items() if "rx_wrong" in name
    )
    assert inferred >= 181
    assert refused >= 25


def _start(command: list[str], output: Path) -> Checker:
    # The cache of mypy would stand in the tree for stubtest, which takes no option for it.
    environment = os.environ | {"MYPY_CACHE_DIR": str(output.with_suffix(""))}
    with output.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-m", *command], cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
    return Checker(process, output)


def _calls(source: str, name: str) -> int:
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return sum(isinstance(call.func, ast.Name) and call.func.id == name for call in calls)


def _stubbed() -> set[str]:
    parts = (stub.relative_to(STUBS).with_suffix("").parts for stub in STUBS.rglob("*.pyi"))
    return {".".join(["reactivex", *(part for part in each if part != "__init__")]) for each in parts}


def _module_of(name: str) -> str:
    """Return the module that a dotted name is of: the longest one that there is."""
    installed = Path(str(reactivex.__file__)).parents[1]
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        path = installed.joinpath(*parts[:end])
        module = ".".join(parts[:end])
        if path.is_dir() or path.with_suffix(".py").is_file() or module in _stubbed():
            return module
    return ""


def _allow_lines() -> list[str]:
    lines = (ROOT / "stubs" / "allowlist.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _allowed() -> set[str]:
    return {line.partition("  # ")[0].replace("\\", "") for line in _allow_lines()}
