"""Which task goes first: an event loop on which that is chosen, and the search through all choices.

**What asyncio promises stays.** What becomes ready in one turn of the loop runs before what becomes ready in
the next one; the steps of one task are in order; callbacks (of futures, of `call_soon`) run in the order in
which they were registered. **What it does not promise is a choice:** which of several tasks goes first, if a
task or a callback does, and which of several timers does that are due at the same moment. So the handles of
one turn form queues: one of each task, one of all callbacks, and one of each timer. Whenever more than one
queue has something left, a choice says which of them goes on.

An order is the list of its choices. The search runs a program once for each order: it repeats the choices of
the last order up to the last one that has another alternative, takes that, and from then on always the first.
So it visits every leaf of the tree once, and a list of choices alone repeats an order exactly.

Two kinds of handles are taken without a choice, which keeps the tree small and leaves nothing out:

* A handle that was cancelled does nothing.
* Some callbacks of asyncio only make a task ready for the next turn (the timer of `asyncio.sleep`, those of
  `asyncio.wait`). That task has a queue of its own there, whatever was before or after its callback in this
  turn; and if another step of this turn cancels the task, it finds itself cancelled either way.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary

from typing_extensions import override

from miniagents.testing import VirtualClock

__all__ = ["Choice", "Choices", "EndlessError", "Step", "UnsteadyError", "new_loop", "orders"]

T = TypeVar("T")

STEPS: Final = 20_000
"""A program of a few tasks that takes more steps than these has no end."""

WAKERS: Final = frozenset(
    {"_set_result_unless_cancelled", "_release_waiter", "_wait.<locals>._on_completion"}
)
"""Callbacks of asyncio that only make a task ready: of `sleep`; of `wait`, for its time limit and futures."""


class EndlessError(Exception):
    """The program goes on and on without an end, at one moment of virtual time."""


class UnsteadyError(Exception):
    """The same choices led to another program: it depends on something else than the order of its tasks."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Of several that could go on, one did.

    Attributes:
        alternatives: their names.
        taken: the index of the one that went on.
    """

    alternatives: tuple[str, ...]
    taken: int


@dataclass(frozen=True, slots=True)
class Step:
    """One callback of the loop.

    Attributes:
        time: seconds of virtual time.
        name: whose step it is.
        choice: what else could have gone first; None if nothing could.
    """

    time: float
    name: str
    choice: Choice | None


class Choices:
    """The choices of one order: first those of a list, then always the first alternative.

    Args:
        first: the list.

    Attributes:
        made: all choices up to now.
        steps: all steps up to now.
    """

    def __init__(self, first: Sequence[int] = ()) -> None:
        self._first = tuple(first)
        self.made: list[Choice] = []
        self.steps: list[Step] = []

    @property
    def order(self) -> tuple[int, ...]:
        """The list that repeats this order; it ends before the first alternative is all that follows."""
        taken = [choice.taken for choice in self.made]
        while taken and not taken[-1]:
            taken.pop()
        return tuple(taken)

    def among(self, alternatives: tuple[str, ...]) -> int:
        """Choose.

        Raises:
            UnsteadyError: the list asks for an alternative that is not there.
        """
        at = len(self.made)
        taken = self._first[at] if at < len(self._first) else 0
        if taken >= len(alternatives):
            raise UnsteadyError(f"choice {at} is {taken}, but the alternatives are {alternatives}")
        self.made.append(Choice(alternatives, taken))
        return taken


def new_loop(choices: Choices) -> asyncio.AbstractEventLoop:
    """Make an event loop with virtual time whose order is that of `choices`."""
    loop = VirtualClock().new_event_loop()
    cast("_HasReady", loop)._ready = Turns(choices, loop.time)
    return loop


class _HasReady(Protocol):
    """Where asyncio's loops keep ready handles: in a turn they take as many as there were at its start."""

    _ready: deque[asyncio.Handle]


class Turns(deque[asyncio.Handle]):
    """The ready handles of a loop: those of the next turn; those of this one are kept beside it.

    Args:
        choices: say which of this turn comes next.
        time: the loop's time, in seconds.
    """

    def __init__(self, choices: Choices, time: Callable[[], float]) -> None:
        super().__init__()
        self._choices = choices
        self._time = time
        self._turn: list[tuple[Queue, asyncio.Handle]] = []
        self._numbers: WeakKeyDictionary[asyncio.Task[object], int] = WeakKeyDictionary()
        self._tasks = itertools.count(1)

    @override
    def popleft(self) -> asyncio.Handle:
        """Take the next handle out: of this turn, or of the next one if this one is over."""
        if not self._turn:
            self._turn = [(self._queue_of(handle, at), handle) for at, handle in enumerate(self)]
            self.clear()
        at, choice = self._next()
        queue, handle = self._turn.pop(at)
        if not handle.cancelled():
            self._choices.steps.append(Step(self._time(), queue.name, choice))
            if len(self._choices.steps) % STEPS == 0:
                raise EndlessError(f"no end after {STEPS} steps, at {self._time():g} s")
        return handle

    def _next(self) -> tuple[int, Choice | None]:
        """Return the place of the next handle in this turn, and the choice that led to it."""
        heads: dict[Queue, int] = {}
        for at, (queue, handle) in enumerate(self._turn):
            if queue is WAKING or handle.cancelled():
                return at, None
            heads.setdefault(queue, at)
        # By their numbers, not by their places: what iterates over a set registers in any order.
        queues = sorted(heads)
        if len(queues) == 1:
            return heads[queues[0]], None
        taken = self._choices.among(tuple(queue.name for queue in queues))
        return heads[queues[taken]], self._choices.made[-1]

    def _queue_of(self, handle: asyncio.Handle, at: int) -> "Queue":
        callback: object = getattr(handle, "_callback", None)
        owner: object = getattr(callback, "__self__", None)
        if isinstance(owner, asyncio.Task):
            task = cast("asyncio.Task[object]", owner)
            if task not in self._numbers:
                self._numbers[task] = next(self._tasks)
            return Queue(self._numbers[task], _name(task))
        name: str = getattr(callback, "__qualname__", repr(callback))
        if name in WAKERS:
            return WAKING
        return Queue(-1 - at, f"timer {name}") if isinstance(handle, asyncio.TimerHandle) else CALLBACKS


class Queue(NamedTuple):
    """What goes on in its own order: the number of a task, 0 for callbacks, less for timers; and its name."""

    number: int
    name: str


CALLBACKS: Final = Queue(0, "callbacks")
WAKING: Final = Queue(0, "wake")


def _name(task: asyncio.Task[object]) -> str:
    name = task.get_name()
    return str(getattr(task.get_coro(), "__qualname__", name)) if name.startswith("Task-") else name


def orders(run: Callable[[Choices], T]) -> Iterator[tuple[Choices, T]]:
    """Run a program in all orders of its tasks.

    Args:
        run: runs it once, on a :func:`new_loop` with these choices; everything else must be as the last time.

    Yields:
        The choices of each order, and what `run` returned.

    Raises:
        UnsteadyError: the program did not do the same with the same choices.
    """
    first: list[Choice] = []
    while True:
        choices = Choices([choice.taken for choice in first])
        result = run(choices)
        if first != choices.made[: len(first)]:
            raise UnsteadyError(f"after the same choices there were others: {first} and {choices.made}")
        yield choices, result
        first = choices.made
        while first and first[-1].taken == len(first[-1].alternatives) - 1:
            first.pop()
        if not first:
            return
        first = [*first[:-1], Choice(first[-1].alternatives, first[-1].taken + 1)]
