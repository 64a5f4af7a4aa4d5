"""The first line of what a checker says of a likely mistake is short, and names what is wrong."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.typing.checkers import HERE, ROOT, TIMEOUT, Found, run, settings

pytestmark = pytest.mark.loop(timeout=TIMEOUT)

SOURCE = HERE / "messages.py"
LONGEST = 200  # characters
IGNORED = re.compile(r"  # (type|pyright): ignore\[.*$", re.MULTILINE)
LABELS = {"must name": "names", "by mypy": "mypy", "by pyright": "pyright"}
# What follows from the mistake, or from its standing alone on a line.
CONSEQUENCE = re.compile(r".* is (partially )?(unknown|unused)")


@dataclass(frozen=True)
class Mistake:
    """A line with a mistake, and what stands above it.

    Attributes:
        line: its number.
        names: what each checker must name.
        lines: what each checker says, by its name.
    """

    line: int
    names: Sequence[str]
    lines: Mapping[str, str]


def test_the_likely_mistakes_are_twelve_or_more() -> None:
    """Each has what it must name, and a line of each checker."""
    assert len(_mistakes()) >= 12
    assert {frozenset(each.lines) for each in _mistakes()} == {frozenset({"mypy", "pyright"})}
    assert all(each.names for each in _mistakes())


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_a_line_is_short_and_names_what_is_wrong(checker: str) -> None:
    """What is recorded has less than 200 characters, and every name that it must have."""
    for mistake in _mistakes():
        line = mistake.lines[checker]
        assert len(line) < LONGEST, line
        assert [name for name in mistake.names if name not in line] == [], line


@pytest.mark.gate("mypy reads the mistakes")
def test_mypy_says_what_is_recorded(tmp_path: Path) -> None:
    """The first line of mypy is the one that stands above each mistake."""
    (tmp_path / "mypy.ini").write_text(settings(), encoding="utf-8")
    done = run("mypy", f"--config-file={tmp_path / 'mypy.ini'}", str(_bare(tmp_path)))
    said = re.findall(r"messages\.py:(\d+): error: (.*?)  \[[\w-]+\]$", done.out, re.MULTILINE)
    _compare("mypy", [(int(line), text) for line, text in said])


@pytest.mark.gate("pyright reads the mistakes")
def test_pyright_says_what_is_recorded(tmp_path: Path) -> None:
    """The same of pyright."""
    _bare(tmp_path)
    project = {
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "executionEnvironments": [{"root": ".", "extraPaths": [str(ROOT)]}],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(project), encoding="utf-8")
    done = run("pyright", "--project", str(tmp_path), f"--pythonpath={sys.executable}", "--outputjson")
    said = re.findall(
        r"messages\.py:(\d+): error: (.*)", "\n".join(Found.read(done.out + done.err).complaints)
    )
    _compare("pyright", [(int(line), text) for line, text in said if not CONSEQUENCE.fullmatch(text)])


def _compare(checker: str, said: Sequence[tuple[int, str]]) -> None:
    first = dict(reversed(said))
    recorded = {each.line: each.lines[checker] for each in _mistakes()}
    assert recorded == {line: first.get(line, "nothing") for line in recorded}


def _bare(folder: Path) -> Path:
    """The mistakes without the comments that hide what is said of them."""
    file = folder / SOURCE.name
    file.write_text(IGNORED.sub("", SOURCE.read_text(encoding="utf-8")), encoding="utf-8")
    return file


def _mistakes() -> list[Mistake]:
    return list(_read(SOURCE.read_text(encoding="utf-8").splitlines()))


def _read(lines: Sequence[str]) -> Iterator[Mistake]:
    above: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        label, _, text = line.strip().removeprefix("# ").partition(": ")
        if line.strip().startswith("# ") and label in LABELS:
            above[LABELS[label]] = text
        elif above:
            names = above.pop("names").split(", ")
            yield Mistake(number, names, above)
            above = {}
