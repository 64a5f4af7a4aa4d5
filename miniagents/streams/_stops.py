"""What one cancellation stops, and when that is through.

A cancellation ends messages at once, but a run ends only when its clean-up has, and what the run has begun is
stopped only then. So the reader of a message can see that this was stopped long before it is stopped itself,
and it must not handle as an error what is part of its own end. It waits until the :class:`Stop` is through:
then it was stopped too, or it goes on and gets the error.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Final

from ._context import Context
from ._threads import running_loop


class Stop:
    """One cancellation: the runs that it stops, and those that are stopped because these end.

    To it belongs everything that is stopped :func:`within` it, and everything that a run of it stops.

    Args:
        context: of what is stopped.

    Attributes:
        is_over: whether nothing waits for it any more.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.streams._context import current_context
        >>> async def main():
        ...     stop = Stop(current_context())
        ...     within(stop, lambda: stop.when_through(lambda: print("through")))
        ...     print(stop.is_through())
        >>> MiniAgents().run(main())
        False
        through
    """

    __slots__ = ("_context", "_open", "_then", "_timer", "is_over")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._open = 0  # runs that have not ended, and calls `within` it
        self._then: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self.is_over: bool = False

    def begins(self) -> None:
        """Event *a run is stopped*."""
        self._open += 1

    def has_ended(self) -> None:
        """Event *that run has ended*. Before the next turn, what only the run held is stopped too."""
        self._open -= 1
        if not self._open:
            self._context.call_soon_here(self._end_if_nothing_came)

    def _end_if_nothing_came(self) -> None:
        if not self._open:
            self.end()

    def end(self) -> None:
        """Let nothing wait for it any more: everything has ended, or cannot end before what waits goes on."""
        self.is_over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        then, self._then = self._then, []
        for each in then:
            each()

    def is_through(self) -> bool:
        """Return whether everything that it stops has been stopped, or nothing waits for that any more."""
        return self.is_over or self._context.cancelling or running_loop() is None

    def when_through(self, then: Callable[[], None]) -> None:
        """Call ``then`` when it is through, at the latest when it has taken ``shutdown_timeout`` seconds.

        Args:
            then: must not raise.
        """
        self._then.append(then)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._context.shutdown_timeout, self.end)


class _Here(threading.local):
    """The stops within which the code of this thread is called, the innermost one last."""

    def __init__(self) -> None:
        self.blocks: list[Stop] = []


_HERE: Final = _Here()


def within(stop: Stop, what: Callable[[], None]) -> None:
    """Call ``what``; everything that it stops belongs to ``stop``.

    Args:
        stop: the stop.
        what: must not await.
    """
    _HERE.blocks.append(stop)
    stop.begins()
    try:
        what()
    finally:
        _HERE.blocks.pop()
        stop.has_ended()


def present_block() -> Stop | None:
    """Return the stop within which the running code is called."""
    return _HERE.blocks[-1] if _HERE.blocks else None
