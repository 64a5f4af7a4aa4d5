r"""Cut a text that comes in pieces into messages, each as early as possible.

The rule holds for the whole text, however it was cut into tokens:

1. **Fences.** A code block begins where the code block delimiter starts a line (at the start of the text, or
   after ``\n``) and ends right after the next one that starts a line, or with the text. It is one message,
   fences included, and nothing in it is a delimiter. What is before and after it belongs to other messages.
2. **Delimiters.** Outside code blocks the text is cut at every delimiter, from left to right, no overlaps.
   Where both begin at the same character the fence wins.
3. **Newlines at the ends.** ``\n`` and ``\r`` are removed at both ends of each piece (a closed code block is
   kept as it is). A piece that is then empty is not a message; one of other white space is.

``\r\n`` is not ``\n``: a text with such line ends is cut at its blank lines by ``delimiter="\r\n\r\n"``;
fences are found in it as they are.
"""

import re
from typing import Final, TypeAlias

from ._sentinels import Named

_NEWLINES: Final = "\r\n"


class SplitEndType(Named):
    r"""The type of `SPLIT_END`.

    Example:
        >>> [event for event in TextSplitter().feed("one\n\ntwo") if not isinstance(event, SplitEndType)]
        ['one', 'two']
    """

    SPLIT_END = "SPLIT_END"


SPLIT_END: Final = SplitEndType.SPLIT_END
"""The event at the end of each message."""

SplitEvent: TypeAlias = str | SplitEndType
"""A non-empty piece of the text of the current message, or its end."""


class TextSplitter:
    r"""An incremental splitter: tokens in, events out.

    The events of a message are one or more strings and then one `SPLIT_END`. The splitter holds back only
    what is not decided yet: the beginning of a possible delimiter or fence, and newlines that may be at the
    end of a message. The time is linear in the length of the text.

    Args:
        delimiter: The text between two messages.
        code_block_delimiter: The text at the start of the first and last line of a code block; ``None`` if
            code blocks do not matter.

    Raises:
        ValueError: If a delimiter is empty.

    Example:
        >>> splitter = TextSplitter()
        >>> splitter.feed("Hello\n"), splitter.feed("\nWor"), splitter.finish()
        (['Hello'], [SPLIT_END, 'Wor'], [SPLIT_END])
    """

    def __init__(self, delimiter: str = "\n\n", code_block_delimiter: str | None = "```") -> None:
        if not delimiter:
            raise ValueError("the delimiter is empty; give the text between two messages")
        if code_block_delimiter is not None and not code_block_delimiter:
            raise ValueError("the code_block_delimiter is empty; give the fence, or None for no code blocks")
        self._delimiter = delimiter
        self._fence = code_block_delimiter
        # A fence is tried first: it wins where both begin. The second pattern is for the inside of a block.
        fence = "(?!)" if code_block_delimiter is None else rf"(?<=\n){re.escape(code_block_delimiter)}"
        fence = f"(?P<fence>{fence})"
        self._marks = (re.compile(f"{fence}|{re.escape(delimiter)}"), re.compile(fence))
        # The text that is not decided yet, after one decided character, which shows whether a line begins.
        self._buffer = "\n"
        self._in_block = False
        self._begun = False  # whether the current message has text already
        self._newlines: list[str] = []  # held back: they may be at the end of the message
        self._events: list[SplitEvent] = []

    def feed(self, token: str) -> list[SplitEvent]:
        """Take the next piece of the text.

        Args:
            token: Any piece, also an empty one.

        Returns:
            The events that are decided now, in order.
        """
        self._buffer += token
        self._cut(final=False)
        return self._take()

    def finish(self) -> list[SplitEvent]:
        """End the text; the splitter can then be used for another text.

        Returns:
            The last events.
        """
        self._cut(final=True)
        self._end()
        self._buffer = "\n"
        self._in_block = False
        return self._take()

    def _take(self) -> list[SplitEvent]:
        events = self._events
        self._events = []
        return events

    def _cut(self, *, final: bool) -> None:
        buffer = self._buffer
        at = 1
        while True:
            mark = self._marks[self._in_block].search(buffer, at)
            open_end = len(buffer) if final else self._undecided(buffer, at)
            if mark is None or mark.start() > open_end or (mark.start() == open_end and not mark["fence"]):
                break
            self._text(buffer[at : mark.start()])
            self._mark(mark["fence"])
            at = mark.end()
        self._text(buffer[at:open_end])
        self._buffer = buffer[open_end - 1 :]

    def _undecided(self, buffer: str, at: int) -> int:
        """Return the first index from which the buffer may be the beginning of a fence or delimiter."""
        found = len(buffer)
        if self._fence is not None:
            found = _beginning(self._fence, buffer, at, at_line_start=True)
        if not self._in_block:
            found = min(found, _beginning(self._delimiter, buffer, at, at_line_start=False))
        return found

    def _mark(self, fence: str | None) -> None:
        if fence is None:
            self._end()
            return
        if not self._in_block:
            self._end()
        self._events.append("".join((*self._newlines, fence)))
        self._newlines.clear()
        self._begun = True
        if self._in_block:
            self._end()
        self._in_block = not self._in_block

    def _text(self, text: str) -> None:
        if not self._begun:
            text = text.lstrip(_NEWLINES)
            self._begun = bool(text)
        body = text.rstrip(_NEWLINES)
        if body:
            self._events.append("".join((*self._newlines, body)))
            self._newlines.clear()
        if len(body) < len(text):
            self._newlines.append(text[len(body) :])

    def _end(self) -> None:
        self._newlines.clear()
        if self._begun:
            self._events.append(SPLIT_END)
            self._begun = False


def _beginning(word: str, buffer: str, at: int, *, at_line_start: bool) -> int:
    """Return the first index from which the rest of the buffer begins the word, but does not complete it."""
    end = len(buffer)
    place = buffer.find(word[0], max(at, end - len(word) + 1))
    while place >= 0:
        if word.startswith(buffer[place:]) and (not at_line_start or buffer[place - 1] == "\n"):
            return place
        place = buffer.find(word[0], place + 1)
    return end
