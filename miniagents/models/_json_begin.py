"""Finds the beginning of the JSON in an answer, behind the words and the thought before it."""

from json import JSONDecoder
from typing import Final

_DECODER: Final = JSONDecoder(strict=False)
_TAGS: Final = ("<think>", "<thinking>", "<thought>", "<reasoning>")


class JsonBegin:
    """Takes the text of an answer and returns its JSON, from the first ``{`` on.

    Some servers write the thought of the model into the text: a ``{`` inside of a leading ``<think>`` does
    not begin the answer.

    Example:
        >>> begin = JsonBegin()
        >>> [begin.feed(piece) for piece in ("<think>A {", "?}</think> Here: {", '"name"', ": 1}")]
        ['', '{', '"name"', ': 1}']
    """

    __slots__ = ("_before", "_begun", "_end", "_leading")

    def __init__(self) -> None:
        self._before: str = ""  # the end of what came before the JSON, as much as may begin a tag
        self._begun = False
        self._end = ""  # of the thought that has not ended
        self._leading = True  # only white space and thoughts have come

    def feed(self, text: str) -> str:
        """Return the next piece of the JSON; empty before it begins.

        Args:
            text: the next piece of the answer.
        """
        if self._begun:
            return text
        text, self._before = self._before + text, ""
        while self._leading:
            if self._end:
                thought, end, rest = text.partition(self._end)
                if not end:
                    self._before = thought[1 - len(self._end) :]
                    return ""
                text, self._end = rest, ""
            text = text.lstrip()
            tag = next((each for each in _TAGS if text.startswith(each)), "")
            if tag:
                text, self._end = text[len(tag) :], f"</{tag[1:]}"
            elif any(each.startswith(text) for each in _TAGS):
                self._before = text
                return ""
            else:
                self._leading = False
        at = text.find("{")
        self._begun = at >= 0
        return text[at:] if self._begun else ""


def json_in(text: str) -> str:
    """Return the JSON in a whole answer, without the words around it; all of the text if there is none.

    Args:
        text: the text of the answer.

    Example:
        >>> json_in('Here: {"name": "Oslo"} (or {Bergen})')
        '{"name": "Oslo"}'
    """
    found = JsonBegin().feed(text)
    try:
        end = _DECODER.raw_decode(found)[1]  # there may be a brace in the words behind it
    except (ValueError, RecursionError):
        end = found.rfind("}") + 1
    return found[:end] or text
