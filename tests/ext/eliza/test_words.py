from hypothesis import given, strategies as st

from miniagents.ext.eliza._words import MAX_CHARACTERS, MAX_CLAUSE, MAX_WORD, Word, read_clauses, reflect

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
