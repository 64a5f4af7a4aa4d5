"""Dataclasses whose methods are compiled when they are first called.

``dataclass`` writes six methods for each class and compiles them, which takes nearly a millisecond. The
library has dozens of such classes, and a program uses few of them. Here a class gets its slots and fields at
once. ``dataclass`` compiles a method when it is first looked up; then the method is stored in the class.
"""

from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, dataclass, fields
from types import FunctionType, MappingProxyType
from typing import Final, Literal, TypeVar, cast

C = TypeVar("C", bound=type[object])

# The arguments with which `dataclass` compiles only this method (and those of `frozen`).
_ONLY: Final[Mapping[str, Mapping[str, bool]]] = MappingProxyType(
    {
        "__init__": {"init": True, "frozen": True},
        "__repr__": {"repr": True},
        "__eq__": {"eq": True},
        "__hash__": {"unsafe_hash": True},
    }
)


def lazy_dataclass(
    *,
    frozen: Literal[True],  # noqa: ARG001 - for type checkers, which treat this as `dataclass`
    slots: Literal[True],
    kw_only: bool = False,
) -> Callable[[C], C]:
    """Return a decorator that does the same as ``dataclass`` with these arguments.

    A class with a dataclass among its bases needs ``dataclass`` itself. Other dataclasses may inherit from a
    class that this decorator made.

    Args:
        frozen: its fields cannot be assigned.
        slots: its instances have no ``__dict__``.
        kw_only: its fields are given by name.

    Raises:
        TypeError: a base of the class is a dataclass (raised by the decorator).

    Example:
        >>> @lazy_dataclass(frozen=True, slots=True)
        ... class Point:
        ...     x: int
        ...     y: int = 0
        >>> Point(3), Point(3) == Point(3, 0)
        (Point(x=3, y=0), True)
    """

    def decorate(cls: C) -> C:
        # Without a docstring `dataclass` would write the signature there, and so compile `__init__`.
        cls.__doc__ = cls.__doc__ or cls.__name__
        for name in _ONLY:
            if name not in vars(cls):
                setattr(cls, name, _CompiledOnUse())
        for name, method in _ALL_HAVE.items():
            setattr(cls, name, method)
        made = dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
        setattr(made, "__dataclass_params__", _PARAMETERS)  # noqa: B010 - dataclasses do not declare it
        return cast("C", made)

    return decorate


class _CompiledOnUse:
    """A placeholder of a method: at the first look-up it replaces itself with the compiled method."""

    __slots__ = ("_name", "_owner")

    def __set_name__(self, owner: type[object], name: str) -> None:
        self._owner = owner
        self._name = name

    def __get__(self, instance: object, owner: type[object] | None = None) -> object:
        method = _compiled(self._owner, self._name)
        setattr(self._owner, self._name, method)
        return cast("object", method.__get__(instance, owner))


def _compiled(cls: type[object], name: str) -> FunctionType:
    """Return the method that ``dataclass`` makes for a class with these fields."""
    declared = {each.name: each for each in fields(cls)}  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # it is one
    body: dict[str, object] = {
        "__doc__": cls.__doc__,
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
    }
    if hasattr(cls, "__post_init__"):
        body["__post_init__"] = None  # `dataclass` only checks that it exists
    like = type(cls.__name__, (), {**body, **declared})
    like.__annotations__ = {each.name: each.type for each in declared.values()}
    flags = {"init": False, "repr": False, "eq": False, **_ONLY[name]}
    return cast("FunctionType", vars(dataclass(**flags)(like))[name])


def _refuse_assigning(self: object, name: str, value: object) -> None:
    if _is_fixed(self, name):
        msg = f"cannot assign to field {name!r}"
        raise FrozenInstanceError(msg)
    object.__setattr__(self, name, value)


def _refuse_deleting(self: object, name: str) -> None:
    if _is_fixed(self, name):
        msg = f"cannot delete field {name!r}"
        raise FrozenInstanceError(msg)
    object.__delattr__(self, name)


def _is_fixed(value: object, name: str) -> bool:
    """Return whether an attribute is frozen: all of a dataclass, only the fields of its plain subclass."""
    return "__dataclass_fields__" in vars(type(value)) or name in {each.name for each in fields(value)}  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # it is one


@dataclass(frozen=True, slots=True)
class _Frozen:
    """A source of the attributes that every frozen dataclass with slots has."""


_PARAMETERS: Final = cast("object", vars(_Frozen)["__dataclass_params__"])
_ALL_HAVE: Final[Mapping[str, object]] = MappingProxyType(
    {
        "__setattr__": _refuse_assigning,
        "__delattr__": _refuse_deleting,
        "__getstate__": vars(_Frozen)["__getstate__"],
        "__setstate__": vars(_Frozen)["__setstate__"],
    }
)
