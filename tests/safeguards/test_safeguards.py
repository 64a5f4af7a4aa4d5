"""Each safeguard has a test that misses it: all are where they are said to be, and one is taken away."""

from pathlib import Path

import pytest

from tests.safeguards.__main__ import main
from tests.safeguards.lab import PACKAGE, ROOT, Lab
from tests.safeguards.removals import REMOVALS, Removal


def test_the_safeguards_are_many() -> None:
    """At least forty are recorded, each with a sentence of its own."""
    assert len({each.safeguard for each in REMOVALS}) == len(REMOVALS)
    assert len(REMOVALS) >= 40


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: str(removal.safeguard))
def test_a_safeguard_is_there(removal: Removal) -> None:
    """Its text stands in the package, once, and the test that would miss it is there."""
    text = (PACKAGE / removal.file).read_text(encoding="utf-8")
    assert removal.applied(text) != text
    file, _, name = removal.test.partition("::")
    assert (f"def {name}(" if name else "def ") in (ROOT / "tests" / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("old", ["nowhere", "twice"])
def test_one_that_is_not_there_is_told_of(old: str) -> None:
    """A text that is not there, or not only once, is an error that names the safeguard and the file."""
    removal = Removal("it is safe", "core/_pump.py", old, "", "core/test_pump.py")
    with pytest.raises(ValueError, match=r"'it is safe' .* once in miniagents/core/_pump.py"):
        removal.applied("twice, twice")


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """`--list` shows where each safeguard stands and which test misses it."""
    assert main(["--list", "owner"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [
        "| safeguard | where | test |",
        "|---|---|---|",
        "| a task has an owner that knows it | `core/_scope.py` | `tests/core/test_scope.py` |",
    ] == rows


@pytest.mark.loop(timeout=120)
def test_what_is_removed_is_missed(tmp_path: Path) -> None:
    """A test that is green is red without its safeguard; one that is not there is an error, and not red."""
    lab = Lab(tmp_path)
    removal = next(each for each in REMOVALS if each.safeguard == "a subscriber is told one thing at a time")
    assert not lab.is_red([removal.test])
    assert lab.is_red_without(removal)
    with pytest.raises(RuntimeError, match="could not be run"):
        lab.is_red(["core/test_stream.py::test_nowhere"])
