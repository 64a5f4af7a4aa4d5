"""Text that comes in pieces can always be encoded."""

from itertools import pairwise

from hypothesis import given, strategies as st

from miniagents.ext.llm._surrogates import SurrogateJoiner, encodable

UTF_16 = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("\ud83d\ude00\udbff\udfff")))


@given(UTF_16, st.lists(st.integers(0, 30)))
def test_cuts_change_nothing(text: str, cuts: list[int]) -> None:
    """However a text is cut into pieces, they make the same encodable text together."""
    joiner = SurrogateJoiner()
    edges = [0, *sorted(cuts), len(text)]
    pieces = [joiner.feed(text[start:end]) for start, end in pairwise(edges)]
    joined = "".join(pieces) + joiner.rest()
    assert joined == encodable(text)
    for piece in pieces:
        piece.encode()


@given(st.text())
def test_good_text_stays(text: str) -> None:
    """A text without single halves is not changed, and not held back."""
    assert SurrogateJoiner().feed(text) == text


def test_single_half() -> None:
    """A half that stays alone becomes U+FFFD."""
    joiner = SurrogateJoiner()
    assert [joiner.feed("a\ud83d"), joiner.feed("b"), joiner.feed("\ud83d"), joiner.rest()] == [
        "a",
        "\N{REPLACEMENT CHARACTER}b",
        "",
        "\N{REPLACEMENT CHARACTER}",
    ]
