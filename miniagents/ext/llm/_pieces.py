"""What came in pieces, held against what is said to be the whole of it.

Deltas get lost, come twice or in another order behind proxies. Where a protocol tells a text a second time,
as a whole, one that differs is not given to anybody as complete.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import accumulate

from miniagents.values import ToolCallDelta

from ._json import WireError, encodable

__all__ = ["CallPieces", "missing", "same_json"]


def missing(pieces: Sequence[str], whole: str, *, of: str, at_end: bool = False) -> str:
    """Return what of a whole text did not come in pieces: all of it, or nothing.

    Space around the pieces may be left out of the whole. At the end of an answer the whole may be the first
    pieces of what came: there are servers that repeat no more than these.

    Args:
        pieces: what came.
        whole: what is said to be the whole; `""` says nothing.
        of: what it is, for the sentence of the error.
        at_end: whether the end of the answer says so, and nothing else has said what the whole is.

    Raises:
        WireError: it is more than what came, or something else; the sentence has both lengths.

    Example:
        >>> missing(["Hel", "lo"], "Hello", of="a text"), missing([], "Hello", of="a text")
        ('', 'Hello')
    """
    if not whole:
        return ""
    came = "".join(pieces)
    if not came:
        return whole
    if came == whole:
        return ""
    came, whole = encodable(came), encodable(whole)
    if whole in {came, came.strip(), came.lstrip(), came.rstrip()}:
        return ""
    first = at_end and any(encodable(begun) == whole for begun in accumulate(pieces))
    if first and not _repeated(pieces[0], whole, came[len(whole) :]):
        return ""
    raise _mismatch(of, came, whole)


def _repeated(first: str, whole: str, rest: str) -> bool:
    """Whether the rest of what came only repeats the last words of the whole: it came twice."""
    return len(whole) > len(first) and whole.endswith(rest)


def _mismatch(of: str, came: str, whole: str) -> WireError:
    differ = ", which are others" if len(came) == len(whole) else ""
    return WireError(
        f"{of} came in pieces of {len(came)} characters in all, and as a whole it has {len(whole)}{differ}"
    )


class CallPieces:
    """A call that comes in pieces: nothing of it goes to the reader before its name is known.

    Args:
        number: which item of the answer it is.

    Attributes:
        id: of the call, if the server gives one.
        name: of the tool; `""` while it is not known.
    """

    __slots__ = ("_first", "_item_id", "_number", "_pieces", "_told", "id", "name")

    def __init__(self, number: int) -> None:
        self._number = number
        self._first = ""  # the arguments with which it began
        self._pieces: list[str] = []
        self._told = 0  # how many of them the reader has
        self._item_id: str | None = None
        self.id: str | None = None
        self.name = ""

    @property
    def came(self) -> bool:
        """Whether a piece of its arguments has come."""
        return bool(self._pieces)

    def begin(self, call_id: str | None, name: str | None, item_id: str | None) -> None:
        """Take what is known of it; what is known already stays.

        Raises:
            WireError: it had another name.
        """
        self.id = self.id or call_id
        self._item_id = self._item_id or item_id
        if name and self.name and name != self.name:
            raise WireError(f"a call of the tool {self.name!r} is said to be one of {name!r}")
        self.name = self.name or name or ""

    def begin_with(self, arguments: str) -> None:
        """Take arguments with which it begins: all of them, or the first piece, or an empty object."""
        self._first = self._first or arguments

    def add(self, piece: str) -> None:
        """Take a piece of the arguments."""
        if piece and not self._pieces and self._first and not same_json(self._first, self._first):
            self._pieces.append(self._first)  # no whole JSON: this piece goes on where it stops
            self._first = ""
        if piece:
            self._pieces.append(piece)

    def end(self, arguments: str, *, at_end: bool = False) -> None:
        """Take the whole arguments; `""` if only what came is known.

        Raises:
            WireError: other ones came.
        """
        for whole in (arguments, "" if same_json(self._first, "{}") else self._first):
            if not whole or (self._pieces and same_json("".join(self._pieces), whole)):
                continue
            # A first part of JSON is no JSON; what is, must be what came.
            part = at_end and not same_json(whole, whole)
            of = f"the JSON of a call of the tool {self.name!r}"
            if rest := missing(self._pieces, whole, of=of, at_end=part):
                self._pieces.append(rest)

    def news(self) -> Iterator[ToolCallDelta]:
        """Return what the reader has not been told yet."""
        if not self.name:
            return
        if not self._told:
            self._told = 1
            # The result of a call must name one, so an id is made up where there is none.
            call_id = self.id or self._item_id or f"call-{self._number}"
            yield ToolCallDelta(self._number, call_id, self.name, item_id=self._item_id)
        for piece in self._pieces[self._told - 1 :]:
            yield ToolCallDelta(self._number, arguments=piece)
        self._told = len(self._pieces) + 1


def same_json(one: str, other: str) -> bool:
    """Whether two texts are the same JSON: space, the order of keys, escapes and `1` or `1.0` do not count.

    Args:
        one: a text; what is no JSON is the same as nothing else.
        other: another one.

    Example:
        >>> same_json('{"a": 1, "b": 2}', '{"b":2.0,"a":1}'), same_json("1", "true")
        (True, False)
    """
    try:
        return _canonical(one) == _canonical(other)
    except (ValueError, RecursionError):
        return False


def _canonical(text: str) -> str:
    return json.dumps(json.loads(text, parse_float=_number), sort_keys=True)


def _number(digits: str) -> float:
    number = float(digits)
    return int(number) if number.is_integer() else number
