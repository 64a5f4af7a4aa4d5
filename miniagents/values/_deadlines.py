"""Limits of time: what counts as one, when it is up, and which of several is up first.

Only the arithmetic stands here; clocks and timers belong to the callers.
"""

from math import inf, isfinite
from typing import NamedTuple, Self

__all__ = ["Deadline", "check_seconds", "is_limit"]


class Deadline(NamedTuple):
    """A moment at which a limit is up. Of several deadlines ``min`` is the one that is up first.

    Attributes:
        at: the time of the caller's clock, in seconds; infinity if it is never up.
        limit: the name of the limit, for an error.

    Example:
        >>> min(Deadline.of("stall", since=100.0, seconds=5.0), Deadline.of("total", since=0.0, seconds=None))
        Deadline(at=105.0, limit='stall')
    """

    at: float
    limit: str

    @classmethod
    def of(cls, limit: str, since: float, seconds: float | None) -> Self:
        """The deadline of a limit.

        Args:
            limit: its name.
            since: from when on it counts, a time of the caller's clock.
            seconds: how long it is; None for no limit.

        Example:
            >>> Deadline.of("total", since=10.0, seconds=None)
            Deadline(at=inf, limit='total')
        """
        return cls(inf if seconds is None else since + seconds, limit)


def check_seconds(operation: str, name: str, seconds: object) -> None:
    """Refuse what is no time to wait; None, for no limit, is right.

    Args:
        operation: what was called, for the error.
        name: its parameter, for the error.
        seconds: what was given for it.

    Raises:
        ValueError: it is negative, or not a number.
        TypeError: it is no number at all.

    Example:
        >>> check_seconds("timeout", "total", -1)
        Traceback (most recent call last):
            ...
        ValueError: timeout(total=-1): give a number of seconds, 0 or more.
    """
    if seconds is None:
        return
    if not isinstance(seconds, int | float):
        msg = f"{operation}({name}={seconds!r}): give a number of seconds."
        raise TypeError(msg)
    if not seconds >= 0:  # NaN is not right either
        msg = f"{operation}({name}={seconds}): give a number of seconds, 0 or more."
        raise ValueError(msg)


def is_limit(seconds: object) -> bool:
    """Whether a value is a limit of time that can be kept: a finite number of seconds above 0.

    Args:
        seconds: what was given.

    Example:
        >>> is_limit(0.5), is_limit(0), is_limit(float("inf")), is_limit(True)
        (True, False, False, False)
    """
    return (
        isinstance(seconds, int | float)
        and not isinstance(seconds, bool)
        and isfinite(seconds)
        and seconds > 0
    )
