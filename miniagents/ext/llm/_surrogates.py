"""Text that can be encoded: halves of a character that arrive apart are put together.

JSON writes an emoji as two surrogates, and a provider may cut between them. A half that stays alone cannot be
written to any file or socket, so it becomes U+FFFD, the sign for "something was here".
"""

__all__ = ["SurrogateJoiner", "encodable"]

_HIGH = range(0xD800, 0xDC00)


class SurrogateJoiner:
    r"""Joins halves over the borders of text deltas; one per answer.

    Example:
        >>> joiner = SurrogateJoiner()
        >>> [joiner.feed("ok \ud83d"), joiner.feed("\ude00!"), joiner.rest()]
        ['ok ', '😀!', '']
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """Return the text that is complete now; a high half at the end is held back for the next delta."""
        if not self._held and text.isascii():
            return text
        text = self._held + text
        self._held = text[-1:] if text and ord(text[-1]) in _HIGH else ""
        return encodable(text[: len(text) - len(self._held)])

    def rest(self) -> str:
        """Return what is still held back, when the answer has ended."""
        held, self._held = self._held, ""
        return encodable(held)


def encodable(text: str) -> str:
    """Return the text with pairs of surrogates joined and single ones replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
