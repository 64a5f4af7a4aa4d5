"""A follower that moves on step by step."""

import pytest
from typing_extensions import override

from miniagents.core import ReentrancyGuard


class _Reader(ReentrancyGuard):
    """Takes what is new, and does at each step what it was told to do."""

    def __init__(self, *new: str) -> None:
        super().__init__()
        self.new = list(new)
        self.taken: list[str] = []

    @override
    def step(self) -> bool:
        if not self.new:
            return False
        piece = self.new.pop(0)
        if piece == "broken":
            raise ValueError(piece)
        if piece == "again":
            self.new.insert(0, "pushed")
            self.deliver()
        self.taken.append(piece)
        return True


def test_it_goes_on_until_there_is_nothing() -> None:
    """One call takes all that is there."""
    reader = _Reader("one", "two")
    reader.deliver()
    assert ["one", "two"] == reader.taken


def test_no_step_begins_within_a_step() -> None:
    """What a step pushes to its own follower is taken after it, and before what came later."""
    reader = _Reader("again", "last")
    reader.deliver()
    assert ["again", "pushed", "last"] == reader.taken


def test_a_step_that_fails_ends_this_call_only() -> None:
    """An error leaves the call; the next one goes on after it."""
    reader = _Reader("one", "broken", "two")
    with pytest.raises(ValueError, match="broken"):
        reader.deliver()
    reader.deliver()
    assert ["one", "two"] == reader.taken
