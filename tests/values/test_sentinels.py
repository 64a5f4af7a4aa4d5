"""Tests of the sentinels."""

import copy
import pickle
from typing import assert_type

from miniagents.values import AWAIT, CLEAR, AwaitType, ClearType


def test_one_object_each() -> None:
    """Copies and pickles of a sentinel are the sentinel."""
    for mark in (AWAIT, CLEAR):
        assert mark is copy.copy(mark)
        assert mark is copy.deepcopy(mark)
        assert mark is pickle.loads(pickle.dumps(mark))  # noqa: S301 - our own bytes


def test_they_are_called_by_their_names() -> None:
    """A list of agents prints readably."""
    assert repr([AWAIT, CLEAR]) == "[AWAIT, CLEAR]"
    assert f"{AWAIT} {CLEAR}" == "AWAIT CLEAR"


def test_they_differ() -> None:
    """Neither is the other, nor false."""
    marks: list[object] = [AWAIT, CLEAR]
    assert marks[0] != marks[1]
    assert all(marks)


def kind_of(item: str | AwaitType | ClearType) -> str:
    """Each branch is checked by mypy and pyright: the sentinels narrow."""
    if item is AWAIT:
        return "await"
    if item is CLEAR:
        return "clear"
    assert_type(item, str)
    return item


def test_they_narrow() -> None:
    """A test by identity tells the sentinels from the items."""
    assert [kind_of(AWAIT), kind_of(CLEAR), kind_of("x")] == ["await", "clear", "x"]
