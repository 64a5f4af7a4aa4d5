"""Whether all calls of a run wait for people, so that no task need be kept for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from miniagents.streams._lifetime import TaskLife
from miniagents.streams._protocols import Producer


@dataclass(frozen=True, slots=True)
class Asking:
    """Code that waits for an answer.

    Attributes:
        producer: the run whose code it is; None if it is that of no run.
        aside: whether it waits in a task that the run has made, not in the task of the run.
    """

    producer: TaskLife | None
    aside: bool


def all_wait(tasks: Iterable[object], asking: Iterable[Asking]) -> bool:
    """Return whether each task waits for an answer, or for a stream that cannot go on without one.

    A task that waits for anything else, such as a timer or a request, may go on.

    Args:
        tasks: those of a context.
        asking: the code that waits for answers.
    """
    known: dict[int, bool] = {}
    asides: set[int] = set()
    for each in asking:
        if each.producer is not None and each.aside:
            asides.add(id(each.producer))
        elif each.producer is not None:
            known[id(each.producer)] = True

    def waits(producer: Producer | None) -> bool:
        way: list[Producer] = []
        found: bool | None = None
        while found is None and producer is not None:
            found = known.get(id(producer))
            if found is None:
                known[id(producer)] = False  # tasks that wait for each other do not wait for an answer
                way.append(producer)
                producer = producer.blocked_by()
        if found is None and way and isinstance(last := way[-1], TaskLife):
            others = [buffer.producer for buffer, _ in last.open_waits_aside()]
            found = bool(others or id(last) in asides) and all(map(waits, others))
        known.update((id(each), bool(found)) for each in way)
        return bool(found)

    return all(waits(cast("Producer", each)) for each in tasks)
