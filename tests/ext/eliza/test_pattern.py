import re

import pytest
from hypothesis import given, strategies as st

from miniagents.ext.eliza._pattern import parse_pattern
from miniagents.ext.eliza._words import Word

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


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "empty"),
        ("* *", "two wildcards side by side"),
        ("a * +", "two wildcards side by side"),
        ("* @fish *", "the word class '@fish'"),
        ("a||b", "empty alternative in 'a||b'"),
    ],
)
def test_a_pattern_that_makes_no_sense_is_refused(line: str, said: str) -> None:
    """The error quotes the pattern and says what is wrong."""
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_pattern(line, CLASSES)


def test_a_pattern_knows_how_many_pieces_it_has() -> None:
    """Wildcards, alternatives and classes are pieces; plain words are not."""
    pattern = parse_pattern("* my @pet a|b +", CLASSES)
    assert 4 == pattern.pieces
    assert not pattern.catches_all
    assert parse_pattern("*", {}).catches_all
    assert not parse_pattern("+", {}).catches_all
