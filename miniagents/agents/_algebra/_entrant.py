"""One agent in a race or a hedge: its run, how that ended for it, and what it has cost."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import cast

from miniagents.promising import Message, MessagePromise, MessageSequencePromise, resolved
from miniagents.streams import Driver

from ._parts import Part
from ._race_report import RaceEntry, RaceReport


class Entrant:
    """An agent that takes part, from its inquiry to its outcome.

    Args:
        agent: it is inquired now.
        messages: what it is sent.

    Attributes:
        alias: that of the agent.
        replies: what it replies.
        entry: what became of it; None as long as that is open.
        error: why it failed, if it did.
    """

    __slots__ = ("_begun", "alias", "entry", "error", "replies")

    def __init__(self, agent: Part, messages: MessageSequencePromise) -> None:
        self.alias = agent.alias
        self._begun = asyncio.get_running_loop().time()
        self.replies = agent.inquire(messages)
        self.entry: RaceEntry | None = None
        self.error: Exception | None = None

    def end(self, outcome: str, error: Exception | None = None) -> None:
        """Note what became of it and what it has cost until now; the first outcome stays."""
        if self.entry is not None:
            return
        promises = self.replies.log.items
        pieces = [token for promise in promises for token in promise.log.items]
        self.error = error
        self.entry = RaceEntry(
            agent_alias=self.alias,
            outcome=outcome,
            error=None if error is None else f"{type(error).__name__}: {error}",
            seconds=asyncio.get_running_loop().time() - self._begun,
            messages=len(promises),
            tokens=len(pieces),
            characters=sum(map(len, pieces)),
            usage=_sums(usage for promise in promises for usage in _usage_of(promise)),
        )

    def stop(self) -> None:
        """End its run, if that goes on: another one has won, or all have lost."""
        self.end("cancelled")
        self.replies.cancel()


def _usage_of(promise: MessagePromise[Message]) -> Iterator[Mapping[object, object]]:
    """What a message tells of its usage: in its data, or, as long as it is written, in what it has so far."""
    log = promise.log
    usage: object = None
    if log.closed and log.error is None:
        usage = getattr(resolved(promise), "usage", None)
    elif isinstance(log.producer, Driver):
        metadata: object = getattr(log.producer.sink, "metadata", None)
        usage = cast("Mapping[str, object]", metadata).get("usage") if isinstance(metadata, Mapping) else None
    if isinstance(usage, Mapping):
        yield cast("Mapping[object, object]", usage)


def _sums(usages: Iterator[Mapping[object, object]]) -> dict[str, int | float]:
    sums: dict[str, int | float] = {}
    for usage in usages:
        for name, number in usage.items():
            if isinstance(number, int | float):
                sums[str(name)] = sums.get(str(name), 0) + number
    return sums


def report_on(alias: str, entrants: list[Entrant], winner: Entrant | None) -> RaceReport:
    """Record who won, and what each has cost."""
    if winner is not None:
        winner.end("won")
    report = RaceReport(
        agent_alias=alias,
        winner=None if winner is None else winner.alias,
        entries=tuple(entrant.entry for entrant in entrants if entrant.entry is not None),
    )
    report.record()
    return report
