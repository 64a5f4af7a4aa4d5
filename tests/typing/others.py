"""What other type checkers make of the corpus: right lines that they refuse, wrong ones that pass.

    python -m tests.typing.others                     all of them, each in an environment of its own
    python -m tests.typing.others pyrefly ty          these
    python -m tests.typing.others --lines             each line that they see otherwise, too
    python -m tests.typing.others --keep FOLDER       what is installed stays there

They look at the same programs as mypy and pyright, without the comments that say what is wrong in them. What
counts is a statement: right ones that are refused, and wrong ones that are not. The table in `docs/types.md`
has these numbers; the command fails if one of them is larger now. `rx_gaps.py` is left out: it says what mypy
and pyright cannot do.
"""

import argparse
import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.servers.running import environment
from tests.typing.checkers import ROOT, corpus

PAGE: Final = ROOT / "docs" / "types.md"
LEFT_OUT: Final = frozenset({"rx_gaps.py"})
COMMENT = re.compile(r"  # (type|pyright): ignore\[.*$")
ERROR = re.compile(r"^(?:ERROR )?\s*(?P<file>\S+\.py):(?P<line>\d+)\b.*", re.IGNORECASE)
ROW = re.compile(r"^\| (?P<name>\w+) [\d.]+ \| (?P<refused>\d+) \| (?P<passed>\d+) \|", re.MULTILINE)

# The arguments of each that are more than the files.
CHECKERS: Final[Mapping[str, Callable[[str], Sequence[str]]]] = {
    "basedpyright": lambda python: ["--level=error", f"--pythonpath={python}"],
    "pyrefly": lambda python: [
        "check",
        "--preset=default",
        f"--python-interpreter-path={python}",
        "--output-format=min-text",
    ],
    "ty": lambda python: ["check", f"--python={python}", "--output-format=concise"],
    "zuban": lambda python: ["check", "--strict", f"--python-executable={python}"],
}


@dataclass(frozen=True)
class Statement:
    """A statement of the corpus, by its file and first line.

    Attributes:
        file: its name.
        line: the first one.
        text: that line.
    """

    file: str
    line: int
    text: str


@dataclass(frozen=True)
class Corpus:
    """The statements of the corpus.

    Attributes:
        at: the statement of each line of each file.
        wrong: those that must be refused.
        open: those of which mypy and pyright differ.
    """

    at: Mapping[tuple[str, int], Statement]
    wrong: frozenset[Statement]
    open: frozenset[Statement]

    @classmethod
    def read(cls, files: Sequence[Path]) -> "Corpus":
        """Read them, and what the comments say of them."""
        at: dict[tuple[str, int], Statement] = {}
        wrong: set[Statement] = set()
        unclear: set[Statement] = set()
        for file in files:
            text = file.read_text(encoding="utf-8")
            lines = text.splitlines()
            for first, last in _spans(ast.parse(text)):
                statement = Statement(file.name, first, lines[first - 1].strip())
                said = " ".join(lines[first - 1 : last])
                if "# type: ignore[" in said:
                    wrong.add(statement)
                elif "# pyright: ignore[" in said:
                    unclear.add(statement)
                at.update({(file.name, line): statement for line in range(first, last + 1)})
        return cls(at, frozenset(wrong), frozenset(unclear))


def _spans(tree: ast.AST) -> Iterator[tuple[int, int]]:
    """The first and last line of each statement, outer ones first; of a compound one, those of its head."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        body: Sequence[ast.stmt] = getattr(node, "body", ())
        inside = node.cases[0].pattern if isinstance(node, ast.Match) else body[0] if body else None
        decorators: Sequence[ast.expr] = getattr(node, "decorator_list", ())
        first = min([node.lineno, *(each.lineno for each in decorators)])
        last = (node.end_lineno or first) if inside is None else max(first, inside.lineno - 1)
        yield first, last


def refused(said: str, known: Corpus) -> set[Statement]:
    """The statements that a checker refuses, by what it said."""
    found = (ERROR.match(line) for line in said.splitlines() if "error" in line.lower())
    places = [(Path(match["file"]).name, int(match["line"])) for match in found if match]
    return {known.at[place] for place in places if place in known.at}


def recorded(page: str) -> Mapping[str, tuple[int, int]]:
    """How many right statements each checker refuses, and how many wrong ones pass, by the table."""
    return {match["name"]: (int(match["refused"]), int(match["passed"])) for match in ROW.finditer(page)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them; the number of those that do worse than the table says."""
    parser = argparse.ArgumentParser(prog="python -m tests.typing.others", description="Other type checkers.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CHECKERS)}; all by default")
    parser.add_argument("--lines", action="store_true", help="print the statements, too")
    parser.add_argument("--keep", type=Path, help="the folder where what is installed stays")
    given = parser.parse_args(arguments)
    names: Sequence[str] = given.names or [*CHECKERS]
    files = [ROOT / name for name in corpus() if Path(name).name not in LEFT_OUT]
    known = Corpus.read(files)
    right = len(set(known.at.values()) - known.wrong - known.open)
    table = recorded(PAGE.read_text(encoding="utf-8"))
    worse = 0
    _say(f"| checker | right statements refused, of {right} | wrong ones that pass, of {len(known.wrong)} |")
    _say("|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        _write(files, Path(scratch))
        for name in names:
            programs = environment(Path(given.keep or scratch).absolute() / "installed" / name, [name])
            errors = refused(_said(name, programs, Path(scratch)), known)
            lost = known.wrong - errors
            false = errors - known.wrong - known.open
            _say(f"| {_version(name, programs)} | {len(false)} | {len(lost)} |")
            if given.lines:
                _list("refused", false)
                _list("passes", lost)
            before = table.get(name, (0, 0))
            worse += len(false) > before[0] or len(lost) > before[1] or not errors
    _say(f"{worse} of {len(names)} do worse than the table of docs/types.md says.")
    return worse


def _write(files: Sequence[Path], folder: Path) -> None:
    """Write the programs without what they say of themselves, and where they find each other."""
    there = folder / "tests" / "typing"
    there.mkdir(parents=True)
    for file in files:
        lines = file.read_text(encoding="utf-8").splitlines()
        bare = "\n".join(COMMENT.sub("", line) for line in lines)
        (there / file.name).write_text(f"{bare}\n", encoding="utf-8")
    # basedpyright reads what pyright reads.
    (folder / "pyproject.toml").write_text('[tool.pyright]\ntypeCheckingMode = "strict"\n', encoding="utf-8")


def _said(name: str, programs: Path, folder: Path) -> str:
    files = sorted(str(file.relative_to(folder)) for file in folder.glob("tests/typing/*.py"))
    done = subprocess.run(  # noqa: S603 - our own words
        [str(programs / name), *CHECKERS[name](sys.executable), *files],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def _version(name: str, programs: Path) -> str:
    command = [str(programs / "python"), "-c", f"import importlib.metadata as m; print(m.version({name!r}))"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own words
    return f"{name} {done.stdout.strip()}"


def _list(what: str, statements: AbstractSet[Statement]) -> None:
    for each in sorted(statements, key=lambda each: (each.file, each.line)):
        _say(f"    {what}: {each.file}:{each.line}: {each.text}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
