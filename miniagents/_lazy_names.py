"""Names of a package that are imported when they are first used (PEP 562): importing it costs nothing.

A name is looked for layer by layer, in the order in which the layers import each other. Nothing is imported
in vain: the layer that has the name needs those before it anyway. Type checkers read the imports of the
module itself and never come here.
"""

from collections.abc import Callable, Collection
from importlib import import_module
from sys import modules as loaded

__all__ = ["lazy_names"]


def lazy_names(
    module: str,
    *,
    listed: Collection[str],
    layers: Collection[str],
    unlisted: Collection[str] = (),
    modules: Collection[str] = (),
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package that imports a layer when a name of it is used.

    What was found is kept in the package: each name is looked for once.

    Args:
        module: the ``__name__`` of the package.
        listed: its ``__all__``.
        layers: the packages inside it that have the names, each after those that it imports.
        unlisted: names that can be imported from it too, but are not shown by ``dir``.
        modules: further modules of the package, which are there without being imported.

    Raises:
        AttributeError: the package has no such name (raised by ``__getattr__``).

    Example:
        >>> find, names = lazy_names("miniagents", listed=["Message"], layers=["values", "core"])
        >>> find("Message").__name__, "Message" in names()
        ('Message', True)
    """
    known = frozenset((*listed, *unlisted))
    inside = frozenset((*layers, *modules))

    def find(name: str) -> object:
        if name in inside:
            return import_module(f"{module}.{name}")  # which also keeps it in the package
        if name in known:
            for layer in layers:
                behind = import_module(f"{module}.{layer}")
                if name in behind.__all__:
                    found: object = getattr(behind, name)
                    setattr(loaded[module], name, found)
                    return found
        raise AttributeError(f"module {module!r} has no attribute {name!r}", name=name, obj=loaded[module])

    def names() -> list[str]:
        return sorted({*vars(loaded[module]), *listed, *inside})

    return find, names
