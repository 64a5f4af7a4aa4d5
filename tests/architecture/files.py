"""The checks of the files: none is too long, and each module has its test."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

from tests.architecture.project import LONGER, MAX_LINES
from tests.architecture.public_modules import is_public_module
from tests.architecture.source import PACKAGE, Module, modules, paths, read

__all__ = ["crowded_operators", "long_files", "mirror", "stray_tests", "untested_modules"]

_REASON_TO_BE_STRAY = re.compile(r"^Crosses modules:( |$)", re.MULTILINE)


def long_files(root: Path, *folders: str, longer: Mapping[str, str] = LONGER) -> list[str]:
    """Return a sentence for each file that has more lines than one concept needs.

    The docstrings of its definitions do not count: nothing is left undescribed to keep a file short.

    Args:
        root: the folder that holds the package.
        *folders: where to look; the package, if none is given.
        longer: for files that may have more lines, why.
    """
    counted = {
        str(module.path): module.text.count("\n") - _described_in(module)
        for module in modules(root, *folders)
    }
    found = [
        f"{path}: {lines} lines; split it along its concepts"
        for path, lines in counted.items()
        if lines > MAX_LINES and path not in longer
    ]
    found += [
        f"{path} is said to be long, and is not"
        for path in longer
        if path in counted and counted[path] <= MAX_LINES
    ]
    return found


def _described_in(module: Module) -> int:
    """How many lines of a module are docstrings of its classes and functions."""
    found = 0
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            if ast.get_docstring(node) is not None and first.end_lineno is not None:
                found += first.end_lineno - first.lineno + 1
    return found


def untested_modules(root: Path, tested_elsewhere: Mapping[str, str]) -> list[str]:
    """Return a sentence for each module without its mirrored test.

    Args:
        root: the folder that holds the package and `tests/`.
        tested_elsewhere: for a module with no test of its own, the test file that covers it; both relative.
    """
    found = [
        f"{path} is said to be tested in {test}, and one of the two is not there"
        for path, test in tested_elsewhere.items()
        if not ((root / path).exists() and (root / test).exists())
    ]
    for module in modules(root):
        test = mirror(module)
        if _needs_a_test(module) and str(module.path) not in tested_elsewhere and not (root / test).exists():
            found.append(f"{module.path}: has no test; write {test}")
    return found


def stray_tests(root: Path) -> list[str]:
    """Return a sentence for each test in a layer's folder that mirrors no module and does not say why."""
    found: list[str] = []
    mirrored = {mirror(module) for module in modules(root) if not module.is_package}
    layers = sorted({Path(*module.path.parts[1:2]) for module in modules(root) if module.layer})
    for layer in layers:
        for path in paths(root, f"tests/{layer}"):
            if not path.name.startswith("test_") or path in mirrored:
                continue
            if not _REASON_TO_BE_STRAY.search(ast.get_docstring(read(root, path).tree) or ""):
                found.append(f"{path}: mirrors no module; say in its docstring 'Crosses modules: ...'")
    return found


def crowded_operators(root: Path) -> list[str]:
    """Return a sentence for each public function of `operators/` that is not in a file of its own name."""
    return [
        f"{module.path}:{each.lineno}: one operator, one file; {each.name} belongs in _{each.name}.py"
        for module in modules(root)
        if module.layer == "operators"
        for each in module.tree.body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        and not each.name.startswith("_")
        and module.path.name != f"_{each.name}.py"
    ]


def mirror(module: Module) -> Path:
    """Where the test of a module is."""
    inside = module.path.relative_to(PACKAGE)
    folders = [part.lstrip("_") for part in inside.parts[:-1]]
    return Path("tests", *folders, f"test_{inside.name.lstrip('_')}")


def _needs_a_test(module: Module) -> bool:
    return not is_public_module(module) and module.path.name != "__main__.py"
