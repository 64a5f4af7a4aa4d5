"""The timeouts of a call: three limits, and a clock that cancels a wait when one of them has passed.

Only time inside ``with clock`` counts: the time in which the call waits for the provider. While readers pause
the stream, the clock stands still, so a slow reader does not cause a timeout of the provider.
"""

import asyncio
from dataclasses import dataclass
from math import inf
from typing import Final, Self

from miniagents.values import Deadline, LLMConfigError, is_limit

from ._errors import Overdue

# In seconds. After the end marker the message is complete. Then only the count of tokens may come, and the
# end of the body, after which the connection can be used again. Neither is worth a long wait.
_FOR_USAGE: Final = 5.0
_FOR_THE_END: Final = 0.1


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The timeouts of one call, in seconds; None for no limit.

    Attributes:
        first_token: from the call to the first piece of the answer, including retries; for streams only.
        stall: between two pieces; comments, pings and empty events do not count. For streams only.
        total: for the whole call.

    Raises:
        LLMConfigError: a timeout is not a positive number.

    Example:
        >>> Timeouts(stall=30)
        Timeouts(first_token=120.0, stall=30, total=600.0)
        >>> Timeouts(total=0)
        Traceback (most recent call last):
            ...
        miniagents...LLMConfigError: total_timeout=0 is not a positive number; give seconds above 0, or ...
    """

    first_token: float | None = 120.0
    stall: float | None = 60.0
    total: float | None = 600.0

    def __post_init__(self) -> None:
        """Check the limits."""
        limits = (self.first_token, self.stall, self.total)
        for name, limit in zip(("first_token", "stall", "total"), limits, strict=True):
            if limit is not None and not is_limit(limit):
                raise LLMConfigError(
                    f"{name}_timeout={limit!r} is not a positive number; "
                    "give seconds above 0, or None for no limit"
                )


class Clock:
    """Counts the time of a call inside ``with clock``, and cancels a wait there that takes too long.

    It works as `asyncio.timeout` does: it cancels the task, and the cancellation becomes an `Overdue`. But it
    can be entered many times, and its limits move on with each piece of the answer.

    Args:
        timeouts: the limits.
        streaming: whether the answer comes in pieces; if not, only `total` applies.
    """

    def __init__(self, timeouts: Timeouts, *, streaming: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time
        self._timeouts = timeouts
        self._stall = _or_endless(timeouts.stall)
        self._left_at = self._now()
        self._total_at = self._left_at + _or_endless(timeouts.total)
        self._next_limit = "first_token"
        self._next_at = self._left_at + _or_endless(timeouts.first_token if streaming else None)
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelled_before = 0
        self._fired = False

    @property
    def next(self) -> Deadline:
        """The limit that passes next."""
        return min(
            Deadline(self._total_at, "total"),
            Deadline(self._next_at, self._next_limit),
            key=lambda each: each.at,
        )

    @property
    def remaining(self) -> float:
        """The seconds to the next limit at the end of the last ``with clock``; infinity if there is none."""
        return self.next.at - self._left_at

    def __enter__(self) -> Self:
        task = asyncio.current_task(self._loop)
        assert task is not None  # noqa: S101 - what awaits is in a task
        self._task = task
        self._cancelled_before = task.cancelling()
        away = self._now() - self._left_at
        self._next_at += away
        self._total_at += away
        if self._timer is None:
            self._arm()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        task, self._task = self._task, None
        self._left_at = self._now()
        if self._fired and task is not None:
            self._fired = False
            # If nothing else has cancelled the task, the error is the cancellation of this clock.
            if task.uncancel() <= self._cancelled_before and error is not None:
                raise self._overdue() from None

    def check(self) -> None:
        """Raise the error of a limit that has passed, also if no wait was long enough to be cancelled.

        Raises:
            Overdue: a limit has passed.
        """
        if self.remaining <= 0:
            raise self._overdue()

    def stop(self) -> None:
        """Cancel the timer: the call does not wait any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def progressed(self) -> None:
        """Note, after a ``with clock``, that a piece has come: the wait for the next one begins."""
        self._next_at = self._left_at + self._stall
        if self._next_limit != "stall":
            self._next_limit = "stall"
            self.stop()  # the new limit may be earlier than the timer

    def finished(self, *, all_known: bool) -> None:
        """Note, after a ``with clock``, that the answer is complete: the wait for the rest is short."""
        self.stop()  # the new limit may be earlier than the timer
        self._next_at = self._left_at + min(_FOR_THE_END if all_known else _FOR_USAGE, self._stall)

    def _arm(self) -> None:
        """Set the timer to the next limit."""
        # One timer for the whole call: limits move on with each piece, so it nearly always fires too early,
        # and is set again to the present limit. That is cheaper than a timer for each piece.
        at = self.next.at
        if at != inf:
            self._timer = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        """Cancel the wait if a limit has passed."""
        self._timer = None
        if self._task is None:  # the call does not wait now; the next wait sets the timer again
            return
        if self.next.at > self._now():
            self._arm()
            return
        self._fired = True
        self._task.cancel()

    def _overdue(self) -> Overdue:
        """Return the error of the limit that has passed."""
        limits = self._timeouts
        match self.next.limit:
            case "total":
                return Overdue(f"no end of the answer within {limits.total} s (total_timeout)")
            case "stall":
                return Overdue(f"no progress for {limits.stall} s (stall_timeout)")
            case _:
                return Overdue(f"no first token came within {limits.first_token} s (first_token_timeout)")


def _or_endless(seconds: float | None) -> float:
    """Return a limit as a number; infinity for None."""
    return inf if seconds is None else seconds
