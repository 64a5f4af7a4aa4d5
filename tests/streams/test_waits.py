from miniagents.streams._producer import Producer
from miniagents.streams._waits import chain_to


class Waiting:
    """A producer that waits for another one."""

    def __init__(self, name: str, waits_for: "Waiting | None" = None) -> None:
        self.name = name
        self.waits_for = waits_for

    def blocked_by(self) -> Producer | None:
        """Whom it waits for."""
        return self.waits_for

    def cancel(self) -> None:
        """Nothing to stop."""

    def abandon(self) -> None:
        """Nothing to stop."""


def test_no_circle() -> None:
    """Where nobody waits for the waiter there is no chain."""
    waiter = Waiting("A")
    assert chain_to(waiter, None) is None
    assert chain_to(waiter, Waiting("B", Waiting("C"))) is None


def test_the_names_between() -> None:
    """The chain names everybody between the waiter and itself, in order; links have no name."""
    waiter = Waiting("A")
    assert chain_to(waiter, waiter) == []
    assert chain_to(waiter, Waiting("B", Waiting("", Waiting("C", waiter)))) == ["B", "C"]


def test_a_circle_of_others() -> None:
    """A circle that the waiter is no part of ends the search."""
    first = Waiting("B")
    first.waits_for = Waiting("C", first)
    assert chain_to(Waiting("A"), first) is None
