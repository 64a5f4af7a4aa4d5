"""``cache``: keeps the answers of an agent, and replays them for equal calls."""

from miniagents.values import check_count, check_seconds

from ._memory import MemoryJournal
from ._recorded import RecordedCalls
from ._stores import CallStore


def cache(
    journal: CallStore | None = None,
    *,
    ttl: float | None = None,
    max_entries: int | None = None,
    version: str = "1",
) -> RecordedCalls:
    """Keep the answers of an agent: equal calls are made once, and get the same answer.

    Two calls are equal if they have the same alias of the agent, messages, tools, answer schema, and keywords
    that are data, as in a journal. An answer from the cache streams the same parts. If equal calls come at
    the same time, one is made, and the others wait for its answer. Errors are not kept.

    Args:
        journal: keeps the answers; None for the memory of this process.
        ttl: seconds for which an answer is kept in memory; None: forever.
        max_entries: how many answers are kept in memory; more replace those not used for the longest time.
        version: of the agents, for a journal; change it when they change.

    Raises:
        ValueError: a number is not above 0, or is given together with a journal.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.limits import cache
        >>> from miniagents.testing import scripted_model
        >>> model = scripted_model("one", "two").around(cache())
        >>> async def main():
        ...     print(*[str(await model.inquire(each)) for each in ("Count.", "Count.", "Go on.")])
        >>> MiniAgents().run(main())
        one one two
    """
    if journal is not None:
        if ttl is not None or max_entries is not None:
            raise ValueError(
                "cache() takes ttl= and max_entries= only without a journal; prune the journal instead."
            )
        return RecordedCalls(journal, version=version)
    check_seconds("cache", "ttl", ttl)
    check_count("cache", "max_entries", max_entries)
    for name, number in (("ttl", ttl), ("max_entries", max_entries)):
        if number is not None and not number > 0:
            raise ValueError(f"cache({name}={number}) keeps nothing; give a number greater than 0.")
    memory = MemoryJournal(max_calls=1000 if max_entries is None else max_entries, ttl=ttl)
    return RecordedCalls(memory, version=version)
