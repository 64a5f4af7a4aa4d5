"""Which item an event is about, whatever names it."""

from itertools import permutations

import pytest

from miniagents.ext.llm import WireError
from miniagents.ext.llm._responses_items import CALL, MESSAGE, THOUGHT, Item, ItemName, Items


def begun(*names: ItemName) -> tuple[Items, list[Item]]:
    """Items that events have begun."""
    items = Items()
    return items, [items.announced(name) for name in names]


@pytest.mark.parametrize(
    "name",
    [
        ItemName(MESSAGE, "b", 1),
        ItemName(MESSAGE, "b"),
        ItemName(MESSAGE, None, 1),
        ItemName(MESSAGE, "b", 0),
        ItemName(MESSAGE),
    ],
)
def test_found(name: ItemName) -> None:
    """An item is found by its id, else by its place, else it is the last one of its kind."""
    items, (_, second, _) = begun(
        ItemName(MESSAGE, "a", 0), ItemName(MESSAGE, "b", 1), ItemName(CALL, "c", 2, "x", "look")
    )
    assert items.of_piece(name) is second
    assert items.told(name) is second
    assert items.whole(name) is second


def test_begun_by_a_piece() -> None:
    """What nothing has begun begins with its first piece, and is the same when it is named again."""
    items = Items()
    first, second = items.of_piece(ItemName(MESSAGE, "a")), items.of_piece(ItemName(THOUGHT, "b"))
    assert [first, second] == list(items)
    assert (items.of_piece(ItemName(MESSAGE, "a")), items.announced(ItemName(THOUGHT, "b"))) == (
        first,
        second,
    )


def test_call_id() -> None:
    """A call without an id of its own is found by the id of the call."""
    items, (first, second) = begun(
        ItemName(CALL, call_id="x", tool="look"), ItemName(CALL, call_id="y", tool="look")
    )
    assert (items.of_piece(ItemName(CALL, "x")), items.of_piece(ItemName(CALL, "y"))) == (first, second)
    assert items.whole(ItemName(CALL, call_id="x", tool="look")) is first


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_at_the_end(order: tuple[int, ...]) -> None:
    """At the end items are found by their ids in any order, with new ids in theirs, and new ones begin."""
    names = [ItemName(MESSAGE, "a"), ItemName(MESSAGE, "b"), ItemName(MESSAGE, "c")]
    items, made = begun(*names)
    assert items.all_told([names[at] for at in order]) == [made[at] for at in order]
    assert items.all_told([ItemName(MESSAGE, each) for each in "xyz"]) == made
    assert items.all_told([names[2], ItemName(MESSAGE, "x")]) == [made[2], made[0]]
    (new,) = items.all_told([ItemName(CALL, "d", None, "x", "look")])
    assert new not in made


def test_refused() -> None:
    """A piece after the end of its item, for another kind, or behind a gap tells that an event is missing."""
    items, (ended, _) = begun(ItemName(MESSAGE, "a", 0), ItemName(CALL, "b", 1, "x", "look"))
    ended.ended = True
    for name in (ItemName(MESSAGE, "a"), ItemName(MESSAGE, "b"), ItemName(MESSAGE, "c", 7)):
        with pytest.raises(WireError):
            items.of_piece(name)
    assert items.of_piece(ItemName(MESSAGE, "c", 2)) is not ended


def test_many() -> None:
    """Ten thousand items that all have one name cost as much each as the first ones."""
    items = Items()
    for _ in range(10_000):
        items.of_piece(ItemName(MESSAGE, "a", 0)).ended = True
        items.announced(ItemName(MESSAGE, "a", 0))
    assert 10_001 == len(items)
