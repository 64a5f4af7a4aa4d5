"""Which errors a function is seen to raise: what the check of the docstrings compares `Raises:` with.

Seen is a `raise` of a class in the body, or in a private function of the same module that the body calls.
What an enclosing `try` catches is not raised; what is raised by variable (`raise error`) cannot be seen.
"""

import ast
import re
from collections.abc import Iterator, Sequence

from tests.architecture.source import Module

__all__ = ["raised"]

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_EVERYTHING = frozenset({"Exception", "BaseException"})


def raised(
    module: Module, function: ast.AST, owner: ast.ClassDef | None, seen: frozenset[str] = frozenset()
) -> set[str]:
    """Return the names of the errors that a function is seen to raise.

    Args:
        module: where it stands.
        function: the function.
        owner: the class that it is a method of, if it is one.
        seen: the private functions that were looked at already.
    """
    found: set[str] = set()
    for node in _run_nodes(function.body if isinstance(function, _Function) else []):
        if isinstance(node, ast.Raise):
            found |= _named(node)
        elif isinstance(node, ast.Call):
            helper = _helper(module, node.func, owner)
            if helper is not None and helper.name not in seen:
                found |= raised(module, helper, owner, seen | {helper.name})
    return found


def _run_nodes(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Yield what runs when a function is called: not what a function in it does, nor what a `try` catches."""
    for node in body:
        if isinstance(node, _Function | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(node, ast.Try) and node.handlers:
            caught = _caught(node)
            yield from (each for each in _run_nodes(node.body) if not _is_caught(each, caught))
            yield from _run_nodes([*node.handlers, *node.orelse, *node.finalbody])
        else:
            yield node
            yield from _run_nodes(list(ast.iter_child_nodes(node)))


def _caught(statement: ast.Try) -> frozenset[str]:
    types = [ast.unparse(each.type) if each.type else "Exception" for each in statement.handlers]
    return frozenset(name.split(".")[-1] for each in types for name in re.findall(r"[\w.]+", each))


def _is_caught(node: ast.AST, caught: frozenset[str]) -> bool:
    if isinstance(node, ast.Raise):
        return bool(caught & (_named(node) | _EVERYTHING))
    return isinstance(node, ast.Call)  # whether what it raises is caught cannot be told by its name


def _named(statement: ast.Raise) -> set[str]:
    if statement.exc is None:
        return set()
    called = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
    name = ast.unparse(called).split(".")[-1]
    return {name} if name[:1].isupper() else set()


def _helper(module: Module, called: ast.expr, owner: ast.ClassDef | None) -> _Function | None:
    match called:
        case ast.Name(id=name) if name.startswith("_"):
            body = module.tree.body
        case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name) if owner and name.startswith("_"):
            body = owner.body
        case _:
            return None
    return next((each for each in body if isinstance(each, _Function) and each.name == name), None)
