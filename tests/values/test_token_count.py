"""`tokens_in`: the estimate that `compact` and jobs share."""

import pytest

from miniagents.values import tokens_in


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("The quick brown fox jumps over the lazy dog. ", 10),
        ('{"id": 12345}', 7),
        ("Москва", 3),
        ("\ud83d", 1),
    ],
)
def test_about_how_many(text: str, tokens: int) -> None:
    """English has a token for nearly 5 letters, other texts for fewer; half of a surrogate pair counts."""
    assert tokens == round(tokens_in(text))


def test_pieces() -> None:
    """Pieces have as many tokens as the whole text, however small they are."""
    text = "Ada LOVELACE wrote 3 programs, für Москва. " * 9
    assert tokens_in(text) == pytest.approx(sum(map(tokens_in, text)))
