"""Times to wait, as they are given."""


def check_seconds(operation: str, name: str, seconds: object) -> None:
    """Refuse what is no time to wait.

    Raises:
        ValueError: it is negative, or not a number.
        TypeError: it is no number at all.
    """
    if seconds is None:
        return
    if not isinstance(seconds, int | float):
        msg = f"{operation}({name}={seconds!r}): give a number of seconds."
        raise TypeError(msg)
    if not seconds >= 0:  # NaN is not right either
        msg = f"{operation}({name}={seconds}): give a number of seconds, 0 or more."
        raise ValueError(msg)
