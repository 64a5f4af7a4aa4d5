"""The check of the public modules: a public module is a docstring, imports and `__all__`, and nothing else.

`miniagents` itself imports a layer when it is used: its imports stand under `if TYPE_CHECKING:`, and its
`else` is one call of `lazy_names`.
"""

import ast
from pathlib import Path

from tests.architecture.project import NAMED_PUBLIC_MODULES
from tests.architecture.source import Module, modules

__all__ = ["bad_public_modules", "is_public_module"]


def is_public_module(module: Module) -> bool:
    """Tell whether the file is a public module: a package, a documented module of the root, a named one."""
    of_root = not module.is_package and module.name.count(".") == 1 and not module.is_private
    return module.is_package or of_root or module.name in NAMED_PUBLIC_MODULES


def bad_public_modules(root: Path) -> list[str]:
    """Return a sentence for each public module without a docstring and for each statement it may not hold."""
    found: list[str] = []
    for module in modules(root):
        if is_public_module(module):
            found += _breaches(module)
    return found


def _breaches(module: Module) -> list[str]:
    if ast.get_docstring(module.tree) is None:
        return [f"{module.path}: a public module says in its docstring what is behind it"]
    bad = [each for each in module.tree.body[1:] if not _allowed(each)]
    found = [
        f"{module.path}:{each.lineno}: a public module is a docstring, imports and __all__" for each in bad
    ]
    has_imports = any(_is_import(each) or _opens_on_use(each) for each in module.tree.body)
    if has_imports and not any(_is_all(each) for each in module.tree.body):
        found.append(f"{module.path}: a public module that imports names them in __all__")
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
