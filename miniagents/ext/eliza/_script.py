"""The script of Eliza: its keywords, patterns and answers, from a TOML file of the package.

**Words.** A text is divided into clauses of words. Pieces of a clause become text again, with the persons
exchanged (`my` becomes `your`). A word keeps only its printable characters, so answers and remembered
remarks, which are made of words, cannot move a cursor or hide text.

**Patterns.** A pattern divides a clause into numbered pieces. It is a line of items: `word` (itself, no
piece), `*` (any words or none), `+` (one word or more), `a|b|c` (one of these words) and `@name` (a word of
that class). Each item except plain words makes a piece, numbered from 1. The items between two wildcards have
a fixed length, so the first position that fits is always right: there is no backtracking, and the time is
linear in the clause.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, ClassVar, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_CHARACTERS = 4_000
"""Characters of a text that are read; the rest is ignored, so that time and memory are bounded."""
MAX_WORD = 60
"""Characters; longer words are cut."""
MAX_CLAUSE = 60
"""Words; longer clauses are cut, so no answer quotes more than that."""

_SENTENCE_MARKS = ".!?\N{HORIZONTAL ELLIPSIS}\N{IDEOGRAPHIC FULL STOP}\N{FULLWIDTH EXCLAMATION MARK}\uff1f"
_CLAUSE_MARKS = _SENTENCE_MARKS + ",;:-\N{EN DASH}\N{EM DASH}\N{FULLWIDTH COMMA}"
_QUOTES = (
    "\"'`\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}\N{DOUBLE LOW-9 QUOTATION MARK}\xab\xbb"
)
_AROUND_WORDS = _CLAUSE_MARKS + _QUOTES + "()[]{}<>*_~|/\\^="
_APOSTROPHES = str.maketrans(dict.fromkeys("`\N{ACUTE ACCENT}\u2018\u2019", "'"))
_CLAUSE_STARTERS = frozenset({"but", "however"})


class Word(NamedTuple):
    """One word, as it was written and as it is compared.

    Attributes:
        shown: the word as it is quoted in an answer.
        key: the word as patterns compare it: case folded.
    """

    shown: str
    key: str


Clause: TypeAlias = tuple[Word, ...]


def read_clauses(text: str, before: Mapping[str, Sequence[str]]) -> tuple[Clause, ...]:
    """Divide any text into clauses of words, without an error.

    Args:
        text: a message. At most `MAX_CHARACTERS` of it are read.
        before: words that are read as other words, for example `{"i'm": ("i", "am")}`.
    """
    heard = text[:MAX_CHARACTERS].translate(_APOSTROPHES)
    chunks = heard.split()
    if len(chunks) > 1 and heard.isupper():
        chunks = heard.lower().split()  # the answer to a text in capitals is not in capitals
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
    """Return words with the persons exchanged: `my dog bit you` becomes `your dog bit me`.

    Args:
        words: a piece of a clause.
        reflections: replacements of one to three keys; the longest that fits is used.
        last: replacements of the last word of the piece.
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


Pieces: TypeAlias = tuple[Sequence[Word], ...]


@dataclass(frozen=True, slots=True)
class _Segment:
    """A run of items of one word each, and the wildcard before it.

    Attributes:
        gap: how many words must come before it at least; None if it follows directly.
        choices: the words that fit, for each item.
        numbered: whether it is a piece, for each item.
    """

    gap: int | None
    choices: tuple[frozenset[str], ...]
    numbered: tuple[bool, ...]

    def fits(self, clause: Clause, at: int) -> bool:
        """Return whether the run is in the clause at this position."""
        return at + len(self.choices) <= len(clause) and all(
            word.key in choice for word, choice in zip(clause[at:], self.choices, strict=False)
        )


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern, ready to match.

    Attributes:
        segments: the fixed runs between wildcards, in order.
        tail: how many words must come after the last run at least; None if the clause ends there.
        pieces: how many pieces a match has.
        catches_all: whether every clause matches.
    """

    segments: tuple[_Segment, ...]
    tail: int | None
    pieces: int
    catches_all: bool

    def match(self, clause: Clause) -> Pieces | None:
        """Return the pieces of a clause; None if it does not fit."""
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
        line: the pattern, from a script.
        classes: the words of each class, for `@name`.
    """
    segments: list[_Segment] = []
    gap: int | None = None
    choices: list[frozenset[str]] = []
    numbered: list[bool] = []
    for item in line.split():
        if item not in {"*", "+"}:
            choices.append(_choice(item, classes))
            numbered.append(item.startswith("@") or "|" in item)
            continue
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


