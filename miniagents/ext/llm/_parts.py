"""What an answer of a model is made of, whoever the provider is.

A provider's `decode` turns each event of the wire into parts. Text is plain `str`; all else is a small frozen
value. New kinds of parts (reasoning, tool calls) get their class here and a case in `_fold.py`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Decode", "Finish", "Identity", "Part", "Progress", "Refusal", "Usage"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answers: the provider's id of the answer, and the model it says it is."""

    response_id: str | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Text with which the model refuses; it is shown like any text, and kept apart as well."""

    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The model works, but what came is not text for the reader (reasoning, tool calls)."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens counted by the provider, as far as it has told them; `final` means that no more will come.

    Attributes:
        input: tokens of the whole input, cached ones included.
        output: tokens of the answer, reasoning included.
        cached: those of the input that came from a cache.
        reasoning: those of the output that were reasoning.
        final: whether these are the last numbers of the answer.
    """

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    final: bool = True


@dataclass(frozen=True, slots=True)
class Finish:
    """The terminal marker of an answer, in the provider's own word ("stop", "end_turn", "length")."""

    reason: str


Part: TypeAlias = str | Identity | Refusal | Progress | Usage | Finish

Decode: TypeAlias = Callable[[object], Iterable[Part]]
"""What becomes of one event of the SDK; it does no I/O, and raises the errors of `_look.py`."""
