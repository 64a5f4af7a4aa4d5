"""`freeze`: data as it is now, which nobody can change any more."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Final, Protocol, cast, runtime_checkable
from uuid import UUID

from pydantic import BaseModel

from ._errors import FreezeError, NestingError
from ._frozen_mapping import FrozenMapping
from ._path import Index, Member, Path

MAX_NESTING: Final = 64
"""How many levels deep containers and nested messages may stand in one another."""

ALLOWED: Final = (
    "None, bool, int, float, str, bytes, date, datetime, time, timedelta, UUID, Decimal, Path, Enum members, "
    "messages, pydantic models, and mappings, lists, tuples and sets of these"
)

ATOMS: Final[frozenset[type]] = frozenset(
    (
        *(type(None), bool, int, float, str, bytes, date, datetime, time, timedelta, timezone, UUID, Decimal),
        *(PosixPath, WindowsPath, PurePosixPath, PureWindowsPath),
    )
)
"""The exact types that are frozen already."""


@runtime_checkable
class FrozenAllTheWay(Protocol):
    """What `freeze` asks of a value that is frozen by itself, so that `Frozen` need not be known here."""

    def __frozen_depth__(self) -> int:
        """Return how many levels are nested in the value; it is 1 for flat data."""
        ...


def freeze(value: object, path: Path | None = None) -> object:
    """Make data immutable: dicts become `FrozenMapping`, lists tuples, sets frozensets, all the way down.

    Values are taken as they are at the moment of the call. Subclasses of str, int, float and bytes become the plain
    type; a pydantic model that is no `Frozen` is kept as a deep copy.

    Args:
        value: Any data of the allowed types.
        path: Where the value stands, for the text of an error.

    Returns:
        The frozen value; the same object when it was frozen already.

    Raises:
        FreezeError: If something in it is not of the allowed types, or a container contains itself.
        NestingError: If it is nested more than 64 levels deep.

    Example:
        >>> freeze({"a": [1, {2}]})
        FrozenMapping({'a': (1, frozenset({2}))})
    """
    if type(value) in ATOMS:
        return value
    return _Freezer().freeze(value, path or Path(None, "value"))


class _Freezer:
    """One walk through one value; `_open` holds the containers between the root and here."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: set[int] = set()

    def freeze(self, value: object, path: Path) -> object:
        if type(value) in ATOMS:
            return value
        match value:
            case FrozenAllTheWay():
                if value.__frozen_depth__() + len(self._open) > MAX_NESTING:
                    raise _too_deep(path)
                return value
            case Enum() | date() | time() | timedelta() | UUID() | Decimal() | PurePath():
                return value
            case str():
                return str.__str__(value)
            case int():
                return int.__int__(value)
            case float():
                return float.__float__(value)
            case bytes():
                return bytes.__getitem__(value, slice(None))
            case _:
                return self._container(value, path)

    def _container(self, value: object, path: Path) -> object:
        if id(value) in self._open:
            raise FreezeError(f"{path} contains itself; data of a message cannot be circular, break the circle")
        if len(self._open) >= MAX_NESTING:
            raise _too_deep(path)
        self._open.add(id(value))
        try:
            match value:
                case Mapping():
                    return self._mapping(cast("Mapping[object, object]", value), path)
                case tuple():
                    return self._tuple(cast("tuple[object, ...]", value), path)
                case list():
                    return tuple(self._items(cast("list[object]", value), path))
                case set() | frozenset():
                    element = Path(path, Member("an element"))
                    return frozenset(
                        self.freeze(each, element) for each in cast("frozenset[object]", value)
                    )
                case BaseModel():
                    return self._model(value, path)
                case _:
                    raise FreezeError(
                        f"{path} is of type {_type_name(value)}, which cannot be frozen; allowed are {ALLOWED}"
                    )
        finally:
            self._open.discard(id(value))

    def _items(self, items: "list[object] | tuple[object, ...]", path: Path) -> list[object]:
        # A plain loop, and a path step only for what is no atom: this is the way of most data.
        return [
            each if type(each) in ATOMS else self.freeze(each, Path(path, Index(at)))
            for at, each in enumerate(items)
        ]

    def _tuple(self, value: tuple[object, ...], path: Path) -> tuple[object, ...]:
        items = self._items(value, path)
        if type(value) is tuple and all(old is new for old, new in zip(value, items, strict=True)):
            return value
        if hasattr(value, "_fields"):  # a named tuple keeps its names, without running a constructor of its own
            return tuple.__new__(type(value), items)
        return tuple(items)

    def _mapping(self, value: Mapping[object, object], path: Path) -> FrozenMapping[object, object]:
        key_path = Path(path, Member("a key"))
        items = {
            self.freeze(key, key_path): self.freeze(item, Path(path, key)) for key, item in value.items()
        }
        if type(value) is FrozenMapping and all(item is value.get(key) for key, item in items.items()):
            return cast("FrozenMapping[object, object]", value)
        return FrozenMapping(items)

    def _model(self, value: BaseModel, path: Path) -> BaseModel:
        # Only to check what is in it: the copy stays as its own class declares it.
        for name, item in (*value.__dict__.items(), *(value.__pydantic_extra__ or {}).items()):
            self.freeze(item, Path(path, name))
        return value.model_copy(deep=True)


def _too_deep(path: Path) -> NestingError:
    return NestingError(f"{path} is nested more than {MAX_NESTING} levels deep; make the data flatter")


def _type_name(value: object) -> str:
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
