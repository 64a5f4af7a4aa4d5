"""`unaliased`, which looks through type aliases."""

import typing
from collections.abc import Mapping
from typing import Final, cast, get_args, get_origin

from typing_extensions import TypeAliasType

# Up to Python 3.13, that of `typing_extensions` is another class than that of a `type` statement.
_ALIASES: Final = (
    TypeAliasType,
    cast("type[TypeAliasType]", getattr(typing, "TypeAliasType", TypeAliasType)),
)


def unaliased(annotation: object) -> object:
    """Return what a type alias stands for, also one with parameters; any other annotation as it is.

    Args:
        annotation: Such as ``X`` of ``type X = list[int]``.

    Example:
        >>> unaliased(TypeAliasType("Numbers", list[int]))
        list[int]
    """
    origin = cast("object", get_origin(annotation))
    if isinstance(annotation, _ALIASES):
        return unaliased(cast("object", annotation.__value__))
    if isinstance(origin, _ALIASES):
        value = cast("Mapping[object, object]", origin.__value__)  # of all that has brackets
        return unaliased(value[get_args(annotation)])
    return annotation
