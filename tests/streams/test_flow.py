"""What is wanted of a buffer that is written from another one is asked of that other one."""

from itertools import pairwise

import pytest

from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._demand import UNBOUNDED, Request


class Link:
    """Writes one buffer from another as far as is wanted; both are only counted here."""

    def __init__(self, source: ReplayBuffer[object], target: ReplayBuffer[object]) -> None:
        self.source = source
        self.target = target
        self.request = Request()
        target.write_from(self)

    def pass_demand_on(self, *, waiting: bool) -> None:
        """Ask for more."""
        self.request.pass_on(self.source, len(self.target.items), self.target.credit(), waiting=waiting)


@pytest.mark.parametrize(
    ("position", "credit", "requested"),
    [(0, 10, 10), (4, 10, 10), (5, 10, 15), (10, 1, 11), (10, 0, 10), (3, -5, 10)],
)
def test_what_is_asked(position: int, credit: int, requested: int) -> None:
    """As much as there is credit for, once half of what was requested is used up; never more, never less."""
    source: ReplayBuffer[object] = ReplayBuffer(Context(prefetch=10))
    Request().pass_on(source, position, credit)
    assert requested == source.requested


@pytest.mark.loop(debug=False)
async def test_a_long_chain() -> None:
    """A demand goes up a chain of 5,000 buffers without a deep stack, and so does slowing down."""
    context = Context(prefetch=10)
    context.open()
    buffers: list[ReplayBuffer[object]] = [ReplayBuffer(context) for _ in range(5_000)]
    links = [Link(source, target) for source, target in pairwise(buffers)]
    buffers[-1].request_all()
    assert {UNBOUNDED} == {buffer.credit() for buffer in buffers}
    buffers[-1].withdraw()
    assert {10} == {buffer.credit() for buffer in buffers}
    assert len(links) == len(buffers) - 1


def test_a_closed_source_is_not_asked() -> None:
    """Of a buffer that has ended nothing is wanted."""
    source: ReplayBuffer[object] = ReplayBuffer(Context(prefetch=10), closed=True)
    Request().pass_on(source, 10, 5, waiting=True)
    assert 10 == source.requested
