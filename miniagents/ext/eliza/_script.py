"""The script of Eliza: its keywords, patterns and answers, from a TOML file that is checked as a whole.

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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

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

    Raises:
        ValueError: the pattern is empty, names an unknown class, or has two wildcards side by side.
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


SLOT = re.compile(r"\{(\d+)\}")
"""The slot of a numbered piece in an answer: `{1}`."""

_Line = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True, pattern=r"^\P{C}+$")]
_Lines = Annotated[tuple[_Line, ...], Field(min_length=1)]
_Name = Annotated[str, StringConstraints(min_length=1, to_lower=True, pattern=r"^\S+$")]


class ElizaScriptError(ValueError):
    """A script cannot be used; the text names the place in the script, and what to do.

    Example:
        >>> read_script("greeting = [")
        Traceback (most recent call last):
            ...
        miniagents...ElizaScriptError: the script is not valid TOML: ...
    """


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

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        problems = [*_problems_of_names(self), *_problems_of_rules(self), *_problems_of_gotos(self)]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def pattern_of(self, rule: Rule) -> Pattern:
        """Parse the pattern of a rule with the word classes of this script.

        Args:
            rule: a rule of this script.

        Raises:
            ValueError: it is not a pattern, or names an unknown word class.
        """
        return parse_pattern(rule.when, self.classes)


def _problems_of_names(script: ElizaScript) -> Iterator[str]:
    owners: dict[str, str] = {}
    names: set[str] = set()
    for keyword in script.keyword:
        if keyword.name in names:
            yield f"the keyword {keyword.name!r} is there twice; give one another name"
        names.add(keyword.name)
        for word in keyword.heard:
            if word in owners:
                both = f"{owners[word]!r} and to {keyword.name!r}"
                yield f"the word {word!r} belongs to {both}; leave it with one"
            owners[word] = keyword.name


def _problems_of_rules(script: ElizaScript) -> Iterator[str]:
    for keyword in script.keyword:
        caught = False
        for number, rule in enumerate(keyword.rule, start=1):
            where = f"keyword {keyword.name!r}, rule {number}"
            if bool(rule.say) == bool(rule.goto):
                yield f"{where}: give it either 'say' or 'goto'"
            if caught:
                yield f"{where}: is never reached, an earlier rule takes everything; move it up"
            try:
                pattern = script.pattern_of(rule)
            except ValueError as error:
                yield f"{where}: {error}"
                continue
            caught = caught or pattern.catches_all
            for line in (*rule.say, *rule.remember):
                highest = max((int(slot) for slot in SLOT.findall(line)), default=0)
                if highest > pattern.pieces or "{0}" in line:
                    yield f"{where}: {line!r} asks for a piece; {rule.when!r} has only {pattern.pieces}"
                if set(SLOT.sub("", line)) & set("{}"):
                    yield f"{where}: {line!r} has a brace that is no piece; write pieces as {{1}}"


def _problems_of_gotos(script: ElizaScript) -> Iterator[str]:
    goes: dict[str, set[str]] = {
        keyword.name: {rule.goto for rule in keyword.rule if rule.goto is not None}
        for keyword in script.keyword
    }
    for name, targets in goes.items():
        for target in sorted(targets - goes.keys()):
            yield f"keyword {name!r}: goto {target!r}, which the script does not have"
    for name, targets in goes.items():
        seen: set[str] = set()
        ahead = set(targets)
        while ahead:
            seen |= ahead
            ahead = {further for target in ahead for further in goes.get(target, set())} - seen
        if name in seen:
            yield f"keyword {name!r}: its gotos lead back to itself; break the ring"


def read_script(toml: str, *, source: str = "the script") -> ElizaScript:
    """Make a script from TOML text.

    Args:
        toml: the text.
        source: its name, for errors.

    Raises:
        ElizaScriptError: it is not TOML, or is inconsistent.

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
    try:
        return ElizaScript.model_validate(tomllib.loads(toml))
    except tomllib.TOMLDecodeError as error:
        raise ElizaScriptError(f"{source} is not valid TOML: {error}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}".removeprefix(": ")
            for problem in error.errors()
        )
        raise ElizaScriptError(f"{source} cannot be used: {problems}") from error


def load_script(path: Path | None = None) -> ElizaScript:
    """Load a script from a TOML file, or the one that comes with miniagents.

    Args:
        path: the file; None for the one that comes with miniagents.

    Raises:
        ElizaScriptError: see `read_script`; also when the file is not UTF-8 text.
        OSError: the file cannot be read.

    Example:
        >>> len(load_script().keyword) > 30
        True
    """
    source = resources.files("miniagents.ext.eliza") / "script.toml" if path is None else path
    try:
        return read_script(source.read_text(encoding="utf-8"), source=str(path or "script.toml"))
    except UnicodeDecodeError as error:
        raise ElizaScriptError(f"{path} is not UTF-8 text: {error}") from error
