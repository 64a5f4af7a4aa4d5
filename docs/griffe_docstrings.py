# ruff: noqa: INP001 - it stands beside the pages, and is no part of a package
"""How the site reads docstrings: an extension of griffe, which mkdocstrings reads the package with.

* ``Example:`` is a section of examples that run; griffe knows it as ``Examples:``.
* ``:class:`Message` `` becomes ```Message```, since the site is written in Markdown.
"""

import re
from typing import TYPE_CHECKING

from griffe import Extension

if TYPE_CHECKING:
    from griffe import Attribute, Class, Function, Module, Object

_EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)
_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`~?([^`]+)`")


class Docstrings(Extension):
    """Reads docstrings as they are meant."""

    def on_instance(self, *, obj: "Module | Class | Function | Attribute", **_: object) -> None:
        """Rewrite the docstring of a module, a class, a function or a constant."""
        _rewrite(obj)


def _rewrite(obj: "Object") -> None:
    if obj.docstring is not None:
        text = _EXAMPLE.sub("Examples:", obj.docstring.value)
        obj.docstring.value = _ROLE.sub(r"`\1`", text)
