"""The script: what Eliza knows, as data. Read from TOML, checked whole before the first word is said."""

import re
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from ._pattern import Pattern, parse_pattern

SLOT = re.compile(r"\{(\d+)\}")
"""Where a numbered piece goes in an answer: `{1}`."""

_Line = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True, pattern=r"^\P{C}+$")]
_Lines = Annotated[tuple[_Line, ...], Field(min_length=1)]
_Name = Annotated[str, StringConstraints(min_length=1, to_lower=True, pattern=r"^\S+$")]


class ElizaScriptError(ValueError):
    """A script cannot be used; the text says where in it and what to do.

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
    """What to answer when a pattern fits.

    Attributes:
        when: the pattern (see `_pattern`).
        say: answers, used in turn; `{1}` is the first piece, seen from the other side.
        goto: the keyword whose rules are to be used instead of `say`.
        remember: remarks, used in turn, one of which is kept for when nothing else comes to mind.
    """

    when: _Line
    say: tuple[_Line, ...] = ()
    goto: _Name | None = None
    remember: tuple[_Line, ...] = ()


class Keyword(_Part):
    """A word that Eliza listens for.

    Attributes:
        name: what `goto` calls it.
        words: the words it listens for; the name itself when none are given.
        rank: the higher, the more it wants to be answered first.
        rule: tried in order; the first that fits answers.
    """

    name: _Name
    words: tuple[_Name, ...] = ()
    rank: Annotated[int, Field(ge=0, le=100)] = 0
    rule: Annotated[tuple[Rule, ...], Field(min_length=1)]

    @property
    def heard(self) -> tuple[str, ...]:
        """The words it listens for."""
        return self.words or (self.name,)


class Script(_Part):
    """A whole script.

    Attributes:
        greeting: the first words of a conversation.
        farewell: answers to one of `farewell_phrases`.
        farewell_phrases: what the partner says when leaving, as a whole message.
        silence: answers to a message without words.
        repeated: answers to the same message twice in a row.
        fallback: answers when nothing fits and nothing is remembered.
        before: words that are read as other words.
        reflect: words, or up to three, that become others when they are said back.
        reflect_last: the same for the last word of a piece.
        classes: word classes, `@name` in patterns.
        keyword: what to listen for.

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
            ValueError: it is no pattern, or names a word class that is not there.
        """
        return parse_pattern(rule.when, self.classes)


def _problems_of_names(script: Script) -> Iterator[str]:
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


def _problems_of_rules(script: Script) -> Iterator[str]:
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


def _problems_of_gotos(script: Script) -> Iterator[str]:
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


def read_script(toml: str, *, source: str = "the script") -> Script:
    """Make a script from TOML text.

    Args:
        toml: the text.
        source: what to call it in an error.

    Raises:
        ElizaScriptError: it is no TOML, or something in it does not fit together.

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
        >>> from miniagents.ext.eliza import Eliza
        >>> eliza = Eliza(script)
        >>> eliza.respond(eliza.start, "I had a dream.")[1]
        'What does that dream suggest to you?'
    """
    try:
        return Script.model_validate(tomllib.loads(toml))
    except tomllib.TOMLDecodeError as error:
        raise ElizaScriptError(f"{source} is not valid TOML: {error}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}".removeprefix(": ")
            for problem in error.errors()
        )
        raise ElizaScriptError(f"{source} cannot be used: {problems}") from error


def load_script(path: Path | None = None) -> Script:
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
