"""Nothing that is committed knows the machine it was written on."""

import subprocess
from pathlib import Path

import pytest

from tests.architecture.places import committed, named_places
from tests.architecture.source import ROOT, no_breach

SLASH = "/"  # so that the bad lines below are not found in this file
DOT = "."

# "file: what" that may be named; the comment says why.
ALLOWED: frozenset[str] = frozenset()


@pytest.mark.gate("reads all of the source")
def test_no_places() -> None:
    """A clone holds no path of a machine and no host of a registry."""
    no_breach(named_places(ROOT, committed(ROOT), ALLOWED))


@pytest.mark.parametrize(
    ("line", "place"),
    [
        (f"cd {SLASH}work/main", f"{SLASH}work"),
        (f"path = '{SLASH}tmp/x'", f"{SLASH}tmp"),
        (f"see {SLASH}home/me/file.py", f"{SLASH}home"),
        (f"{SLASH}root", f"{SLASH}root"),
        (f"find-links={SLASH}opt/wheels", f"{SLASH}opt"),
        (f"file:{SLASH}{SLASH}{SLASH}opt/wheels", f"{SLASH}opt"),
        (f"https:{SLASH}{SLASH}pypi{DOT}org{SLASH}simple", f"pypi{DOT}org"),
        (f"files.pythonhosted{DOT}org", f"files.pythonhosted{DOT}org"),
        (f"--index{'-'}url x", f"index{'-'}url"),
    ],
)
def test_places_can_fail(tmp_path: Path, line: str, place: str) -> None:
    """A line that names a place is found, unless it is allowed."""
    file = tmp_path / "a.md"
    file.write_text(f"first\n{line}\n")
    assert named_places(tmp_path, [file], frozenset()) == [f"a.md:2: names {place}"]
    assert named_places(tmp_path, [file], frozenset({f"a.md: {place}"})) == []


@pytest.mark.parametrize(
    "line",
    [
        "miniagents/root/x",
        "http://host/home",
        "../tmp/x",
        "a/work",
        "#!/usr/bin/env bash",
        "<br/>",
        "</home>",
    ],
)
def test_other_slashes_pass(tmp_path: Path, line: str) -> None:
    """Relative paths, addresses and markup are free; so is what is no text."""
    file, image = tmp_path / "a.md", tmp_path / "a.png"
    file.write_text(line)
    image.write_bytes(b"\xff\xfe/work")
    assert named_places(tmp_path, [file, image], frozenset()) == []


def test_committed(tmp_path: Path) -> None:
    """In a clone it is what git tracks; in an archive it is every file that is not hidden."""
    (tmp_path / "a.md").touch()
    (tmp_path / "b.md").touch()
    assert [path.name for path in committed(tmp_path)] == ["a.md", "b.md"]
    for command in (["init", "-q"], ["add", "a.md"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)  # noqa: S603, S607 - git is on the path
    assert [path.name for path in committed(tmp_path)] == ["a.md"]
