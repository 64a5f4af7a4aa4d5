"""A door that opens when a name behind it is used (PEP 562), so that ``import miniagents`` costs nothing.

Rule of this room: **a name is looked for floor by floor, in the order of the house**. A floor imports only
those before it, so nothing is imported in vain: what stands before the floor that has the name is needed by
it anyway. Type checkers never come here: they read the imports of the door.
"""

from collections.abc import Callable, Collection
from importlib import import_module
from sys import modules

__all__ = ["open_on_use"]


def open_on_use(
    door: str, names: Collection[str], *floors: str
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a door that imports a floor when a name of it is used.

    What was found is kept in the door: each name is looked for once.

    Args:
        door: the ``__name__`` of the door.
        names: its ``__all__``.
        floors: the packages behind the door, each after those that it imports.

    Raises:
        AttributeError: the door has no such name (raised by ``__getattr__``).

    Example:
        >>> find, listed = open_on_use("miniagents", ["Message"], "values", "promising")
        >>> find("Message").__module__, "Message" in listed()
        ('miniagents.core._message', True)
    """

    def find(name: str) -> object:
        if name in floors:
            return import_module(f"{door}.{name}")  # which also keeps it in the door
        if name in names:
            for floor in floors:
                behind = import_module(f"{door}.{floor}")
                if name in behind.__all__:
                    found: object = getattr(behind, name)
                    setattr(modules[door], name, found)
                    return found
        raise AttributeError(f"module {door!r} has no attribute {name!r}", name=name, obj=modules[door])

    def listed() -> list[str]:
        return sorted({*vars(modules[door]), *names, *floors})

    return find, listed
