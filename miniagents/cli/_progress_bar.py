"""A progress bar in a terminal; the only module that imports rich."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, Self, TextIO

from rich.console import Console, Group
from rich.constrain import Constrain
from rich.live import Live
from rich.progress_bar import ProgressBar as Bar
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from miniagents.ext.jobs import Progress

from ._progress import ProgressView, error_text, rates

_EVERY: Final = 0.1
"""Seconds between two updates."""

_CTRL_C: Final = 3
"""Columns that stay free at the right. There a terminal shows ^C; behind a full line it begins another."""


class ProgressBar(ProgressView):
    """A bar with the speed, the cost and the last error below it.

    Args:
        stream: a terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._live = Live(
            Text("Counting the rows..."),
            console=Console(file=stream),
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._last: Progress | None = None
        self._next = 0.0

    @override
    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    @override
    def __exit__(self, *_: object) -> None:
        if self._last is not None:
            self._live.update(self._picture(self._last), refresh=True)
        self._live.stop()
        if not self._live.console.is_terminal:  # rich ends the line only in a terminal
            self._live.console.line()

    @override
    def show(self, progress: Progress) -> None:
        self._last = progress
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY
            self._live.update(self._picture(progress), refresh=True)

    @override
    @contextmanager
    def paused(self) -> Generator[None]:
        self._live.stop()
        try:
            yield
        finally:
            self._live.start()

    def _picture(self, progress: Progress) -> Constrain:
        return Constrain(_lines(progress), max(self._live.console.width - _CTRL_C, 1))


def _lines(progress: Progress) -> Group:
    """The lines. Text of servers is shown as it is, and never read as markup."""
    ended = progress.done + progress.failed
    head = Table.grid(padding=(0, 1))
    total = "" if progress.total is None else f"/{progress.total:,}"
    counts = Text(f"{ended:,}{total} rows")
    counts.append(f"  {progress.failed:,} failed", "red" if progress.failed else "")
    if progress.cached:
        counts.append(f"  {progress.cached:,} from the journal", "cyan")
    head.add_row(Bar(total=progress.total or None, completed=ended, width=24), counts)
    lines: list[Table | Text] = [head, Text("  ".join(rates(progress)))]
    if progress.last_error:
        lines.append(
            Text(f"last error: {error_text(progress.last_error)}", "red", overflow="ellipsis", no_wrap=True)
        )
    return Group(*lines)
