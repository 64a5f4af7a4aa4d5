"""`FrozenMapping`: what a dict becomes when it is frozen.

It is a `dict` none of whose methods changes it. Being one, it works where only a real dict does:
`json.dumps`, pydantic's serializers and validators, ``match`` statements and ``**`` calls.
"""

from collections.abc import Hashable
from types import GenericAlias
from typing import Any, Never, NoReturn, Self, TypeVar, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema
from typing_extensions import override

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class FrozenMapping(dict[K, V]):
    """An immutable, hashable mapping, equal to any dict with the same items.

    The constructor takes the values as they are; `freeze` makes frozen values of them too. It is hashable
    when its values are.

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
        """Return an ordinary dict with the same items, to be changed."""
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
