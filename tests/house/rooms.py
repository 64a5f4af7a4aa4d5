"""The walls of the rooms: none is too long without a reason, and each has its test."""

import ast
from pathlib import Path

from tests.house.doors import is_door
from tests.house.source import PACKAGE, Module, modules

__all__ = ["MAX_LINES", "crowded_operators", "long_rooms", "stray_tests", "untested_rooms"]

MAX_LINES = 400
_REASON_TO_BE_LONG = "Why so long:"
_REASON_TO_BE_STRAY = "Crosses rooms:"


def long_rooms(root: Path, *folders: str) -> list[str]:
    """Return a sentence for each file of over 400 lines whose docstring does not say why.

    The docstrings of its definitions do not count: nothing is left undescribed to keep a room short.
    """
    return [
        f"{module.path}: {lines} lines; split it, or say in its docstring '{_REASON_TO_BE_LONG} ...'"
        for module in modules(root, *folders)
        if (lines := module.text.count("\n") - _described_in(module)) > MAX_LINES
        and _REASON_TO_BE_LONG not in (ast.get_docstring(module.tree) or "")
    ]


def _described_in(module: Module) -> int:
    """How many lines of a module are docstrings of its classes and functions."""
    found = 0
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            if ast.get_docstring(node) is not None and first.end_lineno is not None:
                found += first.end_lineno - first.lineno + 1
    return found


def untested_rooms(root: Path, tested_elsewhere: dict[str, str]) -> list[str]:
    """Return a sentence for each room without its mirrored test.

    Args:
        root: the folder that holds the package and `tests/`.
        tested_elsewhere: for a room with no test of its own, the test file that covers it; both relative.
    """
    found = [
        f"{room} is said to be tested in {test}, and one of the two is not there"
        for room, test in tested_elsewhere.items()
        if not ((root / room).exists() and (root / test).exists())
    ]
    for module in modules(root):
        test = _mirror(module)
        if _is_room(module) and str(module.path) not in tested_elsewhere and not (root / test).exists():
            found.append(f"{module.path}: has no test; write {test}")
    return found


def stray_tests(root: Path) -> list[str]:
    """Return a sentence for each test in a floor's folder that mirrors no room and does not say why."""
    found: list[str] = []
    rooms = {_mirror(module) for module in modules(root) if not module.is_package}
    floors = sorted({Path(*module.path.parts[1:2]) for module in modules(root) if module.floor})
    for floor in floors:
        for test in modules(root, f"tests/{floor}"):
            reason = _REASON_TO_BE_STRAY in (ast.get_docstring(test.tree) or "")
            if test.path.name.startswith("test_") and test.path not in rooms and not reason:
                found.append(
                    f"{test.path}: mirrors no room; say in its docstring '{_REASON_TO_BE_STRAY} ...'"
                )
    return found


def crowded_operators(root: Path) -> list[str]:
    """Return a sentence for each public function of `operators/` that is not in a file of its own name."""
    return [
        f"{module.path}:{each.lineno}: one operator, one file; {each.name} belongs in _{each.name}.py"
        for module in modules(root)
        if module.floor == "operators"
        for each in module.tree.body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        and not each.name.startswith("_")
        and module.path.name != f"_{each.name}.py"
    ]


def _mirror(module: Module) -> Path:
    inside = module.path.relative_to(PACKAGE)
    folders = [part.lstrip("_") for part in inside.parts[:-1]]
    return Path("tests", *folders, f"test_{inside.name.lstrip('_')}")


def _is_room(module: Module) -> bool:
    return not is_door(module) and module.path.name != "__main__.py"
