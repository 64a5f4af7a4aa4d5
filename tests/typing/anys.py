"""How much of the package is `Any` to mypy, held against the table of CONTRIBUTING.md.

mypy --any-exprs-report REPORT && python -m tests.typing.anys REPORT
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.typing.checkers import ROOT

FEW = 3
"""How many a module may have without being named in the table."""

_ROW = re.compile(r"(?P<module>miniagents\.\S+)\s+(?P<anys>\d+)\s+(?P<all>\d+)")
_SHARE = re.compile(r"at most ([\d.]+) % of the expressions are `Any`")
_NAMED = re.compile(r"`(miniagents/[\w/]+\.py)`")


@dataclass(frozen=True)
class Anys:
    """What mypy counted.

    Attributes:
        of: for each module with an `Any`, how many of its expressions are.
        expressions: how many there are in all modules together.
    """

    of: Mapping[str, int]
    expressions: int

    @property
    def share(self) -> float:
        """How much of everything is `Any`, in percent."""
        return 100 * sum(self.of.values()) / self.expressions

    @classmethod
    def read(cls, report: str) -> "Anys":
        """Read the text of `any-exprs.txt`.

        Raises:
            ValueError: the package is not in it.
        """
        rows = list(_ROW.finditer(report))
        if not rows:
            raise ValueError("The report says nothing of miniagents; is it any-exprs.txt of a run over it?")
        counted = {_file(row["module"]): int(row["anys"]) for row in rows}
        some = {module: number for module, number in counted.items() if number}
        return cls(some, sum(int(row["all"]) for row in rows))


def named_in(table: str) -> frozenset[str]:
    """The modules that the table names."""
    return frozenset(_NAMED.findall(table.partition("is named here:")[2].partition("\n## ")[0]))


def _file(module: str) -> str:
    path = module.replace(".", "/")
    return f"{path}/__init__.py" if (ROOT / path).is_dir() else f"{path}.py"


def complaints(anys: Anys, table: str) -> Sequence[str]:
    """What of it the table does not justify.

    Args:
        anys: what was counted.
        table: the text of CONTRIBUTING.md.
    """
    limit, named = _SHARE.search(table), named_in(table)
    if limit is None:
        return ["CONTRIBUTING.md does not say any more how much may be Any."]
    found = [
        f"{module} has {number} expressions of type Any: give them types, or justify them in the table."
        for module, number in sorted(anys.of.items())
        if number > FEW and module not in named
    ]
    if anys.share > float(limit[1]):
        found.append(f"{anys.share:.2f} % of the expressions are Any, more than the table's {limit[1]} %.")
    return found


def main(arguments: Sequence[str]) -> int:
    """Say the share, and what the table does not justify; the number of these."""
    (folder,) = arguments
    anys = Anys.read((Path(folder) / "any-exprs.txt").read_text(encoding="utf-8"))
    found = complaints(anys, (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    counted = f"{sum(anys.of.values())} of {anys.expressions} expressions are Any: {anys.share:.2f} %"
    sys.stdout.write("\n".join([counted, *found]) + "\n")
    return len(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
