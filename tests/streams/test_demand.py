"""What is wanted of a log that is written from another one is asked of that other one."""

from itertools import pairwise

import pytest

from miniagents.streams import UNBOUNDED, Log, Scope, demand


class Link:
    """Writes one log from another as far as is wanted; both are only counted here."""

    def __init__(self, source: Log[object], target: Log[object]) -> None:
        self.source = source
        self.target = target
        target.pacer = self

    def pass_on(self, log: object, *, hungry: bool) -> None:
        """Ask for more."""
        demand(self.source, len(self.target.items), self.target.room_left(), hungry=hungry)

    def slow_down(self) -> None:
        """Bound the source again."""
        self.source.pace()


@pytest.mark.parametrize(
    ("position", "room", "granted"),
    [(0, 10, 10), (4, 10, 10), (5, 10, 15), (10, 1, 11), (10, 0, 10), (3, -5, 10), (0, UNBOUNDED, UNBOUNDED)],
)
def test_what_is_asked(position: int, room: int, granted: int) -> None:
    """As much as there is room for, once half of what was granted is used up; never more, never less."""
    source: Log[object] = Log(Scope(prefetch=10))
    demand(source, position, room)
    assert granted == source.granted


@pytest.mark.loop(debug=False)
async def test_a_long_chain() -> None:
    """A demand goes up a chain of 5,000 logs without a deep stack, and so does slowing down."""
    scope = Scope(prefetch=10)
    scope.open()
    logs: list[Log[object]] = [Log(scope) for _ in range(5_000)]
    links = [Link(source, target) for source, target in pairwise(logs)]
    logs[-1].grant(UNBOUNDED)
    assert {UNBOUNDED} == {log.granted for log in logs}
    logs[-1].pace()
    assert {10} == {log.granted for log in logs}
    assert len(links) == len(logs) - 1


def test_a_closed_source_is_not_asked() -> None:
    """Of a log that has ended nothing is wanted."""
    source: Log[object] = Log(Scope(prefetch=10), closed=True)
    demand(source, 10, UNBOUNDED, hungry=True)
    assert 10 == source.granted
