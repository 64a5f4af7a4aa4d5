"""The partial stubs fit what is installed; what they infer is proven in `test_types`."""

from pathlib import Path

import pytest
import reactivex

from tests.typing.checkers import ROOT, TIMEOUT, run

pytestmark = pytest.mark.loop(timeout=TIMEOUT)

STUBS = ROOT / "stubs" / "reactivex-stubs"
AT_MOST_ALLOWED = 11


@pytest.mark.gate("stubtest imports and reads all of reactivex")
def test_the_stubs_fit_what_is_installed() -> None:
    """In every module that has a stub, stubtest finds what is allowed, and nothing else."""
    done = run("mypy.stubtest", "reactivex", "--concise")
    said = done.out + done.err
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
