from miniagents.core._protocols import Producer
from miniagents.core._waits import Junction, chain_to, follow_loose


class Waiting:
    """A producer that waits for another one."""

    def __init__(self, name: str, waits_for: Producer | None = None) -> None:
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


class Side:
    """A wait of a task that a run has made."""

    def __init__(self, producer: Producer | None, *, firm: bool) -> None:
        self.producer = producer
        self.firm = firm
        self.followed = 0

    def attach(self) -> None:
        """Count it."""
        self.followed += 1


def test_a_junction() -> None:
    """At a junction the chain goes on through each wait that the run itself waits for, and no other."""
    waiter = Waiting("A")
    way, other = Side(Waiting("C", waiter), firm=True), Side(Waiting("D"), firm=True)
    for waits in ([way, other], [other, way]):
        junctions: list[Junction] = []
        junction = Junction(waits)
        assert chain_to(waiter, Waiting("B", junction), junctions) == ["B", "C"]
        assert junctions == [junction]
    way.firm = False
    assert chain_to(waiter, Waiting("B", Junction([way, other]))) is None


def test_many_junctions() -> None:
    """Junctions behind junctions, 5,000 deep, are no deep recursion."""
    waiter = Waiting("A")
    producer: Producer = waiter
    for _ in range(5_000):
        producer = Waiting("B", Junction([Side(None, firm=True), Side(producer, firm=True)]))
    assert len(chain_to(waiter, producer) or ()) == 5_000


def test_loose_waits_are_followed() -> None:
    """Waits that would close a circle, if their runs awaited them, are followed; if none would, none is."""
    waiter = Waiting("A")
    last = Side(waiter, firm=False)
    first = Side(Waiting("B", Junction([last])), firm=False)
    elsewhere = Side(Waiting("C"), firm=False)
    assert not follow_loose(waiter, [Junction([elsewhere])])
    assert 0 == elsewhere.followed
    assert follow_loose(waiter, [Junction([first])])
    assert [1, 1] == [first.followed, last.followed]


def test_a_junction_is_no_producer() -> None:
    """A junction alone blocks nobody, and cannot be stopped."""
    junction = Junction([])
    junction.cancel()
    junction.abandon()
    assert ("", None) == (junction.name, junction.blocked_by())
