"""How long a model may keep us waiting: three limits, one clock.

Only waiting for the provider counts. While readers hold the stream back (the pump is paused), the clock
stands
still: a slow reader must not make a healthy provider look broken.
"""

import asyncio
import math
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from miniagents.values import LLMConfigError

__all__ = ["Clock", "Overdue", "Timeouts"]

T = TypeVar("T")

# After the terminal marker the message is complete: what may still come is the count of tokens, then only the
# end of the body, which lets the connection be used again. Neither is worth a long wait.
_FOR_USAGE = 5.0
_FOR_THE_END = 0.1


class Overdue(Exception):  # noqa: N818 - turned into an error by `_faults.py`
    """A limit has passed; its text names it."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The limits of one call, in seconds; None takes a limit away.

    Attributes:
        first_token: from the call to the first piece of the answer, retries included. It is for streams only.
        stall: between two pieces. Comments, pings and empty events are no pieces. It is for streams only.
        total: for the whole call.

    Raises:
        LLMConfigError: if a limit is not a positive number.

    Example:
        >>> Timeouts(stall=30)
        Timeouts(first_token=120.0, stall=30, total=600.0)
        >>> Timeouts(total=0)
        Traceback (most recent call last):
            ...
        miniagents...LLMConfigError: total_timeout=0 is no time; give seconds above 0, or None for no limit
    """

    first_token: float | None = 120.0
    stall: float | None = 60.0
    total: float | None = 600.0

    def __post_init__(self) -> None:
        """Check the limits."""
        for name in ("first_token", "stall", "total"):
            limit: object = getattr(self, name)
            if limit is not None and not _is_limit(limit):
                raise LLMConfigError(
                    f"{name}_timeout={limit!r} is no time; give seconds above 0, or None for no limit"
                )


class Clock:
    """Runs from the call's start, and bounds every wait of it.

    Args:
        timeouts: the limits.
        streaming: whether pieces come one by one; for a whole answer only `total` holds.
    """

    def __init__(self, timeouts: Timeouts, *, streaming: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._fired = False
        self._stall = _limit(timeouts.stall)
        self._total_at = self._now() + _limit(timeouts.total)
        self._next_at = self._now() + _limit(timeouts.first_token) if streaming else math.inf
        self._waiting_for = f"no first token came within {timeouts.first_token} s (first_token_timeout)"
        self._no_progress = f"no progress for {timeouts.stall} s (stall_timeout)"
        self._no_end = f"no end of the answer within {timeouts.total} s (total_timeout)"

    @property
    def remaining(self) -> float:
        """The seconds until the next limit; infinity if there is none."""
        return min(self._next_at, self._total_at) - self._now()

    async def wait(self, awaitable: Awaitable[T]) -> T:
        """Await something of the provider.

        Raises:
            Overdue: when a limit passed; what was awaited has been cancelled.
        """
        task = asyncio.current_task(self._loop)
        assert task is not None  # noqa: S101 - whoever awaits is in a task
        before = task.cancelling()
        self._task = task
        if self._timer is None:
            self._arm()
        try:
            result = await awaitable
        except BaseException:
            if self._fired and task.uncancel() <= before:
                raise self._overdue() from None
            raise
        else:
            if self._fired:
                task.uncancel()
            return result
        finally:
            self._task = None
            self._fired = False

    def stop(self) -> None:
        """Let the timer go; nothing is waited for any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        # One timer for the whole call: limits move on with every piece, so it nearly always rings too early,
        # and is then set to where the limit is now. That is cheaper than a timer for every piece.
        deadline = min(self._next_at, self._total_at)
        if deadline != math.inf:
            self._timer = self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._task is None:  # the reader has the turn; the next wait sets the timer again
            return
        if self.remaining > 0:
            self._arm()
            return
        self._fired = True
        self._task.cancel()

    def _overdue(self) -> "Overdue":
        return Overdue(self._no_end if self._total_at <= self._next_at else self._waiting_for)

    def progressed(self) -> None:
        """Note that a piece came: from now on the next one is waited for."""
        self._next_at = self._now() + self._stall
        if self._waiting_for is not self._no_progress:
            self._waiting_for = self._no_progress
            self.stop()  # the timer may ring too late now

    def paused(self, since: float) -> None:
        """Leave out the time since then, as `now` told it: it was the reader's."""
        away = self._now() - since
        self._next_at += away
        self._total_at += away

    def now(self) -> float:
        """Return the loop's time."""
        return self._now()

    def finished(self, *, all_known: bool) -> None:
        """Note that the answer is complete: only a short while is waited for what may still come."""
        self.stop()  # the timer may ring too late now
        self._next_at = self._now() + min(_FOR_THE_END if all_known else _FOR_USAGE, self._stall)


def _is_limit(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _limit(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds
