"""What a provider's `decode` makes of an event: the parts of the answer, and what is told about it.

Parts are those of `miniagents.values`: text is plain `str`, all else a small frozen value. The three kinds
here go into the data of the message, or nowhere.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from miniagents.values import Part, Usage

from ._sse import ServerEvent

__all__ = ["Count", "Decode", "Decoded", "Identity", "Progress"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answers.

    Attributes:
        response_id: the provider's id of the answer.
        model: the model that it says it is.

    Example:
        >>> Identity("chat-1", "gpt-x").model
        'gpt-x'
    """

    response_id: str | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """The model works, but nothing came that anybody could read.

    Example:
        >>> Progress()
        Progress()
    """


@dataclass(frozen=True, slots=True)
class Count:
    """Tokens counted by the provider so far; what it leaves out is as it was.

    Attributes:
        usage: the numbers.
        final: no further ones will come.

    Example:
        >>> from miniagents import Usage
        >>> Count(Usage(7, 3)).final
        True
    """

    usage: Usage
    final: bool = True


Decoded: TypeAlias = Part | Identity | Progress | Count
"""Anything that an event of the wire can mean."""

Decode: TypeAlias = Callable[[ServerEvent], Iterable[Decoded]]
"""What becomes of one event; it does no I/O, and raises the errors of `_look.py`."""
