"""Tests of paths in error texts."""

import pytest

from miniagents.values._path import Index, Member, Path


def path(*steps: object) -> str:
    here = None
    for step in steps:
        here = Path(here, step)
    return str(here)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (("Message",), "Message"),
        (("Message", "meta", "items", Index(3)), "Message.meta.items[3]"),
        (("Message", "meta", "no identifier"), "Message.meta['no identifier']"),
        (("Message", "meta", 5, None), "Message.meta[5][None]"),
        (("Message", "tags", Member("an element")), "Message.tags[an element]"),
        (("Message", "meta", (1, 2)), "Message.meta[a tuple key]"),
        (("Outer.<locals>.Message", "x"), "Outer.<locals>.Message.x"),
    ],
)
def test_reads_like_python(steps: tuple[object, ...], expected: str) -> None:
    """A path is written as one would write it in Python."""
    assert expected == path(*steps)
