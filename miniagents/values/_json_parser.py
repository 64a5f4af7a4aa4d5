"""Read a JSON document that comes in pieces, in linear time; report each value as soon as it is complete.

A parser that starts again at every token reads a document of n tokens n times; this one reads each character
once. It is strict: it refuses what `json.loads` refuses, and also ``NaN`` and ``Infinity``, which are not
JSON. Unlike `json.loads`, it turns half of a surrogate pair into U+FFFD, since UTF-8 cannot encode it.

Each character of a string is decoded as soon as it is known. The parser holds back only an incomplete escape
and the first half of a surrogate pair: a few characters at most.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, TypeAlias

JsonPath: TypeAlias = tuple[str | int, ...]
"""The keys and indexes that lead from the document to a value in it."""


class JsonError(ValueError):
    """A text is not JSON; the error has the position of the wrong character, and never quotes the text.

    Example:
        >>> from miniagents.values import JsonParser
        >>> JsonParser().feed('{"secret" 42}')
        Traceback (most recent call last):
            ...
        miniagents...JsonError: this is not JSON at character 10: '4' cannot stand here
    """


@dataclass(frozen=True, slots=True)
class JsonText:
    """A piece of a string in the document.

    Attributes:
        path: the keys and indexes that lead to the string.
        text: the piece; never empty.

    Example:
        >>> from miniagents.values import JsonParser
        >>> JsonParser().feed('{"city": "Os')
        [JsonText(path=('city',), text='Os')]
    """

    path: JsonPath
    text: str


@dataclass(frozen=True, slots=True)
class JsonEnd:
    """A value that is complete.

    Attributes:
        path: the keys and indexes that lead to it.
        value: the value, as `json.loads` would return it.

    Example:
        >>> from miniagents.values import JsonParser
        >>> JsonParser().feed('{"degrees": [-3, ')
        [JsonEnd(path=('degrees', 0), value=-3)]
    """

    path: JsonPath
    value: object


JsonEvent: TypeAlias = JsonText | JsonEnd
"""What the parser reports."""


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
    r"""A decoder of one string, from after its opening quote to its closing quote.

    Attributes:
        closed: whether the closing quote has come.
        length: how many characters are decoded so far.
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
        """The text that is decoded so far; the cost is its length, however many pieces it came in."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def feed(self, text: str, at: int = 0) -> tuple[int, str]:
        """Read on, up to the closing quote or the end of the piece.

        Args:
            text: a piece of the document.
            at: the index of the first character to read.

        Returns:
            The index after the last character that it read, and the decoded text.

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
                raise ValueError("a string has an escape that is not valid JSON")
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
        ValueError: it is neither, or an integer of more than 4,300 digits.
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
            raise ValueError("the number or literal that ends here is not valid JSON")


_MAX_NESTING: Final = 200
_SPACES: Final = frozenset(" \t\n\r")
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_BARE: Final = re.compile(r"[-+.0-9A-Za-z]*")
_BEGINS_BARE: Final = frozenset("-0123456789tfn")


@dataclass(slots=True)
class JsonFrame:
    """A container that is still open.

    Attributes:
        value: its complete items.
        key: in an object, the key of the value that is being read or comes next; None before the key has
            come.

    Example:
        >>> machine = JsonParser()
        >>> _ = machine.feed('{"city": "Oslo", "degrees": [-3, ')
        >>> machine.frames
        [JsonFrame(value={'city': 'Oslo'}, key='degrees'), JsonFrame(value=[-3], key=None)]
    """

    value: dict[str, object] | list[object]
    key: str | None = None


class _Next(Enum):
    """What the grammar allows next."""

    VALUE = auto()
    VALUE_OR_END = auto()
    KEY = auto()
    KEY_OR_END = auto()
    COLON = auto()
    COMMA_OR_END = auto()
    BARE = auto()
    NOTHING = auto()


_VALUES: Final = frozenset({_Next.VALUE, _Next.VALUE_OR_END})
_ENDS: Final = frozenset({_Next.VALUE_OR_END, _Next.KEY_OR_END, _Next.COMMA_OR_END})


