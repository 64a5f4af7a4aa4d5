"""The checks between modules: who may import whom, and how."""

import ast
import re
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from tests.architecture.names import listed
from tests.architecture.project import OF_ANY_PACKAGE, OPEN_LAYERS
from tests.architecture.source import PACKAGE, Import, Module, imports, modules

__all__ = [
    "foreign_imports",
    "imports_in_functions",
    "private_needs",
    "provider_crossings",
    "wrong_crossings",
]

_OURS = frozenset({PACKAGE, "tests", "examples"})
# What is at the top of a file is in no function, unless several statements are on one line.
_INDENTED_IMPORT = re.compile(
    r"(^[ \t]+|[;:][ \t]*)(import|from)\b([ \t]*\.|.*(\\|\b(miniagents|tests|examples)\b))", re.MULTILINE
)


def imports_in_functions(root: Path, *folders: str) -> list[str]:
    """Return a sentence for each import of our own code inside a function: it hides a cycle or a cost."""
    return [
        f"{module.path}:{each.line}: import {each.module} at the top of the file"
        for module in modules(root, *folders, having=_INDENTED_IMPORT)
        for each in imports(module)
        if each.in_function and (each.relative or each.module.split(".")[0] in _OURS)
    ]


def wrong_crossings(root: Path, *folders: str) -> list[str]:
    """Return a sentence for each import of another layer's private module, or absolute one inside a layer.

    The private modules of `streams`, `messages` and `operators` are open to the rest of the package.
    """
    known = frozenset(module.name for module in modules(root))
    return [
        f"{module.path}:{each.line}: {wrong}"
        for module in modules(root, *folders)
        for each in imports(module)
        if each.module.split(".")[0] == PACKAGE and (wrong := _wrong(module, each, known))
    ]


def foreign_imports(root: Path, allowed: Mapping[str, str]) -> list[str]:
    """Return a sentence for each import of a third-party package in a module that is not allowed to.

    Args:
        root: the folder that holds the package.
        allowed: for each third-party package, a pattern that the full dotted name of an importer must match.
    """
    found: list[str] = []
    for module in modules(root):
        for each in imports(module):
            package = each.module.split(".")[0]
            ours = each.relative or package == PACKAGE or package in sys.stdlib_module_names
            if not ours and not re.fullmatch(allowed.get(package, "(?!)"), module.name):
                found.append(f"{module.path}:{each.line}: {package} may not be imported here")
    return found


def provider_crossings(root: Path) -> list[str]:
    """Return a sentence for each provider of `ext/llm` that imports another one."""
    providers = [each for each in modules(root) if re.fullmatch(rf"{PACKAGE}\.ext\.llm\.[^_.]\w*", each.name)]
    names = frozenset(provider.name for provider in providers)
    return [
        f"{provider.path}:{each.line}: a provider does not import another"
        for provider in providers
        for each in imports(provider)
        if _target(each, names) in names - {provider.name}
    ]


def private_needs(root: Path, extensions: Collection[str], internal: Collection[str]) -> list[str]:
    """Return `importer: what it imports` for each import of an extension that users could not write.

    Users can import public modules, and of these what `__all__` lists. A module that is named in a text, as
    for `import_module`, counts as imported.

    Args:
        root: the folder that holds the package.
        extensions: the packages that are looked at, by their names within the package; what is inside of one
            may import all of it.
        internal: layers that are not imported by users.
    """
    known = {module.name: module for module in modules(root)}
    private = {name for name in known if _is_hidden(name, internal)}
    lists = {name: frozenset(listed(module.tree) or ()) for name, module in known.items()}
    found: set[str] = set()
    for module in known.values():
        own = next((f"{PACKAGE}.{each}" for each in extensions if _is_within(module.name, each)), None)
        if own is None:
            continue
        for each in imports(module):
            whole = f"{each.module}.{each.name}"
            if each.module.split(".")[0] != PACKAGE or f"{each.module}.".startswith(f"{own}."):
                continue
            is_module = each.name is None or whole in known
            target = whole if each.name is not None else each.module
            reached = (whole if whole in known else each.module) if is_module else each.module
            if reached in private or (not is_module and each.name not in lists.get(reached, ())):
                found.add(f"{module.name}: {target}")
        texts = {node.value for node in ast.walk(module.tree) if isinstance(node, ast.Constant)}
        named = {text for text in texts if isinstance(text, str)} & private
        found |= {f"{module.name}: {name}" for name in named if not f"{name}.".startswith(f"{own}.")}
    return sorted(found)


def _is_hidden(name: str, internal: Collection[str]) -> bool:
    parts = name.split(".")
    return any(part.startswith("_") for part in parts) or (len(parts) > 1 and parts[1] in internal)


def _is_within(name: str, extension: str) -> bool:
    return f"{name}.".startswith(f"{PACKAGE}.{extension}.")


def _wrong(module: Module, each: Import, known: frozenset[str]) -> str:
    target = _target(each, known)
    layer = _layer_of(target, known)
    if layer == module.layer and module.name.startswith(PACKAGE):
        return "" if each.relative or not layer else "inside a layer imports are relative"
    if module.is_package and target in OF_ANY_PACKAGE and not each.relative:
        return ""
    if each.relative and module.layer:
        return f"from another layer, import its public module: from {PACKAGE}.{layer} import ..."
    if layer in OPEN_LAYERS and module.name.startswith(PACKAGE):
        return ""
    private = any(part.startswith("_") for part in target.split("."))
    return f"import the public module, not the private module {target}" if private else ""


def _target(each: Import, known: frozenset[str]) -> str:
    """Return the module that the import reaches: `from . import _module` reaches that, not the package."""
    whole = f"{each.module}.{each.name}"
    return whole if whole in known else each.module


def _layer_of(name: str, known: frozenset[str]) -> str:
    parts = name.split(".")
    is_layer = len(parts) > 2 or any(each.startswith(f"{name}.") for each in known)
    return parts[1] if len(parts) > 1 and is_layer else ""
