r"""The values of JSON that hold no others: texts, which come in pieces, and numbers and literals.

A text is decoded as early as each character is known. Held back is only an escape that is not complete, and
the first half of a surrogate pair: both are at most a few characters. A half without its other half becomes
U+FFFD, since no text can hold it.
"""

import re
from types import MappingProxyType
from typing import Final

__all__ = ["JsonString", "bare_value"]

_RUN: Final = re.compile(r'[^"\\\x00-\x1f]*')
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_SIMPLE: Final = MappingProxyType(
    {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
)
_LENGTH_OF_UNICODE: Final = 6
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z")
_HIGH, _LOW, _BEHIND = 0xD800, 0xDC00, 0xE000


class JsonString:
    r"""One string, from behind its opening quote to its closing one.

    Attributes:
        closed: whether the closing quote has come.
        length: how many characters are decoded so far.

    Example:
        >>> string = JsonString()
        >>> string.feed("Hel\\"), string.feed('nlo"}')
        ((4, 'Hel'), (4, '\nlo'))
        >>> string.closed, string.text
        (True, 'Hel\nlo')
    """

    __slots__ = ("_escape", "_high", "_pieces", "closed", "length")

    closed: bool
    length: int

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._escape = ""
        self._high: int | None = None
        self.closed = False
        self.length = 0

    @property
    def text(self) -> str:
        """What is decoded so far; it costs its length, however many pieces there were before."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def feed(self, text: str, at: int = 0) -> tuple[int, str]:
        """Read on in a text, up to the closing quote or the text's end.

        Args:
            text: a piece of the document.
            at: from which character on.

        Returns:
            How far it read, and what it decoded.

        Raises:
            ValueError: at a character that no JSON string can have; the text says what is wrong.
        """
        found: list[str] = []
        end = len(text)
        while at < end and not self.closed:
            at = self._escaped(text, at, found) if self._escape else self._plain(text, at, found)
        piece = "".join(found)
        if piece:
            self._pieces.append(piece)
            self.length += len(piece)
        return at, piece

    def _plain(self, text: str, at: int, found: list[str]) -> int:
        run = _RUN.match(text, at)
        end = at if run is None else run.end()
        if end > at:
            self._flush(found)
            found.append(text[at:end])
            return end
        if text[at] == "\\":
            self._escape = "\\"
        elif text[at] == '"':
            self._flush(found)
            self.closed = True
        else:
            raise ValueError("a string has a control character, which must be escaped")
        return at + 1

    def _escaped(self, text: str, at: int, found: list[str]) -> int:
        char = text[at]
        if self._escape == "\\":
            if char == "u":
                self._escape = "\\u"
            elif char in _SIMPLE:
                self._flush(found)
                found.append(_SIMPLE[char])
                self._escape = ""
            else:
                raise ValueError("a string has an escape that JSON does not know")
            return at + 1
        if char not in _HEX:
            raise ValueError("a string has a \\u that is not followed by four hex digits")
        self._escape += char
        if len(self._escape) == _LENGTH_OF_UNICODE:
            self._unit(int(self._escape[-4:], 16), found)
            self._escape = ""
        return at + 1

    def _unit(self, unit: int, found: list[str]) -> None:
        if self._high is not None and _LOW <= unit < _BEHIND:
            found.append(chr(0x10000 + ((self._high - _HIGH) << 10) + (unit - _LOW)))
            self._high = None
            return
        self._flush(found)
        if _HIGH <= unit < _LOW:
            self._high = unit
        else:
            found.append("\ufffd" if _LOW <= unit < _BEHIND else chr(unit))

    def _flush(self, found: list[str]) -> None:
        if self._high is not None:
            found.append("\ufffd")
            self._high = None


def bare_value(word: str) -> object:
    """Return the value of a number or literal.

    Raises:
        ValueError: it is neither, or a whole number of more than 4,300 digits.

    Example:
        >>> bare_value("-12"), bare_value("1e2"), bare_value("null")
        (-12, 100.0, None)
    """
    match word:
        case "true":
            return True
        case "false":
            return False
        case "null":
            return None
        case _ if _INTEGER.match(word):
            return int(word)
        case _ if _NUMBER.match(word):
            return float(word)
        case _:
            raise ValueError("a number or literal ends that JSON does not know")
