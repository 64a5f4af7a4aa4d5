"""Decomposition: a pattern takes a clause apart into numbered pieces.

A pattern is a line of items: `word` (itself, no piece), `*` (any words or none), `+` (one word or more),
`a|b|c` (one of these words) and `@name` (a word of that class). All but plain words give a piece, numbered
from 1. Between two wildcards everything has a fixed length, so the first place that fits is always right:
no backtracking, and the time is linear in the clause.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ._words import Clause, Word

Pieces: TypeAlias = tuple[Sequence[Word], ...]


@dataclass(frozen=True, slots=True)
class _Segment:
    """A run of items of one word each, with what may stand before it.

    Attributes:
        gap: how many words must at least stand before it; None when it follows directly.
        choices: for each item the words that fit.
        numbered: for each item whether it is a piece.
    """

    gap: int | None
    choices: tuple[frozenset[str], ...]
    numbered: tuple[bool, ...]

    def fits(self, clause: Clause, at: int) -> bool:
        """Tell whether the run stands in the clause at this place."""
        return at + len(self.choices) <= len(clause) and all(
            word.key in choice for word, choice in zip(clause[at:], self.choices, strict=False)
        )


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern, ready to match.

    Attributes:
        segments: the fixed runs between wildcards, in order.
        tail: how many words must at least stand after the last run; None when the clause ends there.
        pieces: how many pieces a match has.
        catches_all: whether every clause matches.
    """

    segments: tuple[_Segment, ...]
    tail: int | None
    pieces: int
    catches_all: bool

    def match(self, clause: Clause) -> Pieces | None:
        """Take the clause apart, or give None when it does not fit.

        Example:
            >>> from miniagents.ext.eliza._words import read_clauses
            >>> clause = read_clauses("I feel very well", {})[0]
            >>> [[word.shown for word in piece] for piece in parse_pattern("* feel +", {}).match(clause)]
            [['I'], ['very', 'well']]
        """
        pieces: list[Sequence[Word]] = []
        position = 0
        for number, segment in enumerate(self.segments):
            is_last = number == len(self.segments) - 1
            start = self._place(segment, clause, position, at_end=is_last and self.tail is None)
            if start is None:
                return None
            if segment.gap is not None:
                pieces.append(clause[position:start])
            pieces.extend((clause[start + i],) for i, counts in enumerate(segment.numbered) if counts)
            position = start + len(segment.choices)
        if self.tail is None:
            return tuple(pieces) if position == len(clause) else None
        return (*pieces, clause[position:]) if len(clause) - position >= self.tail else None

    @staticmethod
    def _place(segment: _Segment, clause: Clause, position: int, *, at_end: bool) -> int | None:
        if segment.gap is None:
            return position if segment.fits(clause, position) else None
        first = position + segment.gap
        last = len(clause) - len(segment.choices)
        candidates = range(max(first, last), last + 1) if at_end else range(first, last + 1)
        return next((start for start in candidates if segment.fits(clause, start)), None)


def parse_pattern(line: str, classes: Mapping[str, Sequence[str]]) -> Pattern:
    """Read one pattern.

    Args:
        line: the pattern as it stands in a script.
        classes: the words of each class, for `@name`.

    Raises:
        ValueError: the pattern is empty, names a class that is not there, or has two wildcards side by side.
    """
    items = line.split()
    if not items:
        raise ValueError("a pattern is empty; use '*' for anything")
    segments: list[_Segment] = []
    gap: int | None = None
    choices: list[frozenset[str]] = []
    numbered: list[bool] = []
    for item in items:
        if item not in {"*", "+"}:
            choices.append(_choice(item, line, classes))
            numbered.append(item.startswith("@") or "|" in item)
            continue
        if gap is not None and not choices:
            raise ValueError(f"the pattern {line!r} has two wildcards side by side; leave one out")
        if choices:
            segments.append(_Segment(gap, tuple(choices), tuple(numbered)))
            choices, numbered = [], []
        gap = 1 if item == "+" else 0
    if choices:
        segments.append(_Segment(gap, tuple(choices), tuple(numbered)))
        gap = None
    wildcards = sum(segment.gap is not None for segment in segments) + (gap is not None)
    return Pattern(
        segments=tuple(segments),
        tail=gap,
        pieces=wildcards + sum(sum(segment.numbered) for segment in segments),
        catches_all=not segments and gap == 0,
    )


def _choice(item: str, line: str, classes: Mapping[str, Sequence[str]]) -> frozenset[str]:
    if item.startswith("@"):
        if item[1:] not in classes:
            raise ValueError(
                f"the pattern {line!r} names the word class {item!r}, which is not in the script"
            )
        return frozenset(word.casefold() for word in classes[item[1:]])
    words = item.split("|")
    if not all(words):
        raise ValueError(f"the pattern {line!r} has an empty alternative in {item!r}")
    return frozenset(word.casefold() for word in words)
