"""Who waits for whom: the chain in which a deadlock is found when it closes.

A run waits in its own task, or in tasks that it has made (``asyncio.gather``, ``create_task``): then it is
at a `Junction`, and waits for as many of these tasks as it awaits.
"""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from ._producer import Producer

Names: TypeAlias = "tuple[str, Names] | None"


class SideWait(Protocol):
    """A wait of a task that a run has made."""

    @property
    def producer(self) -> Producer | None:
        """Whom it waits for."""
        ...

    @property
    def firm(self) -> bool:
        """The run itself waits for that task."""
        ...

    def attach(self) -> None:
        """Look again whenever the run goes on."""
        ...


class Junction:
    """Where a run is that has tasks which wait; it takes the place of who blocks it.

    Args:
        waits: of its tasks.
    """

    __slots__ = ("waits",)

    name = ""

    def __init__(self, waits: Sequence[SideWait]) -> None:
        self.waits = waits

    def blocked_by(self) -> Producer | None:
        """Nobody alone."""
        return None

    def cancel(self) -> None:
        """Nothing to stop."""

    abandon = cancel


def chain_to(
    waiter: Producer, producer: Producer | None, junctions: list[Junction] | None = None
) -> list[str] | None:
    """The names of those between, if ``producer`` waits, through any chain, for ``waiter``; else None.

    Args:
        waiter: who is about to wait.
        producer: whom it would wait for; None for nobody.
        junctions: gets the junctions that were passed.

    Example:
        >>> from types import SimpleNamespace
        >>> poet = SimpleNamespace(name="POET", blocked_by=lambda: None)
        >>> critic = SimpleNamespace(name="CRITIC", blocked_by=lambda: poet)
        >>> chain_to(poet, critic), chain_to(critic, poet)
        (['CRITIC'], None)
    """
    names: Names = None
    seen: set[int] = set()
    branches: list[tuple[Producer | None, Names]] = []
    while True:
        while producer is not None and id(producer) not in seen:
            if producer is waiter:
                return _in_order(names)
            seen.add(id(producer))
            if producer.name:
                names = (producer.name, names)
            producer = producer.blocked_by()
            if isinstance(producer, Junction):
                if junctions is not None:
                    junctions.append(producer)
                branches += [(wait.producer, names) for wait in producer.waits if wait.firm]
                break
        if not branches:
            return None
        producer, names = branches.pop()


def follow_loose(waiter: Producer, junctions: Sequence[Junction]) -> bool:
    """Have every wait followed that would close a circle if its run came to await it; whether there is one.

    Args:
        waiter: who waits.
        junctions: those behind it.
    """
    found: list[SideWait] = []
    seen: set[int] = set()
    closed = False
    left = [wait for junction in junctions for wait in junction.waits]
    while left:
        wait = left.pop()
        if id(wait) in seen:
            continue
        seen.add(id(wait))
        found.append(wait)
        beyond: list[Junction] = []
        closed = chain_to(waiter, wait.producer, beyond) is not None or closed
        left += [each for junction in beyond for each in junction.waits]
    if closed:
        for wait in found:
            wait.attach()
    return closed


def _in_order(names: Names) -> list[str]:
    found: list[str] = []
    while names is not None:
        name, names = names
        found.append(name)
    return found[::-1]
