"""A source tree read as text and syntax: what every check looks at. Nothing of it is imported.

A check is a function that takes the root of a source tree (the folder that holds `miniagents/`) and returns a
sentence for each breach. So each check can be shown a small bad tree, and is proven to see it.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

__all__ = [
    "PACKAGE",
    "ROOT",
    "Import",
    "Module",
    "imports",
    "module_level",
    "modules",
    "no_breach",
    "paths",
    "plant",
    "read",
]

PACKAGE = "miniagents"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Module:
    """One file: where it is (relative to the root), its dotted name, its text and its syntax."""

    path: Path
    name: str
    text: str
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        """Whether the file is the `__init__.py` of its folder."""
        return self.path.name == "__init__.py"

    @property
    def is_private(self) -> bool:
        """Whether its own name, or that of a folder it is in, has an underscore."""
        return any(part.startswith("_") for part in self.name.split("."))

    @property
    def layer(self) -> str:
        """The folder under the package that the file is in; empty for a file of the root itself."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 2 or (len(parts) == 2 and self.is_package) else ""


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module: its absolute name, the name taken from it (or none), and where it is written."""

    module: str
    name: str | None
    line: int
    relative: bool
    in_function: bool
    for_types: bool = False  # under `if TYPE_CHECKING`


def modules(root: Path, *folders: str, having: re.Pattern[str] | None = None) -> list[Module]:
    """Return all modules under the given folders of the root, in order.

    Args:
        root: the folder that holds the package.
        folders: the package, if none is given.
        having: only modules with such a text; to parse all tests takes seconds.
    """
    return [
        read(root, path)
        for path in paths(root, *folders)
        if having is None or having.search((root / path).read_text(encoding="utf-8"))
    ]


def paths(root: Path, *folders: str) -> list[Path]:
    """Return the files of all modules under the given folders, relative to the root, in order.

    Args:
        root: the folder that holds the package.
        folders: the package, if none is given.
    """
    return [
        path.relative_to(root)
        for folder in folders or (PACKAGE,)
        for path in sorted((root / folder).rglob("*.py"))
        if "__pycache__" not in path.parts and "-" not in path.stem  # no module: a hook of PyInstaller
    ]


def read(root: Path, path: Path) -> Module:
    """Read one module.

    Args:
        root: the folder that holds the package.
        path: the file, relative to the root.
    """
    text = (root / path).read_text(encoding="utf-8")
    parts = path.with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Module(path, name, text, _parsed(text, str(path)))


def imports(module: Module) -> list[Import]:
    """Return every import of the module, also those inside functions, with relative ones made absolute."""
    return list(_imports_of(module))


def module_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run at import, also those under `if`, `try`, `with` and loops."""
    for statement in body:
        yield statement
        for inner in ("body", "orelse", "finalbody"):
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from module_level(getattr(statement, inner, []))
        for handler in getattr(statement, "handlers", []):
            yield from module_level(handler.body)


def no_breach(found: list[str]) -> None:
    """Fail with all that was found, a line each."""
    if found:
        pytest.fail("\n".join([f"{len(found)} breaches:", *found]), pytrace=False)


def plant(root: Path, files: dict[str, str]) -> Path:
    """Write a small source tree for a test of a check; folders of the package become packages."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for folder in {root / PACKAGE, *(path.parent for path in (root / PACKAGE).rglob("*.py"))}:
        if not (folder / "__init__.py").exists():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "__init__.py").write_text('"""A public module."""\n', encoding="utf-8")
    return root


@lru_cache(maxsize=1024)  # every check looks at the same files
def _parsed(text: str, name: str) -> ast.Module:
    return ast.parse(text, filename=name)


@lru_cache(maxsize=1024)
def _imports_of(module: Module) -> tuple[Import, ...]:
    return tuple(_imports(module, module.tree, in_function=False, for_types=False))


def _imports(module: Module, node: ast.AST, *, in_function: bool, for_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            continue  # no import is in an expression
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, None, child.lineno, False, in_function, for_types)  # noqa: FBT003
        elif isinstance(child, ast.ImportFrom):
            source = _absolute(module, child)
            for alias in child.names:
                yield Import(source, alias.name, child.lineno, child.level > 0, in_function, for_types)
        function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        rest: ast.AST = child
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            only = ast.Module(child.body, [])
            yield from _imports(module, only, in_function=in_function, for_types=True)
            rest = ast.Module(child.orelse, [])
        yield from _imports(module, rest, in_function=in_function or function, for_types=for_types)


def _absolute(module: Module, statement: ast.ImportFrom) -> str:
    if statement.level == 0:
        return statement.module or ""
    package = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
    base = package[: len(package) - (statement.level - 1)]
    return ".".join([*base, statement.module] if statement.module else base)
