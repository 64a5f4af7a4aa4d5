"""What goes from the thread of a journal to event loops: answers, and events for those who follow a run."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias

from miniagents.runs import Event

Over: TypeAlias = Literal["ended", "unknown", "behind", "closed"]
"""Why a follower gets no more: the run has ended; it was deleted; read it again; the journal is closed."""

_FAR: Final = 1000  # batches that a slow reader may leave in memory


class Follower:
    """Gets the events of one run.

    Args:
        after: the position behind which it gets events.

    Attributes:
        loop: the event loop in which it is used.
        position: of the last event that it got.
    """

    def __init__(self, after: int) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.position: int = after
        self._batches: deque[Sequence[Event] | Over] = deque()
        self._more = asyncio.Event()
        self._over = False

    def put(self, after: int, batch: Sequence[Event] | Over) -> None:
        """Take the events behind a position, as far as they are new here."""
        if self._over:
            return
        if len(self._batches) >= _FAR:
            self._batches.clear()
            batch = "behind"
        if isinstance(batch, str):
            self._over = True
        else:
            batch = batch[max(0, self.position - after) :]
            if not batch:
                return
            self.position += len(batch)
        self._batches.append(batch)
        self._more.set()

    async def next(self) -> Sequence[Event] | Over:
        """Return the next events, or why there are none."""
        while not self._batches:
            self._more.clear()
            await self._more.wait()
        return self._batches.popleft()


class Mail:
    """What the thread has for event loops; they get all of it at once, after a commit."""

    def __init__(self) -> None:
        self._posts: dict[asyncio.AbstractEventLoop, list[Callable[[], None]]] = {}

    def post(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        """Have a function called in an event loop."""
        self._posts.setdefault(loop, []).append(call)

    def send(self) -> None:
        """Send what was posted."""
        posts, self._posts = self._posts, {}
        for loop, calls in posts.items():
            try:
                loop.call_soon_threadsafe(_call_all, calls)
            except RuntimeError:
                continue  # the loop is closed: no task waits any more


def _call_all(calls: Sequence[Callable[[], None]]) -> None:
    for call in calls:
        call()
