"""Limits: which values are valid, when one of time expires, and which of several expires first.

This module only calculates; clocks and timers belong to the callers.
"""

from math import inf, isfinite
from typing import NamedTuple, Self


class Deadline(NamedTuple):
    """The moment at which a time limit expires. ``min`` of several deadlines is the one that expires first.

    Attributes:
        at: the time of the caller's clock, in seconds; infinity if it never expires.
        limit: the name of the limit, for an error.

    Example:
        >>> min(Deadline.of("stall", since=100.0, seconds=5.0), Deadline.of("total", since=0.0, seconds=None))
        Deadline(at=105.0, limit='stall')
    """

    at: float
    limit: str

    @classmethod
    def of(cls, limit: str, since: float, seconds: float | None) -> Self:
        """Return the deadline of a limit.

        Args:
            limit: its name.
            since: when the limit begins, in seconds of the caller's clock.
            seconds: how long the limit is; None for no limit.

        Example:
            >>> Deadline.of("total", since=10.0, seconds=None)
            Deadline(at=inf, limit='total')
        """
        return cls(inf if seconds is None else since + seconds, limit)


def check_seconds(operation: str, name: str, seconds: object, *, past: bool = False) -> None:
    """Raise an error unless the value is a number of seconds, 0 or more, or None for no limit.

    Args:
        operation: the name of the called function, for the error.
        name: the name of its parameter, for the error.
        seconds: the value of the parameter.
        past: whether it may be negative: the time is over.

    Raises:
        ValueError: it is negative or NaN.
        TypeError: it is not of a number's type, such as a ``timedelta``.

    Example:
        >>> check_seconds("timeout", "total", -1)
        Traceback (most recent call last):
            ...
        ValueError: timeout(total=-1): give a number of seconds, 0 or more.
    """
    if seconds is None:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{operation}({name}={seconds!r}): give a number of seconds.")
    if not (seconds >= 0 or (past and seconds < 0)):  # NaN is not right either
        raise ValueError(f"{operation}({name}={seconds}): give a number of seconds, 0 or more.")


def check_count(operation: str, name: str, count: object, *, least: int | None = None) -> None:
    """Raise an error unless the value is an integer, and large enough, or None for no limit.

    Args:
        operation: the name of the called function, for the error.
        name: the name of its parameter, for the error.
        count: the value of the parameter.
        least: the smallest value that makes sense; None for any.

    Raises:
        TypeError: it is no integer.
        ValueError: it is smaller than ``least``.

    Example:
        >>> check_count("chunk", "size", 2.5)
        Traceback (most recent call last):
            ...
        TypeError: chunk(size=2.5): give an integer.
    """
    if count is None:
        return
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{operation}({name}={count!r}): give an integer.")
    if least is not None and count < least:
        raise ValueError(f"{operation}({name}={count}): it must be at least {least}.")


def is_limit(seconds: object) -> bool:
    """Return whether a value is a usable time limit: a finite number of seconds above 0.

    Args:
        seconds: the value.

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
