"""Parts without what is opaque in them, for tests of what they say."""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

__all__ = ["plain"]

T = TypeVar("T")


def plain(parts: Iterable[T]) -> list[T]:
    """The same parts, with nothing opaque."""
    return [_plain(part) for part in parts]


def _plain(part: T) -> T:
    if is_dataclass(part) and not isinstance(part, type) and "opaque" in {each.name for each in fields(part)}:
        return replace(part, opaque=None)
    return part
