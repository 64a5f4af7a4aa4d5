"""A reader of a run that goes on: gets events in its event loop, from the thread of a journal."""

import asyncio
from collections import deque
from collections.abc import Sequence
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
        self.position = after
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
