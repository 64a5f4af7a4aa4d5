"""The script of Eliza: words, patterns, and the file they stand in."""

import re
import tomllib
from importlib import resources

import pytest
from hypothesis import given, strategies as st

from miniagents.ext.eliza._script import (
    MAX_CHARACTERS,
    MAX_CLAUSE,
    MAX_WORD,
    SLOT,
    Word,
    load_script,
    parse_pattern,
    read_clauses,
    reflect,
)

BEFORE = {"i'm": ("i", "am")}
REFLECTIONS = {("i",): "you", ("my",): "your", ("you",): "I", ("you", "are"): "I am", ("to", "you"): "to me"}


def shown(text: str) -> list[list[str]]:
    return [[word.shown for word in clause] for clause in read_clauses(text, BEFORE)]


def reflected(text: str) -> str:
    return reflect(read_clauses(text, BEFORE)[0], REFLECTIONS, {"you": "me"})


def test_punctuation_and_but_part_clauses() -> None:
    """A clause ends at punctuation after a word and before `but`."""
    expected = [["well"], ["it", "costs", "3.14"], ["not", "more"], ["why"]]
    assert expected == shown("Well, it costs 3.14, but not more. (Why?)")


def test_short_forms_are_spelled_out() -> None:
    """A word of `before` is read as its words, also with a typographic apostrophe."""
    assert [["i", "am", "here"]] == shown("I\u2019m here")


def test_only_the_first_word_of_a_sentence_loses_its_capital() -> None:
    """Names keep their capital, the first word of a sentence does not."""
    assert [["dogs", "like", "Anna"], ["cats"], ["Bob", "too"]] == shown("Dogs like Anna. Cats, Bob too")


def test_shouting_is_read_in_a_normal_voice() -> None:
    """A text all in capitals is read in small letters; a single word in capitals is kept."""
    assert [["you", "never", "listen"]] == shown("YOU NEVER LISTEN!")
    assert [["NASA"]] == shown("NASA")


def test_keys_are_case_folded() -> None:
    """Words are compared without regard to case."""
    assert (Word("STRASSE", "strasse"),) == read_clauses("STRASSE", {})[0]
    assert "strasse" == read_clauses("Straße", {})[0][0].key


def test_what_is_read_is_bounded() -> None:
    """Long texts, long clauses and long words are cut."""
    (clause,) = read_clauses("x" * MAX_CHARACTERS * 2, {})
    assert [MAX_WORD] == [len(word.shown) for word in clause]
    (clause,) = read_clauses("ab " * MAX_CHARACTERS, {})
    assert MAX_CLAUSE == len(clause)


@given(st.text())
def test_every_word_is_printable(text: str) -> None:
    """Whatever the text, words are not empty and hold printable characters only."""
    for clause in read_clauses(text, BEFORE):
        assert clause
        for word in clause:
            assert word.shown
            assert word.shown.isprintable()


def test_reflection_prefers_the_longest_phrase() -> None:
    """`you are` becomes `I am`, not `I are`."""
    assert "I am talking to me and your dog" == reflected("you are talking to you and my dog")


def test_reflection_knows_the_last_word() -> None:
    """`you` at the end of a piece is an object, elsewhere a subject."""
    assert "your dog bit me" == reflected("my dog bit you")
    assert "what I said" == reflected("what you said")


def test_reflection_of_nothing_is_nothing() -> None:
    """An empty piece becomes an empty text, with reflections or without."""
    assert "" == reflect((), REFLECTIONS, {})
    assert "a" == reflect((Word("a", "a"),), {}, {})


CLASSES = {"pet": ("dog", "Cat")}


def clause(text: str) -> tuple[Word, ...]:
    return tuple(Word(word, word.casefold()) for word in text.split())


def matched(line: str, text: str) -> list[str] | None:
    pieces = parse_pattern(line, CLASSES).match(clause(text))
    return None if pieces is None else [" ".join(word.shown for word in piece) for piece in pieces]


