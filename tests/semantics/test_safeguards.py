"""Every safeguard of `safeguards.md` names the test that is red without it."""

import re
from pathlib import Path

import pytest

from tests.semantics.test_sentences import ROOT, is_there

TEXT = Path(__file__).with_name("safeguards.md").read_text(encoding="utf-8")
SAFEGUARDS = re.findall(r"^\| (.+?) \| `(.+?)` \|$", TEXT, re.MULTILINE)


def is_proven(root: Path, test: str) -> bool:
    """Whether there is such a test, or such a file of tests."""
    return is_there(root, test) if "::" in test else (root / test).is_file()


@pytest.mark.parametrize(("safeguard", "test"), SAFEGUARDS, ids=[sentence for sentence, _ in SAFEGUARDS])
def test_a_safeguard_has_its_test(safeguard: str, test: str) -> None:
    """The test that it names is there."""
    assert is_proven(ROOT, test), f"the test of the safeguard {safeguard!r} is not there: {test}"


def test_the_safeguards_are_many() -> None:
    """No line of the table is passed over, and no sentence stands twice."""
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and line != "| safeguard | test |"]
    assert len(rows) == len(SAFEGUARDS) == len({sentence for sentence, _ in SAFEGUARDS}) >= 140


def test_a_missing_test_is_found() -> None:
    """A test or a file that was renamed or taken away is missed."""
    here = "tests/semantics/test_safeguards.py"
    assert is_proven(ROOT, here)
    assert is_proven(ROOT, f"{here}::test_a_missing_test_is_found")
    assert not is_proven(ROOT, f"{here}::test_gone")
    assert not is_proven(ROOT, "tests/semantics/test_gone.py")
