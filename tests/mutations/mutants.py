"""What can be taken away from a module: statements, conditions, operands, what a `finally` does."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Mutant", "mutants_of"]

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module without something.

    Attributes:
        file: the module.
        line: where something is missing.
        says: what.
        text: the module without it.
    """

    file: Path
    line: int
    says: str
    text: str


def mutants_of(file: Path, text: str) -> list[Mutant]:
    """All mutants of a module: of what its functions do, not of what is done at import."""
    tree = ast.parse(text)
    found: list[Mutant] = []
    for function in ast.walk(tree):
        if isinstance(function, _Function):
            for node, says, new in _changes(function):
                found.append(Mutant(file, node.lineno, says, _replaced(text, node, new)))
    return sorted(found, key=lambda mutant: mutant.line)


def _changes(function: _Function) -> Iterator[tuple[ast.stmt | ast.expr, str, str]]:
    """Yield what can be replaced in a function, what that takes away, and what stands there then."""
    for node in _own_nodes(function):
        if isinstance(node, ast.stmt) and _can_go(node):
            yield node, f"without: {_first_line(node)}", "pass"
        if isinstance(node, ast.If | ast.IfExp | ast.While):
            yield node.test, f"never true: {_first_line(node.test)}", "False"
            if not isinstance(node, ast.While):  # it would only hang
                yield node.test, f"always true: {_first_line(node.test)}", "True"
        if isinstance(node, ast.BoolOp):
            for value in node.values:
                neutral = "True" if isinstance(node.op, ast.And) else "False"
                yield value, f"without the operand: {_first_line(value)}", neutral
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            yield node.type, f"caught nowhere: {_first_line(node.type)}", "()"


def _own_nodes(function: _Function) -> Iterator[ast.AST]:
    """Yield what is inside a function, but not its docstring, and not what is in a function inside it."""
    first = function.body[0]
    described = ast.get_docstring(function, clean=False) is not None
    waiting: list[ast.AST] = [each for each in function.body if not (described and each is first)]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, _Function | ast.ClassDef):
            yield node
            waiting += ast.iter_child_nodes(node)


def _can_go(node: ast.stmt) -> bool:
    """Whether a statement can be missing without the next one failing for its name."""
    match node:
        case ast.Expr(value=ast.Constant()):
            return False
        case ast.Expr() | ast.AugAssign() | ast.Raise() | ast.Delete() | ast.Continue() | ast.Break():
            return True
        case ast.Return(value=value):
            return value is None or isinstance(value, ast.Constant)
        case ast.Assign(targets=targets):
            return all(isinstance(target, ast.Attribute | ast.Subscript) for target in targets)
        case ast.AnnAssign(target=ast.Attribute(), value=ast.expr()):
            return True
        case _:
            return False


def _first_line(node: ast.AST) -> str:
    return ast.unparse(node).partition("\n")[0]


def _replaced(text: str, node: ast.stmt | ast.expr, new: str) -> str:
    """The text with other words where a node is; all other lines stay where they are."""
    lines = text.splitlines(keepends=True)
    end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
    before = "".join(lines[: node.lineno - 1]).encode() + lines[node.lineno - 1].encode()[: node.col_offset]
    after = lines[end_line - 1].encode()[end_column:] + "".join(lines[end_line:]).encode()
    kept = "\n" * (end_line - node.lineno)
    if isinstance(node, ast.expr):  # so that it may be anywhere in an expression of several lines
        new = f"({new}{kept})" if kept else new
        kept = ""
    return (before + new.encode() + kept.encode() + after).decode()
