"""``tokens_in``: about how many tokens of a model a text has."""

from typing import Final

_SMALL: Final = bytes(range(ord("a"), ord("z") + 1)) + b" \n"
_LARGE: Final = bytes(range(ord("A"), ord("Z") + 1))
_ASCII: Final = bytes(range(128))


def tokens_in(text: str) -> float:
    """Return about how many tokens a text has; the page of histories has the error, as it was measured.

    A text has as many as its pieces together, so they can be counted one after another.

    Args:
        text: of a person, a model or a tool.

    Example:
        >>> round(tokens_in("How many tokens are these?"))
        6
    """
    data = text.encode(errors="surrogatepass")
    unlike_words = data.translate(None, _SMALL)
    signs = unlike_words.translate(None, _LARGE)
    far = signs.translate(None, _ASCII)  # of other letters, whose bytes are most often several for one
    words, capitals = len(data) - len(unlike_words), len(unlike_words) - len(signs)
    return words / 4.7 + capitals / 1.5 + (len(signs) - len(far)) / 1.6 + len(far) / 3.8
