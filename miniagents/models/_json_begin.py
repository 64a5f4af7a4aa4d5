"""Finds the beginning of the JSON in an answer, behind the words and the thought before it."""

import re
from typing import Final

_THOUGHT: Final = re.compile(r"\s*<(think|thinking|thought|reasoning)>")


class JsonBegin:
    """Takes the text of an answer and returns its JSON, from the first ``{`` on.

    Some servers write the thought of the model into the text: a ``{`` inside of a leading ``<think>`` does
    not begin the answer.

    Example:
        >>> begin = JsonBegin()
        >>> [begin.feed(piece) for piece in ("<think>A {", "?}</think> Here: {", '"name"', ": 1}")]
        ['', '{', '"name"', ': 1}']
    """

    __slots__ = ("_before", "_begun", "_end")

    def __init__(self) -> None:
        self._before = ""  # text before the JSON
        self._begun = False
        self._end = ""  # of the thought that has not ended

    def feed(self, text: str) -> str:
        """Return the next piece of the JSON; empty before it begins.

        Args:
            text: the next piece of the answer.
        """
        if self._begun:
            return text
        self._before += text
        if not self._end and (thought := _THOUGHT.match(self._before)):
            self._end = f"</{thought[1]}>"
        if self._end:
            seen = max(0, len(self._before) - len(text) - len(self._end))
            at = self._before.find(self._end, seen)
            if at < 0:
                return ""
            self._before, self._end = self._before[at + len(self._end) :], ""
        at = self._before.find("{")
        self._begun = at >= 0
        return self._before[at:] if self._begun else ""
