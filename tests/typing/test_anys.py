"""What is `Any` is counted, and the table of CONTRIBUTING.md justifies it; the gate does both."""

import pytest

from tests.typing.anys import FEW, Anys, complaints, named_in
from tests.typing.checkers import ROOT

REPORT = """
              Name   Anys   Exprs   Coverage
----------------------------------------------
  miniagents.a._b      5     100     95.00%
  miniagents.a._c      0     895    100.00%
    miniagents._d      1       5     80.00%
          tests.x     99     100      1.00%
----------------------------------------------
            Total    105    1100     90.45%
"""
TABLE = """
In all at most 0.6 % of the expressions are `Any`; one with more is named here:
| `miniagents/a/_b.py` |
"""
GATE = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_only_the_package_counts() -> None:
    """The share is that of the modules of the package."""
    anys = Anys.read(REPORT)
    assert anys == Anys({"miniagents/a/_b.py": 5, "miniagents/_d.py": 1}, 1000)
    assert anys.share == pytest.approx(0.6)
    with pytest.raises(ValueError, match="says nothing of miniagents"):
        Anys.read("nothing")


@pytest.mark.parametrize(
    ("table", "count"),
    [
        (TABLE, 0),
        (TABLE.replace("0.6", "0.5"), 1),
        (TABLE.replace("_b", "_c"), 1),
        ("no table at all", 1),
    ],
)
def test_the_table_must_justify_it(table: str, count: int) -> None:
    """A share above that of the table is found, and a module with many that is not in it."""
    assert len(complaints(Anys.read(REPORT), table)) == count


def test_the_table_is_there() -> None:
    """CONTRIBUTING.md allows 2 % at most, and names modules that are there; the gate holds them to it."""
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert complaints(Anys({}, 1), table) == []
    assert len(complaints(Anys({"miniagents/_x.py": FEW}, 50 * FEW - 1), table)) == 1
    assert named_in(table)
    assert [module for module in named_in(table) if not (ROOT / module).is_file()] == []
    assert "python -m tests.typing.anys" in GATE
