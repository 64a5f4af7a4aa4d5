"""The wall of the doors: a door is a docstring, imports and `__all__`, and nothing else.

The front door opens on use: its imports stand under `if TYPE_CHECKING:`, and its `else` is one call of
`lazy_names`.
"""

import ast
from pathlib import Path

from tests.house.source import PACKAGE, Module, modules

__all__ = ["bad_doors", "is_door"]

# Doors that are not an `__init__.py` and not a documented module of the root.
_NAMED_DOORS = frozenset({f"{PACKAGE}.promising.sentinels", f"{PACKAGE}.ext.misc_agents"})


def is_door(module: Module) -> bool:
    """Tell whether the file is a door: a package, a documented module of the root, a named one."""
    of_root = not module.is_package and module.name.count(".") == 1 and not module.is_private
    return module.is_package or of_root or module.name in _NAMED_DOORS


def bad_doors(root: Path) -> list[str]:
    """Return a sentence for each door without a docstring and for each statement that a door may not hold."""
    found: list[str] = []
    for module in modules(root):
        if is_door(module):
            found += _breaches(module)
    return found


def _breaches(module: Module) -> list[str]:
    if ast.get_docstring(module.tree) is None:
        return [f"{module.path}: a door says in its docstring what is behind it"]
    bad = [each for each in module.tree.body[1:] if not _allowed(each)]
    found = [f"{module.path}:{each.lineno}: a door is a docstring, imports and __all__" for each in bad]
    has_imports = any(_is_import(each) or _opens_on_use(each) for each in module.tree.body)
    if has_imports and not any(_is_all(each) for each in module.tree.body):
        found.append(f"{module.path}: a door that imports names them in __all__")
    return found


def _allowed(statement: ast.stmt) -> bool:
    return _is_import(statement) or _is_all(statement) or _opens_on_use(statement)


def _is_import(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _opens_on_use(statement: ast.stmt) -> bool:
    match statement:
        case ast.If(
            test=ast.Name(id="TYPE_CHECKING"),
            body=imports,
            orelse=[
                ast.Assign(
                    targets=[ast.Tuple(elts=[ast.Name(id="__getattr__"), ast.Name(id="__dir__")])],
                    value=ast.Call(func=ast.Name(id="lazy_names")),
                )
            ],
        ):
            return all(map(_is_import, imports))
        case _:
            return False


def _is_all(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name(id="__all__")]) | ast.AnnAssign(target=ast.Name(id="__all__")):
            return isinstance(statement.value, ast.List | ast.Tuple)
        case _:
            return False