class JsonParser:
    """An incremental parser: pieces of a document in, events out.

    Args:
        depth: down to which level values have events of their own: 1 for the fields or elements of the
            document. A deeper value is part of the value around it; `finish` returns the document itself.
        ignore_rest: whether other text may follow the document; the parser ignores it.

    Attributes:
        frames: the containers that are still open, the outermost first; they are filled as the text comes.

    Example:
        >>> machine = JsonParser()
        >>> machine.feed('{"city": "Os')
        [JsonText(path=('city',), text='Os')]
        >>> machine.feed('lo", "degrees": -3}')[1:]
        [JsonEnd(path=('city',), value='Oslo'), JsonEnd(path=('degrees',), value=-3)]
        >>> machine.finish()
        {'city': 'Oslo', 'degrees': -3}
    """

    frames: list[JsonFrame]
    _string: JsonString | None

    def __init__(self, depth: int = 2, *, ignore_rest: bool = False) -> None:
        self.frames = []
        self._string = None
        self._depth = depth
        self._ignore_rest = ignore_rest
        self._key: JsonString | None = None
        self._bare: list[str] = []
        self._root: object = None
        self._next = _Next.VALUE
        self._read = 0
        self._events: list[JsonEvent] = []

    @property
    def open_text(self) -> str | None:
        """The decoded text of the string that is still open; None if no string is open. Keys do not count."""
        return None if self._string is None else self._string.text

    @property
    def open_length(self) -> int:
        """How many characters of the open string are decoded; 0 if no string is open."""
        return 0 if self._string is None else self._string.length

    @property
    def closed(self) -> bool:
        """Whether the document is complete; a document that is only a number is complete after `finish`."""
        return self._next is _Next.NOTHING

    def feed(self, text: str) -> list[JsonEvent]:
        """Take the next piece of the document.

        Args:
            text: any piece, also an empty one.

        Returns:
            The events of this piece, in order.

        Raises:
            JsonError: it is not JSON; the parser cannot be used any more.
        """
        at, end = 0, len(text)
        while at < end and not (self._ignore_rest and self.closed):
            try:
                at = self._step(text, at)
            except ValueError as error:
                raise JsonError(f"this is not JSON at character {self._read + at}: {error}") from None
        self._read += end
        events, self._events = self._events, []
        return events

    def finish(self) -> object:
        """End the document.

        Returns:
            The value of the whole document.

        Raises:
            JsonError: a value is still open, or the document is empty.
        """
        if self._next is _Next.BARE and not self.frames:
            try:
                self._end_bare()
            except ValueError as error:
                raise JsonError(f"this is not JSON at character {self._read}: {error}") from None
        if self._next is not _Next.NOTHING:  # also while a string is open
            raise JsonError(f"this is not JSON: it ends after {self._read} characters before it is complete")
        return self._root

    def _step(self, text: str, at: int) -> int:
        if self._string is not None:
            return self._in_string(self._string, text, at)
        if self._key is not None:
            return self._in_key(self._key, text, at)
        if self._next is _Next.BARE:
            return self._in_bare(text, at)
        char = text[at]
        if char in _SPACES:
            space = _SPACE.match(text, at)
            return at if space is None else space.end()
        if char in _BEGINS_BARE and self._next in _VALUES:
            self._next = _Next.BARE
            return at
        self._mark(char)
        return at + 1

    def _mark(self, char: str) -> None:
        """Take a character between values, or the first character of a value."""
        state = self._next
        if state in _VALUES:
            if self._begin(char):
                return
        elif char == ":" and state is _Next.COLON:
            self._next = _Next.VALUE
            return
        elif char == "," and state is _Next.COMMA_OR_END:
            self._next = _Next.KEY if isinstance(self.frames[-1].value, dict) else _Next.VALUE
            return
        elif char == '"' and (state is _Next.KEY or state is _Next.KEY_OR_END):
            self._key = JsonString()
            return
        if (
            state in _ENDS
            and self.frames
            and char == ("}" if isinstance(self.frames[-1].value, dict) else "]")
        ):
            self._close(self.frames.pop().value)
            return
        raise ValueError(f"{char!r} cannot stand here" if char.isascii() else "text outside of a string")

    def _begin(self, char: str) -> bool:
        """Begin a value, if the character begins one; return whether it does."""
        if char == '"':
            self._string = JsonString()
        elif char == "{":
            self._open({}, _Next.KEY_OR_END)
        elif char == "[":
            self._open([], _Next.VALUE_OR_END)
        else:
            return False
        return True

    def _open(self, value: dict[str, object] | list[object], then: _Next) -> None:
        if len(self.frames) == _MAX_NESTING:
            raise ValueError(f"it is nested more than {_MAX_NESTING} levels deep")
        self.frames.append(JsonFrame(value))
        self._next = then

    def _in_key(self, key: JsonString, text: str, at: int) -> int:
        at, _ = key.feed(text, at)
        if key.closed:
            self.frames[-1].key = key.text
            self._key = None
            self._next = _Next.COLON
        return at

    def _in_string(self, string: JsonString, text: str, at: int) -> int:
        at, piece = string.feed(text, at)
        if piece and len(self.frames) <= self._depth:
            self._events.append(JsonText(self._path(), piece))
        if string.closed:
            self._string = None
            self._close(string.text)
        return at

    def _in_bare(self, text: str, at: int) -> int:
        found = _BARE.match(text, at)
        end = at if found is None else found.end()
        self._bare.append(text[at:end])
        if end < len(text):
            self._end_bare()
        return end

    def _end_bare(self) -> None:
        word = "".join(self._bare)
        self._bare.clear()
        self._close(bare_value(word))

    def _close(self, value: object) -> None:
        """Put a complete value into its container."""
        if 0 < len(self.frames) <= self._depth:
            self._events.append(JsonEnd(self._path(), value))
        if not self.frames:
            self._root = value
            self._next = _Next.NOTHING
            return
        frame = self.frames[-1]
        if isinstance(frame.value, list):
            frame.value.append(value)
        elif frame.key is not None:
            frame.value[frame.key] = value
            frame.key = None
        self._next = _Next.COMMA_OR_END

    def _path(self) -> JsonPath:
        return tuple(
            len(frame.value) if isinstance(frame.value, list) else frame.key or "" for frame in self.frames
        )
