"""Take away one thing after the other; the number of those that no test missed is the exit code."""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.architecture.files import mirror
from tests.architecture.project import TESTED_ELSEWHERE
from tests.architecture.source import Module, modules
from tests.mutations.lab import Lab
from tests.mutations.mutants import Mutant, mutants_of

__all__ = ["main", "survivors"]

ROOT = Path(__file__).parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the modules that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description="Take code away.")
    parser.add_argument("modules", nargs="+", help="files or folders of the package")
    parser.add_argument("--tests", nargs="*", default=[], help="more tests to try survivors with")
    parser.add_argument("--line", type=int, help="only what is at this line")
    parser.add_argument("--list", action="store_true", help="show what would be taken away")
    given = parser.parse_args(arguments)
    words: list[str] = given.modules
    more: list[str] = given.tests
    chosen = [each for each in modules(ROOT) if any(each.path.is_relative_to(Path(word)) for word in words)]
    if not chosen:
        parser.error(f"no module of the package is {', '.join(words)}")
    left = 0
    for module in chosen:
        mutants = [each for each in mutants_of(module.path, module.text) if given.line in {None, each.line}]
        if given.list:
            _say("\n".join(_told(each) for each in mutants))
            continue
        found = survivors(ROOT, mutants, [[_test_of(module)], [f"tests/{module.layer}", *more]])
        _say("\n".join([f"{module.path}: {len(mutants)} mutations, {len(found)} that no test missed"]))
        _say("\n".join(f"  {_told(each)}" for each in found))
        left += len(found)
    return left


def survivors(root: Path, mutants: Sequence[Mutant], stages: Sequence[Sequence[str]]) -> list[Mutant]:
    """Those of the mutants that no test notices.

    Args:
        root: the folder of the project.
        mutants: what is tried.
        stages: tests; those of a later stage see what those of the earlier ones let pass.
    """
    left: list[Mutant] = [*mutants]
    with tempfile.TemporaryDirectory() as folder:
        count = min(os.cpu_count() or 1, max(len(left), 1))
        labs = [Lab(root, _made(Path(folder, str(number)))) for number in range(count)]
        free: SimpleQueue[Lab] = SimpleQueue()
        for lab in labs:
            free.put(lab)
        for tests in stages:
            if not left:
                break
            seconds = labs[0].seconds(tests)

            def is_noticed(mutant: Mutant, tests: Sequence[str] = tests, seconds: float = seconds) -> bool:
                lab = free.get()
                try:
                    return lab.is_noticed(mutant, tests, seconds)
                finally:
                    free.put(lab)

            with ThreadPoolExecutor(count) as pool:
                noticed = list(pool.map(is_noticed, left))
            left = [mutant for mutant, was_noticed in zip(left, noticed, strict=True) if not was_noticed]
    return left


def _test_of(module: Module) -> str:
    return TESTED_ELSEWHERE.get(str(module.path), str(mirror(module)))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _told(mutant: Mutant) -> str:
    return f"{mutant.file}:{mutant.line}: {mutant.says}"


def _say(text: str) -> None:
    if text:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
