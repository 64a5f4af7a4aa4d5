# ruff: noqa: INP001 - it stands beside the pages, and is no part of a package
"""How the site reads docstrings: an extension of griffe, which mkdocstrings reads the package with.

* ``Example:`` is a section of examples that run; griffe knows it as ``Examples:``.
* ``:class:`Message` `` becomes ```Message```, since the site is written in Markdown.
* What `lazy_dataclass` makes is a dataclass, with the parameters of one.
"""

import re
from typing import TYPE_CHECKING

from griffe import ExprCall, ExprName, Extension

if TYPE_CHECKING:
    from griffe import Attribute, Class, Function, Module, Object

_EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)
_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`~?([^`]+)`")


class Docstrings(Extension):
    """Reads docstrings and dataclasses as they are meant."""

    def on_instance(self, *, obj: "Module | Class | Function | Attribute", **_: object) -> None:
        """Rewrite the docstring of a module, a class, a function or a constant."""
        _rewrite(obj)

    def on_class_instance(self, *, cls: "Class", **_: object) -> None:
        """Have the built-in extension for dataclasses find those of `lazy_dataclass`."""
        for decorator in cls.decorators:
            call = decorator.value
            if isinstance(call, ExprCall) and str(call.function) == "lazy_dataclass":
                call.function = ExprName("dataclass", parent="dataclasses")


def _rewrite(obj: "Object") -> None:
    if obj.docstring is not None:
        text = _EXAMPLE.sub("Examples:", obj.docstring.value)
        obj.docstring.value = _ROLE.sub(r"`\1`", text)
