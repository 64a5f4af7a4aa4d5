"""`PartValue`: the ground of the small values that messages are made of beside text.

Such a value is a slotted frozen dataclass of plain data, so it can stand in a message, has a hash key, and
goes through JSON with its `kind`.
"""

from dataclasses import fields
from typing import ClassVar

from pydantic import ConfigDict
from typing_extensions import override

from ._freeze import depth_of
from ._hashing import HashWalk, class_name_of
from ._marks import FrozenValue
from ._path import Path

__all__ = ["PartValue"]


class PartValue(FrozenValue):
    """A frozen dataclass that may stand in a message.

    Example:
        >>> from miniagents.values import Finish
        >>> isinstance(Finish("stop"), PartValue)
        True
    """

    __slots__ = ()
    # As a declared field of a message: that one's `extra="allow"` is not for what has slots.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", ser_json_bytes="base64", val_json_bytes="base64"
    )

    def as_data(self) -> dict[str, object]:
        """Return the fields by name, those of their default included.

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
    def __hash_key_of__(self, path: Path) -> tuple[str, bool]:
        walk = HashWalk()
        return walk.key(class_name_of(type(self)), self.as_data(), path), walk.lasting
