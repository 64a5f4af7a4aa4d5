"""``Messages``: the value of a sequence of messages."""

from collections.abc import Generator
from typing import Self, SupportsIndex, TypeVar, cast, overload

from typing_extensions import override

from ._message import M_co, Message

M = TypeVar("M", bound=Message)
T = TypeVar("T")


class Messages(tuple[M_co, ...]):
    r"""An immutable tuple of messages; its text is their texts joined by a blank line.

    Awaiting it returns the same object, so code can ``await`` a value that may be a promise or its messages.

    Example:
        >>> from miniagents import Message, Messages
        >>> messages = Messages([Message("one"), Message("two")])
        >>> str(messages), f"{messages}", messages[0].text
        ('one\n\ntwo', 'one\n\ntwo', 'one')
    """

    __slots__ = ()

    @override
    def __str__(self) -> str:
        return "\n\n".join(str(message) for message in self)

    @override
    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    @override
    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)}>"

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> M_co: ...
    @overload
    def __getitem__(self, index: slice, /) -> "Messages[M_co]": ...
    @override
    def __getitem__(self, index: SupportsIndex | slice, /) -> "M_co | Messages[M_co]":
        if isinstance(index, slice):
            return Messages(super().__getitem__(index))
        return super().__getitem__(index)

    @overload  # type: ignore[override]  # with more exact result types than those of tuple
    def __add__(self, other: "Messages[M]", /) -> "Messages[M_co | M]": ...
    @overload
    def __add__(self, other: tuple[M_co, ...], /) -> tuple[M_co, ...]: ...
    @overload
    def __add__(self, other: tuple[T, ...], /) -> tuple[M_co | T, ...]: ...
    @override
    def __add__(  # pyright: ignore[reportIncompatibleMethodOverride] - the same
        self, other: tuple[object, ...], /
    ) -> tuple[object, ...]:
        both = super().__add__(other)
        return Messages(cast("tuple[Message, ...]", both)) if isinstance(other, Messages) else both

    def __await__(self) -> Generator[object, None, Self]:
        """Return itself, at once."""
        yield from ()  # only makes it a generator
        return self

    async def aresolve_messages(self) -> Self:
        """Return itself; the method exists because a promise of messages has it."""
        return self
