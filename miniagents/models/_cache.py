"""``cache``: the same question to the same agent has the same answer, for a while."""

import asyncio
import math
from collections import OrderedDict

from ._call_keys import CallKey, RecordedFunction
from ._journal import CallJournal, JournalEntry, JournalError, RecordedCalls

__all__ = ["cache"]


class _Memory:
    """A journal in memory, which forgets what was not used for longest.

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
        """Know a function.

        Raises:
            JournalError: another function has this name.
        """
        known = self._functions.setdefault(function.name, function.function)
        if known != function.function:
            raise JournalError(
                f"{function.name} is {known} to this cache, and this is {function.function}: one would be "
                "given the answers of the other. Give each a cache of its own, or another alias."
            )

    async def find(self, key: CallKey, /) -> JournalEntry | None:
        """The call with this key, if it is there still."""
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
    """The same question to the same agent has the same answer, which is asked for once.

    Which questions are the same is told by the agent's alias, the keywords that are data, its schema and
    tools, and what it is sent, as in a journal. Answers are played as streams of the same parts. Of calls
    that ask the same at the same time one is made. Errors are not kept.

    Args:
        journal: keeps the answers; None for the memory of this process.
        ttl: for how long an answer is kept in memory, in seconds; None for ever.
        max_entries: how many answers are kept in memory, 1000 by default; then those that were not used for
            longest are forgotten. A journal is pruned by its own ``prune``.
        version: of what the agents do, for a journal.

    Raises:
        ValueError: a number is not above 0, or is given with a journal.

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
            raise ValueError("cache(): ttl= and max_entries= are for the memory; prune the journal instead.")
        return RecordedCalls(journal, version=version)
    for name, number in (("ttl", ttl), ("max_entries", max_entries)):
        if number is not None and not number > 0:
            raise ValueError(f"cache({name}={number}) keeps nothing; give a number greater than 0.")
    entries = 1000 if max_entries is None else max_entries
    memory = _Memory(entries, math.inf if ttl is None else ttl)
    return RecordedCalls(memory, version=version)


def _now() -> float:
    """The time of the event loop, which a test may let jump."""
    return asyncio.get_running_loop().time()
