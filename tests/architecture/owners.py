"""Who writes the state that rules are about: each attribute of it is assigned in one module only."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.architecture.source import Module, modules

__all__ = ["slots_of", "written_elsewhere"]


def slots_of(module: Module, *classes: str) -> frozenset[str]:
    """The names in the `__slots__` of classes.

    Args:
        module: where the classes stand.
        *classes: their names.
    """
    found: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and node.name in classes:
            found.update(_strings(node))
    return frozenset(found - {"__weakref__"})


def _strings(node: ast.ClassDef) -> Iterator[str]:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__slots__":
            for each in ast.walk(statement.value):
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    yield each.value


def written_elsewhere(root: Path, owned: Mapping[str, tuple[str, ...]], shared: frozenset[str]) -> list[str]:
    """Return a sentence for each assignment of owned state outside of its module.

    What a class without a base from the owning modules assigns on its own `self` is its own state,
    whatever it is called.

    Args:
        root: the folder that holds the package.
        owned: module path -> the classes in it whose slots nobody else assigns.
        shared: names that mean something else in other places, and are looked at on `self` only.
    """
    known = {str(module.path): module for module in modules(root)}
    assigned = {path: list(_assignments(module.tree)) for path, module in known.items()}
    bases = _bases(known.values())
    found: list[str] = []
    for path, classes in owned.items():
        names = slots_of(known[path], *classes)
        heirs = _heirs(bases, set(classes))
        for other, assignments in assigned.items():
            if other == path:
                continue
            for holder, line, target, name in assignments:
                own = target == "self" and holder not in heirs
                if name in names and not own and (target == "self" or name not in shared):
                    found.append(f"{other}:{line}: assigns {target}.{name}, which {path} alone writes")
    return sorted(found)


def _bases(known: Iterable[Module]) -> Mapping[str, set[str]]:
    """The names of the bases of each class, in whatever module, by name."""
    bases: dict[str, set[str]] = {}
    for module in known:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                names = {ast.unparse(base).split("[")[0].rpartition(".")[2] for base in node.bases}
                bases.setdefault(node.name, set()).update(names)
    return bases


def _heirs(bases: Mapping[str, set[str]], classes: set[str]) -> set[str]:
    """The classes that come from `classes`."""
    heirs = set(classes)
    while more := {name for name, of in bases.items() if of & heirs} - heirs:
        heirs |= more
    return heirs


def _assignments(tree: ast.Module) -> Iterator[tuple[str, int, str, str]]:
    """Each assignment or deletion of an attribute: the class around it, its line, of what, which."""
    stack: list[tuple[str, ast.AST]] = [("", tree)]
    while stack:
        holder, node = stack.pop()
        inside = node.name if isinstance(node, ast.ClassDef) else holder
        for target in _targets(node):
            if isinstance(target, ast.Attribute):
                yield holder, target.lineno, ast.unparse(target.value), target.attr
        stack += [(inside, child) for child in ast.iter_child_nodes(node)]


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    given: list[ast.expr] = []
    if isinstance(node, ast.Assign | ast.Delete):
        given = list(node.targets)
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        given = [node.target]
    for each in given:
        yield from each.elts if isinstance(each, ast.Tuple | ast.List) else [each]
