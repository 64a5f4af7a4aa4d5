"""The first line of what a checker says of a likely mistake is short, and names what is wrong.

`test_wheel.py` has the checkers read them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest

from tests.typing.checkers import HERE

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


def compare(checker: str, said: Sequence[tuple[int, str]]) -> None:
    """Look whether the first thing that a checker says of each line is what is recorded.

    Args:
        checker: its name.
        said: lines and what it says of them, in its order.
    """
    first = dict(reversed(said))
    recorded = {each.line: each.lines[checker] for each in _mistakes()}
    assert recorded == {line: first.get(line, "nothing") for line in recorded}


def bare() -> str:
    """The mistakes without the comments that hide what is said of them."""
    return IGNORED.sub("", SOURCE.read_text(encoding="utf-8"))


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
