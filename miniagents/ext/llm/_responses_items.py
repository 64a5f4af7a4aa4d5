"""The items of an answer of the Responses API: finds the item of each piece, and collects its pieces.

Servers name items in different ways. An item is found by its id, else by its index (`output_index`), else by
the order: a piece without both belongs to the last item of its kind. An item without a start event begins
with its first piece. The whole text of an item is compared with its pieces.
"""

from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ._json import WireError
from ._pieces import CallPieces, Comparisons

MESSAGE: Final = "message"
CALL: Final = "function_call"
THOUGHT: Final = "reasoning"


class ContentPart:
    """One part of the content of an item.

    Attributes:
        number: of the part.
        pieces: that have come, in order.
        ended: whether an event has ended the part.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.pieces: list[str] = []
        self.ended = False


@dataclass(frozen=True, slots=True)
class ItemName:
    """How an event names its item.

    Attributes:
        kind: its type; `""` if the event does not have it.
        id: its id.
        index: its `output_index`.
        call_id: of a call: the id of the call.
        tool: of a call: the name of the tool.
    """

    kind: str
    id: str | None = None
    index: int | None = None
    call_id: str | None = None
    tool: str | None = None


class Item:
    """What has come of one item.

    Args:
        number: the position of the item in the answer.
        name: how its first event names it.
        compared: counts what is compared in the answer.

    Attributes:
        kind: its type; `""` while it is not known.
        id: its id; None if it has none.
        index: its `output_index`; None if the server does not send it.
        announced: whether it had a start event, and not only a first piece.
        ended: whether an event has ended it.
        steady: whether its id came twice.
        confirmed: whether an event had its whole text, and this was equal to the pieces.
        cited: whether a citation has come.
        call: the pieces of a call.
    """

    def __init__(self, number: int, name: ItemName, compared: Comparisons) -> None:
        self.number = number
        self.kind = name.kind
        self.id = name.id
        self.index = name.index
        self.announced = False
        self.ended = False
        self.steady = False
        self.confirmed = False
        self.cited = False
        self.call = CallPieces(number, compared)
        self._compared = compared
        self._part = 0  # the number of the present part, for servers that send no numbers
        self._parts: dict[tuple[str, int], ContentPart] = {}  # by voice and number
        self._told: dict[str, list[ContentPart]] = {}  # with pieces, in the order of their numbers

    @property
    def came(self) -> bool:
        """Whether a piece of it has come."""
        return self.call.came or bool(self._told)

    def is_other_call(self, name: ItemName) -> bool:
        """Return whether an event names another call than this one."""
        if self.call.id is None or name.call_id is None or self.call.id == name.call_id:
            return False
        # A server that changes ids repeats the name of the tool, with the same index.
        return self.ended or name.index is None or self.call.name != name.tool

    def part_of(self, voice: str, number: int | None) -> ContentPart:
        """Return a part of its content in one voice; the present part if there is no number."""
        key = voice, self._part if number is None else number
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = ContentPart(key[1])
        return part

    def say(self, voice: str, number: int | None, text: str) -> None:
        """Take a piece of a part of its content."""
        part = self.part_of(voice, number)
        if not part.pieces:
            insort(self._told.setdefault(voice, []), part, key=lambda each: each.number)
        part.pieces.append(text)

    def next_part(self, voice: str) -> None:
        """Begin a part without a number, if the present one has ended."""
        self._part += self.part_of(voice, None).ended

    def rest_of_part(self, voice: str, number: int | None, whole: str) -> str:
        """Return the whole text of one part of its content if no piece of it has come."""
        return self._compared.missing(self.part_of(voice, number).pieces, whole, of="a text")

    def end_of_part(self, voice: str, number: int | None, whole: str) -> str:
        """Take the whole text of one part of its content; return it if no piece of it has come."""
        part = self.part_of(voice, number)
        part.ended = True
        if not part.pieces and self._is_all(voice, whole):
            return ""  # the server has numbered the part in two ways
        rest = self.rest_of_part(voice, number, whole)
        self.confirmed = self.confirmed or bool(whole)
        return rest

    def end_of_voice(self, voice: str, whole: str, *, at_end: bool) -> str:
        """Take its whole text in one voice; return it if no piece of it has come.

        Args:
            voice: of the text.
            whole: the texts of all its parts.
            at_end: whether it is from the end of the answer.
        """
        if not whole:
            return ""
        pieces = self.said(voice)
        if at_end and self.confirmed and "".join(pieces).startswith(whole):
            return ""
        rest = self._compared.missing(pieces, whole, of="a text", at_end=at_end)
        self.confirmed = self.confirmed or not at_end
        return rest

    def said(self, voice: str) -> list[str]:
        """Return all pieces in one voice, in the order of the parts."""
        return [piece for part in self._told.get(voice, ()) for piece in part.pieces]

    def has_said(self, voice: str) -> bool:
        """Return whether a piece in one voice has come."""
        return voice in self._told

    def _is_all(self, voice: str, whole: str) -> bool:
        """Return whether a text is all pieces in one voice; this ends at the first difference."""
        at = 0
        for part in self._told.get(voice, ()) if whole else ():
            for piece in part.pieces:
                if not whole.startswith(piece, at):
                    return False
                at += len(piece)
        return at == len(whole)


class Items:
    """All items of one answer, in the order in which they began."""

    def __init__(self) -> None:
        self._compared = Comparisons()
        self._all: list[Item] = []
        # The last item with this id, index and kind; each of them may be None, for any.
        self._by: dict[tuple[str | None, int | None, str | None], Item] = {}
        self._shared: set[str] = set()  # ids that several items have
        self._announced = False
        self._next = 0  # the next index

    def __iter__(self) -> Iterator[Item]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def of_piece(self, name: ItemName) -> Item:
        """Return the item of a piece; it begins with the piece if it had no start event.

        Raises:
            WireError: the item has ended, is of another kind, or its start event is missing.
        """
        item = self._by_id(name) or self._by_place(name)
        if item is None and name.index is None:
            item = self._by_order(name)
            if item is not None and item.ended and not self._announced:
                item = None  # this server sends no start events
            elif name.kind == CALL and item is not None and item.number:
                self._check_order(item)
        if item is not None and item.kind not in {name.kind, ""}:
            if item.announced and CALL in {name.kind, item.kind}:
                raise WireError(f"a piece of a {name.kind} came for an item of the type {item.kind}")
            item = None  # several items have this name
        if item is None:
            known = name.index is None or (None, name.index, None) in self._by
            if self._announced and not known and name.index != self._next:
                raise WireError("a piece came for an item that has not begun: an event is missing")
            return self._begin(name)
        if item.ended:
            raise WireError("a piece came for an item that has ended: an event is missing")
        item.kind = item.kind or name.kind
        return self._name(item, name)

    def announced(self, name: ItemName) -> Item:
        """Return the item of a start event; it may have begun with its first piece already.

        Raises:
            WireError: it had a start event, and pieces of it had come.
        """
        self._announced = True
        item = self._by.get((name.id or name.call_id, name.index, name.kind))
        if name.id is None and name.call_id is None and name.index is None:
            item = None  # it is the next one
        if item is None or item.ended or item.is_other_call(name):
            item = self._begin(name)
        elif item.announced and item.came:
            raise WireError("an item began a second time, after pieces of it had come")
        item.announced = True
        return self._name(item, name)

    def told(self, name: ItemName) -> Item:
        """Return the item of any other event; it may have ended, and is begun if it has not begun."""
        item = self._by_id(name) or self._by_call(name) or self._by_place(name)
        if item is None and name.index is None:
            item = self._by_order(name)
        if item is None or item.kind not in {name.kind, ""} or item.is_other_call(name):
            return self._begin(name)
        item.kind = item.kind or name.kind
        return self._name(item, name)

    def whole(self, name: ItemName) -> Item:
        """Return the item of an event with the whole item."""
        item = self.told(name)
        unnamed = name.id is None and name.index is None and name.call_id is None
        return self._begin(name) if item.ended and unnamed else item

    def all_told(self, names: Sequence[ItemName]) -> list[Item]:
        """Return the item of each name, when the end of the answer has all items; some may be new."""
        unused = dict.fromkeys(self._all)
        found: list[Item | None] = []
        for name in names:
            item = None if name.id in self._shared else self._by.get((name.id, None, name.kind))
            item = self._by_call(name) if name.id is None or item is None else item
            if item is not None and item not in unused:
                item = None
            found.append(item)
            if item is not None:
                del unused[item]
        rest: dict[str, list[Item]] = {}  # of each kind, the last one first
        for item in reversed(unused):
            rest.setdefault(item.kind, []).append(item)
        whole: list[Item] = []
        # Ids may have changed, and reasoning may be missing; the order within a kind is the same.
        for name, item in zip(names, found, strict=True):
            known = item or (rest[name.kind].pop() if rest.get(name.kind) else None)
            whole.append(self._begin(name) if known is None else self._name(known, name))
        return whole

    def _by_id(self, name: ItemName) -> Item | None:
        """Return the item with this id."""
        if name.id is None:
            return None
        by, index = self._by, name.index
        item = by.get((name.id, index, name.kind)) or by.get((name.id, index, None))
        if item is None and (item := by.get((name.id, None, name.kind)) or by.get((name.id, None, None))):
            # If all items have the same id, only the index tells them apart.
            alone = item.announced and name.id not in self._shared
            item = item if item.index is None or alone else None
        if item is not None:
            item.steady = True
        return item

    def _by_call(self, name: ItemName) -> Item | None:
        """Return the call with this id."""
        if name.call_id is None or name.call_id in self._shared:
            return None
        return self._by.get((name.call_id, None, name.kind))

    def _by_place(self, name: ItemName) -> Item | None:
        """Return the item with this index."""
        if name.index is None:
            return None
        item = self._by.get((None, name.index, name.kind)) or self._by.get((None, name.index, None))
        return item if item is not None and self._may_be(item, name) else None

    def _by_order(self, name: ItemName) -> Item | None:
        """Return the last item of this kind."""
        item = self._by.get((None, None, name.kind)) or self._by.get((None, None, ""))
        return item if item is not None and self._may_be(item, name) else None

    def _may_be(self, item: Item, name: ItemName) -> bool:
        """Return whether a new id can belong to this item."""
        if name.id is None or item.id is None:
            return True
        # Some servers give each event another id. But if the id of an item came twice, another id belongs to
        # another item, unless this item had a start event with the same index.
        begun_there = item.announced and name.index is not None
        return item.kind in {name.kind, ""} and (begun_there or not item.steady)

    def _check_order(self, call: Item) -> None:
        """Refuse a piece that could belong to each of two calls."""
        before = self._all[call.number - 1]
        if before.kind == CALL and not (before.ended or before.came or call.came):
            raise WireError("a piece of arguments does not name its call, and two calls are possible")

    def _begin(self, name: ItemName) -> Item:
        item = Item(len(self._all), name, self._compared)
        self._all.append(item)
        for index in (name.index, None):
            self._by[None, index, name.kind] = item
        if name.index is not None:
            self._by[None, name.index, None] = item
            self._next = max(self._next, name.index + 1)
        return self._name(item, name)

    def _name(self, item: Item, name: ItemName) -> Item:
        """Note the names of an item, and return the item."""
        item.id = item.id or name.id
        for each in (name.id, name.call_id):
            if each is not None:
                if self._by.get((each, None, name.kind), item) is not item:
                    self._shared.add(each)
                for index in (name.index, None):
                    self._by[each, index, name.kind] = self._by[each, index, None] = item
        if item.kind == CALL:
            item.call.begin(name.call_id, name.tool, name.id)
        return item