def _choice(item: str, classes: Mapping[str, Sequence[str]]) -> frozenset[str]:
    words = classes[item[1:]] if item.startswith("@") else item.split("|")
    return frozenset(word.casefold() for word in words)


SLOT = re.compile(r"\{(\d+)\}")
"""The slot of a numbered piece in an answer: `{1}`."""

_Line = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True, pattern=r"^\P{C}+$")]
_Lines = Annotated[tuple[_Line, ...], Field(min_length=1)]
_Name = Annotated[str, StringConstraints(min_length=1, to_lower=True, pattern=r"^\S+$")]


class _Part(BaseModel):
    """A part of the script: frozen, and without unknown keys."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


class Rule(_Part):
    """A pattern, and the answers if it fits.

    Attributes:
        when: the pattern.
        say: answers, used in turn; `{1}` is the first piece, with the persons exchanged.
        goto: the keyword whose rules are used instead of `say`.
        remember: remarks, used in turn; one of them is kept for a message that fits no pattern.
    """

    when: _Line
    say: tuple[_Line, ...] = ()
    goto: _Name | None = None
    remember: tuple[_Line, ...] = ()


class Keyword(_Part):
    """A keyword to which Eliza has answers.

    Attributes:
        name: for `goto`.
        words: the words of a message that are this keyword; by default its name.
        rank: keywords with a higher rank are tried first.
        rule: the rules, tried in order; the first that fits answers.
    """

    name: _Name
    words: tuple[_Name, ...] = ()
    rank: Annotated[int, Field(ge=0, le=100)] = 0
    rule: Annotated[tuple[Rule, ...], Field(min_length=1)]

    @property
    def heard(self) -> tuple[str, ...]:
        """The words of a message that are this keyword."""
        return self.words or (self.name,)


class ElizaScript(_Part):
    """A whole script.

    Attributes:
        greeting: the first words of a conversation.
        farewell: answers to one of `farewell_phrases`.
        farewell_phrases: messages with which a user says goodbye.
        silence: answers to a message without words.
        repeated: answers to the same message twice in a row.
        fallback: answers when nothing fits and nothing is remembered.
        before: words that are read as other words.
        reflect: replacements of one to three words, which exchange the persons in pieces.
        reflect_last: the same for the last word of a piece.
        classes: word classes, `@name` in patterns.
        keyword: the keywords.

    Example:
        >>> load_script().silence[0]
        'Take your time; I am still here.'
    """

    greeting: _Lines
    farewell: _Lines
    farewell_phrases: _Lines
    silence: _Lines
    repeated: _Lines
    fallback: _Lines
    before: dict[_Name, _Line] = {}
    reflect: dict[_Line, _Line] = {}
    reflect_last: dict[_Name, _Line] = {}
    classes: dict[_Name, _Lines] = {}
    keyword: Annotated[tuple[Keyword, ...], Field(min_length=1)]

    def pattern_of(self, rule: Rule) -> Pattern:
        """Parse the pattern of a rule with the word classes of this script.

        Args:
            rule: a rule of this script.
        """
        return parse_pattern(rule.when, self.classes)


def read_script(toml: str) -> ElizaScript:
    """Make a script from TOML text.

    Args:
        toml: the text; the tests check that the one of the package hangs together.

    Example:
        >>> script = read_script('''
        ... greeting = ["Hello."]
        ... farewell = ["Bye."]
        ... farewell_phrases = ["bye"]
        ... silence = ["..."]
        ... repeated = ["Again?"]
        ... fallback = ["Go on."]
        ... [[keyword]]
        ... name = "dream"
        ... rule = [{when = "*", say = ["What does that dream suggest to you?"]}]
        ... ''')
        >>> from miniagents.ext.eliza._eliza import Eliza
        >>> eliza = Eliza(script)
        >>> eliza.respond(eliza.start, "I had a dream.")[1]
        'What does that dream suggest to you?'
    """
    return ElizaScript.model_validate(tomllib.loads(toml))


def load_script() -> ElizaScript:
    """Load the script of the package.

    Example:
        >>> len(load_script().keyword) > 30
        True
    """
    return read_script((resources.files("miniagents.ext.eliza") / "script.toml").read_text(encoding="utf-8"))
