"""How many pipelines of reactivex have their exact type, by the corpus; checked by mypy and by pyright.

    python -m tests.typing.pipelines

A pipeline is an `assert_type` in a file `rx_*`. It is exact if the type has no `Any`, and the checker agrees.
`rx_gaps.py` has those that are not, each beside a form that is. The exit code is 1 if a checker disagrees, or
fewer than 178 of 181 are exact.
"""

import ast
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.typing.checkers import PYRIGHT, ROOT, Found, corpus, mypy, run

GAPS: Final = "rx_gaps.py"
NO_TYPE: Final = ("pluck_attr", "cold")  # of `rx_gaps.not_typable`: nothing says what their items are
ASKED: Final = 178 / 181
PLACE = re.compile(r"(rx_\w+\.py):(\d+): error: ")


def asserted(source: str) -> Mapping[int, bool]:
    """The lines where a pipeline begins, and whether its type is exact."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return {
        call.lineno: "Any" not in ast.dump(call.args[1])
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "assert_type"
    }


def complaints(said: Sequence[str]) -> int:
    """How many lines of the pipelines a checker complains of."""
    return len({match.groups() for line in said if (match := PLACE.search(line))})


def main() -> int:
    """Check them, and count."""
    texts = {Path(name).name: (ROOT / name).read_text(encoding="utf-8") for name in corpus()}
    pipelines = {name: asserted(text) for name, text in texts.items() if name.startswith("rx_")}
    exact = sum(sum(lines.values()) for name, lines in pipelines.items() if name != GAPS)
    loose = sum(not each for lines in pipelines.values() for each in lines.values()) - len(NO_TYPE)
    with tempfile.TemporaryDirectory() as folder:
        done = mypy(Path(folder))
    pyright = run("pyright", *PYRIGHT)
    wrong = {
        "mypy": complaints((done.out + done.err).splitlines()),
        "pyright": complaints(Found.read(pyright.out + pyright.err).complaints),
    }
    for name, count in wrong.items():
        sys.stdout.write(f"{name}: {count} errors in {exact} pipelines that have an exact type\n")
    sys.stdout.write(f"{loose} more are Any, to mypy or to both: {GAPS} has them, with the form that works\n")
    sys.stdout.write(f"{len(NO_TYPE)} have no type to infer: {', '.join(NO_TYPE)}\n")
    return int(any(wrong.values()) or exact < ASKED * (exact + loose))


if __name__ == "__main__":
    sys.exit(main())
