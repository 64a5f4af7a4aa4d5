"""Compares the pieces of a text with the whole text, if the protocol sends both.

Behind proxies, pieces get lost, come twice, or come in another order. If the whole text differs from the
pieces, the answer is refused, so no reader takes it as complete.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from miniagents.values import ToolCallDelta

from ._json import SurrogateJoiner, WireError, encodable
from ._opaque import opaque

_COMPARED: Final = 100_000_000  # characters that may be compared at first
_REPEATED: Final = 10  # how many more for each character of a whole that comes


def missing(pieces: Sequence[str], whole: str, *, of: str, at_end: bool = False) -> str:
    """Return the whole text if no piece of it came, else ``""``; refuse pieces that differ from it.

    The whole may lack the white space around the pieces. At the end of an answer, the whole may be only the
    first pieces, since some servers repeat no more.

    Args:
        pieces: that came.
        whole: the whole text; ``""`` if it is not known.
        of: the name of the text, for the error.
        at_end: whether the whole is from the end of the answer, and from no earlier event.

    Raises:
        WireError: the whole is longer than the pieces, or different; the error has both lengths.

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
    first = at_end and _begins(pieces, whole)
    came_twice = len(whole) > len(pieces[0]) and whole.endswith(came[len(whole) :])
    if first and not came_twice:
        return ""
    differ = " different ones" if len(came) == len(whole) else ""
    raise WireError(
        f"{of} came in pieces of {len(came)} characters in all, but as a whole it has {len(whole)}{differ}"
    )


def _begins(pieces: Sequence[str], whole: str) -> bool:
    """Return whether a whole is the first pieces."""
    joiner, at = SurrogateJoiner(), 0
    for piece in pieces:
        text = joiner.feed(piece)
        if not whole.startswith(text, at):
            return False
        at += len(text)
        if whole[at : at + 2] == encodable(joiner.held):
            return True
    return False


class Comparisons:
    """Counts what is compared in an answer: a server can repeat a short whole, or the end of a long call."""

    def __init__(self) -> None:
        self._left = _COMPARED

    def count(self, pieces: Sequence[str], told: int) -> None:
        """Note that pieces are compared with a whole.

        Args:
            pieces: all of them.
            told: characters of the whole that came now.

        Raises:
            WireError: there was more to compare than the server has sent, many times over.
        """
        self._left += _REPEATED * told - len(pieces) - sum(map(len, pieces))
        if self._left < 0:
            raise WireError("the server repeats the end of a text or a call again and again")

    def missing(self, pieces: Sequence[str], whole: str, *, of: str, at_end: bool = False) -> str:
        """Return the whole text if no piece of it came, else ``""``, as the function `missing` does."""
        if whole:
            self.count(pieces, len(whole))
        return missing(pieces, whole, of=of, at_end=at_end)


class CallPieces:
    """A call that comes in pieces; the reader gets them when the name of the tool is known.

    Args:
        number: the position of its item in the answer.
        compared: counts what is compared.

    Attributes:
        id: of the call; None if the server gives none.
        name: of the tool; `""` while it is not known.
        rest: the other fields of its item, which the server needs back.
    """

    def __init__(self, number: int, compared: Comparisons | None = None) -> None:
        self._number = number
        self._compared = compared or Comparisons()
        self._first = ""  # the arguments in its first event
        self._pieces: list[str] = []
        self._told = 0  # 0: the reader has got nothing; else 1 and the pieces that it has got
        self._item_id: str | None = None
        self.id: str | None = None
        self.name = ""
        self.rest: Mapping[str, object] = {}

    @property
    def arguments(self) -> str:
        """The arguments that have come."""
        return "".join(self._pieces)

    @property
    def came(self) -> bool:
        """Whether a piece of its arguments has come."""
        return bool(self._pieces)

    def begin(self, call_id: str | None, name: str | None, item_id: str | None) -> None:
        """Take the id and the name, unless they are known already.

        Raises:
            WireError: the call had another name.
        """
        self.id = self.id or call_id
        self._item_id = self._item_id or item_id
        if name and self.name and name != self.name:
            raise WireError(f"a call of the tool {self.name!r} has a second name, {name!r}")
        self.name = self.name or name or ""

    def begin_with(self, arguments: str) -> None:
        """Take the arguments of its first event: all of them, the first piece, or an empty object."""
        self._first = self._first or arguments

    def add(self, piece: str) -> None:
        """Take a piece of the arguments."""
        if piece and not self._pieces and self._first and not same_json(self._first, self._first):
            self._pieces.append(self._first)  # it is not complete JSON, so this piece continues it
            self._first = ""
        if piece:
            self._pieces.append(piece)

    def end(self, arguments: str, *, at_end: bool = False) -> None:
        """Take the whole arguments; `""` if only the pieces are known.

        Raises:
            WireError: the pieces differ from them.
        """
        if arguments or self._first:
            self._compared.count([self._first, *self._pieces], len(arguments))
        for whole in (arguments, "" if same_json(self._first, "{}") else self._first):
            if not whole or (self._pieces and same_json("".join(self._pieces), whole)):
                continue
            # Only a text that is not complete JSON can be a first part of the arguments.
            part = at_end and not same_json(whole, whole)
            of = f"the JSON of a call of the tool {self.name!r}"
            if rest := missing(self._pieces, whole, of=of, at_end=part):
                self._pieces.append(rest)

    def news(self) -> Iterator[ToolCallDelta]:
        """Yield the pieces that the reader has not got yet."""
        if not self.name:
            return
        if not self._told:
            self._told = 1
            told = opaque(rest=self.rest) if self.rest else None
            call_id = self.id or self._item_id
            yield ToolCallDelta(self._number, call_id, self.name, item_id=self._item_id, opaque=told)
        for piece in self._pieces[self._told - 1 :]:
            yield ToolCallDelta(self._number, arguments=piece)
        self._told = len(self._pieces) + 1


def same_json(one: str, other: str) -> bool:
    """Return whether two texts are equal JSON, but for white space, the order of keys, escapes and `1.0`.

    Args:
        one: a text; a text that is not JSON is not equal to any text.
        other: another text.

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
