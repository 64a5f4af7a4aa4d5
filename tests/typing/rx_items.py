"""What flows through the pipelines of the corpus."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """Something with a text, a number and a kind."""

    text: str
    size: int
    kind: str = "note"


class Reply(Item):
    """A narrower item."""


def is_reply(item: Item) -> bool:
    """Tell a reply from any other item."""
    return isinstance(item, Reply)


def is_long(item: Item) -> bool:
    """Tell a long item from a short one."""
    return item.size > 1


def text_of(item: Item) -> str:
    """Return the text of an item."""
    return item.text


def total(before: int, item: Item) -> int:
    """Add the size of an item."""
    return before + item.size
