"""What reads one stream and writes another, step by step."""

import pytest
from typing_extensions import override

from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._demand import UNBOUNDED
from miniagents.streams._derived import Processor
from miniagents.values import InquiryCancelledError


class _Reader(Processor):
    """Takes what is new, and does at each step what it was told to do."""

    def __init__(self, *new: str) -> None:
        super().__init__()
        self.new = list(new)
        self.taken: list[str] = []
        self.context = Context(prefetch=10)
        self.source: ReplayBuffer[object] | None = ReplayBuffer(self.context)
        self.target: ReplayBuffer[object] = ReplayBuffer(self.context)
        self.left = 0

    @property
    @override
    def reading(self) -> ReplayBuffer[object] | None:
        return self.source

    @property
    @override
    def writing(self) -> ReplayBuffer[object]:
        return self.target

    @override
    def leave(self) -> None:
        self.left += 1
        self.source = None

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
    """What a step pushes to its own subscriber is taken after it, and before what came later."""
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


def test_demand_is_passed_on() -> None:
    """What is requested of what it writes is requested of what it reads, from where it stands."""
    reader = _Reader()
    assert reader.source is not None
    reader.target.write_from(reader)
    reader.position = 8
    reader.target.request(5)  # less than what it may do anyway
    assert (10, 18) == (reader.target.requested, reader.source.requested)
    reader.target.request_all()
    assert UNBOUNDED == reader.source.credit()
    reader.target.withdraw()
    assert (10, 18) == (reader.target.credit(), reader.source.credit())


def test_nothing_is_requested_of_nothing() -> None:
    """A processor that reads nothing right now requests nothing."""
    reader = _Reader()
    source, reader.source = reader.source, None
    assert source is not None
    reader.target.write_from(reader)
    reader.target.request(UNBOUNDED)
    reader.target.withdraw()
    assert 10 == source.requested
    assert reader.blocked_by() is None


def test_what_it_is_blocked_by() -> None:
    """It waits for what writes the stream that it reads; in a circle it is a link without a name."""
    reader, other = _Reader(), _Reader()
    assert reader.source is not None
    reader.source.produce_with(other)
    assert ("", other) == (reader.name, reader.blocked_by())


def test_stopped() -> None:
    """Stopped, it reads no more and ends what it writes as cancelled; once, and nothing of what it reads."""
    for stop in (_Reader.cancel, _Reader.abandon):
        reader = _Reader()
        source = reader.source
        reader.target.append("one")
        stop(reader)
        stop(reader)
        assert (1, True) == (reader.left, reader.target.closed)
        assert isinstance(reader.target.error, InquiryCancelledError)
        assert source is not None
        assert not source.closed
