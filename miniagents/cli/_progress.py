"""Shows the progress of a job on stderr: as a bar, as a line every ten seconds, or not at all."""

import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from decimal import Decimal
from importlib import import_module
from typing import Final, Self, TextIO, cast

from typing_extensions import override

from miniagents.ext.jobs import Progress
from miniagents.utils import strip_control

from ._arguments import BadInputError, complain
from ._map_arguments import ProgressForm

_EVERY: Final = 10.0
"""Seconds between two lines."""

_SHOWN: Final = 100
"""Characters of an error."""


class ProgressView:
    """A context manager that shows the progress of a job; this class shows nothing."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End, and restore the terminal."""

    def show(self, progress: Progress) -> None:
        """Show the progress.

        Args:
            progress: of the job.
        """

    @contextmanager
    def paused(self) -> Generator[None]:
        """A block in which the terminal is free for a question."""
        yield


def progress_view(form: ProgressForm) -> ProgressView:
    """The view that shows the progress.

    Args:
        form: a bar, lines, or nothing; `auto` is a bar in a terminal if rich is installed, and else lines;
            a terminal whose `TERM` is dumb or unknown has no bar that moves.

    Raises:
        BadInputError: `form` is a bar, and rich is not installed.
    """
    stream = cast("TextIO | None", sys.stderr)
    if form == "none" or stream is None:
        return ProgressView()
    dumb = os.environ.get("TERM", "").lower() in {"dumb", "unknown"}
    if form == "plain" or (form == "auto" and (dumb or not stream.isatty())):
        return ProgressLines()
    try:
        import_module("rich")
    except ImportError:
        if form == "auto":
            return ProgressLines()
        raise BadInputError("--progress bar needs rich: pip install 'miniagents[jobs]'") from None
    bar: Callable[[TextIO], ProgressView] = import_module("miniagents.cli._progress_bar").ProgressBar
    return bar(stream)


class ProgressLines(ProgressView):
    """A line every ten seconds; for pipes and logs.

    Args:
        now: returns the time, in seconds.
        say: is called with each line.
    """

    def __init__(
        self, now: Callable[[], float] = time.monotonic, say: Callable[[str], None] = complain
    ) -> None:
        self._now = now
        self._say = say
        self._next = now() + _EVERY

    @override
    def show(self, progress: Progress) -> None:
        now = self._now()
        if now >= self._next:
            self._next = now + _EVERY
            self._say(progress_text(progress))


def progress_text(progress: Progress) -> str:
    """The progress of a job in one line.

    Args:
        progress: of the job.

    Example:
        >>> progress_text(Progress(done=1200, failed=3, total=20_000, rows_per_second=45.2, seconds_left=372))
        '1,203 of 20,000 rows, 3 failed, 45.2 rows/s, 6 min 12 s left'
    """
    ended = progress.done + progress.failed
    rows = (
        counted(ended, "row") if progress.total is None else f"{ended:,} of {counted(progress.total, 'row')}"
    )
    parts = [rows, f"{progress.failed:,} failed"]
    if progress.cached:
        parts.append(f"{progress.cached:,} from the journal")
    parts += rates(progress)
    if progress.last_error:
        parts.append(f"last error: {error_text(progress.last_error)}")
    return ", ".join(parts)


def rates(progress: Progress) -> list[str]:
    """The speed, the cost and the time that is left; values that are not known are left out.

    Args:
        progress: of the job.
    """
    parts = [f"{progress.rows_per_second:,.1f} rows/s"]
    if progress.requests or progress.requests_per_minute:
        parts.append(f"{rate_text(progress.requests_per_minute, progress.requests_limit)} requests/min")
    if progress.tokens_per_minute:
        parts.append(f"{rate_text(progress.tokens_per_minute, progress.tokens_limit)} tokens/min")
    if progress.cost:
        about = "" if progress.projected_cost is None else f" of about {money(progress.projected_cost)}"
        parts.append(f"{money(progress.cost)}{about}")
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    return parts


def error_text(error: str) -> str:
    """An error that is safe for a terminal: one short line without control characters.

    Args:
        error: any text of a server.
    """
    shown = " ".join(strip_control(error).split())
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"


def rate_text(rate: float, limit: float | None) -> str:
    """A rate, and its limit if that is known.

    Args:
        rate: per minute.
        limit: per minute.

    Example:
        >>> rate_text(95_300, 200_000), rate_text(480.4, None)
        ('95.3k/200k', '480')
    """
    return _short(rate) if limit is None else f"{_short(rate)}/{_short(limit)}"


def _short(number: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e4)):
        if number >= size:
            return f"{number / min(size, 1e6 if unit == 'M' else 1e3):.1f}".removesuffix(".0") + unit
    return f"{number:,.0f}"


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    Args:
        number: how many.
        noun: in the singular.

    Example:
        >>> counted(1, "row"), counted(20_000, "row")
        ('1 row', '20,000 rows')
    """
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


def money(amount: Decimal) -> str:
    """A sum of money; below a dollar with four digits after the point, or two that are not 0.

    Args:
        amount: in dollars.

    Example:
        >>> money(Decimal("12.3456")), money(Decimal("0.00123")), money(Decimal("0.00001")), money(Decimal(0))
        ('$12.35', '$0.0012', '$0.000010', '$0.00')
    """
    if amount >= 1 or not amount:
        return f"${amount:,.2f}"
    return f"${amount:.{max(4, 1 - amount.adjusted())}f}"


def duration(seconds: float) -> str:
    """A duration in its two largest units.

    Args:
        seconds: the duration.

    Example:
        >>> duration(4), duration(372), duration(4_810), duration(100_000)
        ('4 s', '6 min 12 s', '1 h 20 min', '1 d 3 h')
    """
    whole = max(round(seconds), 0)
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    for at, (size, unit) in enumerate(units):
        if whole >= size:
            count, rest = divmod(whole, size)
            if at + 1 == len(units) or rest < units[at + 1][0]:
                return f"{count} {unit}"
            return f"{count} {unit} {rest // units[at + 1][0]} {units[at + 1][1]}"
    return "0 s"
