"""The checks of the names: what is public is listed, is there, is described, and is typed."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.project import NAMED_PUBLIC_MODULES
from tests.architecture.source import PACKAGE, Module, module_level, modules

__all__ = ["bad_alls", "listed", "shadowed_modules", "undocumented", "untyped"]

# What `miniagents` imports its layers with, when a name of theirs is used.
_LAZY_IMPORT = frozenset({"TYPE_CHECKING", "lazy_names"})

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def bad_alls(root: Path) -> list[str]:
    """Return a sentence for each `__all__` that is not sorted, not unique, or not exactly what is public.

    Of a package and of the named public modules, each name that is imported is public; of another module
    without an underscore, each name that it defines.
    A module with an underscore needs no `__all__`, but one it has is sorted, unique and true. In the package
    itself `from x import y as y` says that `y` can be imported and is not listed: `__all__` has the names of
    the first hour there, and `tests/test_public_names.py` has the list of all.
    """
    return [f"{module.path}: {sentence}" for module in modules(root) for sentence in _bad_all(module)]


def shadowed_modules(root: Path) -> list[str]:
    """Return a sentence for each package that exports a name which one of its public modules has, too."""
    found = modules(root)
    names = {module.name for module in found}
    return [
        f"{module.path}: exports {name}, and so hides the module {module.name}.{name}"
        for module in found
        for name in listed(module.tree) or ()
        if module.is_package and f"{module.name}.{name}" in names
    ]


def undocumented(root: Path) -> list[str]:
    """Return a sentence for each module, public class, function and method without a docstring."""
    found: list[str] = []
    for module in modules(root):
        if ast.get_docstring(module.tree) is None:
            found.append(f"{module.path}: has no docstring")
        bare = [each for each in _public(module.tree) if not _is_described(each)]
        found += [f"{module.path}:{each.lineno}: {each.name} has no docstring" for each in bare]
    return found


def untyped(root: Path, justified: frozenset[str]) -> list[str]:
    """Return a sentence for each public signature or field that says `Any`; `object` is what can be anything.

    Args:
        root: the folder that holds the package.
        justified: the `module:name` of each definition that has a reason.
    """
    return [
        f"{module.path}:{each.lineno}: {each.name} says Any"
        for module in modules(root)
        for each in _public(module.tree)
        if f"{module.name}:{each.name}" not in justified and any(map(_says_any, _annotations(each)))
    ]


def listed(tree: ast.Module) -> list[str] | None:
    """Return the names in `__all__`, or None if there is none."""
    for statement in tree.body:
        match statement:
            case (
                ast.Assign(
                    targets=[ast.Name(id="__all__")], value=ast.List(elts=names) | ast.Tuple(elts=names)
                )
                | ast.AnnAssign(
                    target=ast.Name(id="__all__"), value=ast.List(elts=names) | ast.Tuple(elts=names)
                )
            ):
                return [str(name.value) for name in names if isinstance(name, ast.Constant)]
            case _:
                pass
    return None


def _bad_all(module: Module) -> Iterator[str]:
    names = listed(module.tree)
    defined, imported = _defined(module.tree), _imported(module.tree)
    behind = imported - _LAZY_IMPORT if is_public_module(module) else defined
    if module.name == PACKAGE:
        behind -= _imported_as_itself(module.tree)
    public = {name for name in behind if not name.startswith("_")}
    if names is None:
        if public and not module.is_private and module.path.name != "__main__.py":
            yield "has public names and no __all__"
        return
    if names != sorted(names, key=_order):
        yield f"__all__ is not sorted: {sorted(names, key=_order)}"
    if len(names) != len(set(names)):
        yield "__all__ names something twice"
    if missing := set(names) - defined - imported:
        yield f"__all__ names what is not there: {sorted(missing)}"
    if not module.is_private and (unlisted := public - set(names)):
        yield f"__all__ does not name {sorted(unlisted)}"


def is_public_module(module: Module) -> bool:
    """Tell whether the file is a public module: a package, a documented module of the root, a named one."""
    of_root = not module.is_package and module.name.count(".") == 1 and not module.is_private
    return module.is_package or of_root or module.name in NAMED_PUBLIC_MODULES


def _order(name: str) -> tuple[int, str]:
    """Order as ruff does: constants, classes, then the rest."""
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, name


def _defined(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for each in module_level(tree.body):
        match each:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar" | "ParamSpec" | "TypeVarTuple"))):
                pass  # a tool of the signatures, not something to import
            case ast.Assign(targets=targets):
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
            case _:
                pass
    return found - {"__all__"}


def _imported(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for each in module_level(tree.body):
        if isinstance(each, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.split(".")[0] for alias in each.names}
    return found


def _imported_as_itself(tree: ast.Module) -> set[str]:
    lines = [each for each in module_level(tree.body) if isinstance(each, ast.ImportFrom)]
    return {alias.name for each in lines for alias in each.names if alias.asname == alias.name}


def _public(tree: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef | _Function]:
    """Yield the public classes and functions, and the public methods of public classes."""
    for each in module_level(tree.body):
        if isinstance(each, ast.ClassDef | _Function) and not each.name.startswith("_"):
            yield each
            if isinstance(each, ast.ClassDef):
                yield from _public(each)
        elif isinstance(tree, ast.ClassDef) and isinstance(each, _Function) and each.name.endswith("__"):
            yield each


def _is_described(each: ast.ClassDef | _Function) -> bool:
    # A magic method does what the data model says; an override what its base says; an overload or a setter is
    # described where the implementation or the getter is.
    marks = {ast.unparse(mark).split(".")[-1] for mark in each.decorator_list}
    return (
        ast.get_docstring(each) is not None
        or each.name.startswith("__")
        or bool(marks & {"overload", "override", "setter"})
    )


def _annotations(each: ast.ClassDef | _Function) -> Iterator[ast.expr | None]:
    if isinstance(each, ast.ClassDef):
        for field in each.body:
            if isinstance(field, ast.AnnAssign) and not ast.unparse(field.target).startswith("_"):
                yield field.annotation
        yield from each.bases
        return
    arguments = each.args
    for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
        yield argument.annotation
    yield arguments.vararg.annotation if arguments.vararg else None
    yield arguments.kwarg.annotation if arguments.kwarg else None
    yield each.returns


def _says_any(annotation: ast.expr | None) -> bool:
    if annotation is None:
        return False
    literals = [each for each in ast.walk(annotation) if isinstance(each, ast.Subscript)]
    words = {id(word) for each in literals if "Literal" in ast.unparse(each.value) for word in ast.walk(each)}
    quoted = [
        each for each in ast.walk(annotation) if isinstance(each, ast.Constant) and id(each) not in words
    ]
    inner = [ast.parse(each.value, mode="eval").body for each in quoted if isinstance(each.value, str)]
    names = [ast.unparse(each) for each in ast.walk(annotation) if isinstance(each, ast.Name | ast.Attribute)]
    return any(name.split(".")[-1] == "Any" for name in names) or any(map(_says_any, inner))
