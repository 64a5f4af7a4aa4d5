"""`freeze`, which makes an immutable copy of data, and `FrozenMapping`, which dicts become.

A `DataPath` is the position of something inside a value; it becomes text only when an error needs it.
`FrozenValue` is all that `freeze` and the hash keys know of a frozen model, so they do not import `Frozen`.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from operator import is_
from pathlib import PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from types import GenericAlias
from typing import Any, Final, NamedTuple, Never, NoReturn, Self, TypeGuard, TypeVar, cast, get_args
from uuid import UUID

from pydantic import BaseModel, GetCoreSchemaHandler, Secret, SecretBytes, SecretStr, TypeAdapter
from pydantic_core import CoreSchema, core_schema
from typing_extensions import override

from ._errors import FreezeError, NestingError


class Index(NamedTuple):
    """The position of an item in a list or tuple."""

    at: int


class Member(NamedTuple):
    """An element of a set, which has no position, or a key of a mapping; `what` says which."""

    what: str


class DataPath:
    """One step of a path; `str(path)` reads like Python: ``Message.meta.items[3]``.

    Args:
        parent: The path to the container, or ``None`` at the root.
        step: The name of the root, a mapping's key, an `Index` or a `Member`.
    """

    __slots__ = ("parent", "step")

    def __init__(self, parent: "DataPath | None", step: object) -> None:
        self.parent: DataPath | None = parent
        self.step: object = step

    @override
    def __str__(self) -> str:
        parts: list[str] = []
        here: DataPath | None = self
        while here is not None:
            parts.append(_step_text(here.step, is_root=here.parent is None))
            here = here.parent
        return "".join(reversed(parts))


def _step_text(step: object, *, is_root: bool) -> str:
    match step:
        case Index(at):
            return f"[{at}]"
        case Member(what):
            return f"[{what}]"
        case str() if is_root:
            return step
        case str() if step.isidentifier():
            return f".{step}"
        case str() | int() | bytes() | None:
            return f"[{step!r}]"
        case _:
            return f"[a {type(step).__name__} key]"


class FrozenValue:
    """The base class of values that freeze themselves, with the methods that `freeze` and hash keys call."""

    __slots__ = ()

    def __frozen_depth__(self) -> int:
        """Return how many levels are nested in the value, counting itself: 1 for flat data."""
        raise NotImplementedError

    def __hash_key_of__(self, path: DataPath) -> tuple[str, bool]:
        """Return the hash key, and whether it can be cached for ever.

        Args:
            path: Where the value stands, for the text of an error.
        """
        raise NotImplementedError


K = TypeVar("K", bound=Hashable)
M = TypeVar("M", bound=BaseModel)
V = TypeVar("V")


class FrozenMapping(dict[K, V]):
    """An immutable, hashable mapping, equal to any dict with the same items.

    The constructor takes the values as they are; `freeze` freezes them too. The mapping is hashable if its
    values are.

    Raises:
        TypeError: On every attempt to change it.

    Example:
        >>> mapping = FrozenMapping({"a": 1})
        >>> mapping == {"a": 1}, hash(mapping) == hash(FrozenMapping(a=1)), {**mapping, "b": 2}
        (True, True, {'a': 1, 'b': 2})
    """

    __slots__ = ()

    @override
    def __hash__(self) -> int:  # type: ignore[override]  # a dict says it has no hash; this one has
        return hash(frozenset(self.items()))

    @override
    def __repr__(self) -> str:
        return f"FrozenMapping({super().__repr__()})"

    def __copy__(self) -> Self:
        return self

    @override
    def __reduce__(self) -> tuple[type[Self], tuple[dict[K, V]]]:
        return (type(self), (dict(self),))

    @override
    def copy(self) -> dict[K, V]:
        """Return an ordinary dict with the same items, which can be changed."""
        return dict(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler, /) -> CoreSchema:
        """Let a field be declared as `FrozenMapping[str, int]`: validated as that dict, then frozen."""
        return core_schema.no_info_after_validator_function(
            cls, handler.generate_schema(GenericAlias(dict, get_args(source) or (Any, Any)))
        )

    def _refuse(self) -> NoReturn:
        raise TypeError(
            "this mapping is frozen and cannot be changed; make a changed copy: {**mapping, key: value}"
        )

    @override
    def __setitem__(self, key: Never, value: Never, /) -> NoReturn:  # type: ignore[override]  # refused by type checkers too
        self._refuse()

    @override
    def __delitem__(self, key: Never, /) -> NoReturn:  # type: ignore[override]  # refused by type checkers too
        self._refuse()

    @override
    def __ior__(self, other: Never, /) -> NoReturn:  # type: ignore[override]  # refused by type checkers too
        self._refuse()

    @override
    def clear(self) -> NoReturn:
        """Refuse: the mapping is frozen."""
        self._refuse()

    @override
    def pop(self, *_: Never, **__: Never) -> NoReturn:  # type: ignore[override]  # the same
        """Refuse: the mapping is frozen."""
        self._refuse()

    @override
    def popitem(self) -> NoReturn:
        """Refuse: the mapping is frozen."""
        self._refuse()

    @override
    def setdefault(self, *_: Never, **__: Never) -> NoReturn:  # type: ignore[override]  # the same
        """Refuse: the mapping is frozen."""
        self._refuse()

    @override
    def update(self, *_: Never, **__: Never) -> NoReturn:  # type: ignore[override]  # the same
        """Refuse: the mapping is frozen."""
        self._refuse()


MAX_NESTING: Final = 64
"""How many levels deep messages and containers may be nested, counting the outermost message."""

ALLOWED: Final = (
    "None, bool, int, float, str, bytes, date, datetime, time, timedelta, UUID, Decimal, Path, URLs, IP "
    "addresses, Fraction, ZoneInfo, Enum members, messages, pydantic models, dataclasses, and mappings, "
    "lists, tuples and sets of these; in a pydantic model or a dataclass also what pydantic can write as JSON"
)

ATOMS: Final[frozenset[type]] = frozenset(
    (
        *(type(None), bool, int, float, str, bytes, date, datetime, time, timedelta, UUID, Decimal),
        *(PosixPath, WindowsPath, PurePosixPath, PureWindowsPath),
    )
)
"""The exact types whose values are all immutable already."""

_IMMUTABLE: Final = (Enum, date, time, timedelta, UUID, Decimal, PurePath)

_DATA: Final = (*_IMMUTABLE, str, int, float, bytes, Mapping, tuple, list, set, frozenset, BaseModel)
"""The types that can be data; a value of any other type is not data."""


_WRITTEN: Final = frozenset({"ipaddress", "pydantic.networks", "fractions", "zoneinfo"})
"""The modules whose values never change, and are texts in JSON."""

_KNOWN: Final = (*_IMMUTABLE, FrozenValue, Iterator, str, int, float, bytes)
"""The types that are data as they are; an iterator is not, but to write it as JSON would take its items."""


_set = object.__setattr__  # bypasses the `__setattr__` of a frozen model


def _flat_copy(model: M) -> M:
    """Do what ``model.model_copy()`` does for a model without private data, in a fifth of the time."""
    copied = type(model).__new__(type(model))
    _set(copied, "__dict__", model.__dict__.copy())
    _set(copied, "__pydantic_fields_set__", model.__pydantic_fields_set__.copy())
    _set(copied, "__pydantic_extra__", model.__pydantic_extra__)
    _set(copied, "__pydantic_private__", None)
    return copied


_MODEL_COPY: Final = BaseModel.model_copy
_DEEP_COPY: Final = BaseModel.__deepcopy__


def freeze(value: object, name: str = "value") -> object:
    """Make data immutable: dicts become `FrozenMapping`, lists tuples, sets frozensets, all the way down.

    Values are taken as they are at the moment of the call. Subclasses of str, int, float and bytes become the
    plain type; a dataclass, and a pydantic model that is not a `Frozen`, are kept as a deep copy.

    Args:
        value: Any data of the allowed types.
        name: What the value is called in the text of an error.

    Returns:
        The frozen value; the same object if it was frozen already.

    Raises:
        FreezeError: If something in it is not of the allowed types, or a container contains itself.
        NestingError: If it is nested more than 64 levels deep.

    Example:
        >>> freeze({"a": [1, {2}]})
        FrozenMapping({'a': (1, frozenset({2}))})
    """
    return value if type(value) in ATOMS else freeze_at(value, DataPath(None, name))


def freeze_data(given: Mapping[str, object]) -> dict[str, object]:
    """Freeze each value that is data; any other value (a client, a function, a promise) stays as it is.

    Args:
        given: Values by name, taken as they are at the moment of the call.

    Example:
        >>> freeze_data({"tags": ["a", "b"], "key": len})
        {'tags': ('a', 'b'), 'key': <built-in function len>}
    """
    return {name: value if type(value) in ATOMS else _frozen_if_data(value) for name, value in given.items()}


def _frozen_if_data(value: object) -> object:
    if not _may_be_data(value):
        return value
    try:
        return freeze_at(value, DataPath(None, "value"))
    except FreezeError:
        return value


def freeze_at(value: object, path: DataPath) -> object:
    """Do what `freeze` does for a value inside a message.

    Args:
        value: Any data of the allowed types.
        path: Where it stands, for the text of an error.
    """
    return _Freezer().freeze(value, path)


def depth_of(value: object) -> int:
    """Return how many levels are nested in a frozen value: 0 for a number, 1 for a tuple of numbers."""
    if type(value) in ATOMS:
        return 0
    if isinstance(value, FrozenValue):
        return value.__frozen_depth__()
    if is_mapping(value):
        return 1 + max(map(depth_of, (*value.keys(), *value.values())), default=0)
    if is_tuple(value) or is_set(value) or is_list(value):  # a list is in a model that is not `Frozen`
        return 1 + max(map(depth_of, value), default=0)
    if is_record(value):
        return 1 + max(map(depth_of, record_data(value).values()), default=0)
    return 0


def is_record(value: object) -> bool:
    """Return whether a value is a pydantic model or a dataclass.

    Args:
        value: Anything.

    Example:
        >>> class Point(BaseModel):
        ...     x: int
        >>> is_record(Point(x=1)), is_record({})
        (True, False)
    """
    return isinstance(value, BaseModel) or (is_dataclass(value) and not isinstance(value, type | Enum))


def model_data(model: BaseModel) -> dict[str, object]:
    """Return the fields and the extra data of any pydantic model, without other things that it caches."""
    declared = type(model).__pydantic_fields__
    attributes: Mapping[str, object] = model.__dict__
    data = {name: item for name, item in attributes.items() if name in declared}
    data.update(model.__pydantic_extra__ or {})
    return data


def record_data(record: object) -> dict[str, object]:
    """Return the fields of a pydantic model or a dataclass as data.

    A field with a value of a type that only pydantic knows is as pydantic writes it as JSON.

    Args:
        record: Anything for which `is_record` is true.

    Example:
        >>> from collections import deque
        >>> class Steps(BaseModel):
        ...     last: deque[int]
        >>> record_data(Steps(last=deque([1])))
        {'last': [1]}
    """
    data: dict[str, object] = {}
    if isinstance(record, BaseModel):
        data = model_data(record)
    elif is_dataclass(record):
        data = {each.name: cast("object", getattr(record, each.name)) for each in fields(record)}
    for name, item in data.items():
        with suppress(Exception):  # of a serializer of the user, or of a circle: the walk says where it is
            if not _is_known(item):
                data[name] = _written(record, name, None if len(data) == 1 else {name})
    return data


def _written(record: object, name: str, include: set[str] | None) -> object:
    """Return a field as pydantic writes it as JSON; the only field of a model may be all of its JSON."""
    dump = TypeAdapter(type(record)).dump_python
    written: object = dump(
        record, mode="json", include=include, by_alias=False, round_trip=True, warnings=False
    )
    return written[name] if is_mapping(written) else written


class _Freezer:
    """One walk through one value; `_open` holds the containers from the root to the current one."""

    __slots__ = ("_in_record", "_open")

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._in_record = False  # in a dataclass, or a pydantic model that is not a `Frozen`

    def freeze(self, value: object, path: DataPath) -> object:
        if type(value) in ATOMS:
            return value
        if isinstance(value, FrozenValue):
            self._check_depth(value.__frozen_depth__(), path)
            return value
        plain = _plain(value)
        return plain if plain is not None else self._container(value, path)

    def _container(self, value: object, path: DataPath) -> object:
        me = id(value)
        if me in self._open:
            raise FreezeError(f"{path} contains itself; data cannot be circular, so break the circle first")
        self._check_depth(1, path)
        self._open.add(me)
        try:
            return self._content(value, path)
        finally:
            self._open.discard(me)

    def _content(self, value: object, path: DataPath) -> object:
        if is_mapping(value):
            return self._mapping(value, path)
        if is_tuple(value):
            return self._tuple(value, path)
        if is_list(value):
            return tuple(self._items(value, path))
        if is_set(value):
            return self._set(value, path)
        if is_record(value):
            return self._record(value, path)
        if text_form(value) is not None and (self._in_record or not is_secret(value)):
            return value
        raise FreezeError(
            f"{path} is of type {_type_name(value)}, which cannot be frozen; allowed are {ALLOWED}"
        )

    def _items(self, items: Iterable[object], path: DataPath) -> list[object]:
        # A step of the path is made only for values that are not atoms: most data are atoms.
        return [
            each if type(each) in ATOMS else self.freeze(each, DataPath(path, Index(at)))
            for at, each in enumerate(items)
        ]

    def _tuple(self, value: tuple[object, ...], path: DataPath) -> tuple[object, ...]:
        items = self._items(value, path)
        if type(value) is tuple and all(map(is_, value, items)):
            return value
        # A named tuple keeps its class.
        make: object = getattr(type(value), "_make", None)
        return cast("tuple[object, ...]", make(items)) if callable(make) else tuple(items)

    def _set(self, value: set[object] | frozenset[object], path: DataPath) -> frozenset[object]:
        element = DataPath(path, Member("an element"))
        elements = [self.freeze(each, element) for each in value]
        if type(value) is frozenset and all(map(is_, value, elements)):
            return value
        return frozenset(elements)

    def _mapping(self, value: Mapping[object, object], path: DataPath) -> object:
        key_path = DataPath(path, Member("a key"))
        items = {
            self.freeze(key, key_path): item
            if type(item) in ATOMS
            else self.freeze(item, DataPath(path, key))
            for key, item in value.items()
        }
        if isinstance(value, FrozenMapping) and all(map(is_, value.values(), items.values())):
            return value
        return FrozenMapping(items)

    def _record(self, value: object, path: DataPath) -> object:
        if isinstance(value, BaseModel) and _is_flat(value):
            return _flat_copy(value)
        around, self._in_record = self._in_record, True
        for name, item in record_data(value).items():  # only a check: the copy keeps its declared types
            self.freeze(item, DataPath(path, name))
        self._in_record = around
        try:
            return value.model_copy(deep=True) if isinstance(value, BaseModel) else deepcopy(value)
        except Exception as error:
            raise FreezeError(
                f"{path} is a {_type_name(value)} that cannot be copied ({error}); give its data instead"
            ) from error

    def _check_depth(self, more: int, path: DataPath) -> None:
        # The message around the value is one more level.
        if len(self._open) + more >= MAX_NESTING:
            raise NestingError(f"{path} is nested more than {MAX_NESTING} levels deep; make the data flatter")


def _plain(value: object) -> object:
    """Return the plain form of a simple immutable value, or ``None`` for anything else."""
    # An enum member may be a str or int too, and stays the member.
    if isinstance(value, _IMMUTABLE):
        return value
    # Subclasses may have further, mutable attributes: only the plain value is kept, and none of their methods
    # is called.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    return bytes.__getitem__(value, slice(None)) if isinstance(value, bytes) else None


def text_form(value: object) -> str | None:
    """Return the text of a URL, an IP address, a `Fraction`, a `ZoneInfo` or a secret; None for others.

    Args:
        value: Anything.

    Example:
        >>> from ipaddress import ip_address
        >>> text_form(ip_address("127.0.0.1")), text_form(1)
        ('127.0.0.1', None)
    """
    # By their names: the modules are slow to import.
    written = any(each.__module__ in _WRITTEN for each in type(value).__mro__)
    return str(value) if written or is_secret(value) else None


def is_secret(value: object) -> TypeGuard[Secret[object]]:
    """Return whether a value is one that pydantic writes as stars; a model or a dataclass may have it.

    Args:
        value: Anything.

    Example:
        >>> is_secret(SecretStr("key"))
        True
    """
    return isinstance(value, SecretStr | SecretBytes | Secret)


def _is_flat(model: BaseModel) -> bool:
    """Return whether a shallow copy of a model is a deep one: its fields are atoms."""
    kind = type(model)
    return (
        not model.__pydantic_extra__
        and model.__pydantic_private__ is None
        and kind.model_copy is _MODEL_COPY
        and kind.__deepcopy__ is _DEEP_COPY
        and all(type(item) in ATOMS for item in cast("Mapping[str, object]", model.__dict__).values())
    )


def _is_known(value: object) -> bool:
    """Return whether a value in a record is data as it is; of others, the JSON is its data."""
    if type(value) in ATOMS:
        return True
    if is_mapping(value):
        return all(map(_is_known, value.keys())) and all(map(_is_known, value.values()))
    if is_list(value) or is_tuple(value) or is_set(value):
        return all(map(_is_known, value))
    return isinstance(value, _KNOWN) or text_form(value) is not None or is_record(value)


def _may_be_data(value: object) -> bool:
    return isinstance(value, _DATA)


def _type_name(value: object) -> str:
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


# After a bare `isinstance` type checkers do not know the type of the items.
def is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    """Return whether a value is a mapping."""
    return isinstance(value, Mapping)


def is_tuple(value: object) -> TypeGuard[tuple[object, ...]]:
    """Return whether a value is a tuple."""
    return isinstance(value, tuple)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Return whether a value is a list."""
    return isinstance(value, list)


def is_set(value: object) -> TypeGuard[set[object] | frozenset[object]]:
    """Return whether a value is a set, frozen or not."""
    return isinstance(value, set | frozenset)
