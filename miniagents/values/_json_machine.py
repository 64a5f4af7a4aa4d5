r"""Read a JSON document that comes in pieces: once, in linear time, each value as soon as it is there.

A parser that is asked anew at every token reads a document of n tokens n times; this one reads each character
once. It is strict: what `json.loads` refuses it refuses too, and also ``NaN`` and ``Infinity``, which are no
JSON. Only half surrogate pairs are more than JSON's: they become U+FFFD.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from ._json_atoms import JsonString, bare_value
from ._json_events import JsonEnd, JsonError, JsonEvent, JsonPath, JsonText

__all__ = ["JsonFrame", "JsonMachine"]

_MAX_NESTING: Final = 200
_SPACES: Final = frozenset(" \t\n\r")
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_BARE: Final = re.compile(r"[-+.0-9A-Za-z]*")
_BEGINS_BARE: Final = frozenset("-0123456789tfn")


@dataclass(slots=True)
class JsonFrame:
    """A container that is still open.

    Attributes:
        value: what is complete in it.
        key: of an object, the key of the value that is open now or comes next; None before there is one.

    Example:
        >>> machine = JsonMachine()
        >>> _ = machine.feed('{"city": "Oslo", "degrees": [-3, ')
        >>> machine.frames
        [JsonFrame(value={'city': 'Oslo'}, key='degrees'), JsonFrame(value=[-3], key=None)]
    """

    value: dict[str, object] | list[object]
    key: str | None = None


class _Next(Enum):
    """What may come next."""

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


class JsonMachine:
    """Takes a document piece by piece.

    Args:
        depth: how deep a value may stand to be told of: 1 for the fields or elements of the document. What is
            deeper comes with the value that it stands in, and the document itself with `finish`.
        ignore_rest: whether anything may follow the document; it is passed over.

    Attributes:
        frames: the containers that are open now, the outermost first; they are filled as the text comes.

    Example:
        >>> machine = JsonMachine()
        >>> machine.feed('{"city": "Os')
        [JsonText(path=('city',), text='Os')]
        >>> machine.feed('lo", "degrees": -3}')[1:]
        [JsonEnd(path=('city',), value='Oslo'), JsonEnd(path=('degrees',), value=-3)]
        >>> machine.finish()
        {'city': 'Oslo', 'degrees': -3}
    """

    __slots__ = (
        "_bare",
        "_depth",
        "_events",
        "_ignore_rest",
        "_key",
        "_next",
        "_read",
        "_root",
        "_string",
        "frames",
    )

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
        """What has come of the text that is open now, None if none is (a key is no text)."""
        return None if self._string is None else self._string.text

    @property
    def open_length(self) -> int:
        """How many characters have come of the text that is open now; 0 if none is."""
        return 0 if self._string is None else self._string.length

    @property
    def closed(self) -> bool:
        """Whether the document is complete; one that is a bare number is only by `finish`."""
        return self._next is _Next.NOTHING

    def feed(self, text: str) -> list[JsonEvent]:
        """Take the next piece of the document.

        Args:
            text: any piece, also an empty one.

        Returns:
            What it brought, in order.

        Raises:
            JsonError: it is not JSON; the machine cannot be used any more.
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
            JsonError: something is still open, or nothing came.
        """
        if self._next is _Next.BARE and not self.frames:
            try:
                self._end_bare()
            except ValueError as error:
                raise JsonError(f"this is not JSON at character {self._read}: {error}") from None
        if self._next is not _Next.NOTHING:  # also while a text is open: it stands where a value comes next
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
        """Take a character that stands between values, or begins one."""
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
        raise ValueError(f"{char!r} cannot stand here" if char.isascii() else "no text can stand here")

    def _begin(self, char: str) -> bool:
        """Begin a value, if this is the first character of one."""
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
        """Put a complete value where it belongs."""
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
