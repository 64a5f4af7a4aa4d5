"""How the work of a process on a run ends: decided here, and nowhere else.

The page "What is written down" has the table; `tests/runs/test_run_end.py` runs each cell of it.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ._stores import Event, JournalError, Lease, RunStore

_DECISIONS: Final = ("ends", "parks", "leaves")  # if several are there when a batch begins, the first counts
_RESULTS: Final = ("kept", "refused", "not kept", "not kept for good")

NEXT: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "going": {"ends": "ending", "parks": "parking", "leaves": "leaving"}
        | dict(zip(_RESULTS, ("going", "taken", "retreating", "giving up"), strict=True)),
        "ending": dict(zip(_RESULTS, ("ended", "taken", "retreating", "giving up"), strict=True)),
        "parking": dict(zip(_RESULTS, ("parked", "taken", "retreating", "giving up"), strict=True)),
        "leaving": dict(zip(_RESULTS, ("left", "taken", "retreating", "retreating"), strict=True)),
        "retreating": dict(zip(_RESULTS, ("left", "taken", "let go", "let go"), strict=True)),
        "giving up": dict(zip(_RESULTS, ("ended", "taken", "lost", "lost"), strict=True)),
        **dict.fromkeys(
            ("ended", "parked", "left", "let go", "taken", "lost"), MappingProxyType[str, str]({})
        ),
    }
)
"""The state after each event; what a state does not name changes nothing."""


class RunEnd:
    """The state of a run in the process that writes its log, and what is written in each state.

    Args:
        may_begin_again: returns whether a run whose log could not be written may be left to begin again.

    Attributes:
        state: a row of the table.
        wishes: what is decided, and counts when the next batch begins.
        how: how the run has ended.
        keep: for how many seconds it is kept then; None: until it is deleted.
        wake_at: when a parked run goes on, in seconds since 1970.
        heard: how many of the things that were sent to it were heard when it was parked.
    """

    def __init__(self, may_begin_again: Callable[[], bool]) -> None:
        self.state: str = "going"
        self.wishes: set[str] = set()
        self.how: str = ""
        self.keep: float | None = None
        self.wake_at: float | None = None
        self.heard: int = 0
        self._may_begin_again = may_begin_again

    @property
    def goes_on(self) -> bool:
        """Whether the batch that is written next, or now, is not the last one."""
        return self.state == "going"

    @property
    def over(self) -> bool:
        """Whether nothing is written any more."""
        return not NEXT[self.state]

    @property
    def elsewhere(self) -> bool:
        """Whether the rest of the run, if there is any, is written by another process."""
        return self.state in {"parked", "left", "let go", "taken"}

    def happens(self, event: str) -> None:
        """Go on to the next state."""
        self.state = NEXT[self.state].get(event, self.state)

    def decide(self) -> None:
        """A batch begins: what is decided until now counts, and nothing after it."""
        for each in _DECISIONS:
            if each in self.wishes:
                self.happens(each)

    def fail(self, error: JournalError) -> None:
        """A batch was not written."""
        if error.reason is not None:
            self.happens("refused")
        else:
            self.happens("not kept" if self._may_begin_again() else "not kept for good")

    async def write(self, store: RunStore, lease: Lease, events: Sequence[Event], *, hard: bool) -> None:
        """Write a batch as the state says.

        Raises:
            JournalError: it cannot be written.
        """
        match self.state:
            case "going":
                if events:
                    await store.append(lease, events, hard=hard)
            case "ending":
                await store.end(lease, events, how=self.how, keep=self.keep)
            case "giving up":
                await store.end(lease, events, how="lost", keep=self.keep)
            case "parking":
                await store.leave(lease, events, wake_at=self.wake_at, heard=self.heard)
            case _:
                await store.leave(lease, events)
