"""The base class of the parts of a message that are not text."""

from dataclasses import fields
from typing import ClassVar, Final

from pydantic import ConfigDict
from typing_extensions import override

from ._freeze import DataPath, FrozenValue, depth_of
from ._hash_key import HashWalk, class_name_of


class PartValue(FrozenValue):
    """The base class of frozen dataclasses that a message may contain.

    Example:
        >>> from miniagents.values import Finish
        >>> isinstance(Finish("stop"), PartValue)
        True
    """

    __slots__ = ()
    # For a declared field of a message, whose `extra="allow"` does not work for a class with slots.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", ser_json_bytes="base64", val_json_bytes="base64"
    )

    def as_data(self) -> dict[str, object]:
        """Return the fields by name, also those that have their default.

        Example:
            >>> from miniagents import Finish
            >>> Finish("stop").as_data()
            {'reason': 'stop', 'kind': 'finish'}
        """
        return {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # its subclasses are dataclasses

    @override
    def __frozen_depth__(self) -> int:
        return 1 + max(map(depth_of, self.as_data().values()), default=0)

    @override
    def __hash_key_of__(self, path: DataPath) -> tuple[str, bool]:
        walk = HashWalk()
        data = {
            name: value for name, value in self.as_data().items() if value is not None or name not in _NEW
        }
        return walk.key(class_name_of(type(self)), data, path), walk.lasting


# Fields that are newer than the first stored keys: a key contains them only if they are not None.
_NEW: Final = frozenset({"cache_write_tokens", "opaque"})
