"""From a text to clauses of words, and from words back to text seen from the other side.

The rule of this room: nothing unprintable gets through. A word keeps only its printable characters, so
whatever is made of words (an answer, a remembered remark) cannot move a cursor or hide text.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

MAX_CHARACTERS = 4_000
"""How much of a text is listened to; the rest is not read, so one answer costs bounded time and memory."""
MAX_WORD = 60
"""Longer words are cut, in characters."""
MAX_CLAUSE = 60
"""Longer clauses are cut, in words: no answer quotes more than that."""

_SENTENCE_MARKS = ".!?\N{HORIZONTAL ELLIPSIS}\N{IDEOGRAPHIC FULL STOP}\N{FULLWIDTH EXCLAMATION MARK}\uff1f"
_CLAUSE_MARKS = _SENTENCE_MARKS + ",;:-\N{EN DASH}\N{EM DASH}\N{FULLWIDTH COMMA}"
_QUOTES = (
    "\"'`\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}\N{DOUBLE LOW-9 QUOTATION MARK}\xab\xbb"
)
_AROUND_WORDS = _CLAUSE_MARKS + _QUOTES + "()[]{}<>*_~|/\\^="
_APOSTROPHES = str.maketrans(dict.fromkeys("`\N{ACUTE ACCENT}\u2018\u2019", "'"))
_CLAUSE_STARTERS = frozenset({"but", "however"})


class Word(NamedTuple):
    """One word as it was written and as it is compared.

    Attributes:
        shown: the word as it may be quoted back.
        key: the word as patterns know it: case folded.
    """

    shown: str
    key: str


Clause: TypeAlias = tuple[Word, ...]


def read_clauses(text: str, before: Mapping[str, Sequence[str]]) -> tuple[Clause, ...]:
    """Make clauses of words from any text; never raises.

    Args:
        text: what was said. At most `MAX_CHARACTERS` of it are read.
        before: words that are read as other words, for example `{"i'm": ("i", "am")}`.

    Example:
        >>> read_clauses("Well, I'm here.", {"i'm": ("i", "am")})[1][0]
        Word(shown='i', key='i')
    """
    heard = text[:MAX_CHARACTERS].translate(_APOSTROPHES)
    chunks = heard.split()
    if len(chunks) > 1 and heard.isupper():
        chunks = heard.lower().split()  # shouting is no reason to shout back
    clauses: list[Clause] = []
    current: list[Word] = []
    starts_sentence = True
    for chunk in chunks:
        word = _printable(chunk.strip(_AROUND_WORDS))
        if word.casefold() in _CLAUSE_STARTERS:
            clauses.append(tuple(current))
            current = []
        elif word:
            current.extend(_spell(word, before, starts_sentence=starts_sentence))
            starts_sentence = False
        if chunk[-1] in _CLAUSE_MARKS:
            clauses.append(tuple(current))
            current = []
            starts_sentence = starts_sentence or chunk[-1] in _SENTENCE_MARKS
    return tuple(clause[:MAX_CLAUSE] for clause in (*clauses, tuple(current)) if clause)


def _printable(chunk: str) -> str:
    return "".join(character for character in chunk if character.isprintable())[:MAX_WORD]


def _spell(word: str, before: Mapping[str, Sequence[str]], *, starts_sentence: bool) -> Iterable[Word]:
    key = word.casefold()
    if key in before:
        return (Word(instead, instead.casefold()) for instead in before[key])
    if starts_sentence and word[1:].islower():
        return (Word(word.lower(), key),)
    return (Word(word, key),)


def reflect(
    words: Sequence[Word], reflections: Mapping[tuple[str, ...], str], last: Mapping[str, str]
) -> str:
    """Say words from the other side: `my dog bit you` becomes `your dog bit me`.

    Args:
        words: a piece of a clause.
        reflections: one to three keys and what they become; the longest that fits wins.
        last: what a word becomes when it is the last one of the piece.
    """
    longest = max(map(len, reflections), default=1)
    said: list[str] = []
    position = 0
    while position < len(words):
        if position == len(words) - 1 and words[position].key in last:
            said.append(last[words[position].key])
            break
        for width in range(longest, 0, -1):
            phrase = tuple(word.key for word in words[position : position + width])
            if len(phrase) == width and phrase in reflections:
                said.append(reflections[phrase])
                position += width
                break
        else:
            said.append(words[position].shown)
            position += 1
    return " ".join(said)
