"""`Entrant`: one agent in a race or a hedge, with its run, its outcome and its cost.

The module also has functions for the tasks that wait for entrants; no such task outlives the call that made
it.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import cast

from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.messages._message import metadata_so_far
from miniagents.messages._parts import PartBuffer
from miniagents.messages._tokens import resolved
from miniagents.values import Usage, text_of_error

from ._operands import Operand
from ._race_report import RaceEntry, RaceReport

_COUNTED = tuple(each.name for each in fields(Usage) if each.name != "kind")


class Entrant:
    """An agent that takes part in a race or a hedge, from its inquiry to its outcome.

    Args:
        agent: the agent; it is inquired at once.
        messages: the messages to send.

    Attributes:
        alias: the alias of the agent.
        replies: its replies.
        entry: its outcome; None as long as it is open.
        error: its error, if it failed.
    """

    def __init__(self, agent: Operand, messages: MessageSequencePromise) -> None:
        self.alias = agent.alias
        self._begun = asyncio.get_running_loop().time()
        self.replies = agent.inquire(messages)
        self.entry: RaceEntry | None = None
        self.error: Exception | None = None

    def end(self, outcome: str, error: Exception | None = None) -> None:
        """Note its outcome and its cost so far; only the first outcome counts."""
        if self.entry is not None:
            return
        promises = self.replies.buffer.items
        pieces = [token for promise in promises for token in promise.buffer.items]
        self.error = error
        self.entry = RaceEntry(
            agent_alias=self.alias,
            outcome=outcome,
            error=None if error is None else text_of_error(error),
            seconds=asyncio.get_running_loop().time() - self._begun,
            messages=len(promises),
            tokens=len(pieces),
            characters=sum(map(len, pieces)),
            usage=_sum([_usage_of(promise) for promise in promises]),
        )

    def stop(self) -> None:
        """Cancel its run if it still goes on: another agent has won, or all have lost."""
        self.end("cancelled")
        self.replies.cancel()


def _usage_of(promise: MessagePromise[Message]) -> object:
    """Return the usage of a message: from its data, or from its parts so far while it is written."""
    buffer = promise.buffer
    if buffer.closed:
        return getattr(resolved(promise), "usage", None) if buffer.error is None else None
    if isinstance(buffer, PartBuffer):
        reported = [part for part in buffer.parts if isinstance(part, Usage)]
        return reported[-1] if reported else None
    return metadata_so_far(promise).get("usage")


def _sum(usages: Iterable[object]) -> Usage | None:
    """Return the sum of the known usages; None if none is known."""
    known = (Usage(*(_number(usage, name) for name in _COUNTED)) for usage in usages)
    total = sum(known, Usage())
    return None if total == Usage() else total


def _number(usage: object, name: str) -> int | None:
    given: object = getattr(usage, name, None)
    if isinstance(usage, Mapping):
        given = cast("Mapping[str, object]", usage).get(name)
    return given if isinstance(given, int) else None


def report_on(alias: str, entrants: list[Entrant], winner: Entrant | None) -> RaceReport:
    """Record which agent won, and the cost of each."""
    if winner is not None:
        winner.end("won")
    report = RaceReport(
        agent_alias=alias,
        winner=None if winner is None else winner.alias,
        entries=tuple(entrant.entry for entrant in entrants if entrant.entry is not None),
    )
    report.record()
    return report


async def first_good(tasks: "Sequence[asyncio.Task[bool]]") -> int | None:
    """Return the index of the first task that returns True; None if none does.

    If several are ready at once, the smallest index counts. An error of a task is raised.
    """
    waiting = set(tasks)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for place, task in enumerate(tasks):
            if task in done and task.result():
                return place
    return None


async def ended(tasks: "Iterable[asyncio.Task[object]]") -> None:
    """Cancel all tasks and wait for their end, so that none outlives the call that made it.

    Their functions return when they are cancelled: since Python 3.13 a cancelled task is a circle of
    references through the frames of its coroutine, which would keep what it was reading going.
    """
    ending = tuple(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
