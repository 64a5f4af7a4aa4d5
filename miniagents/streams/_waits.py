"""Who waits for whom: the chain in which a deadlock is found when it closes."""

from ._producer import Producer


def chain_to(waiter: Producer, producer: Producer | None) -> list[str] | None:
    """The names of those between, if ``producer`` waits, through any chain, for ``waiter``; else None.

    Args:
        waiter: who is about to wait.
        producer: whom it would wait for; None for nobody.

    Example:
        >>> from types import SimpleNamespace
        >>> poet = SimpleNamespace(name="POET", blocked_by=lambda: None)
        >>> critic = SimpleNamespace(name="CRITIC", blocked_by=lambda: poet)
        >>> chain_to(poet, critic), chain_to(critic, poet)
        (['CRITIC'], None)
    """
    names: list[str] = []
    seen: set[int] = set()
    while producer is not None and id(producer) not in seen:
        if producer is waiter:
            return names
        seen.add(id(producer))
        if producer.name:
            names.append(producer.name)
        producer = producer.blocked_by()
    return None
