"""``cache``: keeps the answers of an agent, and replays them for equal calls."""

import asyncio
import math
from collections import OrderedDict

from ._call_keys import CallKey, RecordedFunction
from ._recorded import CallJournal, JournalEntry, JournalError, RecordedCalls

__all__ = ["cache"]


class _Memory:
    """A journal in memory; it removes the calls that were not used for the longest time.

    Args:
        max_entries: how many calls it keeps.
        ttl: how long it keeps a call, in seconds.
    """

    def __init__(self, max_entries: int, ttl: float) -> None:
        self._max_entries = max_entries
        self._ttl = ttl
        self._entries: OrderedDict[CallKey, tuple[float, JournalEntry]] = OrderedDict()
        self._functions: dict[str, str] = {}

    async def check(self, function: RecordedFunction, /) -> None:
        """Register a function.

        Raises:
            JournalError: another function has this name.
        """
        known = self._functions.setdefault(function.name, function.function)
        if known != function.function:
            raise JournalError(
                f"This cache has answers of {known} under the name {function.name}, and {function.function} "
                "has the same name. Give each its own cache, or another alias."
            )

    async def find(self, key: CallKey, /) -> JournalEntry | None:
        """Return the call with this key; None if there is none, or it is too old."""
        found = self._entries.get(key)
        if found is None:
            return None
        if _now() >= found[0] + self._ttl:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return found[1]

    async def keep(self, key: CallKey, entry: JournalEntry, /) -> None:
        """Keep a call that did not fail."""
        if entry.failed:
            return
        self._entries[key] = _now(), entry
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)


def cache(
    journal: CallJournal | None = None,
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
        ttl: how long an answer is kept in memory, in seconds; None: forever.
        max_entries: how many answers are kept in memory, 1000 by default; beyond that, the answers that were
            not used for the longest time are removed. A journal has its own ``prune``.
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
    for name, number in (("ttl", ttl), ("max_entries", max_entries)):
        if number is not None and not number > 0:
            raise ValueError(f"cache({name}={number}) keeps nothing; give a number greater than 0.")
    entries = 1000 if max_entries is None else max_entries
    memory = _Memory(entries, math.inf if ttl is None else ttl)
    return RecordedCalls(memory, version=version)


def _now() -> float:
    """Return the time of the event loop, which may be virtual in a test."""
    return asyncio.get_running_loop().time()
