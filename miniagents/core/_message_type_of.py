"""``MessageTypeOf[M]``: what may be given where only messages of a class are taken.

``MessageType``, where any message will do, takes texts, mappings and whatever else becomes a ``Message``.
None of these is known to become an ``M``, so they are not in here: write ``M(...)``. Nested collections are
left out for a reason of type checkers: ``str`` is an iterable of ``str`` for ever, and would fit.
"""

from collections.abc import AsyncIterable, Iterable
from typing import TypeAlias, TypeVar

from reactivex import Observable

from ._message import Message, MessagePromise
from ._messages import Messages
from ._sequence import MessageSequencePromise

M = TypeVar("M", bound=Message)

MessageItemOf: TypeAlias = M | MessagePromise[M] | MessageSequencePromise[M] | Messages[M] | Exception
"""One piece of what may be given where messages of class ``M`` are taken."""

MessageTypeOf: TypeAlias = (
    MessageItemOf[M]
    | Iterable[MessageItemOf[M]]
    | AsyncIterable[MessageItemOf[M]]
    | Observable[MessageItemOf[M]]
    | None
)
"""What may be given where messages of class ``M`` are taken: a piece, many of them, or nothing."""