@pytest.mark.parametrize(
    ("line", "text", "expected"),
    [
        ("*", "", [""]),
        ("*", "a b", ["a b"]),
        ("+", "", None),
        ("+", "a", ["a"]),
        ("a", "A", []),
        ("a", "a b", None),
        ("a", "b a", None),
        ("* a", "x a y a", ["x a y"]),
        ("* a", "x a y", None),
        ("a *", "a", [""]),
        ("a +", "a", None),
        ("* a *", "x a y a z", ["x", "y a z"]),
        ("+ a +", "a a a", ["a", "a"]),
        ("* a b *", "a a b c", ["a", "c"]),
        ("* a|b x *", "b x", ["", "b", ""]),
        ("* @pet *", "my cat purrs", ["my", "cat", "purrs"]),
        ("* a * b", "a b b", ["", "b"]),
        ("* a * b", "b a", None),
        ("* a a", "a a a", ["a"]),
        ("a b", "a", None),
    ],
)
def test_what_a_pattern_takes_apart(line: str, text: str, expected: list[str] | None) -> None:
    """A pattern gives its numbered pieces, or nothing when it does not fit."""
    assert expected == matched(line, text)


@given(
    st.lists(st.sampled_from(["a", "b", "a|b", "W", "w"]), min_size=1, max_size=7),
    st.lists(st.sampled_from("abc"), max_size=12),
)
def test_a_pattern_means_a_regular_expression_with_lazy_wildcards(items: list[str], words: list[str]) -> None:
    """Without backtracking the result is that of a backtracking match with lazy wildcards."""
    tidy = [item for i, item in enumerate(items) if i == 0 or not {item, items[i - 1]} <= {"W", "w"}]
    line = " ".join({"W": "*", "w": "+"}.get(item, item) for item in tidy)
    shapes = {"W": "((?:[abc] )*?)", "w": "((?:[abc] )+?)", "a|b": "([ab] )", "a": "a ", "b": "b "}
    oracle = re.fullmatch("".join(shapes[item] for item in tidy), "".join(f"{word} " for word in words))
    expected = None if oracle is None else [piece.strip() for piece in oracle.groups()]
    assert expected == matched(line, " ".join(words))


def test_a_pattern_knows_how_many_pieces_it_has() -> None:
    """Wildcards, alternatives and classes are pieces; plain words are not."""
    pattern = parse_pattern("* my @pet a|b +", CLASSES)
    assert 4 == pattern.pieces
    assert not pattern.catches_all
    assert parse_pattern("*", {}).catches_all
    assert not parse_pattern("+", {}).catches_all


def test_the_script_of_the_package_is_sound_and_rich() -> None:
    """The script that comes along loads, and has more than 40 keywords."""
    script = load_script()
    assert 60 < len(script.keyword)
    assert 400 < sum(len(rule.say) for keyword in script.keyword for rule in keyword.rule)


def test_each_answer_of_the_script_can_be_given() -> None:
    """Every keyword is heard or gone to, and no answer is there twice in one rule."""
    script = load_script()
    gone_to = {rule.goto for keyword in script.keyword for rule in keyword.rule}
    for keyword in script.keyword:
        assert keyword.heard != (keyword.name,) or keyword.name.isalpha() or keyword.name in gone_to
        for rule_ in keyword.rule:
            assert len(set(rule_.say)) == len(rule_.say)


def test_the_script_is_a_data_file_of_the_package() -> None:
    """The rules are data: a TOML file beside the code."""
    tomllib.loads((resources.files("miniagents.ext.eliza") / "script.toml").read_text(encoding="utf-8"))


def test_the_script_hangs_together() -> None:
    """Each word has one keyword; each rule is reached, and uses pieces that its pattern has; gotos end."""
    script = load_script()
    heard = [word for keyword in script.keyword for word in keyword.heard]
    assert len(set(heard)) == len(heard)
    goes = {each.name: {rule.goto for rule in each.rule if rule.goto is not None} for each in script.keyword}
    assert len(goes) == len(script.keyword)
    for keyword in script.keyword:
        patterns = [script.pattern_of(rule) for rule in keyword.rule]
        assert not any(pattern.catches_all for pattern in patterns[:-1])
        for rule, pattern in zip(keyword.rule, patterns, strict=True):
            assert bool(rule.say) != bool(rule.goto)
            assert rule.goto is None or rule.goto in goes
            assert re.search(r"[*+] [*+]|\|\|", rule.when) is None
            for line in (*rule.say, *rule.remember):
                assert all(1 <= int(slot) <= pattern.pieces for slot in SLOT.findall(line))
                assert set("{}").isdisjoint(SLOT.sub("", line))
        ahead, seen = goes[keyword.name], set[str]()
        while ahead:
            seen |= ahead
            ahead = set[str]().union(*(goes[name] for name in ahead)) - seen
        assert keyword.name not in seen
