"""How far a job has come, as it is shown."""

import io
import sys
from collections.abc import Callable
from decimal import Decimal

import pytest
from rich.cells import cell_len
from typing_extensions import override

from miniagents.cli._arguments import BadInputError
from miniagents.cli._progress import (
    ProgressLines,
    ProgressView,
    duration,
    money,
    progress_text,
    progress_view,
)
from miniagents.cli._progress_bar import ProgressBar
from miniagents.ext.jobs import Progress
from miniagents.values import Usage

HALF = Progress(
    done=1200,
    failed=3,
    cached=100,
    total=20_000,
    rows_per_second=45.23,
    requests_per_minute=480.4,
    requests_limit=500,
    tokens_per_minute=95_300,
    tokens_limit=2_000_000,
    requests=1300,
    usage=Usage(1, 1),
    cost=Decimal("0.3141"),
    projected_cost=Decimal("5.2"),
    seconds_left=372.4,
    last_error="LLMError: [bold]no\x1b[31m\nkey " + "x" * 200,
)


class Terminal(io.StringIO):
    """A terminal, as far as it says."""

    @override
    def isatty(self) -> bool:
        return True


def test_a_line() -> None:
    """All that is known stands in a line, and what is not known is left out."""
    line = progress_text(HALF)
    assert line.startswith(
        "1,203 of 20,000 rows, 3 failed, 100 from the journal, 45.2 rows/s, 480/500 requests/min, "
        "95.3k/2M tokens/min, $0.3141 of about $5.20, 6 min 12 s left, last error: LLMError: [bold]no[31m key"
    )
    assert line.endswith("…")
    assert progress_text(Progress(done=1)) == "1 row, 0 failed, 0.0 rows/s"


def test_every_ten_seconds() -> None:
    """On a pipe a line comes each ten seconds, however often it is told."""
    seconds = 0.0
    said: list[str] = []
    lines = ProgressLines(lambda: seconds, said.append)
    for tick in range(100):
        seconds = tick / 4
        lines.show(HALF)
    assert len(said) == 2


@pytest.mark.parametrize(
    ("form", "stream", "kind"),
    [
        ("auto", Terminal, ProgressBar),
        ("auto", io.StringIO, ProgressLines),
        ("bar", io.StringIO, ProgressBar),
        ("plain", Terminal, ProgressLines),
        ("none", Terminal, ProgressView),
    ],
)
def test_which(
    form: str, stream: Callable[[], io.StringIO], kind: type[ProgressView], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bar at a terminal, lines on a pipe, or as it is wished."""
    monkeypatch.setattr(sys, "stderr", stream())
    monkeypatch.setenv("TERM", "xterm")
    assert type(progress_view(form)) is kind  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # one of the words


def test_a_terminal_without_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal in which no bar can move (`TERM=dumb`) has lines; the bar was only there at the end."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "dumb")
    assert type(progress_view("auto")) is ProgressLines


def test_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without rich there are lines, and a bar that is asked for is refused with what to install."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setitem(sys.modules, "rich", None)
    assert type(progress_view("auto")) is ProgressLines
    with pytest.raises(BadInputError, match=r"--progress bar needs rich: pip install 'miniagents\[jobs\]'"):
        progress_view("bar")


def test_without_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no stderr, nothing is shown."""
    monkeypatch.setattr(sys, "stderr", None)
    with progress_view("auto") as view:
        view.show(HALF)


def test_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar has all counts; what a server has said can neither colour nor move anything."""
    monkeypatch.setenv("COLUMNS", "120")
    stream = io.StringIO()
    with ProgressBar(stream) as bar:
        bar.show(HALF)
        bar.show(Progress(done=19_990, failed=10, total=20_000))
    shown = stream.getvalue()
    assert "20,000/20,000 rows  10 failed" in shown
    assert shown.endswith("\n")
    with ProgressBar(stream) as bar:
        bar.show(HALF)
    shown = stream.getvalue()
    assert "1,203/20,000 rows  3 failed  100 from the journal" in shown
    assert "480/500 requests/min" in shown
    assert "last error: LLMError: [bold]no[31m key" in shown
    assert "\x1b[31m" not in shown


@pytest.mark.parametrize("columns", [2, 40, 120])
def test_ctrl_c_at_the_bar(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is full: the ^C that a terminal shows would begin another one, and an old bar would stay."""
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = io.StringIO()
    with ProgressBar(stream) as bar:
        bar.show(HALF)
    assert max(map(cell_len, stream.getvalue().splitlines())) <= max(columns - 3, 1)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3601, "1 h"),
        (90_000, "1 d 1 h"),
        (-1, "0 s"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    """A time is told in its two greatest units."""
    assert duration(seconds) == shown


def test_money() -> None:
    """Little money has more digits."""
    shown = [money(Decimal(text)) for text in ("0", "0.00006", "0.0123", "1234.5")]
    assert shown == ["$0.00", "$0.000060", "$0.0123", "$1,234.50"]
