"""Names of a package that are imported when they are first used (PEP 562): importing it costs nothing.

A package lists its names in one of two ways. For ``modules`` it lists the names of each module; only the
module of a used name is imported. The ``layers`` are searched in the order in which they import each other.
This imports nothing in vain: the layer that has the name needs the layers before it anyway. Type checkers
read the imports of the package itself; this code is for run time only.
"""

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from sys import modules as loaded
from types import MappingProxyType
from typing import Final

_NONE: Final[Mapping[str, Collection[str]]] = MappingProxyType({})


def lazy_names(
    module: str,
    *,
    listed: Collection[str],
    layers: Collection[str] = (),
    unlisted: Collection[str] = (),
    modules: Mapping[str, Collection[str]] = _NONE,
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package that imports a module when a name of it is used.

    A name that was found is stored in the package, so each name is searched once.

    Args:
        module: the ``__name__`` of the package.
        listed: its ``__all__``.
        layers: the packages inside it to search, each after those that it imports.
        unlisted: further names of the layers that can be imported from it, but are not shown by ``dir``.
        modules: further modules inside it, each with the names that the package takes from it. A module whose
            name has no underscore is an attribute of the package too, and is imported when it is used.

    Raises:
        AttributeError: the package has no such name (raised by ``__getattr__``).

    Example:
        >>> find, names = lazy_names("miniagents", listed=["Message"], layers=["streams", "messages"])
        >>> find("Message").__name__, "Message" in names()
        ('Message', True)
    """
    known = frozenset((*listed, *unlisted))
    home = {name: each for each, has in modules.items() for name in has}
    inside = frozenset(each for each in (*layers, *modules) if not each.startswith("_"))

    def find(name: str) -> object:
        if name in inside:
            return import_module(f"{module}.{name}")  # which also keeps it in the package
        if name in home:
            return keep(name, getattr(import_module(f"{module}.{home[name]}"), name))
        if name in known:
            for layer in layers:
                behind = import_module(f"{module}.{layer}")
                if name in behind.__all__:
                    return keep(name, getattr(behind, name))
        raise AttributeError(f"module {module!r} has no attribute {name!r}", name=name, obj=loaded[module])

    def keep(name: str, found: object) -> object:
        setattr(loaded[module], name, found)
        return found

    def names() -> list[str]:
        return sorted({*vars(loaded[module]), *listed, *inside})

    return find, names
