"""The check against what is held across a `yield`: a context token, a cancel scope, a lock."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from tests.architecture.source import modules

__all__ = ["held_across_yields"]

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def held_across_yields(root: Path) -> list[str]:
    """Return a sentence for each `yield` in a `with` block of a generator.

    The caller decides in which task and which contextvars the generator goes on, and whether it does:
    what was entered there would be left somewhere else. Only `aclosing(...)` is free, which holds nothing of
    the kind, and context managers that are written as a generator, which is left where it was entered.
    """
    found: list[str] = []
    for module in modules(root):
        for function in ast.walk(module.tree):
            if isinstance(function, Function) and not _is_context_manager(function):
                found += [
                    f"{module.path}:{line}: yields within {held}" for line, held in _yields(function, "")
                ]
    return found


def _yields(node: ast.AST, held: str) -> Iterator[tuple[int, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.Lambda):
            continue
        if isinstance(child, ast.Yield | ast.YieldFrom) and held:
            yield child.lineno, held
        if isinstance(child, ast.With | ast.AsyncWith):
            entered = [ast.unparse(item.context_expr) for item in child.items]
            holding = [each for each in entered if not each.startswith("aclosing(")]
            yield from _yields(child, holding[0] if holding else held)
        else:
            yield from _yields(child, held)


def _is_context_manager(function: Function) -> bool:
    names = [ast.unparse(each).rpartition(".")[2] for each in function.decorator_list]
    return not {"contextmanager", "asynccontextmanager"}.isdisjoint(names)
