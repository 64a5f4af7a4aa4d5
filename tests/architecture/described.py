"""The check of the docstrings: what is public says what it takes, what it raises, and shows an example.

Public is what a module without an underscore lists in `__all__`; of a class its public methods, too. Each of
them has a docstring: see `names.undocumented`.

* Every class and function shows an example (`>>>`). That of an agent stands in the docstring of its module:
  its own says what it is for, and a model may be told that.
* `Args:` (of a class also `Attributes:`) says something of every parameter, and of every declared field.
* `Raises:` names every error that is seen to be raised; see `raised`.
* A constant or an alias has a string below it.
* An adapter, which leads from one kind of stream to another one, answers the five questions.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.names import listed
from tests.architecture.raised import raised
from tests.architecture.source import Module, imports, module_level, modules

__all__ = ["QUESTIONS", "examples_in", "unanswered", "undescribed"]

QUESTIONS = (
    "When does it start?",
    "How often?",
    "What is kept?",
    "What does ``break`` do?",
    "When does an error come?",
)
"""What the docstring of an adapter answers."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Holder = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields|Examples?|Note):$", re.MULTILINE)
_ENTRY = re.compile(r"^ {4}(\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*): +\S", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Definition:
    """A class or function, and the module it stands in."""

    module: Module
    node: ast.ClassDef | _Function

    @property
    def place(self) -> str:
        """Where it is written."""
        return f"{self.module.path}:{self.node.lineno}: {self.node.name}"

    @property
    def text(self) -> str:
        """Its docstring; empty if it has none."""
        return ast.get_docstring(self.node) or ""

    def described(self, section: str) -> set[str]:
        """The names in a section of its docstring, each with words behind it."""
        parts = _SECTION.split(self.text)
        bodies = [body for name, body in zip(parts[1::2], parts[2::2], strict=True) if name == section]
        entries = [entry for body in bodies for entry in _ENTRY.findall(_indented(body))]
        return {name.split(".")[-1] for entry in entries for name in entry.split(", ")}


def undescribed(root: Path, *later: str) -> list[str]:
    """Return a sentence for whatever a public name lacks.

    Args:
        root: the folder that holds the package.
        *later: the beginnings of the paths of modules that are not looked at.
    """
    known = {module.name: module for module in modules(root)}
    found: set[str] = set()
    for module in known.values():
        for name in () if module.is_private else listed(module.tree) or ():
            found.update(_lacks(known, module, name))
    return sorted(each for each in found if not each.startswith(later))


def unanswered(root: Path, adapters: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return a sentence for each question that the docstring of an adapter does not answer.

    Args:
        root: the folder that holds the package.
        adapters: for each module, what in it is an adapter: `name`, `Class.method`, or the module: an empty
            name.
    """
    known = {module.name: module for module in modules(root)}
    return [
        f"{module}: {name} does not answer {question!r}"
        for module, names in adapters.items()
        for name in names
        for question in QUESTIONS
        if question not in _docstring_at(known[module], name)
    ]


def examples_in(module: Module) -> int:
    """Count the examples that the docstrings of a module show: the lines that begin with `>>>`."""
    texts = [ast.get_docstring(node) or "" for node in ast.walk(module.tree) if isinstance(node, _Holder)]
    return sum(len(re.findall(r"^\s*>>> ", text, re.MULTILINE)) for text in texts)


def _lacks(known: Mapping[str, Module], module: Module, name: str) -> Iterator[str]:
    """What a public name lacks, wherever it is defined."""
    body = list(module_level(module.tree.body))
    for each, below in zip(body, [*body[1:], None], strict=True):
        if isinstance(each, ast.ClassDef | _Function) and each.name == name:
            if "overload" not in _marks(each):
                yield from _definition_lacks(Definition(module, each))
                return
        elif name in _assigned(each):
            if not (isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)):
                yield f"{module.path}:{each.lineno}: {name} has no string below it that says what it is"
            return
    for found in imports(module):
        if found.name == name and not found.in_function and found.module in known:
            yield from _lacks(known, known[found.module], name)
            return


def _definition_lacks(each: Definition) -> Iterator[str]:
    node = each.node
    is_agent = bool(_marks(node) & {"miniagent", "model_agent"})
    if ">>> " not in ((ast.get_docstring(each.module.tree) or "") if is_agent else each.text):
        yield f"{each.place} shows no example{' in the docstring of its module' if is_agent else ''}"
    if isinstance(node, _Function):
        yield from _call_lacks(each, node, None)
        return
    for method in [inner for inner in node.body if isinstance(inner, _Function)]:
        if method.name == "__init__":
            yield from _call_lacks(each, method, node)
        elif not method.name.startswith("_") and not _marks(method) & {"overload", "override", "setter"}:
            yield from _call_lacks(Definition(each.module, method), method, node)
    for field in _fields(node):
        if field not in each.described("Args") | each.described("Attributes"):
            yield f"{each.place} does not say what {field} is"


def _call_lacks(each: Definition, function: _Function, owner: ast.ClassDef | None) -> Iterator[str]:
    of_class = isinstance(each.node, ast.ClassDef)
    named = each.described("Args") | (each.described("Attributes") if of_class else set[str]())
    for name in _parameters(function):
        if name not in named:
            yield f"{each.place} does not say under Args what {name} is"
    for error in sorted(raised(each.module, function, owner) - each.described("Raises")):
        yield f"{each.place} does not say under Raises when {error} is raised"


def _marks(node: ast.ClassDef | _Function) -> set[str]:
    called = [mark.func if isinstance(mark, ast.Call) else mark for mark in node.decorator_list]
    return {ast.unparse(each).split(".")[-1] for each in called}


def _assigned(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case ast.Assign(targets=targets):
            return {target.id for target in targets if isinstance(target, ast.Name)}
        case _:
            return set()


def _parameters(function: _Function) -> list[str]:
    taken = function.args
    names = [each.arg for each in [*taken.posonlyargs, *taken.args, *taken.kwonlyargs]]
    names += [f"*{taken.vararg.arg}"] if taken.vararg else []
    names += [f"**{taken.kwarg.arg}"] if taken.kwarg else []
    return [each for each in names if each not in {"self", "cls"} and not each.lstrip("*").startswith("_")]


def _fields(node: ast.ClassDef) -> list[str]:
    """The public fields that a class declares, as dataclasses and models do."""
    return [
        name
        for each in node.body
        if isinstance(each, ast.AnnAssign) and "ClassVar" not in ast.unparse(each.annotation)
        for name in _assigned(each)
        if not name.startswith("_")
    ]


def _indented(body: str) -> str:
    """The lines of a section: it ends where the text is no longer indented."""
    lines = body.strip("\n").splitlines()
    end = next((at for at, line in enumerate(lines) if line and not line.startswith(" ")), len(lines))
    return "\n".join(lines[:end])


def _docstring_at(module: Module, name: str) -> str:
    node: _Holder = module.tree
    for part in filter(None, name.split(".")):
        inner = [each for each in node.body if isinstance(each, ast.ClassDef | _Function)]
        node = next(each for each in inner if each.name == part and "overload" not in _marks(each))
    return ast.get_docstring(node) or ""
