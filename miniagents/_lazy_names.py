"""Names of a package that are imported when they are first used (PEP 562): importing it costs nothing.

Where a name is, a package tells in one of two ways. Of its ``modules`` it tells which names each has, and
only that one is imported. Its ``layers`` are looked through in the order in which they import each other;
nothing is imported in vain, since the layer that has the name needs those before it anyway. Type checkers
read the imports of the package itself and never come here.
"""

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from sys import modules as loaded
from types import MappingProxyType
from typing import Final

__all__ = ["lazy_names"]

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

    What was found is kept in the package: each name is looked for once.

    Args:
        module: the ``__name__`` of the package.
        listed: its ``__all__``.
        layers: the packages inside it that have names, each after those that it imports.
        unlisted: names of the layers that can be imported from it too, but are not shown by ``dir``.
        modules: further modules inside it, each with the names that the package has from it; a module without
            an underscore is there itself without being imported.

    Raises:
        AttributeError: the package has no such name (raised by ``__getattr__``).

    Example:
        >>> find, names = lazy_names("miniagents", listed=["Message"], layers=["values", "core"])
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
